"""Neighbour lists against counting, row by row, and however many rows are looked at at a time."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics import nearest
from core.metrics.nearest import NeighbourList, neighbour_list, paired_lists
from core.metrics.neighbours import (
    neighbour_weights,
    precision_at_k,
    precision_curve,
    sentence_precision_at_k,
)
from tests import strategies

# Numbers so small that no cosine lies within 1e-14 of where rounding parts it from its equals.
GRIDS = strategies.ratings(least=2, most=9, low=1, high=3)
COLUMNS = ("indptr", "indices", "ahead", "tied")


def exact(a, b):
    """The square of a cosine of rows without negative numbers, without any rounding."""
    a, b = a.astype(int), b.astype(int)
    return Fraction(int(a @ b) ** 2, int(a @ a) * int(b @ b))


def counted(x, k):
    """(row, other, nearer, as near) for every other that fewer than k are nearer than."""
    found = []
    for i, row in enumerate(x):
        cosine = {j: exact(row, other) for j, other in enumerate(x) if j != i}
        for j, mine in cosine.items():
            nearer = sum(other > mine for other in cosine.values())
            if nearer < k:
                found.append((i, j, nearer, sum(other == mine for other in cosine.values())))
    return found


def same(a, b):
    assert a.k == b.k
    for column in COLUMNS:
        assert_array_equal(getattr(a, column), getattr(b, column))


def test_list_by_hand():
    # The first row has one neighbour at 0 degrees and three at 90 for one place left.
    near = neighbour_list([[1, 0], [2, 0], [0, 1], [0, 2], [0, -1]], 2)
    assert len(near) == 5
    assert_array_equal(near.indptr, [0, 4, 8, 11, 14, 16])
    first, third, last = slice(0, 4), slice(8, 11), slice(14, 16)
    assert_array_equal(near.indices[first], [1, 2, 3, 4])
    assert_array_equal(near.ahead[first], [0, 1, 1, 1])
    assert_array_equal(near.tied[first], [1, 3, 3, 3])
    assert_allclose(near.weights[first], [1, 1 / 3, 1 / 3, 1 / 3])
    # The third has its twin, and one of two at 90 degrees; the last has both at 90 degrees.
    assert_array_equal(near.indices[third], [0, 1, 3])
    assert_array_equal(near.weights[third], [0.5, 0.5, 1])
    assert_array_equal(near.weights[last], [1, 1])
    assert_array_equal(near.rows, [0] * 4 + [1] * 4 + [2] * 3 + [3] * 3 + [4] * 2)
    assert_array_equal(near.nearest(1).rows, [0, 1, 2, 3, 4, 4])
    assert_array_equal(near.nearest(1).weights, [1, 1, 1, 1, 0.5, 0.5])


@given(st.data(), GRIDS)
def test_holds_whom_fewer_than_k_are_nearer_than(data, x):
    k = data.draw(st.integers(1, len(x) - 1))
    near = neighbour_list(x, k)
    found = zip(near.rows, near.indices, near.ahead, near.tied, strict=True)
    assert [tuple(map(int, entry)) for entry in found] == counted(x, k)
    assert_allclose(np.add.reduceat(near.weights, near.indptr[:-1]), k)


@given(st.data(), GRIDS)
def test_fewer_neighbours_are_part_of_the_list(data, x):
    k = data.draw(st.integers(1, len(x) - 1))
    fewer = data.draw(st.integers(1, k))
    same(neighbour_list(x, k).nearest(fewer), neighbour_list(x, fewer))


@pytest.mark.parametrize("tied", [False, True])
def test_blocks_of_rows_change_nothing(monkeypatch, tied):
    x = np.random.default_rng(3).normal(size=(61, 5))
    x = np.sign(x) + 0.5 if tied else x
    whole = {k: neighbour_list(x, k) for k in (1, 7, 60)}
    for rows in (1, 2, 9, 60):
        monkeypatch.setattr(nearest, "BLOCK", rows * 61 + 60)
        for k, expected in whole.items():
            same(neighbour_list(x, k), expected)
    # A block smaller than a row is a row.
    monkeypatch.setattr(nearest, "BLOCK", 1)
    same(neighbour_list(x, 7), whole[7])


def test_looks_at_no_more_than_a_block_of_cosines(monkeypatch):
    looked_at = []
    plain = nearest._cosines

    def watched(some, unit):
        looked_at.append(len(some) * len(unit))
        return plain(some, unit)

    monkeypatch.setattr(nearest, "_cosines", watched)
    monkeypatch.setattr(nearest, "BLOCK", 700)
    neighbour_list(np.random.default_rng(4).normal(size=(61, 5)), 3)
    assert max(looked_at) <= 700
    assert sum(looked_at) == 61 * 61


def test_lists_stand_for_the_spaces_they_are_of():
    rng = np.random.default_rng(5)
    x, y = np.sign(rng.normal(size=(20, 4))), rng.normal(size=(20, 3))
    near_x, near_y = neighbour_list(x, 19), neighbour_list(y, 8)
    for k in (1, 3, 8):
        for first, second in ((near_x, near_y), (near_x, y), (x, near_y)):
            assert precision_at_k(first, second, k) == precision_at_k(x, y, k)
            rows = sentence_precision_at_k(first, second, k)
            assert_array_equal(rows, sentence_precision_at_k(x, y, k))
            assert_array_equal(precision_curve(first, second, k), precision_curve(x, y, k))
    weights = np.zeros((20, 20))
    weights[near_x.rows, near_x.indices] = near_x.weights
    assert_array_equal(weights, neighbour_weights(x, 19))


def test_refuses_more_neighbours_than_a_list_holds():
    x = np.random.default_rng(6).normal(size=(9, 3))
    near = neighbour_list(x, 4)
    for k in (0, 5):
        with pytest.raises(ValueError, match=f"k is {k}, must lie between 1 and 4"):
            near.nearest(k)
        with pytest.raises(ValueError, match=f"k is {k}, must lie between 1 and"):
            precision_at_k(x, near, k)
    with pytest.raises(ValueError, match="x has 9 rows and y 8"):
        paired_lists(near, x[:8], 2)


def test_lists_do_not_change():
    near = neighbour_list(np.eye(3) + 0.1, 1)
    assert isinstance(near, NeighbourList)
    with pytest.raises(AttributeError):
        near.k = 2  # pyright: ignore[reportAttributeAccessIssue]
