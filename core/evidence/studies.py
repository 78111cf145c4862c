"""Studies as they lie in a folder: people, and what models answered, every file checked when read.

`core.rating.study` writes them. A study is ``manifest.json`` and the CSV files that it names:
``human.<language>.csv`` and ``human.train.<language>.csv`` (word, translation, a column per
dimension, ``<dimension>.SD`` and ``<dimension>.N`` where known), ``<language>.<role>.csv`` (word, a
column per dimension, empty where no number was answered) and ``<language>.<role>.answers.csv`` (a
row per answer).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError, HashMismatch
from core.evidence.readers import dimensions_of
from core.evidence.tables import ALL, MODELS, SENSORY, Ratings
from core.paths import ROOT

SCHEMA = 1
#: Where a study lies by default, and where the one to be judged is noted.
RATINGS = ROOT / "runs" / "ratings"
REGISTERED = ROOT / "runs" / "fresh.json"
#: Whose ratings the models' are held against; of made-up people a study is a rehearsal.
PEOPLE = ("norms", "release", "simulated")
#: The columns of a table of answers that are text; of the others, those that are numbers.
TEXTS = ("word", "dimension", "status", "content")
NUMBERS = ("rating", "expected", "digit_mass")
_AGAIN = "run `claims rate` again, which asks only what is missing"


def mistaken(manifest: Mapping[str, Any], key: str) -> str:
    """Say why ratings cannot be those of their role, going by how the model was tuned; "" if not.

    Only models that `claims finetune` made say how they were tuned, and on what.

    Parameters
    ----------
    manifest : mapping
        A study's.
    key : str
        Language and role, as "en/En_FT".
    """
    entry, (language, role) = manifest["ratings"][key], key.split("/")
    tuned = entry.get("tuned")
    if not tuned:
        return ""
    name = entry["model"]
    if (data := tuned["data"]) != manifest["dataset"]["digest"]:
        # Its training words may well be the words that it is asked about here.
        return f"{key}: {name} was tuned on another data set ({data[:12]}) than the study's"
    if role in MODELS and (tuned["recipe"] != role or tuned["scrambled"]):
        recipe = tuned["recipe"] + " on scrambled answers" * tuned["scrambled"]
        return f"{key}: {name} was tuned by the recipe {recipe}"
    base = manifest["ratings"].get(f"{language}/Base", {}).get("digest")
    if base and tuned["base"] != base:
        return f"{key}: {name} is no fine-tune of the model that is rated as Base"
    return ""


def confused(manifest: Mapping[str, Any], language: str) -> str:
    """Say which two of the paper's roles are one model, or which is two, or "" if none is.

    Models are told apart by the digest of their weights; where that is not known, by their names
    and answers.

    Parameters
    ----------
    manifest : mapping
        A study's.
    language : str
        Roles are compared in it, and each with itself in the other languages.
    """
    ratings = manifest["ratings"]
    here = {role: ratings[key] for role in MODELS if (key := f"{language}/{role}") in ratings}
    for one, other in combinations(here, 2):
        if _same(here[one], here[other]):
            names = " and ".join(dict.fromkeys((here[one]["model"], here[other]["model"])))
            return f"{language}/{one} and {language}/{other} are the same model ({names})"
    for key, there in ratings.items():
        elsewhere, role = key.split("/")
        if role in here and not _same(here[role], there):
            own = f"{here[role]['model']} in {language}"
            return f"{role} is not one model: {own}, {there['model']} in {elsewhere}"
    return ""


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.get("digest") and other.get("digest"):
        return one["digest"] == other["digest"]
    alike = one["answers"]["sha256"] == other["answers"]["sha256"]
    return alike or one["model"] == other["model"]


@dataclass(frozen=True, eq=False)
class Study:
    """A study's manifest, and its tables when asked for.

    Attributes
    ----------
    folder : Path
    manifest : mapping
    sha256 : str
        Of the manifest, which holds that of every file.
    """

    folder: Path
    manifest: Mapping[str, Any]
    sha256: str

    @property
    def people(self) -> str:
        """Whose ratings the models' are held against: one of `PEOPLE`."""
        return self.manifest["people"]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that people's ratings are there for."""
        return tuple(one for one in ("en", "nl") if one in self.manifest["human"])

    def roles(self, language: str) -> tuple[str, ...]:
        """Return the roles that were rated in a language, those in part included."""
        keys = (key.split("/") for key in self.manifest["ratings"])
        return tuple(role for one, role in keys if one == language)

    def entry(self, language: str, role: str) -> Mapping[str, Any]:
        """Return what the manifest says of a role's ratings: model, counts, files.

        Raises
        ------
        EvidenceError
            If the role was not rated.
        """
        key = f"{language}/{role}"
        if key not in self.manifest["ratings"]:
            msg = f"{self.folder}: holds no ratings of {key}; {_AGAIN}"
            raise EvidenceError(msg)
        return self.manifest["ratings"][key]

    def human(self, language: str, split: str = "test") -> pd.DataFrame:
        """Return people's ratings: word, translation, dimensions, and SD and N where known."""
        part = "human" if split == "test" else "training"
        try:
            entry = self.manifest[part][language]
        except KeyError as error:
            msg = f"{self.folder}: holds no {split} words in {language!r}; begin another study"
            raise EvidenceError(msg) from error
        return self._read(entry, ("word", "translation"))

    def table(self, language: str, role: str) -> pd.DataFrame:
        """Return a role's ratings: word and dimensions, NaN where no number was answered."""
        return self._read(self.entry(language, role), ("word",))

    def answers(self, language: str, role: str) -> pd.DataFrame:
        """Return every answer of a role: the columns `TEXTS` and `NUMBERS`, and what else is kept.

        Those other columns are texts.
        """
        entry = self.entry(language, role)["answers"]
        read = self._read(entry, None)
        for name in NUMBERS:
            read[name] = _floats(read, name, self.folder / entry["file"])
        return read

    def ratings(self, language: str, roles: Sequence[str]) -> Ratings:
        """Return people's and models' ratings of the test words, as the release has them.

        Raises
        ------
        EvidenceError
            If a role was not rated, or a file is missing, changed, or not what it should be.
        """
        human, dimensions = self.human(language), list(dimensions_of(language))
        models = {}
        for role in roles:
            read = self.table(language, role)
            if list(read["word"]) != list(human["word"]) or not set(dimensions) <= set(read):
                msg = f"{self.folder}: {language}.{role}.csv is of other words or dimensions"
                raise EvidenceError(f"{msg} than human.{language}.csv; {_AGAIN}")
            models[role] = read[dimensions].to_numpy()
        return Ratings(
            language,
            tuple(human["word"]),
            tuple(human["translation"]),
            tuple(dimensions),
            human[dimensions].to_numpy(),
            models,
            human_sd=_known(human, dimensions, "SD"),
            human_n=_known(human, dimensions, "N"),
        )

    def training(self) -> pd.DataFrame:
        """Return people's ratings of the training words, laid out as `Released.training` is."""
        english, dutch = self.human("en", "train"), self.human("nl", "train")
        table = pd.DataFrame({"Word": english["word"], "Woord": english["translation"]})
        table[list(ALL)] = english[list(ALL)]
        own = dutch.drop_duplicates("word").set_index("word").reindex(table["Woord"])
        for name in SENSORY:
            table[f"nl_{name}"] = own[name].to_numpy()
        return table.set_index(pd.Index(table["Word"], name="word"))

    def _read(self, entry: Mapping[str, Any], texts: Sequence[str] | None) -> pd.DataFrame:
        """Read a file that the manifest names: all columns as texts, or all but some as numbers."""
        path = self.folder / entry["file"]
        try:
            content = path.read_bytes()
        except OSError as error:
            msg = f"{path}: cannot be read: {error.strerror}; {_AGAIN}"
            raise EvidenceError(msg) from error
        found = hashlib.sha256(content).hexdigest()
        if found != entry["sha256"]:
            options = {"expected": entry["sha256"], "found": found, "where": str(path)}
            raise HashMismatch(entry["file"], **options, remedy=_AGAIN)
        read = table_of(content)
        for name in () if texts is None else read.columns.difference(list(texts)):
            read[name] = _floats(read, name, path)
        return read


def read_study(folder: Path) -> Study:
    """Return the study in a folder.

    Raises
    ------
    EvidenceError
        If there is none, or its manifest is not what it should be.
    """
    path = folder / "manifest.json"
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; `claims rate --out {folder}` begins a study"
        raise EvidenceError(msg) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        msg = f"{path}: is no study of schema {SCHEMA}; move it away and begin another"
        raise EvidenceError(msg)
    tables = [manifest.get(part) for part in ("dataset", "human", "training", "ratings")]
    if manifest.get("people") not in PEOPLE or not all(isinstance(x, dict) for x in tables):
        msg = f"{path}: does not say whose ratings it holds, or of what; begin another study"
        raise EvidenceError(msg)
    return Study(folder, manifest, hashlib.sha256(content).hexdigest())


def registered(path: Path = REGISTERED) -> Path | None:
    """Return the folder of the study that is to be judged, None if none is registered.

    Raises
    ------
    EvidenceError
        If the note is there and cannot be read.
    """
    if not path.exists():
        return None
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        if note["schema"] == SCHEMA:
            return Path(note["folder"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read: {error!r}; delete it, or finish a study"
        raise EvidenceError(msg) from error
    msg = f"{path}: is not of schema {SCHEMA}; delete it, or finish a study"
    raise EvidenceError(msg)


def table_of(content: bytes) -> pd.DataFrame:
    """Read a CSV file with a header, every cell as the text it is ("NA" and "null" are words)."""
    rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    header = next(rows, [])
    return pd.DataFrame(list(rows), columns=pd.Index(header), dtype=object)


def _floats(table: pd.DataFrame, name: str, path: Path) -> np.ndarray:
    try:
        return np.array([float(text) if text else np.nan for text in table[name]])
    except ValueError as error:
        msg = f"{path}: column {name}: {error}; {_AGAIN}"
        raise EvidenceError(msg) from error


def _known(human: pd.DataFrame, dimensions: Sequence[str], what: str) -> np.ndarray | None:
    names = [f"{dimension}.{what}" for dimension in dimensions]
    return human[names].to_numpy() if set(names) <= set(human) else None
