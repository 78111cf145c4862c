"""Checks of our own on the RSA: other recipes for the RDM, and the noise in the human ratings."""

from __future__ import annotations

from functools import cache

import numpy as np

from claims.sensorimotor.common import (
    bootstrap,
    features_rdm,
    from_draws,
    generator,
    how_many,
    rho_draws,
    structure,
)
from claims.sensorimotor.influence import difference, rsa_influence, smooth
from core.metrics.correlation import spearman
from core.metrics.rdm import rsa
from core.verdict.estimate import Estimate

REPLICATES = 10


def gain_by_recipe(evidence, recipe, dimensions) -> Estimate:
    table = evidence.ratings("en").select(dimensions).complete()
    human = features_rdm(table.human, recipe)
    rdms = [features_rdm(table.models[model], recipe) for model in ("QA_FT", "Base")]
    both = [rsa_influence(human, one) for one in rdms]
    return smooth(difference, both, f"RSA difference ({recipe}), infinitesimal jackknife")


def test_qa_gain_under_other_recipes(judge):
    """The smallest of the gains does not hang on one recipe for the RDM."""
    judge(gain_by_recipe)


@cache
def replicated_means(evidence) -> list[np.ndarray]:
    """Return the English human means as other raters of the same number might have given them.

    Noise of each mean's own standard error (SD over the root of N) is added; a count that was set
    aside is replaced by the dimension's median. What agrees with people as well as such a replicate
    does is as human as people are.
    """
    table = evidence.ratings("en").complete()
    counts = np.where(np.isnan(table.human_n), np.nanmedian(table.human_n, axis=0), table.human_n)
    error, rng = table.human_sd / np.sqrt(counts), generator("replicates")
    return [
        np.clip(table.human + error * rng.standard_normal(error.shape), 0, 5)
        for _ in range(REPLICATES)
    ]


@cache
def rsa_ceiling(evidence) -> float:
    """Return the mean RSA of people with replicates of themselves, eleven English dimensions."""
    human = structure(evidence, "en", "all").human
    return float(np.mean([rsa(human, features_rdm(x)) for x in replicated_means(evidence)]))


def rsa_gap_closed(evidence, model) -> Estimate:
    """Measure the share of the way from the base model to the noise ceiling that a model goes."""
    found, ceiling = bootstrap(evidence, "en", "all", "drop"), rsa_ceiling(evidence)
    base, tuned = found.draws["Base"], found.draws[model]
    value = (found.rho[model] - found.rho["Base"]) / (ceiling - found.rho["Base"])
    method = f"share of the gap to the noise ceiling ({ceiling:.3f}), bootstrap over concepts"
    return from_draws(value, (tuned - base) / (ceiling - base), found.n, method)


def test_rsa_gap_closed(judge):
    """Fine-tuning closes most of the gap between the base model and people."""
    judge(rsa_gap_closed)


def below_ceiling(evidence, model) -> Estimate:
    found, ceiling = bootstrap(evidence, "en", "all", "drop"), rsa_ceiling(evidence)
    method = f"noise ceiling ({ceiling:.3f}) less RSA, bootstrap over concepts"
    value, draws = ceiling - found.rho[model], ceiling - found.draws[model]
    return from_draws(value, draws, found.n, method, confidence=0.90)


def test_rsa_reaches_ceiling(judge):
    """The tuned structure is as human as another group of raters'."""
    judge(below_ceiling)


@cache
def rho_ceiling(evidence, dimension) -> float:
    """Return the mean correlation of people with replicates of themselves on one dimension."""
    table = evidence.ratings("en").complete()
    at = table.dimensions.index(dimension)
    both = [spearman(table.human[:, at], x[:, at]) for x in replicated_means(evidence)]
    return float(np.mean(both))


def dimensions_gap_closed(evidence, model) -> Estimate:
    """Count the dimensions on which a model goes more than half the way to the noise ceiling."""
    found, family = rho_draws(evidence, "en"), []
    for j, dimension in enumerate(evidence.ratings("en").dimensions):
        base, tuned = found.draws["Base"][:, j], found.draws[model][:, j]
        ceiling = rho_ceiling(evidence, dimension)
        value = (found.rho[model][j] - found.rho["Base"][j]) / (ceiling - found.rho["Base"][j])
        shares = (tuned - base) / (ceiling - base)
        family.append(from_draws(value, shares, found.n, "", label=dimension))
    method = "dimensions more than half of the way to the noise ceiling, bootstrap over words"
    return how_many(family, 0.5, method)


def test_dimensions_gap_closed(judge):
    """On most dimensions fine-tuning goes more than half of the way that is there to go."""
    judge(dimensions_gap_closed)


def headroom(evidence, dimensions) -> list[Estimate]:
    """Measure how far En_FT stays below what the noise in the human means allows."""
    found, family = rho_draws(evidence, "en"), []
    for dimension in dimensions.split("+"):
        j = evidence.ratings("en").dimensions.index(dimension)
        ceiling = rho_ceiling(evidence, dimension)
        method = f"noise ceiling ({ceiling:.3f}) less Spearman coefficient, bootstrap over words"
        value = ceiling - float(found.rho["En_FT"][j])
        draws = ceiling - found.draws["En_FT"][:, j]
        family.append(from_draws(value, draws, found.n, method, label=dimension))
    return family


def test_headroom(judge):
    """The noise in the human ratings is not what limits the dimensions with limited gains."""
    judge(headroom)
