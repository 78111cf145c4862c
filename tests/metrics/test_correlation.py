"""Ranks, correlations and their intervals."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics.correlation import (
    kendall,
    pearson,
    pearson_interval,
    pearson_with,
    ranks,
    spearman,
    spearman_interval,
)
from tests import oracles, strategies
from tests.oracles import stats

TIED = (np.array([1.0, 1, 2, 3, 3]), np.array([2.0, 1, 1, 1, 4]))


@pytest.mark.parametrize(
    ("x", "y", "published", "digits"),
    [
        # SciPy's documentation of scipy.stats.spearmanr, first example.
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0.8207826816681233, 15),
        # Wikipedia, "Spearman's rank correlation coefficient", worked example.
        (oracles.IQ, oracles.TV_HOURS, -29 / 165, 15),
        # R: cor.test(~ mpg + wt, mtcars, method = "spearman").
        (oracles.MTCARS_MPG, oracles.MTCARS_WT, -0.886422, 6),
    ],
)
def test_spearman_published(x, y, published, digits):
    assert_allclose(spearman(x, y), published, atol=0.5 * 10**-digits)


@pytest.mark.parametrize(
    ("x", "y", "published", "digits"),
    [
        # SciPy's documentation of scipy.stats.kendalltau, first example; it has ties on both sides.
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173, 15),
        # R: cor(mtcars$mpg, mtcars$wt, method = "kendall").
        (oracles.MTCARS_MPG, oracles.MTCARS_WT, -0.7278321, 7),
        # The data of Wikipedia's Spearman example, counted by hand: 20 pairs agree, 25 do not.
        (oracles.IQ, oracles.TV_HOURS, -5 / 45, 15),
    ],
)
def test_kendall_published(x, y, published, digits):
    assert_allclose(kendall(x, y), published, atol=0.5 * 10**-digits)


def test_pearson_published():
    # R: cor.test(~ mpg + wt, mtcars): cor -0.8676594, 95 percent interval -0.9338264 -0.7440872.
    r = pearson(oracles.MTCARS_MPG, oracles.MTCARS_WT)
    assert_allclose(r, -0.8676594, atol=5e-8)
    assert_allclose(pearson_interval(r, 32), (-0.9338264, -0.7440872), atol=5e-8)


def test_spearman_interval_by_hand():
    # atanh(.5) = .549306, half-width 1.959964 * sqrt(1.125 / 100) = .207886 by Bonett and Wright.
    assert_allclose(
        spearman_interval(0.5, 103), (np.tanh(0.549306 - 0.207886), np.tanh(0.757192)), atol=1e-6
    )


@given(strategies.samples(least=1 + 1))
def test_ranks_are_counts(x):
    assert_array_equal(ranks(x), oracles.ranks_by_counting(x))
    assert_array_equal(ranks(x), stats.rankdata(x))


@given(strategies.paired_samples(least=2))
@example(TIED)
def test_agrees_with_scipy(pair):
    x, y = pair
    assert_allclose(spearman(x, y), stats.spearmanr(x, y)[0], atol=1e-12)
    assert_allclose(
        spearman(x, y), np.corrcoef(stats.rankdata(x), stats.rankdata(y))[0, 1], atol=1e-12
    )
    assert_allclose(pearson(x, y), np.corrcoef(x, y)[0, 1], atol=1e-12)


def kendall_by_definition(x, y):
    """Every pair of observations: signs that agree, over those that are there."""
    first, second = np.triu_indices(len(x), 1)
    sign_x, sign_y = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
    return (sign_x * sign_y).sum() / np.sqrt((sign_x**2).sum() * (sign_y**2).sum())


@given(strategies.paired_samples(least=2))
@example(TIED)
def test_kendall_by_definition(pair):
    x, y = pair
    assert_allclose(kendall(x, y), kendall_by_definition(x, y), atol=1e-15)
    assert_allclose(kendall(x, y), stats.kendalltau(x, y)[0], atol=1e-12)
    assert kendall(x, y) == kendall(y, x)
    assert kendall(-x, y) == -kendall(x, y)
    assert kendall(np.exp(x), y**3) == kendall(x, y)


@given(strategies.samples())
def test_kendall_with_itself(x):
    assert kendall(x, x) == 1
    assert kendall(x, -x) == -1


@pytest.mark.parametrize("levels", [2, 30, 10**9])
def test_kendall_of_a_long_sample(levels):
    rng = np.random.default_rng(5)
    x = rng.integers(0, levels, 50_000)
    y = x + rng.integers(0, levels, 50_000)
    assert_allclose(kendall(x, y), stats.kendalltau(x, y)[0], atol=1e-14)


@given(strategies.samples(), st.integers(1, 3))
def test_pearson_with_is_pearson(x, times):
    with_x = pearson_with(x)
    for y in (x**2 + np.arange(len(x)), np.arange(len(x)) * float(times)):
        # To the last bit, and as often as one likes.
        assert with_x(y) == pearson(x, y) == with_x(y)


@given(strategies.paired_samples())
@example(TIED)
def test_spearman_symmetric_bounded_odd(pair):
    x, y = pair
    assert spearman(x, y) == spearman(y, x)
    assert -1 <= spearman(x, y) <= 1
    assert_allclose(spearman(-x, y), -spearman(x, y), atol=1e-14)


@given(strategies.samples())
def test_spearman_with_itself(x):
    assert_allclose(spearman(x, x), 1, atol=1e-14)
    assert_allclose(spearman(x, -x), -1, atol=1e-14)


@given(strategies.paired_samples(), strategies.increasing)
@example(TIED, np.exp)
def test_spearman_sees_order_only(pair, increasing):
    x, y = pair
    assert_allclose(spearman(increasing(x), y), spearman(x, y), atol=1e-14)
    assert_allclose(spearman(x, increasing(y)), spearman(x, y), atol=1e-14)


@given(strategies.paired_samples(), strategies.seeds)
@example(TIED, 0)
def test_spearman_joint_order_and_duplication(pair, seed):
    x, y = pair
    order = np.random.default_rng(seed).permutation(len(x))
    assert_allclose(spearman(x[order], y[order]), spearman(x, y), atol=1e-14)
    assert_allclose(spearman(np.tile(x, 2), np.tile(y, 2)), spearman(x, y), atol=1e-14)


@pytest.mark.parametrize("correlation", [pearson, spearman, kendall])
def test_constant_is_nan_with_a_warning(correlation):
    for x, y in (([2, 2, 2], [1, 2, 3]), ([1, 2, 3], [0.1, 0.1, 0.1])):
        with pytest.warns(RuntimeWarning, match="constant"):
            assert np.isnan(correlation(x, y))


@pytest.mark.parametrize("correlation", [pearson, spearman, kendall])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_values_that_are_not_finite(correlation, bad):
    with pytest.raises(ValueError, match=r"x has 1 NaN or infinite.*index \[1\]"):
        correlation([1, bad, 3], [1, 2, 3])
    with pytest.raises(ValueError, match="y has 1 NaN"):
        correlation([1, 2, 3], [1, 2, bad])


def test_refuses_samples_that_do_not_pair():
    for correlation in (pearson, spearman, kendall):
        with pytest.raises(ValueError, match="must pair up"):
            correlation([1, 2, 3], [1, 2])
        with pytest.raises(ValueError, match="at least 2"):
            correlation([1], [1])
        with pytest.raises(ValueError, match="axes"):
            correlation([[1, 2]], [[1, 2]])


def test_pearson_survives_extreme_scales():
    x, y = np.array([1.0, 2, 4]), np.array([3.0, 1, 2])
    assert_allclose(pearson(x * 1e300, y * 1e-300), pearson(x, y), rtol=1e-12)


@given(st.integers(-99, 99), st.integers(4, 500))
def test_intervals_hold_the_estimate_and_nest(hundredths, n):
    r = hundredths / 100
    for interval in (pearson_interval, spearman_interval):
        low, high = interval(r, n, 0.95)
        inner_low, inner_high = interval(r, n, 0.8)
        assert -1 <= low < inner_low < r < inner_high < high <= 1
        assert_allclose(interval(-r, n), (-high, -low), atol=1e-14)
    narrow, wide = pearson_interval(r, n), spearman_interval(r, n)
    assert wide[0] <= narrow[0]
    assert narrow[1] <= wide[1]


@given(strategies.paired_samples(least=5))
def test_pearson_interval_agrees_with_scipy(pair):
    found = stats.pearsonr(*pair)
    if abs(found.statistic) < 0.999:
        assert_allclose(
            pearson_interval(found.statistic, len(pair[0]), 0.9),
            found.confidence_interval(0.9),
            atol=1e-9,
        )


def test_perfect_correlation_has_no_width():
    assert pearson_interval(1, 10) == (1, 1)
    assert spearman_interval(-1, 10) == (-1, -1)


@pytest.mark.parametrize("interval", [pearson_interval, spearman_interval])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [((1.1, 10), "lies in"), ((np.nan, 10), "lies in"), ((0.5, 3), "at least 4")],
)
def test_intervals_refuse(interval, arguments, message):
    with pytest.raises(ValueError, match=message):
        interval(*arguments)
    with pytest.raises(ValueError, match="confidence"):
        interval(0.5, 10, 95)


@pytest.mark.parametrize(("rho", "n"), [(0.0, 20), (0.7, 40)])
def test_spearman_interval_covers(rho, n):
    truth = 6 / np.pi * np.arcsin(rho / 2)  # Pearson (1907), for a bivariate normal
    rng = np.random.default_rng(20260101)
    trials = 2000
    hits = 0
    for _ in range(trials):
        x, y = oracles.normal_sample([[1, rho], [rho, 1]], n, rng).T
        low, high = spearman_interval(spearman(x, y), n)
        hits += low <= truth <= high
    assert oracles.covers_as_claimed(hits, trials, 0.95)


@pytest.mark.parametrize("rho", [0.0, 0.9])
def test_pearson_interval_covers(rho):
    rng = np.random.default_rng(7)
    trials, n = 2000, 12
    hits = 0
    for _ in range(trials):
        low, high = pearson_interval(
            pearson(*oracles.normal_sample([[1, rho], [rho, 1]], n, rng).T), n
        )
        hits += low <= rho <= high
    assert oracles.covers_as_claimed(hits, trials, 0.95)
