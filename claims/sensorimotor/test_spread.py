"""Claims on the spread of the human ratings, offered as the reason for limited gains (Fig. 2c)."""

from __future__ import annotations

from functools import cache

import numpy as np

from claims.sensorimotor.common import (
    WORD_RESAMPLES,
    alignment,
    from_draws,
    generator,
)
from core.evidence.tables import ALL
from core.metrics.bootstrap import resample
from core.metrics.correlation import spearman, spearman_interval
from core.metrics.proportion import wilson_interval
from core.verdict.estimate import Estimate

CHEMICAL = ("Gustatory", "Olfactory")


@cache
def training_ratings(evidence) -> np.ndarray:
    """Return the (n, 11) human means of the released training words."""
    return evidence.training()[list(ALL)].dropna().to_numpy(dtype=np.float64)


def share_below_one(evidence, dimensions) -> list[Estimate]:
    ratings, family = training_ratings(evidence), []
    for dimension in dimensions.split("+"):
        found = float((ratings[:, ALL.index(dimension)] < 1).mean())
        low, high = wilson_interval(found, len(ratings))
        method = "share of training words rated below 1, Wilson interval"
        family.append(Estimate(found, low, high, len(ratings), method, label=dimension))
    return family


def test_mostly_below_one(judge):
    """Most training words are rated below 1 on the dimensions named."""
    judge(share_below_one)


@cache
def spread_draws(evidence, measure) -> tuple[np.ndarray, np.ndarray]:
    """Return each dimension's spread over the training words, and its bootstrap over words."""
    ratings = training_ratings(evidence)

    def spread(at: np.ndarray) -> np.ndarray:
        if measure == "sd":
            return ratings[at].std(axis=0)
        return np.subtract(*np.quantile(ratings[at], [0.75, 0.25], axis=0))

    n = len(ratings)
    draws = resample(spread, n, n_resamples=WORD_RESAMPLES, rng=generator("spread", measure))
    return spread(np.arange(n)), draws


def ratios(evidence, wide, narrow, measure) -> list[Estimate]:
    """Measure how many times wider the ratings spread on some dimensions than on others."""
    value, draws = spread_draws(evidence, measure)
    n = len(training_ratings(evidence))
    method = f"ratio of {measure} over the training words, bootstrap (B={WORD_RESAMPLES})"
    broad = [d for d in ALL if d not in CHEMICAL] if wide == "others" else wide.split("+")
    return [
        from_draws(
            value[ALL.index(a)] / value[ALL.index(b)],
            draws[:, ALL.index(a)] / draws[:, ALL.index(b)],
            n,
            method,
            label=f"{a} over {b}",
        )
        for a in broad
        for b in narrow.split("+")
    ]


def test_wider_distribution(judge):
    """Ratings spread more widely on some dimensions than on others."""
    judge(ratios)


def spread_and_gain(evidence, model) -> Estimate:
    """Correlate, over the English dimensions, human spread in training with the model's gain."""
    spread = training_ratings(evidence).std(axis=0)
    found = [alignment(evidence, "en", dimension).rho for dimension in ALL]
    gain = np.array([rho[model] - rho["Base"] for rho in found])
    value = spearman(spread, gain)
    low, high = spearman_interval(value, len(ALL))
    method = "Spearman over dimensions, Bonett and Wright (2000) interval"
    return Estimate(value, low, high, len(ALL), method)


def test_gain_follows_spread(judge):
    """Dimensions with more varied human ratings gained more."""
    judge(spread_and_gain)
