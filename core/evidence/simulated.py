"""The simulated bodies of evidence, by name: worlds where the truth is known."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.simulated_books import Books, books
from core.evidence.simulated_ratings import generator, make_ratings, people
from core.evidence.tables import ALL, DUTCH, Ratings

#: Enough words that a correlation of zero can be shown to be within .1 of it.
N_WORDS = 600
#: The bookkeeping worlds evaluate as many words as the paper does.
N_EVALUATED = 1572
N_TRAINING = 600
#: What each world is; a claim names two of them in its registry, where it holds and where it fails.
WORLDS = {
    "told": "as the paper tells it: fine-tuned models moved toward people, word by word anew",
    "corrective": "as told, but the worst words of Base become the best, alike in both tunings",
    "identical": "every model is Base asked again: nobody gained anything",
    "rescaled": "fine-tuned models are Base answers squeezed onto the human scale, dimension-wise",
    "boosted": "fine-tuning shrinks every word's error by one factor: a global boost",
    "shuffled": "as told, with the human rows permuted: nobody is aligned with anybody",
    "pronounced": "as told with wider margins; the more people's ratings vary, the larger the gain",
    "featureless": "people's ratings have no clusters and vary alike on every dimension",
    "reversed": "as told, with the models' roles swapped",
    "taught": "as told; tuned on other words' ratings or on questions, a model is Base asked again",
    "unspecific": "as taught, but any tuning teaches: on other words' ratings, and on questions",
    "misplaced": "as taught, but En_FT gives each dimension the answer due to the one before it",
    "orderly": "as told; the bookkeeping is as the paper states it",
    "careless": "as shuffled; the bookkeeping violates what the paper states",
}
#: Questions that Base left unanswered, as (word, dimension) places: complete rows are fewer than
#: rows, as in the real tables.
UNANSWERED = ((3, 1), (7, 5))
CARELESS = (*UNANSWERED, *((word, 0) for word in range(10, 20)))


class World:
    """A simulated body of evidence, with the same tables as the released one.

    Parameters
    ----------
    name : str
        A key of `WORLDS`. The world is fixed by its name: the same one every time.

    Raises
    ------
    EvidenceError
        If there is no world of that name.
    """

    tier = "simulated"

    def __init__(self, name: str) -> None:
        if name not in WORLDS:
            msg = f"no simulated world {name!r}; there are {', '.join(WORLDS)}"
            raise EvidenceError(msg)
        self.name = name
        self._ratings: dict[str, Ratings] = {}

    @property
    def sha256(self) -> str:
        """Empty: a world is made by its name and this code, and has no file to hash."""
        return ""

    def acquire(self, parts: Iterable[str]) -> None:
        """Do nothing: a world needs no fetching."""

    def ratings(self, language: str) -> Ratings:
        """Return the rating table of a language, "en" or "nl"."""
        if language not in self._ratings:
            self._ratings[language] = self._make(language)
        return self._ratings[language]

    def _make(self, language: str) -> Ratings:
        if self.name == "orderly":
            return make_ratings("told", language, N_EVALUATED)
        if self.name == "careless":
            return make_ratings("shuffled", language, N_EVALUATED, unanswered=CARELESS)
        return make_ratings(self.name, language, N_WORDS, unanswered=UNANSWERED)

    def training(self) -> pd.DataFrame:
        """Return human ratings of training words, in both languages."""
        rng = generator("training")
        human = {lang: people(self.name, rng, N_TRAINING, lang) for lang in ("en", "nl")}
        words = [f"train{i}" for i in range(N_TRAINING)]
        table = pd.DataFrame({"Word": words, "Woord": [f"oefen{i}" for i in range(N_TRAINING)]})
        for j, dimension in enumerate(ALL):
            table[dimension] = human["en"][:, j]
        for j, dimension in enumerate(DUTCH.values()):
            table[f"nl_{dimension}"] = human["nl"][:, j]
        return table

    @cached_property
    def _books(self) -> Books:
        kind = "careless" if self.name in {"careless", "shuffled"} else "orderly"
        return books(kind, self.ratings)

    def __getattr__(self, part: str) -> Any:
        """Give the bookkeeping tables: `samples`, `translations`, `questions` and the like."""
        if part.startswith("_"):
            raise AttributeError(part)
        return getattr(self._books, part)
