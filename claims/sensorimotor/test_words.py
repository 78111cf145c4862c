"""How close each model comes to people, word by word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.stats import norm

from claims.sensorimotor.common import WORD_RESAMPLES, from_draws, generator
from claims.sensorimotor.word_level import (
    constant_profile,
    difference_estimate,
    recalibrated,
    similarity_table,
    words,
)
from core.metrics.bootstrap import resample
from core.metrics.words import mean_interval, word_distance, word_similarity
from core.verdict.estimate import Estimate


def mean_similarity(evidence, model, language, dimensions):
    """Mean similarity of a model to people."""
    scores = words(evidence, language, dimensions).similarity[model]
    mean, low, high = mean_interval(scores)
    return Estimate(mean, low, high, len(scores), "mean of 1/(1+d), t interval")


def pandas_mean_similarity(evidence, model, language, dimensions):
    return similarity_table(evidence, language, dimensions).dropna().mean().to_dict()[model]


def test_mean_similarity(judge):
    """A printed mean similarity is the one that the ratings give."""
    judge(mean_similarity, oracle=pandas_mean_similarity)


def table_difference(evidence, language, dimensions):
    """Largest difference between the authors' similarity table and the ratings' similarities.

    A score on one side only counts as 1, the most that two scores can differ.
    """
    theirs = evidence.similarities(language, dimensions)
    ours = similarity_table(evidence, language, dimensions)[list(theirs.columns)]
    gap = (ours - theirs.reindex(ours.index)).abs()
    gap = gap.mask(ours.isna() & theirs.reindex(ours.index).isna(), 0.0).fillna(1.0)
    extra = theirs.index.difference(ours.index).size
    largest = 1.0 if extra else float(gap.to_numpy().max())
    return Estimate.exact(largest, gap.size, "largest absolute difference over words and models")


def test_table_difference(judge):
    """The authors' own similarity tables are 1/(1+d) of the released ratings."""
    judge(table_difference)


def gain(evidence, model, language, dimensions, over="Base", scale="similarity", confidence=0.95):
    """Mean gain of a model over another, paired by word; distances count downwards."""
    scores = words(evidence, language, dimensions).on(scale)
    return difference_estimate(scores[model], scores[over], f"{model} over {over}", confidence)


def test_gain(judge):
    """A model is closer to people than another, or by how little."""
    judge(gain)


def wilcoxon_gain(evidence, model, language, dimensions):
    """Pseudo-median of a model's gain over Base, which no few words can carry.

    The interval inverts Wilcoxon's signed-rank test with its normal approximation
    (Hollander, Wolfe & Chicken, 2014, section 3.3).
    """
    scores = words(evidence, language, dimensions).similarity
    difference = scores[model] - scores["Base"]
    n = len(difference)
    first, second = np.triu_indices(n)
    walsh = np.sort((difference[first] + difference[second]) / 2)
    spread = norm.ppf(0.975) * np.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    at = int(n * (n + 1) / 4 - spread)
    return Estimate(
        float(np.median(walsh)), walsh[at], walsh[-1 - at], n, "Hodges-Lehmann, signed ranks"
    )


def test_wilcoxon_gain(judge):
    """The typical word gains, not only the mean."""
    judge(wilcoxon_gain)


def hierarchy(evidence, order, language, dimensions, rescaled=False):
    """Measure the steps of mean similarity down an order of models, each paired by word."""
    scores = (recalibrated if rescaled else words)(evidence, language, dimensions).similarity
    return [difference_estimate(scores[a], scores[b], f"{a} over {b}") for a, b in pairwise(order)]


def test_hierarchy(judge):
    """The models come in the order that the paper gives."""
    judge(hierarchy)


def over_constant(evidence, model, language, dimensions, scale="similarity"):
    """Gain of a model over one answer for every word: the training words' mean profile."""
    measured = words(evidence, language, dimensions)
    constant = np.broadcast_to(
        constant_profile(evidence, language, dimensions), measured.ratings.human.shape
    )
    distance = word_distance(constant, measured.ratings.human)
    trivial = word_similarity(distance) if scale == "similarity" else -distance
    return difference_estimate(measured.on(scale)[model], trivial, f"{model} over one profile")


def test_over_constant(judge):
    """Estimates that are accurate beat the same answer for every word."""
    judge(over_constant)


def rescaling_share(evidence, model, language, dimensions):
    """Share of a model's error reduction that rescaling Base's answers reaches alone."""
    raw, scaled = (
        words(evidence, language, dimensions),
        recalibrated(evidence, language, dimensions),
    )
    reached = raw.distance["Base"] - scaled.distance["Base"]
    tuned = raw.distance["Base"] - raw.distance[model]
    draws = resample(
        lambda i: reached[i].mean() / tuned[i].mean(),
        len(tuned),
        n_resamples=WORD_RESAMPLES,
        rng=generator("rescaling share", model, language, dimensions),
    )
    method = f"ratio of mean distance gains, bootstrap over words (B={WORD_RESAMPLES})"
    return from_draws(reached.mean() / tuned.mean(), draws, len(tuned), method)


def test_rescaling_share(judge):
    """The gain in accuracy is more than a change of scale."""
    judge(rescaling_share)


def over_rescaled_base(evidence, model, language, dimensions):
    """Gain of a model, as it stands, over Base rescaled onto people's answers."""
    tuned = words(evidence, language, dimensions).similarity[model]
    base = recalibrated(evidence, language, dimensions).similarity["Base"]
    return difference_estimate(tuned, base, f"{model} over rescaled Base")


def test_over_rescaled_base(judge):
    """A tuned model beats what rescaling alone makes of Base."""
    judge(over_rescaled_base)
