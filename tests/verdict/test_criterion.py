import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.verdict.criterion import (
    Criterion,
    Verdict,
    deciding,
    decimals,
    judge,
    parse_figure,
    rounds_to,
)
from core.verdict.estimate import Estimate, as_family

S, R, Q = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.INCONCLUSIVE


def between(low: float, high: float, value: float | None = None) -> Estimate:
    return Estimate((low + high) / 2 if value is None else value, low, high, 10, "test")


@pytest.mark.parametrize(
    ("criterion", "low", "high", "expected"),
    [
        ({"kind": "above", "bound": 0.5}, 0.51, 0.9, S),
        ({"kind": "above", "bound": 0.5}, 0.5, 0.9, Q),  # touching the bound is not above it
        ({"kind": "above", "bound": 0.5}, 0.4, 0.9, Q),
        ({"kind": "above", "bound": 0.5}, 0.1, 0.5, R),
        ({"kind": "below", "bound": 0}, -0.3, -0.1, S),
        ({"kind": "below", "bound": 0}, -0.3, 0.0, Q),
        ({"kind": "below", "bound": 0}, 0.0, 0.2, R),
        ({"kind": "between", "low": 0.3, "high": 0.7}, 0.31, 0.69, S),
        ({"kind": "between", "low": 0.3, "high": 0.7}, 0.2, 0.5, Q),
        ({"kind": "between", "low": 0.3, "high": 0.7}, 0.2, 0.8, Q),
        ({"kind": "between", "low": 0.3, "high": 0.7}, 0.7, 0.9, R),
        ({"kind": "between", "low": 0.3, "high": 0.7}, 0.1, 0.3, R),
        ({"kind": "equivalent", "margin": 0.1}, -0.09, 0.09, S),
        ({"kind": "equivalent", "margin": 0.1}, -0.1, 0.05, Q),
        ({"kind": "equivalent", "margin": 0.1}, 0.1, 0.2, R),
        ({"kind": "ordered"}, 0.001, 0.2, S),
        ({"kind": "ordered"}, -0.1, 0.0, R),
        ({"kind": "ordered"}, -0.1, 0.1, Q),
    ],
)
def test_verdict_follows_from_the_whole_interval(criterion, low, high, expected):
    confidence = 0.9 if criterion["kind"] == "equivalent" else 0.95
    one = replace(between(low, high), confidence=confidence)
    assert judge(one, Criterion.parse(criterion)) is expected


def test_equivalence_at_another_level_than_its_own_is_refused():
    with pytest.raises(ValueError, match="90 %"):
        judge(between(-0.01, 0.01), Criterion.parse({"kind": "equivalent", "margin": 0.1}))


def test_one_of_many_refutes_only_beyond_what_chance_gives_so_many():
    above = Criterion.parse({"kind": "above", "bound": 0})
    good, slip = between(0.1, 0.2), between(-0.21, -0.01)
    assert judge(slip, above) is R
    assert judge([slip, good], above) is Q  # z = 2.16, and two members need 2.24
    assert judge([between(-0.2, -0.02), good], above) is R  # z = 2.40
    assert judge([between(-0.2, -0.02), *[good] * 9], above) is Q  # ten members need 2.81
    assert judge([Estimate.exact(-0.01, 5, "count"), *[good] * 9], above) is R


def test_the_point_alone_decides_nothing():
    criterion = Criterion.parse({"kind": "above", "bound": 0.5})
    assert judge(between(0.4, 0.9, value=0.89), criterion) is Q


@pytest.mark.parametrize(
    ("value", "printed", "inside"),
    [
        (0.1924, "0.192", True),
        (0.19251, "0.192", False),
        (0.1925, "0.192", True),  # exactly half a unit rounds either way
        (0.1925, "0.193", True),
        (-0.0760, "-0.08", True),
        (-0.0740, "-0.08", False),
        (0.076, "-0.08", False),
        (10677, "10,677", True),
        (10676, "10,677", False),
        (0.368, ".368", True),
        (57.4, "57 %", True),
        (-0.047, "−0.047", True),
    ],
)
def test_a_printed_figure_is_hit_within_half_a_unit_of_its_last_digit(value, printed, inside):
    assert rounds_to(value, printed) is inside
    verdict = judge(between(value, value), Criterion.parse({"kind": "near", "printed": printed}))
    assert verdict is (S if inside else R)


def test_a_count_is_hit_exactly_or_not_at_all():
    count = Criterion.parse({"kind": "count", "printed": "1,570"})
    assert judge(Estimate.exact(1570, 1572, "rows"), count) is S
    assert judge(Estimate.exact(1570.4, 1572, "rows"), count) is R


@given(st.integers(-99999, 99999), st.integers(0, 4), st.floats(-0.499, 0.499))
def test_any_value_that_rounds_to_the_print_hits_it(units, places, offset):
    printed = f"{units / 10**places:.{places}f}"
    assert decimals(printed) == places
    assert rounds_to((units + offset) / 10**places, printed)
    assert not rounds_to((units + offset + math.copysign(1, offset)) / 10**places, printed)


@pytest.mark.parametrize("printed", ["", "n/a", "nan", "inf", "1.2.3", "p < .001", "0,192", "1,57"])
def test_what_is_no_figure_is_refused(printed):
    with pytest.raises(ValueError, match="printed figure"):
        parse_figure(printed)


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "roughly"},
        {"kind": "above"},
        {"kind": "above", "bound": "0.5"},
        {"kind": "above", "bound": True},
        {"kind": "above", "bound": 0.5, "margin": 1},
        {"kind": "between", "low": 0.7, "high": 0.3},
        {"kind": "equivalent", "margin": 0},
        {"kind": "near", "printed": "about .5"},
        {"kind": "near", "printed": 0.19},
        {"kind": "count", "printed": "7.5"},
        {"kind": "above", "bound": math.nan},
        {"kind": "equivalent", "margin": math.inf},
        {},
    ],
)
def test_a_criterion_that_says_too_little_or_too_much_is_refused(table):
    with pytest.raises(ValueError, match=r"criterion|printed figure"):
        Criterion.parse(table)


def test_a_family_is_supported_only_whole_and_refuted_by_one():
    above = Criterion.parse({"kind": "above", "bound": 0})
    good, middling, bad = between(0.1, 0.2), between(-0.1, 0.2), between(-0.2, -0.1)
    assert judge([good, good], above) is S
    assert judge([good, middling], above) is Q
    assert judge([good, middling, bad], above) is R


def test_the_deciding_member_speaks_most_against_the_claim():
    above = Criterion.parse({"kind": "above", "bound": 0})
    strong, weak = between(0.5, 0.9), between(0.1, 0.9)
    unclear, bad = between(-0.5, 0.2), between(-0.2, -0.1)
    assert deciding([strong, weak], above) is weak
    assert deciding([strong, unclear, bad], above) is bad
    near = Criterion.parse({"kind": "count", "printed": "3"})
    hit, off, far = between(3, 3), between(4, 4), between(9, 9)
    assert deciding([hit, off, far], near) is far


def test_a_figure_is_replaced_at_the_same_precision():
    criterion = Criterion.parse({"kind": "near", "printed": "0.192"})
    assert criterion.with_figure(0.7).printed == "0.700"


@pytest.mark.parametrize("kwargs", [{"value": math.nan}, {"low": math.inf}, {"low": 3.0}])
def test_an_estimate_without_a_proper_interval_is_refused(kwargs):
    fields = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3, "method": "test"} | kwargs
    with pytest.raises(ValueError, match=r"estimate|reversed"):
        Estimate(**fields)


def test_nothing_measured_is_nothing_judged():
    with pytest.raises(ValueError, match="nothing was measured"):
        as_family([])


def test_an_exact_count_has_no_width():
    one = Estimate.exact(7, 11, "count")
    assert (one.low, one.high, one.confidence) == (7, 7, 1.0)
