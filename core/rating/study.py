"""Writing a study: the folder of what people and models rated, on which claims are judged."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from core.evidence.provenance import code_version
from core.evidence.readers import dimensions_of
from core.evidence.studies import (
    NUMBERS,
    PEOPLE,
    RATINGS,
    REGISTERED,
    SCHEMA,
    TEXTS,
    Study,
    mistaken,
    read_study,
)
from core.evidence.tables import HIGHEST, LOWEST
from core.files import write_atomically
from core.rating.alone import alone
from core.rating.dataset import Dataset
from core.rating.errors import RatingError

__all__ = ["RATINGS", "Study", "add_ratings", "begin_study", "read_study", "register"]

LANGUAGES = ("en", "nl")
_ROLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Source(Protocol):
    """What a study takes of people, where they are no whole dataset.

    Attributes
    ----------
    people : str
        One of `core.evidence.studies.PEOPLE`.
    digest : str
        By which they are known.
    english, dutch : DataFrame
        Columns word, translation, split ("train" or "test"), the language's dimensions, and
        ``<dimension>.SD`` and ``<dimension>.N`` where known; Dutch may have no rows.
    manifest : mapping
        Where they come from, as JSON.
    """

    people: str
    digest: str
    english: pd.DataFrame
    dutch: pd.DataFrame
    manifest: Mapping[str, Any]


def begin_study(folder: Path, dataset: Dataset | Source) -> Study:
    """Begin a study of a dataset, or go on with one of the same.

    Parameters
    ----------
    folder : Path
    dataset : Dataset or Source
        Its test words are what models are held against; of its training words the human means are
        kept, for claims that compare models with what those would have told.

    Raises
    ------
    RatingError
        If the folder holds a study of another dataset (both are named), or the dataset has no test
        words, or lacks a dimension.
    EvidenceError
        If the folder holds a study that cannot be read.
    """
    if dataset.people not in PEOPLE:
        msg = f"a study is on people of the kinds {', '.join(PEOPLE)}, not {dataset.people!r}"
        raise RatingError(msg)
    human = {one: _human(dataset, one, "test") for one in LANGUAGES}
    training = {one: _human(dataset, one, "train") for one in LANGUAGES}
    human, training = _written(human), _written(training)
    if not human:
        msg = "the dataset has no test words; make it anew with `claims data`"
        raise RatingError(msg)
    with alone(folder, wait=True):
        if (folder / "manifest.json").exists():
            there = read_study(folder)
            if there.manifest["dataset"].get("digest") != dataset.digest:
                raise RatingError(_other(there, dataset))
            return there
        files = {one: _put(folder, f"human.{one}.csv", x) for one, x in human.items()}
        trained = {one: _put(folder, f"human.train.{one}.csv", x) for one, x in training.items()}
        manifest = {
            "schema": SCHEMA,
            "people": dataset.people,
            "dataset": {"digest": dataset.digest, "manifest": dict(dataset.manifest)},
            "human": files,
            "training": trained,
            "ratings": {},
        }
        _write(folder, manifest)
    return read_study(folder)


def add_ratings(
    folder: Path, role: str, language: str, answers: pd.DataFrame, about: Mapping[str, Any]
) -> Study:
    """Add what a model answered in a role, in place of what the role had before.

    Parameters
    ----------
    folder : Path
        Of a study that was begun.
    role : str
        "Base", "En_FT", "Nl_FT", "QA_FT", or another name of letters, digits and "_".
    language : {"en", "nl"}
    answers : DataFrame
        A row per answer: word, dimension, status, content, rating (NaN unless the status is "ok"),
        expected, digit_mass; further columns are kept. Words and dimensions that are not there
        count as missing: such ratings are kept, and not judged.
    about : mapping
        At least "model" and "backend", and what else the manifest should say: "seed", and of a
        model on this machine "digest" and how it was "tuned".

    Raises
    ------
    RatingError
        If the role's name cannot be one, a column is missing, an answer is about another word or
        dimension than the study's, or comes twice, or a rating is out of range; or if the model
        was tuned otherwise than its role says, or on other data.
    EvidenceError
        If there is no study, or it cannot be read.
    """
    if not _ROLE.fullmatch(role):
        msg = f"role {role!r}: a role is named by letters, digits and _, such as En_FT"
        raise RatingError(msg)
    if absent := {"model", "backend"} - set(about):
        msg = f"ratings of {language}/{role}: nothing says their {', '.join(sorted(absent))}"
        raise RatingError(msg)
    study = read_study(folder)
    if language not in study.languages:
        msg = f"{folder}: the study has no words in {language!r}; begin one on another dataset"
        raise RatingError(msg)
    words, dimensions = list(study.human(language)["word"]), list(dimensions_of(language))
    where = f"ratings of {language}/{role}"
    _check(answers, words, dimensions, where)
    wide = _wide(answers, words, dimensions)
    asked = len(words) * len(dimensions)
    statuses = Counter(status for status in answers["status"] if status != "ok")
    entry = dict(about) | {
        "asked": asked,
        "good": int(np.isfinite(answers["rating"].to_numpy(float)).sum()),
        "missing": asked - len(answers),
        "faults": dict(sorted(statuses.items())),
        "seed": about.get("seed"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code_version(),
    }
    key, name = f"{language}/{role}", f"{language}.{role}"
    with alone(folder, wait=True):
        manifest = dict(read_study(folder).manifest)
        others = {one: x for one, x in manifest["ratings"].items() if one != key}
        if wrong := mistaken(manifest | {"ratings": others | {key: entry}}, key):
            msg = f"{folder}: {wrong}; rate it in a role of its own, or in another study (--out)"
            raise RatingError(msg)
        if key in manifest["ratings"]:
            # Stopped between two files, the study is short of a role and not broken.
            _write(folder, manifest | {"ratings": others})
        entry |= _put(folder, f"{name}.csv", _csv(wide))
        entry["answers"] = _put(folder, f"{name}.answers.csv", _csv(answers))
        ratings = dict(sorted((others | {key: entry}).items()))
        _write(folder, manifest | {"ratings": ratings})
    return read_study(folder)


def register(folder: Path, note: Path = REGISTERED) -> None:
    """Note a study as the one that `pytest claims/ --evidence fresh` judges."""
    read_study(folder)
    content = {"schema": SCHEMA, "folder": str(folder.resolve())}
    write_atomically(note, json.dumps(content, indent=1) + "\n")


def _human(dataset: Dataset | Source, language: str, split: str) -> pd.DataFrame:
    table = dataset.english if language == "en" else dataset.dutch
    if not len(table):
        return pd.DataFrame()
    dimensions = dimensions_of(language)
    absent = [name for name in ("word", "translation", "split", *dimensions) if name not in table]
    if absent:
        msg = f"the dataset's words in {language!r} lack {', '.join(absent)}; make it anew"
        raise RatingError(msg)
    known = [f"{d}.{what}" for what in ("SD", "N") for d in dimensions if f"{d}.{what}" in table]
    # A word that translates two others is asked about once, as in the paper's evaluation.
    chosen = table.loc[table["split"] == split].drop_duplicates("word")
    return chosen[["word", "translation", *dimensions, *known]]


def _written(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    return {language: _csv(table) for language, table in tables.items() if len(table)}


def _other(there: Study, dataset: Dataset | Source) -> str:
    own = str(there.manifest["dataset"].get("digest", "unknown"))
    return (
        f"{there.folder}: holds a study of the dataset {own[:12]} (people: {there.people}), not "
        f"of {dataset.digest[:12]} (people: {dataset.people}); choose another folder with --out"
    )


def _check(
    answers: pd.DataFrame, words: Sequence[str], dimensions: Sequence[str], where: str
) -> None:
    if absent := [name for name in (*TEXTS, *NUMBERS) if name not in answers]:
        msg = f"{where}: the answers have no column {', '.join(absent)}"
        raise RatingError(msg)
    for name, known in (("word", words), ("dimension", dimensions)):
        if strange := [one for one in answers[name].unique() if one not in set(known)]:
            msg = f"{where}: {strange[0]!r} is no {name} of the study"
            raise RatingError(f"{msg} ({len(strange)} are not); rate the study's own test words")
    twice = answers.loc[answers.duplicated(["word", "dimension"])]
    if len(twice):
        word, dimension = twice.iloc[0][["word", "dimension"]]
        msg = f"{where}: {word!r} on {dimension} is answered twice"
        raise RatingError(msg)
    rating, good = answers["rating"].to_numpy(float), (answers["status"] == "ok").to_numpy()
    wrong = np.isnan(rating) == good
    wrong |= good & ~((rating >= LOWEST) & (rating <= HIGHEST))
    if wrong.any():
        row = answers.iloc[int(np.flatnonzero(wrong)[0])]
        msg = f"{where}: {row['word']!r} on {row['dimension']}: rating {row['rating']}"
        raise RatingError(f"{msg} does not go with status {row['status']!r}")


def _wide(answers: pd.DataFrame, words: Sequence[str], dimensions: Sequence[str]) -> pd.DataFrame:
    table = np.full((len(words), len(dimensions)), np.nan)
    at = pd.Index(words).get_indexer(pd.Index(answers["word"]))
    by = pd.Index(dimensions).get_indexer(pd.Index(answers["dimension"]))
    table[at, by] = answers["rating"]
    wide = pd.DataFrame(table, columns=pd.Index(dimensions))
    wide.insert(0, "word", list(words))
    return wide


def _csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV: numbers as short as they read back the same, nothing where NaN."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(table.columns)
    writer.writerows([_cell(x) for x in row] for row in table.itertuples(index=False, name=None))
    # A model can answer anything, halves of characters too.
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _put(folder: Path, name: str, content: bytes) -> dict[str, str]:
    write_atomically(folder / name, content)
    return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}


def _write(folder: Path, manifest: Mapping[str, Any]) -> None:
    content = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder / "manifest.json", content + "\n")
