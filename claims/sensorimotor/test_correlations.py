"""Which words the models do well on, compared between models."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from claims.sensorimotor.common import WORD_RESAMPLES, from_draws, generator
from claims.sensorimotor.word_level import (
    difference_estimate,
    rank_estimate,
    recalibrated,
    similarity_table,
    words,
)
from core.evidence.enough import require
from core.metrics.bootstrap import resample
from core.metrics.correlation import pearson, pearson_interval, spearman
from core.metrics.rdm import standardise
from core.metrics.words import word_distance
from core.verdict.estimate import Estimate


def rank_correlation(evidence, first, second, language, dimensions, confidence=0.95):
    """Rank correlation of two models' similarities to people."""
    scores = words(evidence, language, dimensions).similarity
    return rank_estimate(scores[first], scores[second], f"{first}, {second}", confidence)


def scipy_rank_correlation(evidence, first, second, language, dimensions, confidence=0.95):
    table = similarity_table(evidence, language, dimensions).dropna()
    return float(np.asarray(spearmanr(table[first], table[second]))[0])


def test_rank_correlation(judge):
    """Two models' rankings of the words are as alike as stated."""
    judge(rank_correlation, oracle=scipy_rank_correlation)


def base_correlations(evidence, language, dimensions, confidence=0.95):
    """Rank correlations of both rating-tuned models with Base."""
    return [
        rank_correlation(evidence, "Base", model, language, dimensions, confidence)
        for model in ("En_FT", "Nl_FT")
    ]


def test_base_correlations(judge):
    """Both rating-tuned models rank the words unlike Base."""
    judge(base_correlations)


def pooled_correlation(evidence, first, second):
    """Rank correlation of two models over the scores of both languages together.

    An English word and its Dutch translation are two rows but one concept, and not independent:
    the interval is from the bootstrap over concepts.
    """
    english, dutch = words(evidence, "en", "all"), words(evidence, "nl", "sensory")
    sides = (
        pd.DataFrame(english.similarity, index=list(english.ratings.translations)),
        pd.DataFrame(dutch.similarity, index=list(dutch.ratings.concepts)),
    )
    pairs = pd.concat([side[[first, second]] for side in sides], axis=1).to_numpy()

    def rho(i):
        x, y = pairs[i].reshape(-1, 2).T
        return spearman(x[~np.isnan(x)], y[~np.isnan(x)])

    n = len(pairs)
    rng = generator("pooled", first, second)
    draws = resample(rho, n, n_resamples=WORD_RESAMPLES, rng=rng)
    method = f"Spearman over both languages' words, bootstrap over concepts (B={WORD_RESAMPLES})"
    return from_draws(rho(np.arange(n)), draws, n, method, label=f"{first}, {second}")


def scipy_pooled_correlation(evidence, first, second):
    english = similarity_table(evidence, "en", "all").dropna()
    dutch = similarity_table(evidence, "nl", "sensory").dropna()
    both = pd.concat([english, dutch])
    return float(np.asarray(spearmanr(both[first], both[second]))[0])


def test_pooled_correlation(judge):
    """The heatmap is derived from the scores of both languages, pooled."""
    judge(pooled_correlation, oracle=scipy_pooled_correlation)


def linear_relation(evidence, first, second, language, dimensions, confidence=0.9):
    """Pearson correlation of two models' similarities."""
    scores = words(evidence, language, dimensions).similarity
    r, n = pearson(scores[first], scores[second]), len(scores[first])
    low, high = pearson_interval(r, n, confidence)
    return Estimate(r, low, high, n, "Pearson over words, Fisher z", confidence)


def test_linear_relation(judge):
    """There is no linear relation between two models' similarities."""
    judge(linear_relation)


def shared_variance(evidence, first, second, language, dimensions):
    """Share of the variance of one model's similarities that a line in the other's explains."""
    found = linear_relation(evidence, first, second, language, dimensions, confidence=0.95)
    ends = sorted((found.low**2, found.high**2))
    low = 0.0 if found.low < 0 < found.high else ends[0]
    return Estimate(found.value**2, low, ends[1], found.n, "r squared, Fisher z")


def test_shared_variance(judge):
    """A tight scatter is one where a line explains most of the variance."""
    judge(shared_variance)


def shared_variance_leads(evidence, first, second, over, language, dimensions):
    """By how much a line explains more of one pair of models than of each of the other pairs."""
    scores = words(evidence, language, dimensions).similarity
    pairs = [(first, second), *over]
    n = len(scores[first])

    def shares(i):
        return np.array([pearson(scores[a][i], scores[b][i]) ** 2 for a, b in pairs])

    found = shares(np.arange(n))
    rng = generator("shared variance", first, second, language, dimensions)
    draws = resample(shares, n, n_resamples=WORD_RESAMPLES, rng=rng)
    method = f"difference of r squared, bootstrap over words (B={WORD_RESAMPLES})"
    return [
        from_draws(
            found[0] - found[k], draws[:, 0] - draws[:, k], n, method, label=f"over {a}, {b}"
        )
        for k, (a, b) in enumerate(pairs[1:], start=1)
    ]


def test_shared_variance_leads(judge):
    """One pair of models scatters more tightly around a line than other pairs do."""
    judge(shared_variance_leads)


def partial_correlation(evidence, first, second, language, dimensions):
    """Rank correlation of two models' similarities, given what people answered on each word.

    Ranks of the human means, and of their standard deviations where they are released, are taken
    out of both by least squares.
    """
    measured = words(evidence, language, dimensions)
    people = [measured.ratings.human]
    if measured.ratings.human_sd is not None:
        people.append(measured.ratings.human_sd)
    given = np.hstack(people)
    known = ~np.isnan(given).any(axis=1)
    free = int(known.sum()) - given.shape[1]
    require(free, len(given), "ranks that people's answers leave free")
    x, y = (measured.similarity[model][known] for model in (first, second))
    return rank_estimate(x, y, f"{first}, {second}", given=given[known])


def test_partial_correlation(judge):
    """Two models do well on the same words beyond what people's answers explain."""
    judge(partial_correlation)


def rescaled_correlation(evidence, first, second, language, dimensions, confidence=0.95):
    """Rank correlation of two models' similarities after rescaling each onto people's answers.

    Rescaled answers shrink toward the mean profile, so that unusual words become hard for every
    model. How far a word's human profile lies from the mean one is therefore taken out.
    """
    measured = recalibrated(evidence, language, dimensions)
    human = measured.ratings.human
    unusual = np.linalg.norm(human - human.mean(0), axis=1)
    x, y = (measured.similarity[model] for model in (first, second))
    return rank_estimate(x, y, f"{first}, {second}", confidence, given=unusual[:, None])


def test_rescaled_correlation(judge):
    """Two models' rankings of the words, with differences of scale taken away."""
    judge(rescaled_correlation)


def profile_correlation(evidence, first, second, language, dimensions, confidence=0.95):
    """Rank correlation of two models' scale-free similarities to people.

    A word's score is the cosine of model and human profile, each dimension standardised over the
    words: the similarity behind the paper's structural analysis, blind to offset and stretch. It is
    higher for unusual words whatever the model; the length of the human profile is taken out.
    """
    ratings = words(evidence, language, dimensions).ratings
    human = standardise(ratings.human)
    x, y = (_cosines(standardise(ratings.models[m]), human) for m in (first, second))
    unusual = np.linalg.norm(human, axis=1)
    return rank_estimate(x, y, f"{first}, {second}", confidence, given=unusual[:, None])


def _cosines(a, b):
    return np.sum(a * b, axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))


def test_profile_correlation(judge):
    """Two models' rankings of the words by the shape of the profile alone."""
    judge(profile_correlation)


def global_map(evidence, language, dimensions):
    """Rank correlation of Base's similarities with those of Base under one map for all words."""
    raw, scaled = (
        words(evidence, language, dimensions),
        recalibrated(evidence, language, dimensions),
    )
    return rank_estimate(raw.similarity["Base"], scaled.similarity["Base"], "Base, Base rescaled")


def test_global_map(judge):
    """A change applied to all words alike would keep their order."""
    judge(global_map)


def profile_leads(evidence, start, nearest, others, language, dimensions):
    """Measure how much farther from one profile each of the others lies than the nearest does."""
    ratings = words(evidence, language, dimensions).ratings
    profiles = {"Human": ratings.human, **ratings.models}
    distance = {x: word_distance(profiles[x], profiles[start]) for x in (nearest, *others)}
    return [
        difference_estimate(distance[x], distance[nearest], f"{start} nearer {nearest} than {x}")
        for x in others
    ]


def test_profile_leads(judge):
    """One model's answers are closer to a second's than to a third's."""
    judge(profile_leads)
