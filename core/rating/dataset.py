"""What models are tuned on and asked: pairs of words with people's ratings, and questions."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError, HashMismatch
from core.evidence.provenance import code_version
from core.files import write_atomically
from core.rating._dataset_checks import (
    LANGUAGES,
    QUESTION_COLUMNS,
    SPLITS,
    check_pairs,
    checked_questions,
    checked_words,
)
from core.rating.errors import RatingError
from core.rating.prompts import LETTERS

SCHEMA = 1
#: Whose ratings these are: the published norms, the part of them that the paper's release holds,
#: or made up.
PEOPLE = ("norms", "release", "simulated")
MANIFEST = "manifest.json"
QUESTIONS = "questions.json"
#: What `write_dataset` says in a manifest besides what it was told.
_OWN = ("schema", "people", "digest", "files", "code")
_AGAIN = "make it again with `claims data`"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pairs of an English and a Dutch word with people's ratings, split into train and test.

    Parameters
    ----------
    people : {"norms", "release", "simulated"}
        Whose ratings these are.
    english : DataFrame
        Columns word (as it is shown to a model: the norms write capitals), translation (Dutch),
        split ("train" or "test"), a mean in [0, 5] for each of the eleven dimensions, and where
        known ``<dimension>.SD`` and ``<dimension>.N`` (at least 0 and 1, or NaN).
    dutch : DataFrame
        The same pairs, row by row: word (Dutch), translation (English), split, the six senses.
    questions : DataFrame
        Columns index, question, A, B, C, D, correct and split; may have no row.
    manifest : mapping
        Where it all comes from, as JSON.

    Raises
    ------
    RatingError
        When the two tables are not of the same pairs, a word stands twice in a table, a mean is
        missing or off the scale, or a question has no answer among its options; names the word.
    """

    people: str
    english: pd.DataFrame
    dutch: pd.DataFrame
    questions: pd.DataFrame
    manifest: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.people not in PEOPLE:
            msg = f"a data set's people are one of {', '.join(PEOPLE)}, not {self.people!r}"
            raise RatingError(msg)
        for language in LANGUAGES:
            frame = checked_words(getattr(self, _name(language)), language)
            object.__setattr__(self, _name(language), frame)
        check_pairs(self.english, self.dutch)
        object.__setattr__(self, "questions", checked_questions(self.questions))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the hashes of the three files that `write_dataset` writes."""
        return _digest({file: _sha256(content) for file, content in _contents(self).items()})

    def table(self, language: str, split: str) -> pd.DataFrame:
        """Return a language's rows of one split, "train" or "test", numbered from 0; a copy."""
        if split not in SPLITS or language not in LANGUAGES:
            msg = f"a data set has no {language!r} words for {split!r}"
            raise RatingError(msg)
        frame: pd.DataFrame = getattr(self, _name(language))
        return pd.DataFrame(frame.loc[frame["split"] == split]).reset_index(drop=True)

    def words(self, language: str, split: str) -> tuple[str, ...]:
        """Return a language's words of one split, in the data set's order."""
        return tuple(self.table(language, split)["word"])


def write_dataset(folder: Path, dataset: Dataset) -> dict[str, Any]:
    """Write en.csv, nl.csv, questions.json and, last, manifest.json; returns the manifest.

    The manifest has a SHA-256 and a number of rows per file, the digest of the whole, and the
    code's version. Numbers are written so that they are read back to the bit.
    """
    contents = _contents(dataset)
    rows = {"en.csv": dataset.english, "nl.csv": dataset.dutch, QUESTIONS: dataset.questions}
    files = {
        file: {"sha256": _sha256(content), "rows": len(rows[file])}
        for file, content in contents.items()
    }
    about = {key: value for key, value in dataset.manifest.items() if key not in _OWN}
    manifest = {
        "schema": SCHEMA,
        "people": dataset.people,
        "digest": dataset.digest,
        "files": files,
        **about,
        "code": code_version(),
    }
    for file, content in contents.items():
        write_atomically(folder / file, content)
    text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / MANIFEST, text)
    return manifest


def read_dataset(folder: Path) -> Dataset:
    """Read what `write_dataset` wrote.

    Raises
    ------
    RatingError
        When there is no data set in the folder.
    HashMismatch
        When a file is not the one that the manifest was written for.
    EvidenceError
        When the manifest or a file is not laid out as it should be.
    """
    manifest = read_manifest(folder)
    contents = {}
    for file in ("en.csv", "nl.csv", QUESTIONS):
        path = folder / file
        try:
            data, expected = path.read_bytes(), str(manifest["files"][file]["sha256"])
        except (OSError, KeyError, TypeError) as error:
            raise EvidenceError(f"{path}: cannot be read: {error!r}; {_AGAIN}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != expected:
            raise HashMismatch(file, expected=expected, found=found, where=str(path), remedy=_AGAIN)
        contents[file] = data
    try:
        return Dataset(
            manifest["people"],
            _read_table(contents["en.csv"]),
            _read_table(contents["nl.csv"]),
            _read_questions(contents[QUESTIONS]),
            manifest,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{folder}: not a data set ({error}); {_AGAIN}") from error


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a data set's manifest, without a look at its files; raises as `read_dataset`."""
    path = folder / MANIFEST
    if not path.exists():
        msg = (
            f"{folder}: no data set there; make one with `claims data --from norms "
            f"--out {folder}` (or --from release, or --from rehearsal)"
        )
        raise RatingError(msg)
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EvidenceError(f"{path}: cannot be read: {error!r}; {_AGAIN}") from error
    if schema != SCHEMA:
        raise EvidenceError(f"{path}: schema {schema!r}, expected {SCHEMA}; {_AGAIN}")
    if absent := [name for name in ("people", "digest", "files") if name not in manifest]:
        raise EvidenceError(f"{path}: does not say its {', '.join(absent)}; {_AGAIN}")
    return manifest


def no_questions() -> pd.DataFrame:
    """Return a table of questions without a row."""
    return pd.DataFrame(columns=pd.Index(QUESTION_COLUMNS))


def _name(language: str) -> str:
    return {"en": "english", "nl": "dutch"}[language]


def _contents(dataset: Dataset) -> dict[str, bytes]:
    """Return the three files' contents, the same for the same data everywhere."""
    items = [
        {
            "index": int(row["index"]),
            "question": row["question"],
            "options": {letter: row[letter] for letter in LETTERS},
            "correct_option": row["correct"],
            "split": row["split"],
        }
        for row in dataset.questions.to_dict("records")
    ]
    return {
        "en.csv": dataset.english.to_csv(index=False, lineterminator="\n").encode(),
        "nl.csv": dataset.dutch.to_csv(index=False, lineterminator="\n").encode(),
        QUESTIONS: (json.dumps(items, indent=1, ensure_ascii=False) + "\n").encode(),
    }


def _read_table(data: bytes) -> pd.DataFrame:
    # The words NA and null are words; a cell left empty is a number not known.
    frame = pd.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    for name in frame.columns[3:]:
        frame[name] = [float(cell) if cell else np.nan for cell in frame[name]]
    return frame


def _read_questions(data: bytes) -> pd.DataFrame:
    rows = [
        (
            item["index"],
            item["question"],
            *(item["options"][letter] for letter in LETTERS),
            item["correct_option"],
            item["split"],
        )
        for item in json.loads(data)
    ]
    return pd.DataFrame(rows, columns=pd.Index(QUESTION_COLUMNS))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(hashes: Mapping[str, str]) -> str:
    lines = sorted(f"{file}  {sha256}" for file, sha256 in hashes.items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
