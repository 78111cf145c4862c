"""Word similarity, mean intervals and the paired t test."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics.words import (
    mean_interval,
    median_interval,
    paired_t,
    pairs_interval,
    word_distance,
    word_similarity,
)
from tests import oracles, strategies
from tests.oracles import stats


def test_word_similarity_by_hand():
    distance = word_distance([[0, 0], [1, 2], [1, 1]], [[3, 4], [1, 2], [1, 2]])
    assert_array_equal(distance, [5, 0, 1])
    assert_allclose(word_similarity(distance), [1 / 6, 1, 1 / 2])


@given(strategies.ratings(), strategies.seeds)
def test_word_distance(a, seed):
    b = np.random.default_rng(seed).permutation(a)
    found = word_distance(a, b)
    assert_array_equal(found, word_distance(b, a))
    assert_array_equal(found == 0, (a == b).all(axis=1))
    assert_allclose(found, [sum((p - q) ** 2) ** 0.5 for p, q in zip(a, b, strict=True)])
    assert_allclose(word_distance(2 * a + 1, 2 * b + 1), 2 * found)
    similarity = word_similarity(found)
    assert ((similarity > 0) & (similarity <= 1)).all()
    # The further, the less similar: ranks turn round.
    assert_array_equal(stats.rankdata(similarity), len(a) + 1 - stats.rankdata(found))


def test_words_refuse():
    with pytest.raises(ValueError, match="must pair up"):
        word_distance([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match="NaN"):
        word_distance([[1, np.nan]], [[1, 2]])
    with pytest.raises(ValueError, match="negative value at index 1"):
        word_similarity([0, -1])


def test_paired_t_published():
    # R: with(sleep, t.test(extra[group == 1], extra[group == 2], paired = TRUE)):
    # t = -4.0621, df = 9, p-value = 0.002833, interval -2.4598858 -0.7001142, mean -1.58.
    found = paired_t(oracles.SLEEP_1, oracles.SLEEP_2)
    assert (found.n, found.df) == (10, 9)
    assert_allclose(found.t, -4.0621, atol=5e-5)
    assert_allclose(found.p, 0.002833, atol=5e-7)
    assert_allclose((found.mean, found.low, found.high), (-1.58, -2.4598858, -0.7001142), atol=5e-8)
    assert_allclose(found.cohen_dz, -1.58 / np.std(oracles.SLEEP_1 - oracles.SLEEP_2, ddof=1))


@given(strategies.paired_samples(), st.integers(1, 99))
def test_paired_t_agrees_with_scipy(pair, percent):
    x, y = pair
    assume(np.ptp(x - y) > 0)
    found, expected = paired_t(x, y, percent / 100), stats.ttest_rel(x, y)
    assert_allclose(found.t, expected.statistic, atol=1e-9)
    assert_allclose(found.p, expected.pvalue, atol=1e-12)
    assert_allclose((found.low, found.high), expected.confidence_interval(percent / 100), atol=1e-9)
    assert_allclose(found.cohen_dz * np.sqrt(found.n), found.t)
    swapped = paired_t(y, x, percent / 100)
    assert_allclose((swapped.t, swapped.low, swapped.high), (-found.t, -found.high, -found.low))
    assert swapped.p == found.p


def test_paired_t_without_spread():
    same = paired_t([1, 2, 3], [1, 2, 3])
    assert (same.t, same.p, same.low, same.high, same.cohen_dz) == (0, 1, 0, 0, 0)
    shifted = paired_t([0.1] * 3, [0.3] * 3)
    assert (shifted.t, shifted.p, shifted.cohen_dz) == (-np.inf, 0, -np.inf)
    assert shifted.low == shifted.mean == shifted.high


@given(strategies.samples(), st.integers(1, 99))
def test_mean_interval_agrees_with_scipy(x, percent):
    mean, low, high = mean_interval(x, percent / 100)
    assert_allclose(mean, x.mean(), atol=1e-12)
    expected = stats.ttest_1samp(x, 0).confidence_interval(percent / 100)
    assert_allclose((low, high), expected, atol=1e-9)


def test_mean_interval_refuses():
    with pytest.raises(ValueError, match="at least 2"):
        mean_interval([1])
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1, 2], 1)
    with pytest.raises(ValueError, match="must pair up"):
        paired_t([1, 2], [1, 2, 3])


def test_mean_interval_covers():
    rng = np.random.default_rng(3)
    trials = 3000
    hits = 0
    for x in rng.normal(2, 3, (trials, 5)):
        _, low, high = mean_interval(x, 0.9)
        hits += low <= 2 <= high
    assert oracles.covers_as_claimed(hits, trials, 0.9)


@pytest.mark.parametrize(
    ("n", "confidence", "rank", "level"),
    [
        # Conover's tables of the binomial at one half: the ranks of the limits, from either end.
        (5, 0.95, 1, 0.9375),
        (6, 0.95, 1, 0.9688),
        (8, 0.95, 1, 0.9922),
        (9, 0.95, 2, 0.9609),
        (10, 0.95, 2, 0.9785),
        (10, 0.99, 1, 0.9980),
        (15, 0.95, 4, 0.9648),
        (20, 0.95, 6, 0.9586),
        (2, 0.95, 1, 0.5),
        (2, 0.4, 1, 0.5),
        (3, 0.2, 1, 0.75),
    ],
)
def test_median_interval_published(n, confidence, rank, level):
    x = np.random.default_rng(n).permutation(np.arange(1, n + 1)) * 10.0
    median, low, high, reached = median_interval(x, confidence)
    assert median == 5 * (n + 1)
    assert (low, high) == (10 * rank, 10 * (n + 1 - rank))
    assert reached == pytest.approx(level, abs=5e-5)


@given(strategies.samples(), st.integers(1, 99))
def test_median_interval_is_the_shortest_that_covers(x, percent):
    median, low, high, level = median_interval(x, percent / 100)
    assert median == np.median(x)
    assert low <= median <= high
    ordered, n = sorted(x), len(x)
    # All pairs of order statistics at one distance from the ends, by SciPy's sign test.
    levels = {
        rank: 1 - 2 * stats.binom.cdf(rank - 1, n, 0.5) for rank in range(1, (n + 1) // 2 + 1)
    }
    enough = [rank for rank, covers in levels.items() if covers >= percent / 100 - 1e-12]
    rank = max(enough, default=1)
    assert (low, high) == (ordered[rank - 1], ordered[n - rank])
    assert_allclose(level, levels[rank])


def test_median_interval_covers():
    rng = np.random.default_rng(6)
    trials, hits = 3000, 0
    for x in rng.exponential(1.0, (trials, 10)):
        _, low, high, _ = median_interval(x)
        hits += low <= np.log(2) <= high
    assert oracles.covers_as_claimed(hits, trials, 1 - 22 / 1024)


def test_median_interval_refuses():
    with pytest.raises(ValueError, match="at least 2"):
        median_interval([1])
    with pytest.raises(ValueError, match="NaN"):
        median_interval([1, np.nan])
    with pytest.raises(ValueError, match="confidence"):
        median_interval([1, 2], 0)


def square(n, seed=0, spread=1.0):
    """One figure per pair: of the two units, and of the pair, which need not be symmetric."""
    rng = np.random.default_rng(seed)
    units = rng.normal(size=n)
    return 2 + units[:, None] + units + spread * rng.normal(size=(n, n))


def test_pairs_interval_by_hand():
    # Three pairs: 1 and 2 without the third unit and so on, so the pseudo-values are
    # 3 * 3 - 2 * (6, 2, 1) with the mean 3.
    pairs = [[0, 1, 2], [1, 0, 6], [2, 6, 0]]
    mean, low, high = pairs_interval(pairs)
    assert mean == pytest.approx(3)
    expected = stats.ttest_1samp([-3, 5, 7], 0).confidence_interval(0.95)
    assert_allclose((low, high), expected)


def test_pairs_interval_of_sums_is_students_of_the_units():
    # A pair that is the sum of its units tells as much as the units: twice their mean.
    units = np.array([0.1, 0.7, 0.4, 0.9, 0.2])
    mean, low, high = pairs_interval(units[:, None] + units, 0.9)
    ends = stats.ttest_1samp(2 * units, 0).confidence_interval(0.9)
    assert_allclose((mean, low, high), (2 * units.mean(), *ends))
    assert pairs_interval(np.full((4, 4), 0.25)) == (0.25, 0.25, 0.25)


@given(st.integers(3, 9), strategies.seeds, st.integers(1, 99))
def test_pairs_interval_is_the_jackknife_leaving_one_out(n, seed, percent):
    pairs = square(n, seed)
    found = pairs_interval(pairs, percent / 100)

    def mean(units):
        return np.mean([pairs[i, j] for i in units for j in units if i != j])

    whole = mean(range(n))
    left = np.array([mean([u for u in range(n) if u != out]) for out in range(n)])
    error = np.sqrt((n - 1) / n * np.sum((left - np.mean(left)) ** 2))
    half = stats.t(n - 1).ppf((1 + percent / 100) / 2) * error
    assert_allclose(found, (whole, whole - half, whole + half), atol=1e-9)


def test_pairs_interval_looks_past_the_diagonal_and_at_both_sides():
    pairs = square(6)
    found = pairs_interval(pairs)
    assert_allclose(pairs_interval(pairs + np.diag(np.arange(6) * 100.0)), found, atol=1e-9)
    assert_allclose(pairs_interval(pairs.T), found)
    assert_allclose(pairs_interval((pairs + pairs.T) / 2), found)
    mean, low, high = found
    assert_allclose(pairs_interval(5 - 2 * pairs), (5 - 2 * mean, 5 - 2 * high, 5 - 2 * low))
    order = np.random.default_rng(1).permutation(6)
    assert_allclose(pairs_interval(pairs[np.ix_(order, order)]), found)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_pairs_interval_covers(spread):
    trials, hits, naive = 1000, 0, 0
    for seed in range(trials):
        pairs = square(8, seed, spread)
        _, low, high = pairs_interval(pairs, 0.9)
        hits += low <= 2 <= high
        upper = pairs[np.triu_indices(8, 1)]
        low, high = stats.ttest_1samp(upper, 0).confidence_interval(0.9)
        naive += low <= 2 <= high
    assert 0.88 * trials <= hits <= 0.95 * trials
    # Pairs taken for a sample of their own are half as good.
    assert naive < 0.8 * trials


@pytest.mark.parametrize(
    ("pairs", "confidence", "message"),
    [
        ([[0, 1], [1, 0]], 0.95, "at least 3"),
        (np.ones((3, 4)), 0.95, r"pairs has shape \(3, 4\), must be square"),
        (np.ones((4, 3)), 0.95, "must be square"),
        ([1, 2, 3], 0.95, "axes"),
        (np.where(np.eye(3, k=1), np.nan, 1), 0.95, "NaN"),
        (np.where(np.eye(3), np.inf, 1), 0.95, "infinite"),
        (np.ones((3, 3)), 1, "confidence"),
        (np.ones((3, 3)), 0, "confidence"),
    ],
)
def test_pairs_interval_refuses(pairs, confidence, message):
    with pytest.raises(ValueError, match=message):
        pairs_interval(pairs, confidence)
