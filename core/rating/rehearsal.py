"""A made-up world to rehearse the pipeline in: words, people's ratings of them, questions.

No word here means anything and nobody rated it. But what a word is like follows from how it is
spelled, so that a model that knows letters alone can learn from some words what people would say of
others: each syllable has a profile over the dimensions, and a word is like its syllables on
average, and a little like itself. A Dutch word is its English one after regular sound changes.
Its syllables are spelled partly alike, so that what was learnt in one language helps in the other,
but not in full. The questions are about spelling, of words made of other syllables: their answers
tell nothing about ratings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.tables import ALL, HIGHEST, LOWEST, SENSORY
from core.rating.dataset import Dataset
from core.rating.errors import RatingError
from core.rating.prompts import LETTERS

CONSONANTS = "bdfgklmnprst"
VOWELS = "aeiou"
#: What Dutch does to English spelling; the other letters stay.
SOUND_CHANGES = MappingProxyType({"f": "v", "s": "z", "k": "ch", "i": "ie", "u": "oe"})
#: Syllables that words with ratings are made of, and syllables in a word.
SYLLABLES, LENGTH = 24, 3
TRAIN_SHARE = 0.6
QUESTION_TRAIN_SHARE = 4 / 7
#: Where a dimension's ratings lie and how far words differ on it: most words have little smell, and
#: nearly all can be seen. Below 0 people say 0, so that ratings lean to the right.
_CENTRE: dict[str, float] = dict(
    zip(ALL, (1.3, -1.6, 0.9, 0.8, -1.3, 3.0, 0.3, 1.2, 1.9, 0.9, 0.2), strict=True)
)
_SPREAD = 1.8
#: Common traits of syllables, which tie the dimensions to each other.
_TRAITS = 4
#: A word's own part, and what Dutch people see otherwise, against a spread of 1.
_OWN, _DUTCH = 0.25, 0.3
#: How far raters of one word lie apart, on the scale.
_RATER = 1.0
_RATERS = {"en": (15, 21), "nl": (10, 15)}
_DECIMALS = {"en": 3, "nl": 6}


def rehearsal(rng: np.random.Generator, words: int = 400, questions: int = 140) -> Dataset:
    """Make a world and return its data set.

    Parameters
    ----------
    rng : Generator
    words : int
        Pairs of words, 60 % of them to train on; from 10 to 1000.
    questions : int
        Multiple-choice questions, four sevenths of them to train on; from 0 to 1000.

    Returns
    -------
    Dataset
        ``people`` is "simulated". Words are in small letters in both languages: to a model that
        knows letters alone, capitals would be other letters. No two words have the same
        syllables, in any order. SD and N are those of the raters drawn, as in the norms.

    Raises
    ------
    RatingError
        When more or fewer are asked for.
    """
    if not 10 <= words <= 1000 or not 0 <= questions <= 1000:
        msg = f"a rehearsal has 10 to 1000 words and 0 to 1000 questions, not {words}, {questions}"
        raise RatingError(msg)
    inventory = [c + v for c in CONSONANTS for v in VOWELS]
    shuffled = [str(syllable) for syllable in rng.permutation(inventory)]
    rated, others = shuffled[:SYLLABLES], shuffled[SYLLABLES:]
    spelled = _words(rng, rated, words)
    traits = rng.normal(size=(SYLLABLES, _TRAITS)) @ rng.normal(size=(_TRAITS, len(ALL)))
    profiles = _unit(traits / np.sqrt(_TRAITS) + 0.7 * rng.normal(size=traits.shape))
    parts = np.array([[rated.index(syllable) for syllable in word] for word in spelled])
    likeness = _unit(profiles[parts].mean(axis=1)) + _OWN * rng.normal(size=(words, len(ALL)))
    split = np.where(np.arange(words) < round(TRAIN_SHARE * words), "train", "test")
    english = ["".join(word) for word in spelled]
    dutch = [in_dutch(word) for word in english]
    other = likeness + _DUTCH * rng.normal(size=likeness.shape)
    return Dataset(
        "simulated",
        _frame(english, dutch, split, _rated(rng, likeness, ALL, "en")),
        _frame(dutch, english, split, _rated(rng, other[:, : len(SENSORY)], SENSORY, "nl")),
        _questions(rng, others, questions),
        {"source": "made up: no person rated these words", "words": words},
    )


def in_dutch(word: str) -> str:
    """Return a made-up English word as Dutch spells it."""
    return "".join(SOUND_CHANGES.get(letter, letter) for letter in word)


def _words(rng: np.random.Generator, syllables: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """Draw n words, each of other syllables than any other, that Dutch spells otherwise."""
    changed = [
        chosen
        for chosen in combinations(syllables, LENGTH)
        if in_dutch("".join(chosen)) != "".join(chosen)
    ]
    drawn = rng.choice(len(changed), size=n, replace=False)
    return [tuple(rng.permutation(changed[i]).tolist()) for i in drawn]


def _unit(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


def _rated(
    rng: np.random.Generator, likeness: np.ndarray, dimensions: Sequence[str], language: str
) -> dict[str, np.ndarray]:
    """Let people rate: whole numbers from 0 to 5, of which the norms keep mean, SD and count."""
    centre = np.array([_CENTRE[dimension] for dimension in dimensions])
    felt = centre + _SPREAD * likeness
    n = rng.integers(*_RATERS[language], size=(len(felt), 1))
    said = felt[:, :, None] + _RATER * rng.normal(size=(*felt.shape, _RATERS[language][1]))
    said = np.clip(np.round(said), LOWEST, HIGHEST)
    # Everybody is drawn, and who was not asked is left out again.
    asked = np.broadcast_to(np.arange(said.shape[2]) < n[:, :, None], said.shape)
    mean = said.mean(axis=2, where=asked).round(_DECIMALS[language])
    columns: dict[str, np.ndarray] = dict(zip(dimensions, mean.T, strict=True))
    if language == "en":
        sd = said.std(axis=2, ddof=1, where=asked).round(_DECIMALS[language])
        columns |= {f"{d}.SD": sd[:, i] for i, d in enumerate(dimensions)}
        columns |= {f"{d}.N": n[:, 0].astype(np.float64) for d in dimensions}
    return columns


def _frame(
    words: Sequence[str], translations: Sequence[str], split: np.ndarray, columns: dict[str, Any]
) -> pd.DataFrame:
    return pd.DataFrame({"word": words, "translation": translations, "split": split} | columns)


def _questions(rng: np.random.Generator, syllables: Sequence[str], n: int) -> pd.DataFrame:
    """Ask which of four words ends as another does."""
    train = round(QUESTION_TRAIN_SHARE * n)
    rows = []
    for index in range(1, n + 1):
        endings = rng.choice(syllables, size=len(LETTERS), replace=False)
        options = ["".join(rng.choice(syllables, size=LENGTH - 1)) + end for end in endings]
        place = int(rng.integers(len(LETTERS)))
        asked = "".join(rng.choice(syllables, size=LENGTH - 1)) + str(endings[place])
        text = f"Which of these words ends as {asked} does?"
        split = "train" if index <= train else "test"
        rows.append((index, text, *options, LETTERS[place], split))
    names = ["index", "question", *LETTERS, "correct", "split"]
    return pd.DataFrame(rows, columns=pd.Index(names))
