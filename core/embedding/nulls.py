"""Spaces that know nothing of meaning: what shared words, letters or positions alone give.

Each is a space like any other, one row per sentence in the order of `SENTENCES`. Many of their
similarities tie exactly; every measure of neighbours takes the expectation over breaking ties at
random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from core.agent.instructions import (
    OBJECT_OF,
    OBJECTS,
    PHRASE_OF,
    PHRASES,
    SENTENCES,
    TASK_OF,
    TASKS,
)


def bag_of_words() -> np.ndarray:
    """Return how often each word stands in each sentence, shape (108, 21)."""
    return _counts([Counter(sentence.split()) for sentence in SENTENCES])


def character_ngrams(shortest: int = 2, longest: int = 4) -> np.ndarray:
    """Return how often each run of letters stands in each sentence, spaces among the letters.

    Parameters
    ----------
    shortest, longest : int
        Lengths of the runs.

    Returns
    -------
    ndarray of float64, shape (108, runs)
    """
    return _counts(
        [
            Counter(
                padded[start : start + length]
                for length in range(shortest, longest + 1)
                for start in range(len(padded) - length + 1)
            )
            for padded in (f" {sentence} " for sentence in SENTENCES)
        ]
    )


def phrase_only() -> np.ndarray:
    """Return the phrase as a one-hot code, shape (108, 6): 18 sentences each at one place."""
    return np.eye(len(PHRASES))[PHRASE_OF]


def object_only() -> np.ndarray:
    """Return the object as a one-hot code, shape (108, 18): 6 sentences each at one place."""
    return np.eye(len(OBJECTS))[OBJECT_OF]


def task_and_object() -> np.ndarray:
    """Return task and object as two one-hot codes side by side, shape (108, 21).

    It is what the demonstrations tell apart: all that an agent needs to act on, and no words.
    """
    return np.hstack([np.eye(len(TASKS))[TASK_OF], np.eye(len(OBJECTS))[OBJECT_OF]])


def gaussian(rng: np.random.Generator, width: int, draws: int) -> np.ndarray:
    """Return spaces of independent standard normal numbers, shape (draws, 108, width)."""
    return rng.standard_normal((draws, len(SENTENCES), width))


#: The nulls that are one space, by name.
NULLS: dict[str, Callable[[], np.ndarray]] = {
    "bag of words": bag_of_words,
    "character n-grams": character_ngrams,
    "phrase only": phrase_only,
    "object only": object_only,
    "task and object": task_and_object,
}


def _counts(bags: Sequence[Counter[str]]) -> np.ndarray:
    features = sorted(set().union(*bags))
    return np.array([[bag[feature] for feature in features] for bag in bags], dtype=np.float64)
