"""Wilson's interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from core.metrics.proportion import wilson_interval
from tests.oracles import stats

CONFIDENCE = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99])
COUNTS = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, CONFIDENCE)
def test_agrees_with_scipy(counts, confidence):
    won, n = counts
    expected = stats.binomtest(won, n).proportion_ci(confidence, method="wilson")
    assert_allclose(wilson_interval(won / n, n, confidence), expected, atol=1e-12)


def test_published():
    # Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for won, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert_allclose(wilson_interval(won / n, n), (low, high), atol=5e-5)


@pytest.mark.parametrize("n", [1, 10, 13, 25, 30, 540, 2998])
def test_the_ends_are_exact_where_nobody_or_everybody_succeeds(n):
    z2 = 1.959963984540054**2
    low, high = wilson_interval(0.0, n)
    assert low == 0
    assert_allclose(high, z2 / (n + z2), rtol=1e-12)
    low, high = wilson_interval(1.0, n)
    assert high == 1
    assert_allclose(low, n / (n + z2), rtol=1e-12)


@given(COUNTS, CONFIDENCE)
def test_it_holds_the_share_and_is_mirrored_with_it(counts, confidence):
    won, n = counts
    low, high = wilson_interval(won / n, n, confidence)
    assert 0 <= low < high <= 1
    # To the last bits; at 0 and 1 see above.
    assert low - 1e-15 <= won / n <= high + 1e-15
    mirrored = wilson_interval((n - won) / n, n, confidence)
    assert_allclose(mirrored, (1 - high, 1 - low), atol=1e-12)


@given(COUNTS)
def test_more_cases_or_less_confidence_make_it_narrower(counts):
    won, n = counts

    def width(cases, confidence):
        low, high = wilson_interval(won / n, cases, confidence)
        return high - low

    assert width(4 * n, 0.95) < width(n, 0.95)
    assert width(n, 0.8) < width(n, 0.95)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_it_covers_the_truth_as_often_as_it_says_counted_over_every_outcome(confidence):
    n, truths = 30, np.linspace(0.001, 0.999, 999)
    intervals = [wilson_interval(won / n, n, confidence) for won in range(n + 1)]
    low, high = np.array(intervals).T
    odds = stats.binom.pmf(np.arange(n + 1), n, truths[:, None])
    covered = (odds * ((low <= truths[:, None]) & (truths[:, None] <= high))).sum(axis=1)
    # Single truths lie a little off, for counts are whole; over all of them it is what it says.
    assert_allclose(covered.mean(), confidence, atol=0.01)
    assert covered[(truths > 0.1) & (truths < 0.9)].min() > confidence - 0.08


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.001, 10), "share"),
        ((1.001, 10), "share"),
        ((float("nan"), 10), "share is nan"),
        ((0.5, 0), "n is 0"),
        ((0.5, -3), "n is -3"),
        ((0.5, 10, 0.0), "confidence"),
        ((0.5, 10, 1.0), "confidence"),
        ((0.5, 10, 95), "confidence"),
        ((0.5, 10, float("nan")), "confidence"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        wilson_interval(*arguments)
