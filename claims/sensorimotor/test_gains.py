"""Which words gain from fine-tuning: all of them alike, or the worst ones most."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from claims.sensorimotor.common import (
    WORD_RESAMPLES,
    from_draws,
    generator,
    mean_gain,
    rsa_difference,
    seed,
)
from claims.sensorimotor.word_level import difference_estimate, rank_estimate, words
from core.metrics.bootstrap import percentile_interval, resample
from core.metrics.correlation import pearson, pearson_interval, ranks, spearman
from core.metrics.proportion import wilson_interval
from core.verdict.estimate import Estimate


def share_improved(evidence, model, language, dimensions):
    """Share of the words that a model puts closer to people than Base does."""
    scores = words(evidence, language, dimensions).similarity
    better = scores[model] > scores["Base"]
    low, high = wilson_interval(better.mean(), len(better))
    return Estimate(better.mean(), low, high, len(better), "share of words, Wilson interval")


def test_share_improved(judge):
    """A targeted change leaves part of the words as they were."""
    judge(share_improved)


def spread_of_gain(evidence, model, language, dimensions, over="Base"):
    """Measure the SD over words of the log of the factor by which a word's error shrank.

    Asking a model again also changes each word's error a little. What a model that hardly moved
    shows of this is the reference to take off; over Base, whose factor is 1, nothing is taken off.
    """
    distance = words(evidence, language, dimensions).distance
    factor, noise = (np.log(distance[m] / distance["Base"]) for m in (model, over))
    draws = resample(
        lambda i: factor[i].std(ddof=1) - noise[i].std(ddof=1),
        len(factor),
        n_resamples=WORD_RESAMPLES,
        rng=generator("spread of gain", model, language, dimensions),
    )
    found = factor.std(ddof=1) - noise.std(ddof=1)
    less = "" if over == "Base" else f" less that of {over}"
    method = f"SD over words{less}, bootstrap (B={WORD_RESAMPLES})"
    return from_draws(found, draws, len(factor), method)


def test_spread_of_gain(judge):
    """The correction is not the same for all words."""
    judge(spread_of_gain)


def gain_and_error(evidence, model, language, dimensions, scale="similarity"):
    """Rank correlation of a word's gain with how far Base was from people on it.

    A gain contains its start, so this is above zero for unrelated scores too; the part that is
    not is `gain_beyond_coupling`.
    """
    scores = words(evidence, language, dimensions).on(scale)
    return rank_estimate(scores[model] - scores["Base"], -scores["Base"], model)


def test_gain_and_error(judge):
    """The words that Base did worst on gain most."""
    judge(gain_and_error)


def gain_beyond_coupling(evidence, model, language, dimensions, scale="similarity"):
    """By how much that correlation exceeds what the coupling of a gain with its start gives.

    A gain holds the start with a minus sign, so that worst words gain most even where the tuned
    scores have nothing to do with the words. The null shuffles the tuned scores over the words;
    the interval is the correlation less the null's central 95 %.
    """
    scores = words(evidence, language, dimensions).on(scale)
    before, after = scores["Base"], scores[model]
    error = ranks(-before)
    rng = generator("coupling", model, language, dimensions, scale)
    null = [pearson(ranks(rng.permutation(after) - before), error) for _ in range(WORD_RESAMPLES)]
    found = spearman(after - before, -before)
    chance = float(np.mean(null))
    low, high = percentile_interval(np.array(null))
    method = f"Spearman less its mean {chance:.3f} under {WORD_RESAMPLES} permutations of words"
    ends = found - high, found - low
    return Estimate(found - chance, *ends, len(before), method, seed=seed(), label=model)


def test_gain_beyond_coupling(judge):
    """The worst words gain more than a gain that ignores the words would give them."""
    judge(gain_beyond_coupling)


def gain_and_level(evidence, model, language, dimensions):
    """Correlation of a word's error reduction with the mean of its errors before and after.

    Oldham (1962): unlike the correlation with the start, it is zero where the errors before and
    after merely vary alike; it is above zero where their spread over the words has shrunk.
    """
    distance = words(evidence, language, dimensions).distance
    before, after = distance["Base"], distance[model]
    r = pearson(before - after, before + after)
    low, high = pearson_interval(r, len(before))
    return Estimate(r, low, high, len(before), "Pearson over words, Fisher z")


def test_gain_and_level(judge):
    """Large errors shrink more than small ones: the errors' spread over words narrows."""
    judge(gain_and_level)


def tercile_gains(evidence, model, language, dimensions, scale="similarity"):
    """Measure the steps of mean gain from Base's worst third of words to its best."""
    scores = words(evidence, language, dimensions).on(scale)
    gain, third = scores[model] - scores["Base"], _terciles(scores["Base"])
    return _steps(
        lambda i: np.array([gain[i][third[i] == t].mean() for t in range(3)]),
        ("worst", "middle", "best"),
        len(gain),
        ("terciles", model, language, dimensions, scale),
    )


def _terciles(start):
    return np.minimum(2, (ranks(start) - 1) * 3 // len(start)).astype(int)


def _steps(levels, names, n, key):
    found = levels(np.arange(n))
    draws = resample(levels, n, n_resamples=WORD_RESAMPLES, rng=generator(*key))
    method = f"difference of means, bootstrap over words (B={WORD_RESAMPLES})"
    return [
        from_draws(
            found[a] - found[b],
            draws[:, a] - draws[:, b],
            n,
            method,
            label=f"{names[a]} over {names[b]}",
        )
        for a, b in pairwise(range(len(names)))
    ]


def test_tercile_gains(judge):
    """The better a word was at first, the less it gains."""
    judge(tercile_gains)


def rank_lost(evidence, model, language, dimensions):
    """Rank lost by the words that Base did best on, as a share of the most they could lose.

    The third of the words with the best Base scores has mean rank 5/6 of the list. A ranking
    unrelated to Base's would send it to the middle: 1. A ranking kept as it was: 0.
    """
    scores = words(evidence, language, dimensions).similarity
    n = len(scores["Base"])
    best = _terciles(scores["Base"]) == 2
    before, after = ranks(scores["Base"]), ranks(scores[model])
    draws = resample(
        lambda i: _lost(before[i], after[i], best[i], n),
        n,
        n_resamples=WORD_RESAMPLES,
        rng=generator("rank lost", model, language, dimensions),
    )
    method = f"ratio of mean ranks, bootstrap over words (B={WORD_RESAMPLES})"
    return from_draws(_lost(before, after, best, n), draws, n, method)


def _lost(before, after, best, n):
    return (before[best] - after[best]).mean() / (before[best].mean() - (n + 1) / 2)


def test_rank_lost(judge):
    """Words that Base did well on lose rank: more than a ranking half kept would cost them."""
    judge(rank_lost)


def lead_over_question_answering(evidence):
    """How far the rating-tuned models lead QA_FT in structure, dimensions and words, in English."""
    scores = words(evidence, "en", "all").similarity
    leads = []
    for model in ("En_FT", "Nl_FT"):
        leads += [
            rsa_difference(evidence, "en", model, over="QA_FT"),
            mean_gain(evidence, "en", model, over="QA_FT"),
            difference_estimate(scores[model], scores["QA_FT"], f"{model} over QA_FT, words"),
        ]
    return leads


def test_lead_over_question_answering(judge):
    """QA_FT stays behind at every level of analysis."""
    judge(lead_over_question_answering)
