"""What the claims of this paper share: RSA with its bootstrap, and correlations per dimension."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import numpy as np

from claims.sensorimotor.rho import bootstrapped_rho
from claims.settings import resamples, seed_offset
from core import jobs
from core.evidence.tables import ALL, DIMENSION_SETS, MODELS, SENSORY, Ratings
from core.metrics.bootstrap import (
    RsaBootstrap,
    SelfPairs,
    bootstrap_rsa,
    bootstrap_rsa_by_rule,
    percentile_interval,
)
from core.metrics.correlation import ranks, spearman, spearman_interval
from core.metrics.dependent import DependentTest, steiger_z, zou_interval
from core.metrics.rdm import Metric, rdm, standardise
from core.verdict.estimate import Estimate, Undefined

SEED = 20260303
WORD_RESAMPLES = 1000


def seed() -> int:
    """Return the seed behind all draws of this run."""
    return SEED + seed_offset()


def generator(*key: str) -> np.random.Generator:
    """Return the random generator of one purpose, the same in every process."""
    return np.random.default_rng([seed(), zlib.crc32("/".join(key).encode())])


def bootstrapped(human: np.ndarray, models: Mapping[str, np.ndarray], *key: str) -> RsaBootstrap:
    """Return the bootstrap over concepts of models' RSA with people, without self-pairs."""
    return bootstrap_rsa(human, models, self_pairs="drop", **_bootstrap_options(*key))


def _bootstrap_options(*key: str) -> dict[str, Any]:
    run = partial(jobs.run, threads=True)
    return {"n_resamples": resamples(), "rng": generator(*key), "run": run}


def from_draws(
    value: float,
    draws: np.ndarray,
    n: int,
    method: str,
    *,
    confidence: float = 0.95,
    label: str = "",
) -> Estimate:
    """Return an estimate with the percentile interval of its bootstrap draws.

    Raises
    ------
    Undefined
        If a draw has no value, as when answers that hardly vary were drawn all alike.
    """
    if undefined := int((~np.isfinite(draws)).sum()):
        msg = f"{undefined} of {draws.size} draws have no value: some answers hardly vary"
        raise Undefined(msg)
    low, high = percentile_interval(draws, confidence)
    return Estimate(value, low, high, n, method, confidence=confidence, seed=seed(), label=label)


def dimension_names(language: str, dimensions: str) -> tuple[str, ...]:
    """Return the dimensions that a variant names: a set, or names joined by "+".

    "all" means every dimension of the language: eleven in English, six in Dutch.
    """
    if dimensions == "all":
        return ALL if language == "en" else SENSORY
    return DIMENSION_SETS.get(dimensions, tuple(dimensions.split("+")))


# Structure: representational similarity


@dataclass(frozen=True, eq=False)
class Structure:
    """Condensed RDMs of people and models over the same n complete concepts."""

    n: int
    human: np.ndarray
    models: Mapping[str, np.ndarray]


def features_rdm(features: np.ndarray, recipe: str = "cosine") -> np.ndarray:
    """Return the condensed RDM of (n, d) ratings by one recipe.

    ``cosine`` is the paper's: columns standardised, cosine distance. ``correlation``,
    ``euclidean`` and ``cityblock`` change the distance only; ``euclidean-raw`` leaves the ratings
    on their scale; ``cosine-ranks`` replaces each column by its ranks first.
    """
    if recipe == "euclidean-raw":
        return rdm(features, metric="euclidean")
    if recipe == "cosine-ranks":
        features, recipe = np.column_stack([ranks(column) for column in features.T]), "cosine"
    return rdm(standardise(features), metric=cast("Metric", recipe))


@cache
def structure(evidence: Any, language: str, dimensions: str) -> Structure:
    """Return the RDMs over the words that everybody rated on every dimension compared."""
    table = evidence.ratings(language).select(dimension_names(language, dimensions)).complete()
    models = {model: features_rdm(x) for model, x in table.models.items()}
    return Structure(len(table.concepts), features_rdm(table.human), models)


@cache
def bootstrap(evidence: Any, language: str, dimensions: str) -> dict[SelfPairs, RsaBootstrap]:
    """Return the bootstrap of every model's RSA with people, by rule for self-pairs.

    The paper's keeps the pairs of a concept with itself ("keep"), the sound one does not ("drop").
    """
    one = structure(evidence, language, dimensions)
    options = _bootstrap_options("rsa", language, dimensions)
    return bootstrap_rsa_by_rule(one.human, one.models, **options)


def rsa_difference(
    evidence: Any,
    language: str,
    model: str,
    over: str = "Base",
    dimensions: str = "all",
    self_pairs: str = "drop",
    confidence: float = 0.95,
) -> Estimate:
    """Measure how far one model's RSA with people lies above another's."""
    found = bootstrap(evidence, language, dimensions)[cast("SelfPairs", self_pairs)]
    draws = found.difference(model, over)
    return from_draws(
        found.rho[model] - found.rho[over],
        draws,
        found.n,
        f"RSA difference, bootstrap over concepts, self-pairs {self_pairs} (B={len(draws)})",
        confidence=confidence,
        label=f"{model} over {over}",
    )


# Dimensions: one correlation per dimension and model


@dataclass(frozen=True, eq=False)
class Alignment:
    """Spearman coefficients on one dimension, over the n words that everybody rated on it.

    Attributes
    ----------
    n : int
    rho : mapping of model to float
        With the human ratings.
    between : mapping of pair of models to float
        Of two models with each other, in either order.
    """

    n: int
    rho: Mapping[str, float]
    between: Mapping[tuple[str, str], float]


@cache
def alignment(evidence: Any, language: str, dimension: str) -> Alignment:
    """Return the coefficients of one dimension."""
    table = evidence.ratings(language).select(dimension).complete()
    columns = {model: x[:, 0] for model, x in table.models.items()}
    return Alignment(
        len(table.concepts),
        {model: spearman(table.human[:, 0], x) for model, x in columns.items()},
        {(a, b): spearman(x, y) for a, x in columns.items() for b, y in columns.items() if a != b},
    )


def rho(evidence: Any, language: str, model: str, dimension: str) -> Estimate:
    """Measure a model's Spearman correlation with people on one dimension."""
    one = alignment(evidence, language, dimension)
    low, high = spearman_interval(one.rho[model], one.n)
    method = "Spearman, Bonett and Wright (2000) interval"
    return Estimate(one.rho[model], low, high, one.n, method, label=dimension)


def rho_difference(
    evidence: Any,
    language: str,
    model: str,
    over: str,
    dimension: str,
    confidence: float = 0.95,
) -> Estimate:
    """Measure how far one model's correlation lies above another's on one dimension."""
    one = alignment(evidence, language, dimension)
    a, b, c = one.rho[model], one.rho[over], one.between[model, over]
    low, high = zou_interval(a, b, c, one.n, confidence=confidence, spearman=True)
    method = "difference of Spearman coefficients, Zou (2007) interval"
    return Estimate(a - b, low, high, one.n, method, confidence=confidence, label=dimension)


def gains(
    evidence: Any,
    language: str,
    model: str,
    over: str = "Base",
    dimensions: str = "all",
    confidence: float = 0.95,
) -> list[Estimate]:
    """Measure how far one model's correlation lies above another's, dimension by dimension."""
    names = dimension_names(language, dimensions)
    return [rho_difference(evidence, language, model, over, name, confidence) for name in names]


def steiger(evidence: Any, language: str, model: str, over: str, dimension: str) -> DependentTest:
    """Test two models' correlations with people against each other, as the paper does."""
    one = alignment(evidence, language, dimension)
    return steiger_z(one.rho[model], one.rho[over], one.between[model, over], one.n)


@dataclass(frozen=True, eq=False)
class RhoDraws:
    """Bootstrapped Spearman coefficients with people; every draw resamples whole words.

    Attributes
    ----------
    n : int
        Words complete on every dimension.
    rho : mapping of model to (d,) array
        Coefficients on all n words, dimensions in the language's order.
    draws : mapping of model to (B, d) array
    """

    n: int
    rho: Mapping[str, np.ndarray]
    draws: Mapping[str, np.ndarray]


@cache
def rho_draws(evidence: Any, language: str) -> RhoDraws:
    """Return the bootstrap over words of every model's correlation on every dimension."""
    table: Ratings = evidence.ratings(language).complete()
    n, rng = len(table.concepts), generator("rho", language)
    drawn = [np.bincount(at, minlength=n) for at in rng.integers(0, n, (WORD_RESAMPLES, n))]
    counts = np.array([np.ones(n, dtype=np.intp), *drawn])
    every = bootstrapped_rho(table.human, np.array(list(table.models.values())), counts)
    found = dict(zip(table.models, every, strict=True))
    return RhoDraws(n, {m: x[0] for m, x in found.items()}, {m: x[1:] for m, x in found.items()})


def mean_gain(
    evidence: Any,
    language: str,
    model: str,
    over: str = "Base",
    dimensions: str = "all",
    confidence: float = 0.95,
) -> Estimate:
    """Measure the mean over dimensions of one model's advantage in correlation over another."""
    found = rho_draws(evidence, language)
    every = dimension_names(language, "all")
    at = [every.index(name) for name in dimension_names(language, dimensions)]
    return from_draws(
        float((found.rho[model] - found.rho[over])[at].mean()),
        (found.draws[model] - found.draws[over])[:, at].mean(1),
        found.n,
        f"mean difference of Spearman coefficients, bootstrap over words (B={WORD_RESAMPLES})",
        confidence=confidence,
    )


def how_many(family: Sequence[Estimate], bound: float, method: str) -> Estimate:
    """Count the members above a bound: those wholly above at least, those not wholly below at most.

    A member's own interval decides, so the count's interval says how many the data leave open.
    """
    return Estimate(
        sum(one.value > bound for one in family),
        sum(one.low > bound for one in family),
        sum(one.high > bound for one in family),
        family[0].n,
        method,
        confidence=family[0].confidence,
    )


def pairs(language: str) -> list[tuple[str, str]]:
    """Return the pairs of models compared in a language: six in English, three in Dutch."""
    models = MODELS if language == "en" else MODELS[:3]
    return [(a, b) for i, a in enumerate(models) for b in models[i + 1 :]]
