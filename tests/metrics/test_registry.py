"""Which metrics are symmetric in their two samples, and that none is left out."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

import core.metrics
from core.metrics import correlation, dependent, neighbours, rdm, words
from tests import strategies

# Called with two samples of equal shape: swapping them changes nothing.
SYMMETRIC = {
    "correlation.pearson": correlation.pearson,
    "correlation.spearman": correlation.spearman,
    "neighbours.precision_at_k": lambda x, y: neighbours.precision_at_k(
        np.column_stack([x, np.ones(len(x))]), np.column_stack([y, np.ones(len(y))]), 1
    ),
    "rdm.rsa": rdm.rsa,
    "words.word_distance": lambda x, y: words.word_distance(x[:, None], y[:, None]),
}

# Swapping changes the answer (its sign, or what is called what).
NOT_SYMMETRIC = {
    "words.paired_t": words.paired_t,
    "dependent.steiger_z": lambda x, y: dependent.steiger_z(x[0], y[0], 0.1, 50),
    "dependent.williams_t": lambda x, y: dependent.williams_t(x[0], y[0], 0.1, 50),
    "dependent.zou_interval": lambda x, y: dependent.zou_interval(x[0], y[0], 0.1, 50),
}

# One sample, one figure, or roles that cannot be swapped (human and models).
NOT_OF_TWO_SAMPLES = {
    "bootstrap.bootstrap_rsa",
    "bootstrap.percentile_interval",
    "bootstrap.resample",
    "correlation.fisher_interval",
    "correlation.fisher_z",
    "correlation.pearson_interval",
    "correlation.pearson_variance",
    "correlation.ranks",
    "correlation.spearman_interval",
    "correlation.spearman_variance",
    "equivalence.tost_correlation",
    "equivalence.tost_mean",
    "multiplicity.holm",
    "neighbours.cosine_similarity",
    "neighbours.effective_rank",
    "neighbours.neighbour_composition",
    "neighbours.neighbour_weights",
    "neighbours.pairwise_precision_at_k",
    "proportion.wilson_interval",
    "rdm.rdm",
    "rdm.standardise",
    "words.mean_and_error",
    "words.mean_interval",
    "words.ratio",
    "words.word_similarity",
}

REFUSALS = "checks"


def public_functions():
    for module in pkgutil.iter_modules(core.metrics.__path__):
        if module.name.startswith("_") or module.name == REFUSALS:
            continue
        members = vars(importlib.import_module(f"core.metrics.{module.name}"))
        for name, member in members.items():
            if (
                inspect.isfunction(member)
                and not name.startswith("_")
                and member.__module__ == f"core.metrics.{module.name}"
            ):
                yield f"{module.name}.{name}"


def test_every_metric_is_registered_once():
    kinds = (set(SYMMETRIC), set(NOT_SYMMETRIC), NOT_OF_TWO_SAMPLES)
    assert set.union(*kinds) == set(public_functions())
    assert sum(map(len, kinds)) == len(set.union(*kinds))


@pytest.mark.parametrize("name", SYMMETRIC)
@given(strategies.paired_samples())
def test_symmetric(name, pair):
    x, y = pair
    assert_array_equal(SYMMETRIC[name](x, y), SYMMETRIC[name](y, x))


@pytest.mark.parametrize("name", NOT_SYMMETRIC)
def test_not_symmetric(name):
    x, y = np.array([0.5, 0.1, 0.2]), np.array([0.3, 0.4, -0.2])
    assert NOT_SYMMETRIC[name](x, y) != NOT_SYMMETRIC[name](y, x)
