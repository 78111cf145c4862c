"""A study as evidence: what models of the user's own were asked, in the paper's four roles."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError, NotGiven, NotRated
from core.evidence.readers import models_of
from core.evidence.studies import RATINGS, Study, mistaken, read_study, registered
from core.evidence.tables import Ratings
from core.paths import FIXTURES, ROOT

#: What a study can give; a claim that needs any of these is judged on one.
PARTS = frozenset({"ratings", "training", "completions"})
LANGUAGES = ("en", "nl")
#: The study of our own on the method, on models made here and people made up.
KEPT = FIXTURES / "rating"
#: Two of the draws of 40 words that claims about trees compare: fewer complete words judge nothing.
FEWEST_WORDS = 80
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
        self._ratings: dict[str, Ratings] = {}

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
    def rehearsal(self) -> bool:
        """Whether the people are made up, so that nothing here is about a paper."""
        return self.study.people == "simulated"

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
            If a role is missing, or too few words are complete.
        EvidenceError
            If a file is missing, was changed, or is not what it should be.
        """
        if language not in self._ratings:
            self._ratings[language] = self._read(language)
        return self._ratings[language]

    def _read(self, language: str) -> Ratings:
        if language not in self.study.languages:
            msg = f"the study's data set has no words in {language!r}"
            raise NotGiven(msg, remedy=f"a study of a data set with words in {language!r}")
        if missing := self.missing(language):
            msg = f"{language}: {', '.join(missing)} not rated"
            raise NotRated(msg, remedy=self._asks([(role, language) for role in missing]))
        for role in models_of(language):
            # Base may have been rated after the models that were tuned from it, or again.
            if wrong := mistaken(self.study.manifest, f"{language}/{role}"):
                msg = f"{self.study.folder}: {wrong}; rate the right one with `claims rate`"
                raise EvidenceError(msg)
        roles = models_of(language)
        if self.name == "replicated":
            roles += tuple(role for role in self.study.roles(language) if role not in roles)
        read = self.study.ratings(language, roles)
        n = len(read.complete().concepts)
        if n < FEWEST_WORDS:
            msg = f"{self.study.folder}: {n} of {len(read.concepts)} words in {language!r} have"
            remedy = f"a number from every model; at least {FEWEST_WORDS} must"
            raise NotRated(f"{n} complete words", remedy=f"{msg} {remedy}")
        return read

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
        for language, ratings in self._ratings.items():
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

    def _asks(self, lacking: list[tuple[str, str]]) -> str:
        return _commands(lacking, self.study.folder)


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
