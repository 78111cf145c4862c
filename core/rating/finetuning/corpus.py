"""What a recipe trains on, and the few words or questions that it is measured on instead."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from core.rating.dataset import Dataset
from core.rating.errors import RatingError
from core.rating.examples import Example, examples


@dataclass(frozen=True)
class Lessons:
    """Examples of a recipe.

    Attributes
    ----------
    train, held_out : tuple of Example
        Of other words, or other questions; the second may be empty.
    subjects, subjects_held_out : int
        How many words, or questions, each is about.
    """

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    subjects: int
    subjects_held_out: int


def lessons(
    dataset: Dataset, recipe: str, share: float, seed: int, *, scrambled: bool = False
) -> Lessons:
    """Return a recipe's examples, those of a few training words held out.

    The test words have no part in either. Both languages hold out the same pairs of words.

    Parameters
    ----------
    dataset : Dataset
    recipe : {"En_FT", "Nl_FT", "QA_FT"}
    share : float
        Of the training words or questions, in [0, 1); 0 trains on all, as the paper did, and any
        other share holds out one at least.
    seed : int
    scrambled : bool
        Whether answers are dealt anew among the words that are trained on; the held-out ones keep
        theirs.

    Raises
    ------
    RatingError
        If the data set has nothing for the recipe, or nothing would be left to train on.
    """
    whole = len(examples(dataset, recipe))
    kind = "questions" if recipe == "QA_FT" else "pairs"
    table = dataset.questions if kind == "questions" else dataset.english
    rows = np.flatnonzero(table["split"].to_numpy() == "train")
    n = min(len(rows), max(1, round(share * len(rows)))) if share else 0
    if n == len(rows):
        msg = f"{recipe}: {n} training {kind}, all held out; lower --held-out, or give more data"
        raise RatingError(msg)
    drawn = np.random.default_rng((seed, 1)).choice(rows, n, replace=False)
    out = np.isin(np.arange(len(table)), drawn)
    rng = np.random.default_rng((seed, 2)) if scrambled else None
    train = examples(_kept(dataset, kind, ~out), recipe, scrambled=rng)
    held_out = examples(_kept(dataset, kind, out), recipe) if n else []
    if len(train) + len(held_out) != whole:
        msg = f"{recipe}: {whole} examples, but {len(train)} and {len(held_out)} of its parts"
        raise AssertionError(msg)
    return Lessons(tuple(train), tuple(held_out), len(rows) - n, n)


def _kept(dataset: Dataset, kind: str, rows: np.ndarray) -> Dataset:
    if kind == "questions":
        return replace(dataset, questions=dataset.questions.loc[rows])
    return replace(dataset, english=dataset.english.loc[rows], dutch=dataset.dutch.loc[rows])
