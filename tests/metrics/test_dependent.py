"""Tests and intervals for two correlations with a variable in common."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from core.metrics.correlation import pearson, pearson_interval
from core.metrics.dependent import steiger_z, williams_t, zou_interval
from tests import oracles, strategies
from tests.oracles import stats

TESTS = pytest.mark.parametrize("test", [steiger_z, williams_t])


# cocor's documentation (Diedenhofen and Musch, 2015): r.jk, r.jh, r.kh, n, then its steiger1980
# and williams1959.
@pytest.mark.parametrize(
    ("r12", "r13", "r23", "n", "steiger", "williams"),
    [(0.4, 0.5, 0.1, 103, -0.8887, -0.8913), (0.3, 0.4, 0.5, 100, -1.0718, -1.0767)],
)
def test_published(r12, r13, r23, n, steiger, williams):
    assert_allclose(steiger_z(r12, r13, r23, n).statistic, steiger, atol=5e-5)
    assert_allclose(williams_t(r12, r13, r23, n).statistic, williams, atol=5e-5)


def test_zou_published():
    # Zou (2007), the worked example of two correlations with one variable in common.
    assert_allclose(zou_interval(0.396, 0.179, 0.088, 66), (-0.093, 0.517), atol=5e-4)


def test_steiger_pools_where_dunn_and_clark_do_not():
    # The same documentation's dunn1969: -1.0730, and -1.5838851123 for (.5, .6, .7, n 100).
    assert_allclose(oracles.dunn_clark_z(0.3, 0.4, 0.5, 100), -1.0730, atol=5e-5)
    assert_allclose(oracles.dunn_clark_z(0.5, 0.6, 0.7, 100), -1.5838851123, atol=5e-11)
    pooled = steiger_z(0.3, 0.4, 0.5, 100).statistic
    assert abs(pooled - oracles.dunn_clark_z(0.3, 0.4, 0.5, 100)) > 1e-3


def test_p_values_are_two_sided():
    z, t = steiger_z(0.4, 0.5, 0.1, 103), williams_t(0.4, 0.5, 0.1, 103)
    assert_allclose(z.p, 2 * stats.norm.sf(0.8887184699558723), rtol=1e-12)
    assert_allclose(t.p, 2 * stats.t.sf(0.8912799047605414, 100), rtol=1e-12)
    assert 0 < steiger_z(0.1, 0.8, 0.1, 300).p < 1e-20


@TESTS
@given(strategies.correlation_triples(), st.integers(5, 3000))
def test_swapping_negates(test, triple, n):
    r12, r13, r23 = triple
    found, swapped = test(r12, r13, r23, n), test(r13, r12, r23, n)
    assert_allclose(swapped.statistic, -found.statistic, rtol=1e-9, atol=1e-12)
    assert_allclose(swapped.p, found.p, rtol=1e-6)
    assert np.sign(found.statistic) == np.sign(r12 - r13)
    assert 0 <= found.p <= 1


@TESTS
@given(strategies.correlation_triples(), st.integers(5, 3000))
def test_flipping_the_criterion_negates(test, triple, n):
    r12, r13, r23 = triple
    flipped = test(-r12, -r13, r23, n)
    assert_allclose(flipped.statistic, -test(r12, r13, r23, n).statistic, rtol=1e-9, atol=1e-12)


@TESTS
@pytest.mark.parametrize("r23", [-0.2, 0.3, 1.0])
def test_equal_correlations_give_zero(test, r23):
    found = test(0.4, 0.4, r23, 50)
    assert (found.statistic, found.p) == (0, 1)


@given(strategies.correlation_triples(), st.integers(4, 3000), st.integers(4, 3000))
def test_steiger_grows_with_the_root_of_n_less_3(triple, n, other):
    r12, r13, r23 = triple
    found, again = (steiger_z(r12, r13, r23, k).statistic / np.sqrt(k - 3) for k in (n, other))
    assert_allclose(again, found, rtol=1e-9)


@given(strategies.correlation_triples(), st.integers(1, 100))
@example((0.4, 0.5, 0.1), 10)
def test_steiger_grows_with_r23_above_a_bound(triple, step):
    r12, r13, r23 = triple
    mean = (r12 + r13) / 2
    most = r12 * r13 + 0.95 * np.sqrt((1 - r12**2) * (1 - r13**2))
    higher = r23 + (most - r23) * step / 100
    assume(r12 != r13)
    assume(mean == 0 or r23 >= 2 - 1 / mean**2)
    assume(higher > r23 + 1e-9)
    low, high = (abs(steiger_z(r12, r13, r, 100).statistic) for r in (r23, higher))
    assert high > low


def test_steiger_does_not_always_grow_with_r23():
    # 2 - 1 / .8125^2 = .485: below it a closer tie between the models lowers |Z|.
    found = [abs(steiger_z(-0.75, -0.875, r23, 100).statistic) for r23 in (0.34, 0.41, 0.48, 0.6)]
    assert found[0] > found[1] > found[2] < found[3]


@given(strategies.correlation_triples(), st.integers(5, 3000), st.booleans())
def test_zou_holds_the_difference_nests_and_mirrors(triple, n, spearman):
    r12, r13, r23 = triple
    low, high = zou_interval(r12, r13, r23, n, spearman=spearman)
    inner_low, inner_high = zou_interval(r12, r13, r23, n, 0.8, spearman)
    assert low < inner_low < r12 - r13 < inner_high < high
    assert_allclose(zou_interval(r13, r12, r23, n, spearman=spearman), (-high, -low), atol=1e-9)


def test_zou_uses_the_wider_limits_for_spearman():
    low, high = zou_interval(0.7, 0.5, 0.4, 66)
    wider_low, wider_high = zou_interval(0.7, 0.5, 0.4, 66, spearman=True)
    assert wider_low < low - 0.01
    assert wider_high > high + 0.005


def test_zou_narrows_with_r23_and_survives_a_twin():
    widths = [np.ptp(zou_interval(0.4, 0.4, r23, 50)) for r23 in (-0.3, 0, 0.5, 0.9, 1)]
    assert (np.diff(widths) < 0).all()
    # Fisher's limits are lopsided, so even a variable compared with itself keeps some width.
    low, high = pearson_interval(0.4, 50)
    assert_allclose(widths[-1], 2 * abs((0.4 - low) - (high - 0.4)), atol=1e-7)


@pytest.mark.parametrize("function", [steiger_z, williams_t, zou_interval])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.9, -0.9, 0.9, 50), "no three variables"),
        ((0.5, 0.4, 1, 50), "no three variables"),
        ((1, 0.4, 0.4, 50), "r12 is 1"),
        ((0.4, -1.0, -0.4, 50), "r13 is -1"),
        ((1.5, 0.4, 0.4, 50), "r12 is 1.5"),
        ((0.4, 0.4, np.nan, 50), "r23 is nan"),
        ((0.4, 0.3, 0.2, 3), "at least 4"),
    ],
)
def test_refuses(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


TRIVARIATE = np.array([[1, 0.6, 0.3], [0.6, 1, 0.5], [0.3, 0.5, 1]])


def test_zou_covers():
    rng = np.random.default_rng(11)
    trials, n = 2000, 30
    hits = 0
    for _ in range(trials):
        x, y, z = oracles.normal_sample(TRIVARIATE, n, rng).T
        low, high = zou_interval(pearson(x, y), pearson(x, z), pearson(y, z), n)
        hits += low <= 0.3 <= high
    assert oracles.covers_as_claimed(hits, trials, 0.95)


@TESTS
def test_false_alarms_at_the_nominal_rate(test):
    null = np.array([[1, 0.5, 0.5], [0.5, 1, 0.6], [0.5, 0.6, 1]])
    rng = np.random.default_rng(12)
    trials, n = 2000, 100
    accepted = 0
    for _ in range(trials):
        x, y, z = oracles.normal_sample(null, n, rng).T
        accepted += test(pearson(x, y), pearson(x, z), pearson(y, z), n).p >= 0.05
    assert oracles.covers_as_claimed(accepted, trials, 0.95)
