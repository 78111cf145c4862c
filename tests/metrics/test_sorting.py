"""The compiled sort, and what is made from a sorted sample."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from core.metrics import _sorting
from core.metrics._sorting import centred_midranks, inversions, merge_ties, midranks, stable_order
from tests.oracles import stats

EPS = np.finfo(float).eps
RNG = np.random.default_rng(31)
LONG = {
    "even": RNG.uniform(-3, 5, 20_000),
    "normal": RNG.standard_normal(20_000),
    "ties": RNG.integers(-5, 5, 20_000) / 4,
    "constant": np.full(20_000, 0.1),
    "signed zeros": RNG.choice([0.0, -0.0, 1.0, -1.0], 20_000),
    "outliers": np.r_[RNG.standard_normal(20_000), 1e300, -1e300],
    "signed zeros, outlier": np.r_[RNG.choice([0.0, -0.0, 1.0, -1.0], 20_000), 1e300],
    "last bits": 1 + EPS * RNG.integers(0, 9, 20_000),
    "last bits apart": RNG.integers(0, 3, 20_000) + EPS * RNG.integers(0, 9, 20_000),
    "widest": RNG.uniform(-1, 1, 20_000) * np.finfo(float).max,
    "smallest": 5e-324 * RNG.integers(-4, 4, 20_000),
    "falling": np.linspace(1, 0, 20_000) ** 3,
    "sizes": np.exp(RNG.uniform(-300, 300, 20_000)) * RNG.choice([-1, 1], 20_000),
}

floats = st.floats(allow_nan=False, allow_infinity=False)


def assert_sorted_as_by_numpy(x):
    order, in_order = stable_order(x)
    expected = np.argsort(x, kind="stable")
    assert_array_equal(order, expected)
    assert_array_equal(in_order, x[expected])
    # Bit for bit: a comparison of floats would not see the sign of 0.
    assert_array_equal(in_order.view(np.uint64), x[expected].view(np.uint64))


@pytest.mark.parametrize("kind", LONG)
def test_order_of_long_samples(kind):
    assert_sorted_as_by_numpy(LONG[kind])


@given(
    arrays(float, st.integers(0, 40), elements=floats | st.integers(-3, 3).map(float))
    | arrays(float, st.integers(0, 40), elements=st.integers(-3, 3).map(float))
)
@example(np.array([]))
@example(np.array([-0.0]))
@example(np.array([0.0, -0.0]))
@example(np.array([2.0, -1.0]))
def test_order_of_short_samples(x):
    assert_sorted_as_by_numpy(x)


@pytest.mark.parametrize("kind", LONG)
def test_both_ways_give_one_order(monkeypatch, kind):
    monkeypatch.setattr(_sorting, "MOVES", 10**9)
    patient = stable_order(LONG[kind][:3000])
    # Not one insertion is allowed: all but sorted samples go the slow way.
    monkeypatch.setattr(_sorting, "MOVES", 0)
    for one, other in zip(patient, stable_order(LONG[kind][:3000]), strict=True):
        assert_array_equal(one, other)


def test_the_sample_is_left_alone():
    for x in (LONG["normal"].copy(), LONG["outliers"].copy()):
        before = x.copy()
        stable_order(x)
        assert_array_equal(x, before)


def test_order_takes_what_is_not_contiguous():
    assert_array_equal(stable_order(LONG["normal"][::-3])[0], np.argsort(LONG["normal"][::-3]))


def in_groups(x, tolerance):
    """Lists of indices: a value joins the one before it in order when it is near enough."""
    groups = []
    for i in sorted(range(len(x)), key=lambda i: x[i]):
        if groups and x[i] - x[groups[-1][-1]] <= tolerance:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


@given(arrays(float, st.integers(0, 30), elements=st.integers(0, 40).map(float)), st.integers(0, 3))
@example(np.array([0.0, 1, 2, 3, 9]), 1)
def test_groups_of_near_values(x, tolerance):
    order, in_order = stable_order(x)
    merged, ranked, doubled = np.empty(len(x)), np.empty(len(x)), np.empty(len(x), dtype=np.int32)
    merge_ties(order, in_order, float(tolerance), merged)
    midranks(order, in_order, float(tolerance), ranked)
    centred_midranks(order, in_order, float(tolerance), 7, doubled)
    groups = in_groups(x, tolerance)
    before = 0
    for group in groups:
        least = min(x[group])
        assert_array_equal(merged[group], least if least > tolerance else 0)
        middle = np.mean(np.arange(before, before + len(group)))
        assert_array_equal(ranked[group], middle + 1)
        # Ranks from 0 by the middle of a value's place: 1 more than twice the mean of indices.
        assert_array_equal(doubled[group], 2 * middle + 1 + 7)
        before += len(group)


def test_ranks_of_a_long_sample():
    for kind in ("ties", "normal", "last bits"):
        order, in_order = stable_order(LONG[kind])
        ranked = np.empty(len(order))
        midranks(order, in_order, 0.0, ranked)
        assert_array_equal(ranked, stats.rankdata(LONG[kind]))


@given(st.lists(st.integers(0, 9), max_size=40))
@example([])
@example([3])
@example([2, 1, 0])
def test_inversions(places):
    counted = inversions(np.array(places, np.uint32), np.empty(len(places), np.uint32))
    assert counted == sum(a > b for a, b in combinations(places, 2))


def test_inversions_of_many():
    n = 300_000
    falling = np.arange(n, dtype=np.uint32)[::-1].copy()
    # More than 32 bits hold.
    assert inversions(falling, np.empty_like(falling)) == n * (n - 1) // 2


def test_more_than_32_bits_of_values_are_refused(monkeypatch):
    monkeypatch.setattr(_sorting, "_INDEX", np.uint64(3))
    with pytest.raises(ValueError, match="at most 3"):
        stable_order(np.zeros(4))
