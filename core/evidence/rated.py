"""A study as evidence: what models of the user's own were asked, in the paper's four roles."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.enough import fewest
from core.evidence.errors import EvidenceError, NotGiven, NotRated, TooFew
from core.evidence.readers import models_of
from core.evidence.studies import RATINGS, Study, confused, mistaken, read_study, registered
from core.evidence.tables import MODELS, Ratings
from core.paths import FIXTURES, ROOT

#: What a study can give; a claim that needs any of these is judged on one.
PARTS = frozenset({"ratings", "training", "completions"})
LANGUAGES = ("en", "nl")
#: The study of our own on the method, on models made here and people made up.
KEPT = FIXTURES / "rating"
LANGUAGE_NAMES = {"en": "English", "nl": "Dutch"}
#: Names a study's folder in place of the registered one, here and in processes started from here.
STUDY = "CLAIMS_STUDY"


def on_study(needs: Iterable[str]) -> bool:
    """Tell whether a claim with these needs is judged, on what was made here, on a study."""
    return not PARTS.isdisjoint(needs)


def chosen() -> Path | None:
    """Return the folder of the study to be judged, None if no study is there.

    Raises
    ------
    EvidenceError
        If the note of the registered study cannot be read.
    """
    named = os.environ.get(STUDY)
    return Path(named) if named else registered()


class Rated:
    """A study's test words, with people's ratings and those of the models in each role.

    A language is judged when every role of the paper's was rated in it, and never on fewer: claims
    that go through the models would else hold of those that happen to be there.

    Parameters
    ----------
    folder : Path or None
        A study; None if there is none, so that nothing was rated.
    name : {"fresh", "replicated"}
        A study kept as evidence on the method gives its further roles as well.
    """

    def __init__(self, folder: Path | None, name: str = "fresh") -> None:
        self.name = name
        self.folder = folder
        self._ratings: dict[str, tuple[Ratings, int]] = {}

    @cached_property
    def study(self) -> Study:
        """The study.

        Raises
        ------
        NotRated
            If there is none.
        EvidenceError
            If it is not what it should be.
        """
        if self.folder is None or not (self.folder / "manifest.json").exists():
            every = [(role, one) for one in LANGUAGES for role in models_of(one)]
            where = (
                "no study is registered" if self.folder is None else f"no study in {self.folder}"
            )
            raise NotRated(where, remedy=_commands(every, self.folder or RATINGS))
        return read_study(self.folder)

    @property
    def sha256(self) -> str:
        """Digest of the manifest, which holds that of every file."""
        return self.study.sha256

    @property
    def kind(self) -> str:
        """What verdicts on it stand under: "fresh", or, about no paper, "simulated" or "replay".

        People may be made up; and answers that the authors released, asked for once more, would
        count a second time.
        """
        if self.study.people == "simulated":
            return "simulated"
        backends = {
            entry["backend"]
            for key, entry in self.study.manifest["ratings"].items()
            if key.split("/")[1] in MODELS
        }
        return "replay" if "replay" in backends else "fresh"

    def acquire(self, parts: Iterable[str]) -> None:
        """Check that the parts are there in some language; reading them checks the rest.

        Raises
        ------
        NotRated
            If they are not; says the commands that ask for them.
        EvidenceError
            If a part is none that a study has.
        """
        if unknown := sorted(set(parts) - PARTS):
            msg = f"a study has no part {', '.join(unknown)}: {', '.join(sorted(PARTS))}"
            raise EvidenceError(msg)
        missing = {one: self.missing(one) for one in self.study.languages}
        if all(missing.values()):
            lacking = [(role, one) for one, roles in missing.items() for role in roles]
            raise NotRated("no language is rated in full", remedy=self._asks(lacking))

    def missing(self, language: str) -> tuple[str, ...]:
        """Return the roles that a language lacks: not rated, or not on every word and dimension."""
        there = {
            role
            for role in self.study.roles(language)
            if not self.study.entry(language, role)["missing"]
        }
        return tuple(role for role in models_of(language) if role not in there)

    def ratings(self, language: str) -> Ratings:
        """Return people's and models' ratings of the test words; NaN where no number was answered.

        Raises
        ------
        NotRated
            If a role is missing.
        TooFew
            If too few words are complete.
        EvidenceError
            If a file is missing, was changed, or is not what it should be, or a model stands in a
            role that is not its own.
        """
        table, n = self._counted(language)
        words = len(table.concepts)
        if n < (least := fewest(words)):
            said = f"{n} of {words} {LANGUAGE_NAMES[language]} words have a number from every model"
            raise TooFew(said, remedy=f"at least {least} must")
        return table

    def _counted(self, language: str) -> tuple[Ratings, int]:
        """Return the ratings, however few, and how many words are complete."""
        if language not in self._ratings:
            table = self._read(language)
            self._ratings[language] = table, len(table.complete().concepts)
        return self._ratings[language]

    def _read(self, language: str) -> Ratings:
        if language not in self.study.languages:
            msg = f"the study's data set has no words in {language!r}"
            raise NotGiven(msg, remedy=f"a study of a data set with words in {language!r}")
        if missing := self.missing(language):
            msg = f"{language}: {', '.join(missing)} not rated"
            raise NotRated(msg, remedy=self._asks([(role, language) for role in missing]))
        check_roles(self.study, language)
        roles = models_of(language)
        if self.name == "replicated":
            roles += tuple(role for role in self.study.roles(language) if role not in roles)
        return self.study.ratings(language, roles)

    def training(self) -> pd.DataFrame:
        """Return people's ratings of the training words, laid out as `Released.training` is."""
        return self.study.training()

    def completions(self) -> pd.DataFrame:
        """Return every answer in the languages that are rated in full, one row each.

        Returns
        -------
        DataFrame
            Columns file, language, dimension, model, word, custom_id, content, status, rating,
            expected and digit_mass, as `core.evidence.completions.read_completions` has them. An
            answer stands in no file here: `file` names language, role and dimension.

        Raises
        ------
        NotGiven
            If the answers came without log-probabilities.
        """
        found = []
        for language in self.study.languages:
            for role in models_of(language) if not self.missing(language) else ():
                read = self.study.answers(language, role)
                if not np.isfinite(read["expected"]).any():
                    msg = f"{language}/{role}: the answers came without log-probabilities"
                    raise NotGiven(msg, remedy="a backend that gives log-probabilities: local")
                files = f"{language}.{role}." + read["dimension"]
                known = {"language": language, "model": role, "custom_id": read["word"]}
                found.append(read.assign(file=files, **known))
        return pd.concat(found, ignore_index=True)

    def undefined(self) -> str:
        """Say which answers read so far are all alike, so that nothing correlates with them."""
        said = []
        for language, (ratings, n) in self._ratings.items():
            if n < fewest(len(ratings.concepts)):
                continue
            table = ratings.complete()
            for role, answers in table.models.items():
                alike = np.flatnonzero(answers.min(axis=0) == answers.max(axis=0))
                names = ", ".join(table.dimensions[j] for j in alike)
                said += [f"{role} answers alike on {names} ({language})"] if names else []
        return "; ".join(said)

    @property
    def models(self) -> tuple[str, ...]:
        """What stands behind each role, and how much it answered, one line each."""
        said = []
        for role in models_of("en"):
            asked = [one for one in self.study.languages if role not in self.missing(one)]
            entries = [self.study.entry(one, role) for one in asked if role in models_of(one)]
            names = dict.fromkeys(str(entry["model"]) for entry in entries)
            good = sum(int(entry["good"]) for entry in entries)
            if entries:
                said.append(f"{role} = {', '.join(names)} ({good:,} answers)")
        return tuple(said)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the verdicts: complete words, tuning, leaks; one line each."""
        asked = [one for one in self.study.languages if not self.missing(one)]
        said = [self._completeness(one) for one in asked]
        entries = {
            role: [self.study.entry(one, role) for one in asked if role in models_of(one)]
            for role in MODELS[1:]
        }
        untold = [role for role, own in entries.items() if not all(x.get("tuned") for x in own)]
        if untold and self.kind != "replay":
            were = "was" if len(untold) == 1 else "were"
            said.append(f"how {', '.join(untold)} {were} tuned is not known")
        leaks = self.study.manifest["dataset"].get("manifest", {}).get("leaks", {})
        if n := leaks.get("count", 0):
            words = "1 word of the data stands" if n == 1 else f"{n} words of the data stand"
            said.append(f"{words} in train and test in another form")
        return tuple(filter(None, said))

    def _completeness(self, language: str) -> str:
        try:
            table, n = self._counted(language)
        except EvidenceError:
            # Told where the language is judged; the other one can be judged without it.
            return ""
        return f"{n} of {len(table.concepts)} {LANGUAGE_NAMES[language]} words complete"

    def _asks(self, lacking: list[tuple[str, str]]) -> str:
        return _commands(lacking, self.study.folder)


def check_roles(study: Study, language: str) -> None:
    """Refuse a study in which a model stands in a role that is not its own.

    Raises
    ------
    EvidenceError
        If one was tuned otherwise than its role says, or two roles are one model, or one is two.
    """
    keys = [f"{language}/{role}" for role in study.roles(language) if role in MODELS]
    # Base may have been rated after the models that were tuned from it, or again.
    every = [*(mistaken(study.manifest, key) for key in keys), confused(study.manifest, language)]
    if wrong := "; ".join(filter(None, every)):
        msg = f"{study.folder}: {wrong}; rate the right one with `claims rate`"
        raise EvidenceError(msg)


def note(path: Path | None) -> str:
    """Say that a study is registered and how to judge it; "" if none is, or it is gone."""
    if path is None or not (path / "manifest.json").exists():
        return ""
    one = Rated(path)
    lacking = [f"{language}/{role}" for language in LANGUAGES for role in one.missing(language)]
    state = f"a study ({', '.join(lacking)} not rated yet)" if lacking else "a finished study"
    return f"{state} is registered in {path}: judge it with `pytest claims/ --evidence fresh`"


def _commands(lacking: Iterable[tuple[str, str]], folder: Path) -> str:
    if folder == KEPT:
        return f"restore {folder.relative_to(ROOT)} from version control"
    out = "" if folder == RATINGS else f" --out {folder}"
    return " && ".join(
        f"claims rate --model MODEL --as {role} --language {language}{out}"
        for role, language in lacking
    )
