"""Linear centred kernel alignment, with and without bias."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics.cka import linear_cka
from tests import strategies
from tests.oracles import hsic_by_four_tuples, stats

TIGHT = 1e-10
BOTH = pytest.mark.parametrize("debiased", [False, True])


def by_features(x, y):
    """Kornblith et al. (2019): Frobenius norms of products of centred features."""
    x, y = (np.asarray(each) - np.mean(each, axis=0) for each in (x, y))
    norm = np.linalg.norm
    return norm(y.T @ x) ** 2 / (norm(x.T @ x) * norm(y.T @ y))


def one_hot(labels):
    return np.eye(max(labels) + 1)[labels]


@pytest.mark.parametrize(("n", "d", "e"), [(8, 3, 5), (30, 40, 2), (108, 128, 300)])
def test_is_the_formula_on_features(n, d, e):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, d)) + 2, rng.normal(size=(n, e))
    y[:, :2] += 3 * x[:, :2]
    assert_allclose(linear_cka(x, y), by_features(x, y))


def test_designs_by_hand():
    # Halves that cross each other have nothing in common.
    halves = one_hot([0, 0, 1, 1])
    assert_allclose(linear_cka(halves, one_hot([0, 1, 0, 1])), 0, atol=TIGHT)
    # Four points apart, K = I - 1/4, norm sqrt 3; their halves, L = ss'/2 with s = +-1, norm 2; the
    # product is the trace of L, 2.
    assert_allclose(linear_cka(np.eye(4), halves), 3**-0.5)


@given(arrays(int, st.tuples(st.integers(3, 20), st.just(2)), elements=st.integers(-5, 5)))
def test_points_on_lines_give_the_squared_correlation(pair):
    x, y = pair.T
    if np.ptp(x) and np.ptp(y):
        r = stats.pearsonr(x, y).statistic
        assert_allclose(linear_cka(np.outer(x, [1, -2]), y[:, None]), r**2, atol=TIGHT)


@pytest.mark.parametrize("n", [4, 5, 7])
def test_debiased_is_made_of_u_statistics_over_four_tuples(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(n, 2))
    # On inner products that are not centred: the estimator takes care of that.
    k, l = x @ x.T, y @ y.T  # noqa: E741
    xy, xx, yy = (hsic_by_four_tuples(*pair) for pair in ((k, l), (k, k), (l, l)))
    assert_allclose(linear_cka(x, y, debiased=True), xy / np.sqrt(xx * yy))


def test_debiased_is_0_on_average_over_relabellings_and_plain_is_not():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 9)), rng.normal(size=(6, 9))
    orders = [list(order) for order in permutations(range(6))]
    debiased = [linear_cka(x, y[order], debiased=True) for order in orders]
    assert_allclose(np.mean(debiased), 0, atol=TIGHT)
    assert np.mean([linear_cka(x, y[order]) for order in orders]) > 0.4


def test_many_dimensions_make_unrelated_spaces_look_alike_unless_debiased():
    x, y = np.random.default_rng(2).normal(size=(2, 20, 2000))
    assert linear_cka(x, y) > 0.9
    assert abs(linear_cka(x, y, debiased=True)) < 0.2


@BOTH
@given(
    arrays(int, (6, 3), elements=st.integers(-4, 4)),
    arrays(int, (6, 3), elements=st.integers(-4, 4)),
    strategies.seeds,
)
def test_rotation_shift_scale_and_joint_relabelling_change_nothing(debiased, x, y, seed):
    def cka(a, b):
        return linear_cka(a, b, debiased=debiased)

    try:
        found = cka(x, y)
    except ValueError:
        return
    turn = stats.ortho_group.rvs(3, random_state=seed)
    order = np.random.default_rng(seed).permutation(6)
    for moved in (x @ turn, 1e6 * x, -1e-6 * x, x + np.array([9, -2, 0.5])):
        assert_allclose(cka(moved, y), found, atol=1e-8)
        assert_allclose(cka(moved, x), 1, atol=1e-8)
    assert_allclose(cka(x[order], y[order]), found, atol=1e-8)
    assert cka(y, x) == found
    assert (-1 if debiased else 0) <= found <= 1


@BOTH
def test_other_linear_maps_do_change_it(debiased):
    x = np.random.default_rng(3).normal(size=(20, 2))
    assert linear_cka(x, x * [10, 0.1], debiased=debiased) < 0.9


@BOTH
@pytest.mark.parametrize("size", [1e-150, 1e150])
def test_spaces_however_small_or_large_align(debiased, size):
    x, y = np.random.default_rng(4).normal(size=(2, 8, 3))
    found = linear_cka(x * size, y / size, debiased=debiased)
    assert_allclose(found, linear_cka(x, y, debiased=debiased))


@BOTH
@pytest.mark.parametrize("flat", [np.zeros((5, 2)), np.tile([0.1, 1 / 3], (5, 1)), np.ones((5, 0))])
def test_refuses_points_that_are_all_the_same(debiased, flat):
    other = np.random.default_rng(0).normal(size=(5, 3))
    with pytest.raises(ValueError, match="all points of x are the same"):
        linear_cka(flat, other, debiased=debiased)
    with pytest.raises(ValueError, match="all points of y are the same"):
        linear_cka(other, flat, debiased=debiased)


def test_debiased_refuses_points_all_at_right_angles_to_each_other():
    other = np.random.default_rng(0).normal(size=(5, 3))
    assert_allclose(linear_cka(np.eye(5), np.eye(5) * 3), 1)
    # Equally far from each other; on arms of unequal length; the same but for one.
    for flat in (np.eye(5), np.diag([1, 2, 3, 0.1, 9]) + 0.7, [[0.1, 1]] * 4 + [[2, 1 / 3]]):
        for x, y, name in ((flat, other, "x"), (other, flat, "y")):
            with pytest.raises(ValueError, match=f"points of {name} are all at right angles"):
                linear_cka(x, y, debiased=True)


@BOTH
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.eye(6), np.eye(5), "x has 6 rows and y 5"),
        (np.full((5, 2), np.nan), np.eye(5), "NaN"),
        (np.eye(5), [1, 2, 3, 4, 5], "y has 1 axes"),
        ([[1, 2]], [[1, 2]], "needs at least"),
    ],
)
def test_refuses_what_are_no_two_spaces(debiased, x, y, message):
    with pytest.raises(ValueError, match=message):
        linear_cka(x, y, debiased=debiased)


def test_debiased_needs_four_points():
    x = np.random.default_rng(5).normal(size=(3, 2))
    linear_cka(x, x)
    with pytest.raises(ValueError, match="needs at least 4"):
        linear_cka(x, x, debiased=True)


def test_leaves_what_it_is_given_alone():
    x = np.random.default_rng(6).normal(size=(6, 2))
    kept = x.copy()
    linear_cka(x, x, debiased=True)
    assert_array_equal(x, kept)
