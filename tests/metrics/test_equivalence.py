"""Two one-sided tests."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from core.metrics.correlation import pearson_interval, spearman_interval
from core.metrics.equivalence import tost_correlation, tost_mean
from tests import oracles, strategies
from tests.oracles import stats

halves = st.integers(1, 20).map(lambda k: k / 2)


def test_mean_by_hand():
    # 1, 2, 3: mean 2, standard error 1/sqrt(3), 2 df, where P(T < t) = 1/2 + t / (2 sqrt(2+t^2)).
    found = tost_mean([1, 2, 3], 1, 4)
    low, high = 1 / 3**-0.5, 2 / 3**-0.5
    assert_allclose(found.p_lower, 0.5 - low / (2 * np.sqrt(2 + low**2)), atol=1e-12)
    assert_allclose(found.p_upper, 0.5 - high / (2 * np.sqrt(2 + high**2)), atol=1e-12)
    assert found.p == found.p_lower
    # t at .95 with 2 df is 2.919986.
    assert_allclose(
        (found.low, found.high), (2 - 2.919986 / 3**0.5, 2 + 2.919986 / 3**0.5), atol=1e-6
    )


def test_correlation_by_hand():
    # Fisher's z of .1 and .3 are .100335 and .309520; 1 / sqrt(103 - 3) = .1.
    found = tost_correlation(0.1, 103, 0.3, spearman=False)
    assert_allclose(found.p_lower, stats.norm.sf(4.09855), rtol=1e-4)
    assert_allclose(found.p_upper, stats.norm.sf(2.09185), rtol=1e-4)
    assert found.p == found.p_upper
    wider = tost_correlation(0.1, 103, 0.3)
    assert_allclose(wider.p_upper, stats.norm.sf(2.09185 / 1.005**0.5), rtol=1e-4)


@given(strategies.samples(), halves, halves)
def test_mean_agrees_with_scipy(x, below, above):
    found = tost_mean(x, -below, above, 0.1)
    lower = stats.ttest_1samp(x, -below, alternative="greater").pvalue
    upper = stats.ttest_1samp(x, above, alternative="less").pvalue
    assert_allclose((found.p_lower, found.p_upper), (lower, upper), atol=1e-12)
    assert found.p == max(found.p_lower, found.p_upper)
    assert_allclose(
        (found.low, found.high), stats.ttest_1samp(x, 0).confidence_interval(0.8), atol=1e-9
    )


@given(strategies.samples(), halves, halves, st.integers(1, 49))
def test_mean_p_below_alpha_exactly_when_the_interval_is_inside(x, below, above, percent):
    alpha = percent / 100
    found = tost_mean(x, -below, above, alpha)
    assume(abs(found.p - alpha) > 1e-9)
    assert (found.p < alpha) == (-below < found.low and found.high < above)


@given(st.integers(-95, 95), st.integers(5, 900), st.integers(1, 95), st.booleans())
@example(10, 100, 30, True)
def test_correlation_p_below_alpha_exactly_when_the_interval_is_inside(r, n, margin, spearman):
    r, margin = r / 100, margin / 100
    for alpha in (0.025, 0.05, 0.2):
        found = tost_correlation(r, n, margin, alpha, spearman)
        assume(abs(found.p - alpha) > 1e-9)
        assert (found.p < alpha) == (-margin < found.low and found.high < margin)
        interval = spearman_interval if spearman else pearson_interval
        assert_allclose((found.low, found.high), interval(r, n, 1 - 2 * alpha), atol=1e-12)
        if abs(r) >= margin:
            assert found.p >= 0.5 - 1e-12
        reflected = tost_correlation(-r, n, margin, alpha, spearman)
        assert_allclose(reflected.p, found.p, atol=1e-12)
        assert tost_correlation(r, n, min(margin + 0.03, 0.99), alpha, spearman).p <= found.p


@given(strategies.samples(), halves, halves, st.integers(1, 7), st.integers(-9, 9))
def test_mean_reflects_scales_shifts_and_widens(x, below, above, scale, shift):
    found = tost_mean(x, -below, above)
    assert_allclose(tost_mean(-x, -above, below).p, found.p, atol=1e-12)
    moved = tost_mean(x * scale + shift, -below * scale + shift, above * scale + shift)
    assert_allclose(moved.p, found.p, atol=1e-9)
    assert tost_mean(x, -below - 1, above).p <= found.p
    assert tost_mean(x, -below, above + 1).p <= found.p
    if not -below < x.mean() < above:
        assert found.p >= 0.5


def test_mean_without_spread():
    inside, edge, outside = (tost_mean([v, v, v], -1, 1).p for v in (0.3, 1, 3))
    assert (inside, edge, outside) == (0, 0.5, 1)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (tost_mean, ([1, 2], 1, 1), "lower must be below"),
        (tost_mean, ([1, 2], 0, 1, 0.5), "alpha is 0.5"),
        (tost_mean, ([1, np.nan], 0, 1), "NaN"),
        (tost_correlation, (0.1, 50, -0.2), "margin is -0.2"),
        (tost_correlation, (0.1, 50, 1.2), "margin is 1.2"),
        (tost_correlation, (1.1, 50, 0.2), "rho is 1.1"),
        (tost_correlation, (0.1, 3, 0.2), "at least 4"),
    ],
)
def test_refuses(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_level_at_the_bound():
    # The true mean lies on the upper bound and far from the lower: 5 % of verdicts are wrong.
    rng = np.random.default_rng(21)
    trials = 2000
    kept = sum(tost_mean(x, -50, 1).p >= 0.05 for x in rng.normal(1, 1, (trials, 8)))
    assert oracles.covers_as_claimed(kept, trials, 0.95)
