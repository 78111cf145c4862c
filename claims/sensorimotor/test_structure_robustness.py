"""Checks of our own on the RSA: other recipes for the RDM, and the noise in the human ratings."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

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
from claims.sensorimotor.within import rsa_within
from core.evidence.errors import NotGiven
from core.metrics.bootstrap import resample
from core.metrics.correlation import ranks, spearman
from core.metrics.linearised import ranked_rdm
from core.metrics.rdm import rsa_many
from core.verdict.estimate import Estimate

REPLICATES = 10
#: Draws that are standardised anew: the first of the bootstrap's own.
WITHIN_RESAMPLES = 200


def gain_by_recipe(evidence, recipe, dimensions) -> Estimate:
    table = evidence.ratings("en").select(dimensions).complete()
    features = [table.human, *(table.models[model] for model in ("QA_FT", "Base"))]
    # Sorting lets go of the interpreter's lock.
    with ThreadPoolExecutor() as pool:
        human, *models = pool.map(lambda x: ranked_rdm(features_rdm(x, recipe)), features)
        both = list(pool.map(partial(rsa_influence, human), models))
    return smooth(difference, both, f"RSA difference ({recipe}), infinitesimal jackknife")


def test_qa_gain_under_other_recipes(judge):
    """The smallest of the gains does not hang on one recipe for the RDM."""
    judge(gain_by_recipe)


def scaled_within(evidence, model) -> Estimate:
    """Measure a model's gain in RSA when every draw of concepts is standardised anew.

    The draws are the first of the paper's bootstrap; see `rsa_within`.
    """
    table, one = evidence.ratings("en").complete(), structure(evidence, "en", "all")
    features = [table.human, table.models[model], table.models["Base"]]

    def gain(at: np.ndarray) -> float:
        tuned, base = rsa_within(features, np.bincount(at, minlength=one.n))
        return tuned - base

    rng = generator("rsa", "en", "all")
    draws = resample(gain, one.n, n_resamples=WITHIN_RESAMPLES, rng=rng)
    rho = rsa_many(one.human, {m: one.models[m] for m in (model, "Base")})
    method = (
        "RSA difference, bootstrap over concepts, standardised in every draw"
        f" (B={WITHIN_RESAMPLES})"
    )
    return from_draws(rho[model] - rho["Base"], draws, one.n, method)


def test_gain_standardised_within(judge):
    """The gain does not hang on standardising once, before concepts are drawn."""
    judge(scaled_within)


def _noise(evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return the complete English human means, and the standard error of each.

    The error is SD over the root of N; a count that was set aside is replaced by the dimension's
    median.
    """
    table = evidence.ratings("en").complete()
    if table.human_sd is None or table.human_n is None:
        remedy = "norms with the SD and number of raters of every word"
        raise NotGiven("people's ratings come without SD and number of raters", remedy=remedy)
    counts = np.where(np.isnan(table.human_n), np.nanmedian(table.human_n, axis=0), table.human_n)
    return table.human, table.human_sd / np.sqrt(counts)


def _replicates(means: np.ndarray, error: np.ndarray, purpose: str) -> list[np.ndarray]:
    rng = generator(purpose)
    noisy = (means + error * rng.standard_normal(error.shape) for _ in range(REPLICATES))
    return [np.clip(x, 0, 5) for x in noisy]


@cache
def noisier_means(evidence) -> list[np.ndarray]:
    """Return the human means with as much noise again as the raters' number puts on them.

    They are to the means what the means are to the ratings that everybody would give on average:
    a model that knew the latter could agree with people no better. As the means hold noise
    already, this bound is a little too high.
    """
    return _replicates(*_noise(evidence), "replicates")


@cache
def model_ceiling(evidence) -> float:
    """Return the best RSA with people that a model can attain, eleven English dimensions."""
    human = structure(evidence, "en", "all").human
    noisier = {str(i): features_rdm(x) for i, x in enumerate(noisier_means(evidence))}
    return float(np.mean(list(rsa_many(human, noisier).values())))


@cache
def group_ceiling(evidence) -> float:
    """Return the RSA of two groups of raters with each other, eleven English dimensions.

    Groups are made by adding noise to the means, once the noise that these hold is taken out: each
    dimension is shrunk until its variance is its reliable part only.
    """
    means, error = _noise(evidence)
    reliability = np.maximum(0, 1 - (error**2).mean(axis=0) / means.var(axis=0))
    centre = means.mean(axis=0)
    shrunk = centre + np.sqrt(reliability) * (means - centre)
    groups = [ranks(features_rdm(x)) for x in _replicates(shrunk, error, "groups")]
    agreement = np.asarray(np.corrcoef(groups))
    return float(agreement[np.triu_indices(REPLICATES, 1)].mean())


def rsa_gap_closed(evidence, model) -> Estimate:
    """Measure the share of the way from the base model to the model ceiling that a model goes."""
    found, ceiling = bootstrap(evidence, "en", "all")["drop"], model_ceiling(evidence)
    base, tuned = found.draws["Base"], found.draws[model]
    value = (found.rho[model] - found.rho["Base"]) / (ceiling - found.rho["Base"])
    method = f"share of the gap to the model ceiling ({ceiling:.3f}), bootstrap over concepts"
    return from_draws(value, (tuned - base) / (ceiling - base), found.n, method)


def test_rsa_gap_closed(judge):
    """Fine-tuning closes most of the gap between the base model and people."""
    judge(rsa_gap_closed)


def below_ceiling(evidence, model) -> Estimate:
    """Measure how far a model agrees less with people than another group of raters does."""
    found, ceiling = bootstrap(evidence, "en", "all")["drop"], group_ceiling(evidence)
    method = f"group ceiling ({ceiling:.3f}) less RSA, bootstrap over concepts"
    value, draws = ceiling - found.rho[model], ceiling - found.draws[model]
    return from_draws(value, draws, found.n, method, confidence=0.90)


def test_rsa_reaches_ceiling(judge):
    """The tuned structure is as human as another group of raters'."""
    judge(below_ceiling)


@cache
def rho_ceiling(evidence, dimension) -> float:
    """Return the best correlation with people that a model can attain on one dimension."""
    table = evidence.ratings("en").complete()
    at = table.dimensions.index(dimension)
    both = [spearman(table.human[:, at], x[:, at]) for x in noisier_means(evidence)]
    return float(np.mean(both))


def dimensions_gap_closed(evidence, model) -> Estimate:
    """Count the dimensions on which a model goes more than half the way to the model ceiling."""
    found, family = rho_draws(evidence, "en"), []
    for j, dimension in enumerate(evidence.ratings("en").dimensions):
        base, tuned = found.draws["Base"][:, j], found.draws[model][:, j]
        ceiling = rho_ceiling(evidence, dimension)
        value = (found.rho[model][j] - found.rho["Base"][j]) / (ceiling - found.rho["Base"][j])
        shares = (tuned - base) / (ceiling - base)
        family.append(from_draws(value, shares, found.n, "", label=dimension))
    method = "dimensions more than half of the way to the model ceiling, bootstrap over words"
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
        method = f"model ceiling ({ceiling:.3f}) less Spearman coefficient, bootstrap over words"
        value = ceiling - float(found.rho["En_FT"][j])
        draws = ceiling - found.draws["En_FT"][:, j]
        family.append(from_draws(value, draws, found.n, method, label=dimension))
    return family


def test_headroom(judge):
    """The noise in the human ratings is not what limits the dimensions with limited gains."""
    judge(headroom)
