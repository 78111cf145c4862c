"""What was computed, and what on: the recipes behind the figures, and the norms behind a model."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, zscore

from claims.sensorimotor.common import alignment, pairs, steiger
from core.evidence.tables import ALL, SENSORY
from core.metrics.rdm import rdm, rsa, standardise
from core.metrics.words import mean_interval
from core.verdict.estimate import Estimate

#: Z and similarities are released to many digits: what is further off is another number.
SAME = 1e-6
#: How many times as common in one language's norms a fraction must be to tell of them.
TELLING = 10


def rsa_by(evidence, standardised):
    """RSA of En_FT on English, ratings standardised per dimension or taken as they are."""
    table = evidence.ratings("en").complete()
    human, model = table.human, table.models["En_FT"]
    if standardised:
        human, model = standardise(human), standardise(model)
    value = rsa(rdm(human), rdm(model))
    return Estimate.exact(value, len(human), "Spearman of cosine RDMs, upper triangle")


def scipy_rsa_by(evidence, standardised):
    table = evidence.ratings("en").complete()
    blocks = (table.human, table.models["En_FT"])
    scaled = [np.asarray(zscore(x)) if standardised else x for x in blocks]
    human, model = (np.round(pdist(x, "cosine"), 12) for x in scaled)
    return float(np.asarray(spearmanr(human, model))[0])


def test_rsa_recipe(judge):
    """The printed coefficient is that of the recipe as stated, and of no simpler one."""
    judge(rsa_by, oracle=scipy_rsa_by)


def steiger_statistics(evidence):
    """Count the authors' test statistics that are Steiger's (1980) Z, correlations pooled."""
    same, n = 0, 0
    for language in ("en", "nl"):
        released = evidence.tests(language)
        for dimension in released.index:
            n = alignment(evidence, language, dimension).n
            for a, b in pairs(language):
                z = steiger(evidence, language, a, b, dimension).statistic
                same += abs(z - released.loc[dimension, f"Z_{a}_{b}"]) < SAME
    return Estimate.exact(same, n, "released statistics equal to Steiger's pooled Z")


def test_steiger_statistics(judge):
    judge(steiger_statistics)


def vector_length(evidence, language, subset):
    """Length of the vectors whose distances give the authors' word similarities; 0 if none do."""
    released = evidence.similarities(language, subset)
    candidates = ("all", "sensory", "motor") if language == "en" else ("sensory",)
    for dimensions in candidates:
        table = evidence.ratings(language).select(dimensions)
        place = {word: i for i, word in enumerate(table.concepts)}
        at = [place[word] for word in released.index]
        mine = [
            1 / (1 + np.linalg.norm(x - table.human, axis=1))[at] for x in table.models.values()
        ]
        gap = np.abs(np.column_stack(mine) - released[list(table.models)].to_numpy())
        if np.nanmax(gap) < SAME:
            found = len(table.dimensions)
            return Estimate.exact(found, len(released), f"dimensions in the {subset} table")
    return Estimate.exact(0, len(released), f"dimensions in the {subset} table")


def dimensions_rated(evidence, language, subset):
    return float(len(evidence.ratings(language).select(subset).dimensions))


def test_vector_length(judge):
    judge(vector_length, oracle=dimensions_rated)


def left_out(evidence, subset):
    """Concepts that a subset's table of similarities leaves out of those in the full one."""
    full, part = (set(evidence.similarities("en", name).index) for name in ("all", subset))
    return Estimate.exact(len(full - part), len(full), f"concepts not in the {subset} table")


def test_left_out(judge):
    """A subset of concepts leaves some out."""
    judge(left_out)


@cache
def telling_fractions(evidence) -> np.ndarray:
    """Return +1 for a two-decimal fraction that tells of English norms, -1 for Dutch, else 0.

    A fraction tells when means of the released samples, rounded to two decimals, have it ten times
    as often in one language as in the other; one count is added to each of the hundred. Whole and
    half numbers, which raters' counts give in both languages and models like, do not tell.
    """
    means = {"en": list(ALL), "nl": [f"nl_{dimension}" for dimension in SENSORY]}
    share = {}
    for language, columns in means.items():
        values = np.concatenate([s[columns].to_numpy() for s in evidence.samples().values()])
        counts = np.bincount(fraction_of(values[~np.isnan(values)]), minlength=100) + 1
        share[language] = counts / counts.sum()
    ratio = share["en"] / share["nl"]
    return (ratio >= TELLING).astype(int) - (ratio <= 1 / TELLING)


def fraction_of(values: np.ndarray) -> np.ndarray:
    """Return the hundredths behind the point."""
    return np.round(values * 100).astype(int) % 100


def english_fractions(evidence, model, language):
    """How many more answers a word gets in telling English fractions than in telling Dutch ones."""
    values = evidence.outputs(language)[model].dropna().to_numpy()
    surplus = telling_fractions(evidence)[fraction_of(values)].sum(axis=1)
    value, low, high = mean_interval(surplus)
    method = "answers per word in English less in Dutch fractions, t interval over words"
    return Estimate(value, low, high, len(surplus), method, label=f"{model}, {language}")


def test_english_fractions(judge):
    """A model answers in the fractions of the norms that it was tuned on."""
    judge(english_fractions)
