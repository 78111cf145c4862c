"""The exact null of P@k, against every single permutation of few things and a sample of many."""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse

from core.metrics.exact_null import (
    Moments,
    PrecisionTest,
    precision_moments,
    precision_test,
    relabelling_moments,
)
from core.metrics.nearest import neighbour_list
from core.metrics.neighbours import precision_at_k
from core.metrics.permutation import permuted_precision, relabellings
from tests import strategies


def every(n):
    return np.array(list(permutations(range(n))))


def enumerated(a, b):
    """The sum under every permutation there is, shape (n!,)."""
    return np.array([(a * b[np.ix_(p, p)]).sum() for p in every(len(a))])


def hollow(rng, n, *, symmetric=False, values=None):
    matrix = rng.normal(size=(n, n)) if values is None else rng.choice(values, size=(n, n))
    matrix = matrix + matrix.T if symmetric else matrix
    np.fill_diagonal(matrix, 0)
    return matrix


def agree(found, values):
    assert_allclose(found.mean, values.mean(), rtol=1e-11, atol=1e-12)
    assert_allclose(found.variance, values.var(), rtol=1e-9, atol=1e-12)
    assert_allclose(found.sd, values.std(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize(("first", "second"), list(product((False, True), repeat=2)))
def test_moments_are_those_of_every_permutation(n, first, second):
    rng = np.random.default_rng(n)
    for values in (None, (0, 1), (0, 0, 0, 2, -1)):
        for _ in range(3):
            a = hollow(rng, n, symmetric=first, values=values)
            b = hollow(rng, n, symmetric=second, values=values)
            agree(relabelling_moments(a, b), enumerated(a, b))


def test_moments_where_digits_cancel():
    # Means that dwarf what varies, then sums that do not depend on the permutation.
    rng = np.random.default_rng(0)
    a, b = hollow(rng, 6), hollow(rng, 6)
    off = 1 - np.eye(6)
    far = relabelling_moments(a + 1e6 * off, b + 1e6 * off)
    assert_allclose(far.variance, enumerated(a, b).var(), rtol=1e-7)
    flat = relabelling_moments(off / 3, b)
    assert flat.variance == 0
    assert_allclose(flat.mean, b.sum() / 3)
    assert relabelling_moments(a, np.zeros((6, 6))) == Moments(0.0, 0.0)
    # Rows of one number each, against rows that add up to the same.
    by_row = off * np.arange(1, 7)[:, None]
    circle = np.roll(np.eye(6), 1, axis=1) * 0.1
    assert np.ptp(enumerated(by_row, circle)) < 1e-12
    assert relabelling_moments(by_row, circle).variance == 0


def test_sparse_is_dense():
    rng = np.random.default_rng(1)
    a, b = hollow(rng, 6, values=(0, 0, 3)), hollow(rng, 6)
    expected = relabelling_moments(a, b)
    assert relabelling_moments(sparse.csr_array(a), sparse.coo_array(b)) == expected
    # An entry in two parts, a diagonal that is stored and zero, and nothing changed by the call.
    i, j = np.nonzero(np.ones((6, 6)))
    parts = np.r_[a[i, j] - 1, np.ones(36)]
    twice = sparse.coo_array((parts, (np.r_[i, i], np.r_[j, j])), shape=(6, 6))
    assert_allclose(relabelling_moments(twice, b).variance, expected.variance)
    indices = np.array([3, 1, 1, 0])
    unsorted = sparse.csr_array((np.ones(4), indices.copy(), [0, 3, 4, 4, 4]), shape=(4, 4))
    other = hollow(rng, 4)
    found = relabelling_moments(unsorted, other)
    assert (unsorted.indices == indices).all()
    assert found == relabelling_moments([[0, 2, 0, 1], [1, 0, 0, 0], [0] * 4, [0] * 4], other)


@given(
    st.data(),
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(*[strategies.ratings(n, n, low=1, high=3) for _ in range(2)])
    ),
)
def test_precision_under_every_relabelling(data, pair):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    found = precision_moments(x, y, k)
    values = np.array([precision_at_k(x, y[p], k) for p in every(n)])
    assert found.mean == k / (n - 1)
    agree(found, values)


@pytest.mark.parametrize(("k", "tied"), [(1, False), (7, False), (7, True), (38, True)])
def test_precision_under_many_random_relabellings(k, tied):
    rng = np.random.default_rng(k)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 4))
    if tied:
        x, y = np.sign(x) + 0.3, np.sign(y) + 0.2
    found = precision_moments(x, y, k)
    draws = 20_000
    null = permuted_precision(x, y, k, relabellings(40, draws, rng))
    z = (null - found.mean) / found.sd
    assert abs(z.mean()) < 4 / np.sqrt(draws)
    # The standard error of a variance about a known mean.
    assert abs((z**2).mean() - 1) < 4 * (z**2).std() / np.sqrt(draws)


@pytest.mark.parametrize("n", [2, 3, 9, 50])
def test_what_cannot_vary_has_no_z(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n, 3))
    flat = np.ones((n, 2))
    for pair, k in (((x, y), n - 1), ((flat, y), 1), ((x, flat), n - 1), ((flat, flat), n // 2)):
        found = precision_moments(*pair, k)
        assert found == Moments(k / (n - 1), 0.0)
        assert np.isnan(found.z(0.5))


def test_the_whole_test_by_hand():
    # Twins by twins: P@1 is 1 where a permutation keeps both pairs of twins, or swaps them; 8 of
    # the 24 do, and the others take every twin from its twin.
    x = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    found = precision_test(x, x, 1, every(4))
    assert isinstance(found, PrecisionTest)
    assert found.precision == 1
    assert found.p == 9 / 25
    assert sorted(found.null) == [0] * 16 + [1] * 8
    assert found.exact.mean == 1 / 3
    assert_allclose(found.exact.variance, 1 / 3 * 2 / 3)
    assert_allclose(found.z, np.sqrt(2))
    # The tail of a normal distribution beyond the root of 2 is half of erfc(1) = 0.157299.
    assert_allclose(found.normal_p, 0.157299 / 2, atol=1e-6)


def test_the_whole_test_of_lists_found_beforehand():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 30, 6))
    y[:, :4] += 3 * x[:, :4]
    drawn = relabellings(30, 99, rng)
    found = precision_test(x, y, 5, drawn)
    listed = precision_test(neighbour_list(x, 9), neighbour_list(y, 5), 5, drawn)
    assert (found.precision, found.p, found.exact) == (listed.precision, listed.p, listed.exact)
    assert found.p == 1 / 100
    assert found.z > 5
    assert found.normal_p < 1e-6
    turned = precision_test(x, y[drawn[0]], 5, drawn)
    assert abs(turned.z) < 4
    # Relabelled the same way in both, the spaces are what they were.
    again = precision_test(x[drawn[0]], y[drawn[0]], 5, drawn)
    assert_allclose(again.exact.variance, found.exact.variance)
    assert again.precision == found.precision


def test_all_permutations_of_few_give_their_share_as_p():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 5, 3))
    found = precision_test(x, y, 2, every(5))
    assert_allclose(found.null.mean(), found.exact.mean)
    assert_allclose(found.null.var(), found.exact.variance)
    reached = sum(precision_at_k(x, y[p], 2) >= found.precision - 1e-9 for p in every(5))
    assert found.p == (reached + 1) / (factorial(5) + 1)


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (np.eye(3), "a has a diagonal that is not zero"),
        (sparse.csr_array(np.eye(3)), "a has a diagonal that is not zero"),
        (np.zeros((3, 2)), r"a has shape \(3, 2\)"),
        (sparse.csr_array((1, 1)), r"a has shape \(1, 1\)"),
        (np.zeros((1, 1)), "a has 1 rows"),
        (np.full((3, 3), np.nan), "a has 9 NaN"),
        (sparse.csr_array([[0, np.inf], [1, 0]]), "a has 1 NaN or infinite"),
        (np.zeros((4, 4)), "a has 4 rows and b 3"),
    ],
)
def test_refuses_what_has_no_moments(a, message):
    with pytest.raises(ValueError, match=message):
        relabelling_moments(a, np.zeros((3, 3)))


def test_refuses_the_rest():
    x = np.random.default_rng(4).normal(size=(5, 3))
    for call in (precision_moments, lambda x, y, k: precision_test(x, y, k, [np.arange(5)])):
        with pytest.raises(ValueError, match="k is 5"):
            call(x, x, 5)
        with pytest.raises(ValueError, match="x has 5 rows and y 4"):
            call(x, x[:4], 2)
    with pytest.raises(ValueError, match="row 0 of permutations"):
        precision_test(x, x, 1, [[0, 1, 2, 3, 3]])
