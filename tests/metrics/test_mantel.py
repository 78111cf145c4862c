"""Mantel and partial Mantel tests."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist, squareform

from core.metrics.mantel import mantel, partial_mantel
from core.metrics.permutation import relabellings
from tests.oracles import partial_correlation, ranks_by_counting, stats

EITHER = pytest.mark.parametrize("spearman", [False, True])


def matrices(seed, n=9, count=3):
    """Distances in spaces that share some of their axes."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(n, 2))
    return [pdist(np.hstack([common, rng.normal(size=(n, 2))])) for _ in range(count)]


def identity(n):
    return np.arange(n)[None]


def relabelled(pairs, order):
    return squareform(squareform(pairs)[np.ix_(order, order)])


def residual(y, given):
    design = np.column_stack([np.ones(len(y)), *given])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


@EITHER
@pytest.mark.parametrize("seed", range(3))
def test_r_by_yules_formula(seed, spearman):
    a, b, g = matrices(seed)
    taken = [ranks_by_counting(x) for x in (a, b, g)] if spearman else (a, b, g)
    found = partial_mantel(a, b, [g], identity(9), spearman=spearman)
    assert_allclose(found.r, partial_correlation(*taken))
    assert_allclose(found.null, [found.r])
    assert found.p == 1
    other = partial_mantel(b, a, [g], identity(9), spearman=spearman)
    assert_allclose(other.r, found.r)


def test_r_with_nothing_given_is_scipys():
    a, b, _ = matrices(3)
    assert_allclose(mantel(a, b, identity(9)).r, stats.spearmanr(a, b).statistic)
    plain = mantel(a, b, identity(9), spearman=False).r
    assert_allclose(plain, stats.pearsonr(a, b).statistic)


def test_two_given_is_yules_formula_applied_twice():
    a, b, g, h = matrices(4, count=4)
    ab, ah, bh = (
        partial_correlation(*two, g) for two in ((a, b), (a, h), (b, h))
    )  # fmt: skip
    expected = (ab - ah * bh) / np.sqrt((1 - ah**2) * (1 - bh**2))
    assert_allclose(partial_mantel(a, b, [g, h], identity(9), spearman=False).r, expected)


@EITHER
def test_null_is_the_correlation_after_relabelling_the_residuals_of_b(spearman):
    a, b, g, h = matrices(5, count=4)
    orders = relabellings(9, 40, np.random.default_rng(5))
    found = partial_mantel(a, b, [g, h], orders, spearman=spearman)
    taken = [stats.rankdata(x) if spearman else x for x in (a, b, g, h)]
    left, right = (residual(x, taken[2:]) for x in taken[:2])
    null = [np.corrcoef(left, relabelled(right, order))[0, 1] for order in orders]
    assert_allclose(found.null, null)
    r = np.corrcoef(left, right)[0, 1]
    assert_allclose(found.r, r)
    assert found.p == (1 + sum(each >= r for each in null)) / 41


def test_all_relabellings_of_four_things_by_hand():
    # Two pairs of close things in a; one of the three ways to pair four things, so that 8 of the
    # 24 relabellings of b do as well.
    a = squareform([1.0, 9, 9, 9, 9, 1])
    b = squareform([2.0, 5, 5, 5, 5, 2])
    orders = list(permutations(range(4)))
    found = mantel(a, b, orders)
    assert_allclose(found.r, 1)
    assert found.p == (8 + 1) / (24 + 1)
    assert_allclose(sorted(found.null), [-0.5] * 16 + [1] * 8)


@EITHER
def test_squares_and_triangles_are_one_whatever_is_on_the_diagonal(spearman):
    a, b, g = matrices(6)
    orders = relabellings(9, 10, np.random.default_rng(6))
    found = partial_mantel(a, b, [g], orders, spearman=spearman)
    squares = []
    for pairs, on_it in ((a, 1.0), (b, np.nan), (g, 0.0)):
        square = squareform(pairs)
        np.fill_diagonal(square, on_it)
        squares.append(square)
    again = partial_mantel(squares[0], squares[1], [squares[2]], orders, spearman=spearman)
    assert (again.r, again.p) == (found.r, found.p)
    assert_array_equal(again.null, found.null)


def test_given_matrices_may_depend_on_each_other_or_say_nothing():
    a, b, g = matrices(7)
    found = partial_mantel(a, b, [g], identity(9), spearman=False).r
    more = [g, 2 * g + 1, np.ones(36)]
    assert_allclose(partial_mantel(a, b, more, identity(9), spearman=False).r, found)
    alone = partial_mantel(a, b, [np.full(36, 0.3)], identity(9)).r
    assert_allclose(alone, mantel(a, b, identity(9)).r)


def test_what_goes_through_the_given_alone_is_found_by_the_plain_test_only():
    # Both follow g and are otherwise unrelated: the partial p is uniform, the plain one small.
    rng = np.random.default_rng(8)
    plain, partial = [], []
    for _ in range(300):
        g = pdist(rng.normal(size=(12, 2)))
        a, b = (g + pdist(rng.normal(size=(12, 3))) for _ in "ab")
        orders = relabellings(12, 99, rng)
        plain.append(mantel(a, b, orders, spearman=False).p)
        partial.append(partial_mantel(a, b, [g], orders, spearman=False).p)
    assert np.mean(np.array(plain) <= 0.05) > 0.5
    low = np.mean(np.array(partial) <= 0.05)
    assert stats.binomtest(int(low * 300), 300, 0.05).pvalue > 1e-3
    assert stats.kstest(partial, "uniform").pvalue > 1e-3


def test_what_is_there_beyond_the_given_is_found():
    rng = np.random.default_rng(9)
    g, h = pdist(rng.normal(size=(15, 2))), pdist(rng.normal(size=(15, 2)))
    a, b = (g + h + 0.3 * pdist(rng.normal(size=(15, 2))) for _ in "ab")
    found = partial_mantel(a, b, [g], relabellings(15, 199, rng))
    assert found.r > 0.5
    assert found.p == 1 / 200


def test_refuses_what_leaves_nothing():
    a, b, g = matrices(10)
    flat = np.full(36, 0.1)
    for call, name in (
        (lambda: mantel(flat, b, identity(9)), "a is constant"),
        (lambda: mantel(a, flat, identity(9), spearman=False), "b is constant"),
        (lambda: partial_mantel(2 * g + 1, b, [g], identity(9), spearman=False), "a is a linear"),
        (lambda: partial_mantel(a, np.exp(g), [g], identity(9)), "b is a linear"),
        (lambda: partial_mantel(a, a + g, [a, g], identity(9), spearman=False), "a is a linear"),
    ):
        with pytest.raises(ValueError, match=name):
            call()


def test_refuses_what_are_no_matrices_of_one_size():
    a, b, _ = matrices(11)
    lopsided = squareform(a)
    lopsided[0, 1] += 1
    for call, message in (
        (lambda: mantel(a[:-1], b, identity(9)), "a has 35 pairs, not"),
        (lambda: mantel(a, b[:28], identity(9)), "a has 36 pairs and b 28"),
        (lambda: partial_mantel(a, b, [a, b[:28]], identity(9)), r"given\[1\] 28"),
        (lambda: mantel(lopsided, b, identity(9)), "a is not symmetric"),
        (lambda: mantel(a, squareform(b)[:5], identity(9)), "b has shape"),
        (lambda: mantel(a, np.where(b > 1, b, np.nan), identity(9)), "b has .* NaN"),
        (lambda: mantel([1.0], [2.0], identity(2)), "at least 3"),
        (lambda: mantel(a, b, identity(8)), "permutations has shape"),
        (lambda: mantel(a, b, np.zeros((1, 9), dtype=int)), "no permutation"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_leaves_what_it_is_given_alone():
    a, b, g = (squareform(each) for each in matrices(12))
    np.fill_diagonal(a, 1.0)
    kept = a.copy()
    partial_mantel(a, b, [g], identity(9))
    assert_array_equal(a, kept)
