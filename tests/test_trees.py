"""Trees fitted to many sets of distances at once, against SciPy's one by one."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform

from claims.sensorimotor.trees import condensed, cophenetic_correlations, ward

DRAWS = 30


def distances(things, step=0.0, seed=0):
    """Condensed and square distances of random points, on a grid where they are to tie."""
    points = np.random.default_rng(seed).normal(size=(DRAWS, things, 3))
    pairs = np.array([pdist(np.round(one / step) * step if step else one) for one in points])
    return pairs, np.array([squareform(one) for one in pairs])


@pytest.mark.parametrize(("things", "step"), [(3, 0.0), (12, 0.0), (12, 1.0), (40, 0.5)])
def test_trees_and_their_fit_are_scipys(things, step):
    pairs, squares = distances(things, step)
    expected = np.array([linkage(one, "ward") for one in pairs])
    found = ward(squares)
    assert_array_equal(condensed(squares), pairs)
    assert_array_equal(found, expected)
    fits = [cophenet(tree, one)[0] for tree, one in zip(expected, pairs, strict=True)]
    assert_allclose(cophenetic_correlations(found, squares), fits, rtol=0, atol=1e-12)


def test_a_tree_may_be_anothers():
    pairs, squares = distances(10)
    other = ward(distances(10, seed=1)[1])
    fits = [cophenet(tree, one)[0] for tree, one in zip(other, pairs, strict=True)]
    assert_allclose(cophenetic_correlations(other, squares), fits, rtol=0, atol=1e-12)
    assert np.std(fits) > 0.01


def test_nested_blocks_fit_perfectly_however_far_apart():
    """Distances of a tree are its own cophenetic ones, however far they lie from zero."""
    pairs, _ = distances(9)
    nested = np.array([cophenet(linkage(one, "average")) for one in pairs])
    trees = np.array([linkage(one, "average") for one in nested])
    for shift in (0.0, 1e6):
        squares = np.array([squareform(one + shift) for one in nested])
        assert_allclose(cophenetic_correlations(trees, squares), 1.0, rtol=0, atol=1e-9)


def test_the_distances_are_left_as_they_were():
    _, squares = distances(6)
    kept = squares.copy()
    cophenetic_correlations(ward(squares), squares)
    assert_array_equal(squares, kept)
