"""RSA on draws standardised anew, against re-indexed tables and SciPy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, zscore

from claims.sensorimotor.within import STEPS, rsa_within


def ratings(n, step, seed=0):
    """People and two models, on a grid, of which the first is the nearer."""
    rng = np.random.default_rng(seed)
    human = rng.gamma(1.5, 1, (n, 5))
    noise = rng.normal(0, 1, (2, n, 5)) * np.array([0.4, 1.5])[:, None, None]
    return [np.round(np.clip(x, 0, 5) / step) * step for x in (human, *(human + noise))]


def plain(features, at, decimals=None):
    """Standardise what was drawn, take all distances, and correlate their ranks."""
    drawn = [pdist(np.asarray(zscore(x[at])), "cosine") for x in features]
    if decimals is not None:
        drawn = [np.round(x, decimals) for x in drawn]
    return [float(np.asarray(spearmanr(drawn[0], one))[0]) for one in drawn[1:]]


@pytest.mark.parametrize("step", [0.05, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_draw_is_the_drawn_tables(step, seed):
    features, n = ratings(60, step), 60
    at = np.random.default_rng(seed).integers(0, n, n)
    # Concepts drawn twice make pairs with themselves, which count too.
    assert len(set(at)) < n
    found = rsa_within(features, np.bincount(at, minlength=n))
    assert_allclose(found, plain(features, at, decimals=4), rtol=0, atol=1e-12)
    assert_allclose(found, plain(features, at), rtol=0, atol=1e-4)
    assert found[0] > found[1] + 0.1
    assert STEPS == 10**4


def test_every_concept_once_is_the_whole_table():
    features = ratings(40, 0.2)
    found = rsa_within(features, np.ones(40, dtype=int))
    assert_allclose(found, plain(features, np.arange(40), decimals=4), rtol=0, atol=1e-12)


def test_a_draw_that_leaves_a_column_constant():
    features = ratings(30, 0.5)
    features[1][:, 2] = 0.0
    features[1][7, 2] = 1.0
    counts = np.full(30, 1)
    counts[7], counts[8] = 0, 2
    at = np.repeat(np.arange(30), counts)
    # It says nothing any more, and counts as if it was not there.
    without = [features[0], np.delete(features[1], 2, axis=1)]
    expected = plain(without, at, decimals=4)
    assert_allclose(rsa_within(features[:2], counts), expected, rtol=0, atol=1e-12)


def test_a_table_with_itself_is_1():
    features = ratings(20, 0.5)
    assert rsa_within([features[0], features[0]], np.arange(20) % 3) == [pytest.approx(1)]
