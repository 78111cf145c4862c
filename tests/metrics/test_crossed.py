"""Intervals over seeds and sentences at once."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from core.metrics.crossed import crossed_interval
from tests.oracles import stats


def table(rng, s, n, rows, columns, rest):
    """Effects with these standard deviations about a mean of 3."""
    return (
        3
        + rng.normal(scale=rows, size=(s, 1))
        + rng.normal(scale=columns, size=n)
        + rng.normal(scale=rest, size=(s, n))
    )


def test_by_hand():
    # Row means 1.5 and 4.5, column means 2 and 4: mean squares 9, 4 and 1 for the rest.
    mean, low, high, df = crossed_interval([[1, 2], [3, 6]], 0.9)
    assert mean == 3
    assert_allclose(df, 12**2 / (9**2 + 4**2 + 1**2))
    half = stats.t(df).ppf(0.95) * np.sqrt(12 / 4)
    assert_allclose([low, high], [3 - half, 3 + half])


def test_mean_squares_are_those_of_least_squares():
    # The same three mean squares by fitting models with and without rows and columns.
    scores = table(np.random.default_rng(0), 4, 6, 1, 2, 1)
    row, column = (index.ravel() for index in np.indices(scores.shape))
    ones, rows, columns = np.ones((24, 1)), np.eye(4)[row], np.eye(6)[column]

    def left(*parts):
        design = np.hstack([ones, *parts])
        fit = design @ np.linalg.lstsq(design, scores.ravel(), rcond=None)[0]
        return ((scores.ravel() - fit) ** 2).sum()

    full = left(rows, columns)
    by_rows, by_columns, rest = (
        (left(columns) - full) / 3,
        (left(rows) - full) / 5,
        full / 15,
    )
    total = by_rows + by_columns - rest
    assert total > max(by_rows, by_columns)
    mean, low, high, df = crossed_interval(scores)
    assert_allclose(df, total**2 / (by_rows**2 / 3 + by_columns**2 / 5 + rest**2 / 15))
    half = stats.t(df).ppf(0.975) * np.sqrt(total / 24)
    assert_allclose([low, mean, high], scores.mean() + half * np.array([-1, 0, 1]))


def test_where_only_seeds_differ_it_is_students_interval_over_seeds():
    seeds = np.array([0.2, 0.5, 0.4, 0.9])
    for scores in (np.tile(seeds[:, None], (1, 30)), np.tile(seeds, (30, 1))):
        mean, low, high, df = crossed_interval(scores)
        expected = stats.ttest_1samp(seeds, 0).confidence_interval(0.95)
        assert_allclose([mean, low, high, df], [0.5, *expected, 3])


def test_an_interaction_alone_has_a_width():
    # All row and column means are equal: the rest, 4 with one degree of freedom, is what is left.
    mean, low, high, df = crossed_interval([[1, -1], [-1, 1]])
    assert (mean, df) == (0, 1)
    assert_allclose(high, stats.t(1).ppf(0.975) * np.sqrt(4 / 4))
    assert low == -high


def test_a_constant_table_has_no_width():
    assert crossed_interval(np.full((3, 5), 0.25)) == (0.25, 0.25, 0.25, 2)


def test_roles_shift_and_scale():
    scores = table(np.random.default_rng(1), 5, 12, 1, 1, 1)
    mean, low, high, df = crossed_interval(scores)
    assert_allclose(crossed_interval(scores.T), (mean, low, high, df))
    moved = crossed_interval(10 - 2 * scores)
    assert_allclose(moved, (10 - 2 * mean, 10 - 2 * high, 10 - 2 * low, df))
    wider = crossed_interval(scores, 0.99)
    assert wider[1] < low < high < wider[2]


@pytest.mark.parametrize(
    ("s", "n", "rows", "columns", "rest"),
    [
        (10, 108, 1.0, 0.0, 1.0),
        (10, 108, 0.0, 1.0, 1.0),
        (10, 108, 0.3, 1.0, 1.0),
        (10, 108, 0.05, 0.2, 1.0),
        (10, 108, 0.0, 0.0, 1.0),
        (5, 30, 1.0, 2.0, 0.5),
        (10, 12, 1.0, 1.0, 1.0),
    ],
)
def test_coverage(s, n, rows, columns, rest):
    rng = np.random.default_rng(s * n + int(100 * rows + 10 * columns))
    hits = 0
    for _ in range(1000):
        _, low, high, _ = crossed_interval(table(rng, s, n, rows, columns, rest))
        hits += low <= 3 <= high
    assert 930 <= hits <= 980


def test_an_interval_over_seeds_alone_would_be_too_narrow():
    # What the crossed interval is for: sentences that differ are part of the doubt.
    rng = np.random.default_rng(2)
    narrow = wide = 0
    for _ in range(300):
        scores = table(rng, 10, 30, 0.1, 1, 0.5)
        low, high = stats.ttest_1samp(scores.mean(axis=1), 0).confidence_interval(0.95)
        narrow += low <= 3 <= high
        _, low, high, _ = crossed_interval(scores)
        wide += low <= 3 <= high
    assert narrow < 200 < 275 < wide


@pytest.mark.parametrize(
    ("scores", "confidence", "message"),
    [
        ([[1, 2]], 0.95, "needs at least 2"),
        ([[1], [2]], 0.95, "1 columns"),
        ([1, 2], 0.95, "axes"),
        ([[1, np.nan], [1, 2]], 0.95, "NaN"),
        ([[1, 2], [3, 4]], 1, "confidence is 1"),
    ],
)
def test_refusals(scores, confidence, message):
    with pytest.raises(ValueError, match=message):
        crossed_interval(scores, confidence)
