"""Which metrics are symmetric in their two samples, and that none is left out."""

import dataclasses
import importlib
import inspect
import pkgutil

import numpy as np
import pytest
from hypothesis import given
from numpy.testing import assert_array_equal

import core.metrics
from core.metrics import (
    blocks,
    cka,
    correlation,
    dependent,
    exact_null,
    mantel,
    neighbours,
    procrustes,
    rdm,
    similarity,
    streamed,
    words,
)
from tests import strategies


def flat(x):
    """Points in a plane, none of them at the origin."""
    return np.column_stack([x, np.ones(len(x))])


def swarm(x):
    """Seven points in general position."""
    return np.cos(np.outer(np.arange(1, 8), np.r_[x, 1, 2]))


def pairs(x):
    return np.abs(x[:, None] - x)


def shape_metric(metric):
    # A matrix and its transpose have the same singular values but for the last bits.
    return lambda x, y: round(metric(flat(x), flat(y)), 8)


# Called with two samples of equal shape: swapping them changes nothing.
SYMMETRIC = {
    "blocks.block_precision": lambda x, y: dataclasses.astuple(
        blocks.block_precision(flat(x), flat(y), np.arange(len(x)) % 2, 2)
    ),
    "cka.linear_cka": lambda x, y: cka.linear_cka(flat(x), flat(y)),
    "correlation.kendall": correlation.kendall,
    "correlation.pearson": correlation.pearson,
    "correlation.spearman": correlation.spearman,
    "exact_null.precision_moments": lambda x, y: dataclasses.astuple(
        exact_null.precision_moments(flat(x), flat(y), 1)
    ),
    "exact_null.precision_test": lambda x, y: dataclasses.astuple(
        exact_null.precision_test(flat(x), flat(y), 1, [np.arange(len(x))]).exact
    ),
    "exact_null.relabelling_moments": lambda x, y: dataclasses.astuple(
        exact_null.relabelling_moments(pairs(x), pairs(y))
    ),
    "mantel.mantel": lambda x, y: mantel.mantel(pairs(x), pairs(y), [np.arange(len(x))]).r,
    "neighbours.precision_at_k": lambda x, y: neighbours.precision_at_k(flat(x), flat(y), 1),
    "neighbours.precision_curve": lambda x, y: neighbours.precision_curve(flat(x), flat(y), 2),
    "neighbours.sentence_precision_at_k": lambda x, y: neighbours.sentence_precision_at_k(
        flat(x), flat(y), 1
    ),
    "procrustes.disparity": shape_metric(procrustes.disparity),
    "procrustes.disparity_after_pca": shape_metric(procrustes.disparity_after_pca),
    "procrustes.residual": shape_metric(procrustes.residual),
    "procrustes.rotation_disparity": shape_metric(procrustes.rotation_disparity),
    "similarity.matrix_correlation": lambda x, y: similarity.matrix_correlation(swarm(x), swarm(y)),
    "similarity.pairwise_matching_accuracy": lambda x, y: similarity.pairwise_matching_accuracy(
        swarm(x), swarm(y)
    ),
    "rdm.rsa": rdm.rsa,
    "streamed.streamed_rsa": lambda x, y: dataclasses.astuple(
        streamed.streamed_rsa(flat(x), flat(y), bins=2**14)
    ),
    "words.word_distance": lambda x, y: words.word_distance(x[:, None], y[:, None]),
}

# Swapping changes the answer (its sign, or what is called what).
NOT_SYMMETRIC = {
    "similarity.percentile_rank": lambda x, y: similarity.percentile_rank(swarm(x), swarm(y)),
    "words.paired_t": words.paired_t,
    "dependent.steiger_z": lambda x, y: dependent.steiger_z(x[0], y[0], 0.1, 50),
    "dependent.williams_t": lambda x, y: dependent.williams_t(x[0], y[0], 0.1, 50),
    "dependent.zou_interval": lambda x, y: dependent.zou_interval(x[0], y[0], 0.1, 50),
}

# One sample, one figure, or roles that cannot be swapped (human and models).
NOT_OF_TWO_SAMPLES = {
    "bootstrap.bootstrap_rsa",
    "bootstrap.bootstrap_rsa_by_rule",
    "bootstrap.draw_counts",
    "bootstrap.percentile_interval",
    "bootstrap.resample",
    "crossed.crossed_interval",
    "correlation.fisher_interval",
    "correlation.fisher_z",
    "correlation.pearson_interval",
    "correlation.pearson_variance",
    "correlation.pearson_with",
    "correlation.ranks",
    "correlation.spearman_interval",
    "correlation.spearman_variance",
    "equivalence.tost_correlation",
    "equivalence.tost_mean",
    "linearised.linearised_rsa",
    "linearised.ranked_rdm",
    "mantel.partial_mantel",
    "multiplicity.holm",
    "nearest.cosine_similarity",
    "nearest.neighbour_list",
    "nearest.paired_lists",
    "neighbours.effective_rank",
    "neighbours.neighbour_composition",
    "neighbours.neighbour_weights",
    "neighbours.pairwise_precision_at_k",
    "permutation.as_permutations",
    "permutation.factor_relabellings",
    "permutation.permutation_p",
    "permutation.permuted_precision",
    "permutation.permuted_sums",
    "permutation.relabellings",
    "permutation.within_blocks",
    "procrustes.pairwise_disparity",
    "procrustes.permuted_disparity",
    "procrustes.reduce_to",
    "proportion.wilson_interval",
    "rdm.rdm",
    "rdm.rsa_many",
    "rdm.rsa_of_features",
    "rdm.standardise",
    "rdm.unit_rows",
    "words.mean_and_error",
    "words.mean_interval",
    "words.pairs_interval",
    "words.median_interval",
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
