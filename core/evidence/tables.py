"""The rating table: concepts by dimensions, from people and from models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from core.evidence.errors import EvidenceError

SENSORY = ("Auditory", "Gustatory", "Haptic", "Interoceptive", "Olfactory", "Visual")
MOTOR = ("Foot", "Hand", "Head", "Mouth", "Torso")
ALL = SENSORY + MOTOR
DIMENSION_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"all": ALL, "sensory": SENSORY, "motor": MOTOR}
)
MODELS = ("Base", "En_FT", "Nl_FT", "QA_FT")
DUTCH: Mapping[str, str] = MappingProxyType(
    {
        "Horen": "Auditory",
        "Proeven": "Gustatory",
        "Voelen": "Haptic",
        "Sensaties": "Interoceptive",
        "Ruiken": "Olfactory",
        "Zien": "Visual",
    }
)
LOWEST, HIGHEST = 0.0, 5.0


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of n concepts on d dimensions by people and by models.

    Parameters
    ----------
    language : {"en", "nl"}
        The language the concepts were shown in.
    concepts : tuple of str, length n
        The words shown, each once.
    translations : tuple of str, length n
        The same concepts in the other language (not necessarily unique).
    dimensions : tuple of str, length d
        English dimension names, whatever the language.
    human : (n, d) array
        Human means in [0, 5], NaN where missing.
    models : mapping of str to (n, d) array
        Model ratings in [0, 5], NaN where missing.
    human_sd, human_n : (n, d) array, optional
        Standard deviation over raters (at least 0) and number of raters (at least 1), NaN where
        missing or not to be believed.
    notes : tuple of str
        What was set aside on reading, one line each.

    Raises
    ------
    EvidenceError
        On a wrong shape, a repeated concept or dimension, or a value out of range; the message
        names the column and the word.
    """

    language: str
    concepts: tuple[str, ...]
    translations: tuple[str, ...]
    dimensions: tuple[str, ...]
    human: np.ndarray
    models: Mapping[str, np.ndarray]
    human_sd: np.ndarray | None = None
    human_n: np.ndarray | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.language not in ("en", "nl"):
            raise EvidenceError(f'ratings: language must be "en" or "nl", not {self.language!r}')
        _check_names(f"{self.language} ratings", "concept", self.concepts)
        _check_names(f"{self.language} ratings", "dimension", self.dimensions)
        if len(self.translations) != len(self.concepts):
            raise EvidenceError(
                f"{self.language} ratings: {len(self.concepts)} concepts but "
                f"{len(self.translations)} translations"
            )
        # A private, read-only copy, so that no caller changes what later claims see.
        put = object.__setattr__
        put(self, "human", self._checked("Human", self.human, HIGHEST))
        put(
            self,
            "models",
            MappingProxyType({m: self._checked(m, x, HIGHEST) for m, x in self.models.items()}),
        )
        if self.human_sd is not None:
            put(self, "human_sd", self._checked("Human SD", self.human_sd, np.inf))
        if self.human_n is not None:
            put(self, "human_n", self._checked("Human N", self.human_n, np.inf, low=1.0))

    def _checked(self, who: str, values: np.ndarray, high: float, low: float = LOWEST):
        table = np.array(values, dtype=np.float64)
        shape = (len(self.concepts), len(self.dimensions))
        if table.shape != shape:
            raise EvidenceError(
                f"{self.language} ratings: {who} has shape {table.shape}, expected {shape}"
            )
        bad = (table < low) | (table > high) | np.isinf(table)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise EvidenceError(
                f"{self.language} ratings: {who}, column {self.dimensions[column]}, word "
                f"{self.concepts[row]!r}: {table[row, column]:g} is outside [{low:g}, {high:g}]"
            )
        table.flags.writeable = False
        return table

    def select(
        self, dimensions: str | Sequence[str], models: Sequence[str] | None = None
    ) -> Ratings:
        """Return the same concepts on fewer dimensions, and with fewer models.

        Parameters
        ----------
        dimensions : {"all", "sensory", "motor"} or a dimension or a sequence of dimensions
            A set's name, one dimension's name, or names in the order wanted.
        models : sequence of str, optional
            Models in the order wanted; all of them by default.

        Raises
        ------
        EvidenceError
            When this table lacks a dimension or a model asked for.
        """
        if isinstance(dimensions, str):
            wanted = DIMENSION_SETS.get(dimensions, (dimensions,))
        else:
            wanted = tuple(dimensions)
        kept = tuple(self.models) if models is None else tuple(models)
        for kind, asked, known in (
            ("dimension", wanted, self.dimensions),
            ("model", kept, tuple(self.models)),
        ):
            absent = [name for name in asked if name not in known]
            if absent:
                raise EvidenceError(
                    f"{self.language} ratings: no {kind} {', '.join(absent)}; "
                    f"there are {', '.join(known)}"
                )
        at = [self.dimensions.index(name) for name in wanted]
        return replace(
            self,
            dimensions=wanted,
            human=self.human[:, at],
            models={name: self.models[name][:, at] for name in kept},
            human_sd=None if self.human_sd is None else self.human_sd[:, at],
            human_n=None if self.human_n is None else self.human_n[:, at],
        )

    def complete(self) -> Ratings:
        """Keep only the concepts that people and every model rated on every dimension here.

        Order is kept. `human_sd` and `human_n` do not count: a missing one keeps its row.
        """
        present = ~np.isnan(self.human).any(axis=1)
        for table in self.models.values():
            present &= ~np.isnan(table).any(axis=1)
        at = np.flatnonzero(present)
        return replace(
            self,
            concepts=tuple(self.concepts[i] for i in at),
            translations=tuple(self.translations[i] for i in at),
            human=self.human[at],
            models={name: table[at] for name, table in self.models.items()},
            human_sd=None if self.human_sd is None else self.human_sd[at],
            human_n=None if self.human_n is None else self.human_n[at],
        )

    def profile(self, word: str) -> dict[str, np.ndarray]:
        """Return one concept's ratings.

        Returns
        -------
        dict of str to (d,) array
            "Human" first, then each model.

        Raises
        ------
        EvidenceError
            When the word is not among the concepts.
        """
        if word not in self.concepts:
            raise EvidenceError(f"{self.language} ratings: no concept {word!r}")
        row = self.concepts.index(word)
        return {"Human": self.human[row]} | {m: table[row] for m, table in self.models.items()}


def _check_names(where: str, kind: str, names: tuple[str, ...]) -> None:
    # Tables are cut down hundreds of times in a run: what is in order is not looked at one by one.
    if set(map(type, names)) <= {str} and "" not in names and len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name:
            raise EvidenceError(f"{where}: a {kind} is {name!r}, not a word")
        if name in seen:
            raise EvidenceError(f"{where}: {kind} {name!r} appears twice")
        seen.add(name)
