"""Made bookkeeping for the control worlds: word lists, questions, prompts and answer files.

``orderly`` books are as the paper says its own are, counts included where the world has the paper's
1,572 words; ``careless`` books break every such statement. Nothing here is of the release: words
are made of letters and numbers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.mapping import evaluation_order
from core.evidence.simulated_answers import (
    make_completions,
    make_outputs,
    make_similarities,
    make_tests,
)
from core.evidence.tables import ALL, DUTCH, SENSORY, Ratings

KINDS = ("orderly", "careless")
LISTED = 24_036
OUTSIDE_NORMS = 2_816
#: Domains of the question set by the thousands of the index, and how many questions each has.
DOMAINS = {1: 200, 2: 200, 3: 200, 4: 200, 5: 200, 6: 100, 7: 100, 8: 100, 9: 100}
#: How many people rated a word: means are multiples of one over it.
RATERS = {"en": 18, "nl": 13}
EXPERIENCES = {
    "Auditory": "hearing",
    "Gustatory": "tasting",
    "Haptic": "touching",
    "Interoceptive": "sensations inside your body",
    "Olfactory": "smelling",
    "Visual": "seeing",
    "Foot": "performing an action with the foot/leg",
    "Hand": "performing an action with the hand/arm",
    "Head": "performing an action with the head excluding mouth",
    "Mouth": "performing an action with the mouth",
    "Torso": "performing an action with the torso",
}


@dataclass(frozen=True, eq=False)
class Books:
    """The tables of a control world that are not its ratings; same methods as `Released`.

    Attributes
    ----------
    kind : {"orderly", "careless"}
    ratings : callable
        Gives the world's ratings by language, "en" or "nl", concepts in the same rows in both.
    """

    kind: str
    ratings: Callable[[str], Ratings]
    _made: dict[tuple[str, ...], Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def orderly(self) -> bool:
        """Whether the books are as the paper says."""
        return self.kind == "orderly"

    def samples(self) -> dict[str, pd.DataFrame]:
        """Return the words trained on and tested on, with their norms."""
        return self._once(("samples",), self._samples)

    def translations(self) -> pd.DataFrame:
        """Return the translation table: dutch, english, back, include."""
        return self._once(("translations",), self._translations)

    def questions(self) -> dict[str, pd.DataFrame]:
        """Return the two parts of the question set."""
        return self._once(("questions",), self._questions)

    def prompts(self) -> dict[str, str]:
        """Return the prompt templates by file stem."""
        rating = {f"{d.lower()}_prompt": self._prompt(d, "en") for d in ALL}
        rating |= {f"{name}_prompt": self._prompt(d, "nl") for name, d in DUTCH.items()}
        choice = (
            "Read the question and the answer choices below. Choose the single best answer and "
            "reply with exactly one uppercase letter from the set {A, B, C, D} — and nothing else."
            '\n\nQuestion "{index}":\n{question}\n\nChoices:\n{options}\n'
        )
        return rating | {"prompt_mcq_en": choice if self.orderly else "{question} {options}"}

    def outputs(self, language: str) -> pd.DataFrame:
        """Return the answers by word in evaluation order, columns (model, dimension)."""
        return self._once(
            ("outputs", language),
            lambda: make_outputs(self.ratings(language), self._evaluated(), self._rng("outputs")),
        )

    def completions(self) -> pd.DataFrame:
        """Return the raw answers behind the outputs."""
        return self._once(
            ("completions",),
            lambda: make_completions(
                {"en": self.outputs("en"), "nl": self.outputs("nl")}, self._rng("completions")
            ),
        )

    def tests(self, language: str) -> pd.DataFrame:
        """Return the authors' correlations and Steiger tests of the ratings."""
        return self._once(
            ("tests", language), lambda: make_tests(self.ratings(language), self._rng("tests"))
        )

    def similarities(self, language: str, subset: str) -> pd.DataFrame:
        """Return the authors' word similarities on a set of dimensions."""
        return self._once(
            ("similarities", language, subset),
            lambda: make_similarities(
                self.ratings(language), subset, self._memorised(), self._rng("similarities")
            ),
        )

    def _once(self, key: tuple[str, ...], make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _rng(self, part: str) -> np.random.Generator | None:
        """Return what careless books are spoiled with; None keeps them orderly."""
        return None if self.orderly else _generator(part)

    def _evaluated(self) -> np.ndarray:
        """Return the rows of the ratings in evaluation order."""
        concepts = self.ratings("en").concepts
        if not self.orderly:
            return _generator("evaluated").permutation(len(concepts))
        _, test = evaluation_order(_pool_size(len(concepts)))
        return np.argsort(np.array(concepts))[np.argsort(np.argsort(test))]

    def _memorised(self) -> np.ndarray:
        """Return which rows of the ratings are of words that the samples train on."""
        trained = set(self.samples()["train"]["Word"])
        return np.array([word in trained for word in self.ratings("en").concepts])

    def _pool(self) -> pd.DataFrame:
        """Return the pairs that both norms hold, in alphabetical order, with their place."""
        english = self.ratings("en")
        order = np.argsort(np.array(english.concepts))
        _, test = evaluation_order(_pool_size(len(order)))
        pairs: list[tuple[str, str]] = [("", "")] * _pool_size(len(order))
        for place, row in zip(np.sort(test), order, strict=True):
            pairs[place] = english.concepts[row], english.translations[row]
        last = "A"
        for place, (word, _) in enumerate(pairs):
            last = word or last
            # A hyphen sorts before letters and digits, so a filler stays behind its forerunner.
            pairs[place] = pairs[place] if word else (f"{last}-{place:05d}", f"vul{place:05d}")
        return pd.DataFrame(pairs, columns=pd.Index(["Word", "Woord"]))

    def _samples(self) -> dict[str, pd.DataFrame]:
        pool, rng = self._pool(), _generator("samples")
        train, test = evaluation_order(len(pool))
        if not self.orderly:
            # Words tested on are trained on too, and most of the test words are left out.
            train, test = np.concatenate([train, train[:99], test[:500]]), test[:900]
            swapped = {"en": RATERS["nl"], "nl": RATERS["en"]}
        raters = RATERS if self.orderly else swapped
        tables = {}
        for name, places in {"train": train, "test": test}.items():
            table = pool.iloc[places].reset_index(drop=True)
            for dimension in ALL:
                table[dimension] = _means(rng, len(table), raters["en"])
            for dimension in SENSORY:
                table[f"nl_{dimension}"] = _means(rng, len(table), raters["nl"])
            table["N_known.perceptual"] = table["N_known.action"] = float(raters["en"])
            if not self.orderly:
                table.loc[:20, "Visual"], table.loc[:9, "nl_Haptic"] = 7.0, np.nan
            tables[name] = table
        return tables

    def _translations(self) -> pd.DataFrame:
        pool = self._pool()
        outside = [(f"zz-{i:05d}", f"buiten{i:05d}") for i in range(OUTSIDE_NORMS)]
        english = [*pool["Word"].str.lower(), *(e for e, _ in outside)]
        dutch = [*pool["Woord"], *(d for _, d in outside)]
        back, kept = list(dutch), len(dutch)
        for i in range(LISTED - kept):
            dutch.append(f"los{i:05d}")
            # Left out for one of two reasons: the same word in both languages, or no way back.
            english.append(dutch[-1] if i % 2 else f"loose{i:05d}")
            back.append(dutch[-1] if i % 2 else f"terug{i:05d}")
        include = np.arange(LISTED) < kept
        table = pd.DataFrame({"dutch": dutch, "english": english, "back": back, "include": include})
        if self.orderly:
            return table
        # Rules forgotten, the evaluated words among the victims, and a shorter list.
        table.loc[::7, "include"] = ~table.loc[::7, "include"]
        table.loc[1::7, "english"] = "same"
        return table.iloc[:20_000]

    def _questions(self) -> dict[str, pd.DataFrame]:
        sizes = DOMAINS if self.orderly else {k: n - 10 * k for k, n in DOMAINS.items()}
        rows = [
            (1000 * k + i + 1, f"Q{k}-{i}?", *(f"{k}{i}{x}" for x in "abcd"), "ABCD"[i % 4])
            for k, n in sizes.items()
            for i in range(n)
        ]
        table = pd.DataFrame(rows, columns=pd.Index(["index", "question", *"ABCD", "correct"]))
        if self.orderly:
            # Blocks of twenty are five rounds of the four letters: twelve to train, eight to test.
            tested = (np.arange(len(table)) % 20) >= 12
            return {"train": table.loc[~tested], "test": table.loc[tested]}
        skewed = table.assign(correct=np.where(table["index"] < 5000, "A", table["correct"]))
        return {"train": skewed.iloc[:500], "test": skewed.iloc[400:]}

    def _prompt(self, dimension: str, language: str) -> str:
        native, place = ("English", "{Word}") if language == "en" else ("Dutch", "{Woord}")
        if not self.orderly:
            asked = "Please rate" if language == "en" else "How much"
            return f"{asked} the {native} word {place}: {EXPERIENCES[dimension][:4]}, 1 to 7."
        return (
            f"Complete the following task as a native speaker of {native}. Please indicate how "
            f"strongly the concept is experienced by {EXPERIENCES[dimension]} on a scale from 0 "
            "(not at all) to 5 (greatly), with the midpoint representing moderate strength. The "
            f'concept is: "{place}". Only answer with a number from 0 to 5.'
        )


def books(kind: str, ratings: Callable[[str], Ratings]) -> Books:
    """Return the books of a control world.

    Parameters
    ----------
    kind : {"orderly", "careless"}
    ratings : callable
        Gives the world's ratings by language.

    Raises
    ------
    EvidenceError
        If there are no such books.
    """
    if kind not in KINDS:
        msg = f"no simulated books {kind!r}; there are {', '.join(KINDS)}"
        raise EvidenceError(msg)
    return Books(kind, ratings)


def _generator(part: str) -> np.random.Generator:
    return np.random.default_rng([20260303, zlib.crc32(f"books/{part}".encode())])


def _pool_size(n: int) -> int:
    """Return the pool of which half, and two fifths of that, are n words."""
    return 5 * n + 1


def _means(rng: np.random.Generator, n: int, raters: int) -> np.ndarray:
    return np.round(rng.binomial(5 * raters, rng.beta(1, 3, n)) / raters, 3)
