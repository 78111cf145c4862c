"""Word by word: how far a model's profile lies from people's, as it stands and rescaled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from claims.sensorimotor.common import generator
from core.evidence.tables import Ratings
from core.metrics.correlation import pearson, ranks, spearman, spearman_interval
from core.metrics.words import paired_t, word_distance, word_similarity
from core.verdict.estimate import Estimate

FOLDS = 10
DECIMALS = 12


@dataclass(frozen=True, eq=False)
class Words:
    """Every model's distance to people, word by word.

    Attributes
    ----------
    ratings : Ratings
        The n complete words: every model rated every dimension.
    distance : mapping of str to (n,) array
        Per model, Euclidean, in points of the rating scale.
    similarity : mapping of str to (n,) array
        Per model, 1 / (1 + distance): the paper's score, in (0, 1].
    """

    ratings: Ratings
    distance: Mapping[str, np.ndarray]
    similarity: Mapping[str, np.ndarray]

    def on(self, scale: str) -> Mapping[str, np.ndarray]:
        """Return each model's closeness to people: its "similarity", or minus its "distance"."""
        if scale == "similarity":
            return self.similarity
        return {model: -distance for model, distance in self.distance.items()}


@cache
def words(evidence, language: str, dimensions: str) -> Words:
    """Return the models' distances to people over the complete words of one comparison."""
    return _measured(evidence.ratings(language).select(dimensions).complete())


@cache
def recalibrated(evidence, language: str, dimensions: str) -> Words:
    """Return the same words after the best change of scale, never fitted on the words scored.

    For each model and dimension a line from its answers to the human means is fitted by least
    squares on nine tenths of the words and applied to the rest, ten times. The results are kept
    on the scale, from 0 to 5. A model gains nothing here that an offset and a stretch per
    dimension could give it.
    """
    ratings = words(evidence, language, dimensions).ratings
    fold = (
        generator("recalibrated", language, dimensions).permutation(len(ratings.concepts)) % FOLDS
    )
    models = {m: _relined(x, ratings.human, fold) for m, x in ratings.models.items()}
    return _measured(replace(ratings, models=models))


def similarity_table(evidence, language: str, dimensions: str) -> pd.DataFrame:
    """Return 1 / (1 + distance) by word and model from pandas alone, NaN where a rating is missing.

    The second route to the scores of `words`, for oracles and for the authors' own tables.
    """
    ratings = evidence.ratings(language).select(dimensions)
    human = pd.DataFrame(ratings.human, index=list(ratings.concepts))
    squares = {
        model: ((pd.DataFrame(answers, index=human.index) - human) ** 2).sum(axis=1, skipna=False)
        for model, answers in ratings.models.items()
    }
    return 1 / (1 + (pd.DataFrame(squares) ** 0.5).round(DECIMALS))


def constant_profile(evidence, language: str, dimensions: str) -> np.ndarray:
    """Return the mean human profile of training words, shape (d,): one answer for every word."""
    prefix = "nl_" if language == "nl" else ""
    names = words(evidence, language, dimensions).ratings.dimensions
    return evidence.training()[[prefix + name for name in names]].mean().to_numpy()


def rank_estimate(
    x: np.ndarray,
    y: np.ndarray,
    label: str = "",
    confidence: float = 0.95,
    given: np.ndarray | None = None,
) -> Estimate:
    """Return Spearman's rho of two scores over the same n words, if asked given other variables.

    Parameters
    ----------
    x, y : (n,) array
    label : str
    confidence : float
        With 0.9 the interval is that of two one-sided tests at .05.
    given : (n, k) array, optional
        Variables whose ranks are taken out of the ranks of both by least squares; each costs
        one word of the sample.
    """
    n, method = len(x), "Spearman over words, Fisher z"
    if given is None:
        rho = spearman(x, y)
    else:
        design = np.column_stack([np.ones(n), *(ranks(column) for column in given.T)])
        rho = pearson(*(_residual(ranks(scores), design) for scores in (x, y)))
        n, method = n - given.shape[1], "partial Spearman over words, Fisher z"
    low, high = spearman_interval(rho, n, confidence)
    return Estimate(rho, low, high, n, method, confidence, label=label)


def _residual(y: np.ndarray, design: np.ndarray) -> np.ndarray:
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def difference_estimate(
    x: np.ndarray, y: np.ndarray, label: str = "", confidence: float = 0.95
) -> Estimate:
    """Return the mean of x - y over words, with the paired t interval and Cohen's d_z."""
    test = paired_t(x, y, confidence)
    method = f"paired t over words, t({test.df}) = {test.t:.1f}, d_z = {test.cohen_dz:.2f}"
    return Estimate(test.mean, test.low, test.high, test.n, method, confidence, label=label)


def _measured(ratings: Ratings) -> Words:
    # Summed in another order, equal distances differ in the last bit and would not tie in rank.
    distance = {
        model: np.round(word_distance(x, ratings.human), DECIMALS)
        for model, x in ratings.models.items()
    }
    return Words(ratings, distance, {m: word_similarity(d) for m, d in distance.items()})


def _relined(model: np.ndarray, human: np.ndarray, fold: np.ndarray) -> np.ndarray:
    mapped = np.empty_like(human)
    for held in range(FOLDS):
        fit, score = fold != held, fold == held
        x, y = model[fit], human[fit]
        centred = x - x.mean(0)
        spread = np.sum(centred**2, axis=0)
        # A dimension answered alike throughout has no slope: people's mean is its best line.
        slope = np.sum(centred * y, axis=0) / np.where(spread > 0, spread, 1.0)
        mapped[score] = y.mean(0) + slope * (model[score] - x.mean(0))
    return np.clip(mapped, 0.0, 5.0)
