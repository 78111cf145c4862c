"""What a text prints, measured: figures given twice, sums, shares, and differences.

Each measure reads facts of the `reported` body by name. A printed figure stands for everything
that rounds to it, so a difference of two decimals has an interval: half a unit of the last digit
of each. Whole numbers are counts and have none.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod

from core.evidence.reported import Reported
from core.metrics.correlation import spearman_interval
from core.verdict.criterion import decimals
from core.verdict.estimate import Estimate


def distinct_values(evidence: Reported, fact: str) -> Estimate:
    """Count the different values that the text gives for one quantity."""
    figures = evidence.figures(fact)
    return Estimate.exact(len(set(figures)), len(figures), "distinct values in print")


def count_gap(evidence: Reported, stated: str, listed: str) -> Estimate:
    """Stated number less the sum of what is listed."""
    (number,), parts = evidence.figures(stated), evidence.figures(listed)
    return Estimate.exact(number - sum(parts), len(parts), "stated less listed")


def product_gap(evidence: Reported, stated: str, factors: str) -> Estimate:
    """Stated total less the sum of the products of successive pairs of factors."""
    (number,), factor = evidence.figures(stated), evidence.figures(factors)
    products = [prod(pair) for pair in zip(factor[::2], factor[1::2], strict=True)]
    return Estimate.exact(number - sum(products), len(products), "stated less recomputed")


def percentage(evidence: Reported, part: str, whole: str) -> Estimate:
    """Part over whole, in per cent."""
    (some,), (everything,) = evidence.figures(part), evidence.figures(whole)
    return Estimate.exact(100 * some / everything, int(everything), "part over whole, per cent")


def number(evidence: Reported, fact: str) -> Estimate:
    """Sum of a fact's figures: how many there are of what the text speaks of."""
    figures = evidence.figures(fact)
    return Estimate.exact(sum(figures), len(figures), "counted in the text")


def change(evidence: Reported, before: str, after: str) -> Estimate:
    """Difference of two printed figures."""
    low, high = _ends(evidence, before)[0], _ends(evidence, after)[0]
    return _printed(high[0] - low[0], high[1] + low[1], 2, label=after)


def changes(evidence: Reported, pairs: list[list[str]]) -> list[Estimate]:
    """Difference of each pair of printed figures, before and after."""
    return [change(evidence, before, after) for before, after in pairs]


def contrast(evidence: Reported, larger: list[str], smaller: list[str]) -> Estimate:
    """Return the change said to be larger less the one said to be smaller."""
    more, less = change(evidence, *larger), change(evidence, *smaller)
    half = (more.high - more.low + less.high - less.low) / 2
    return _printed(more.value - less.value, half, 4)


def margin(evidence: Reported, extreme: str, others: str, sign: int) -> Estimate:
    """How far a figure stands beyond the others, upwards (sign 1) or downwards (-1).

    The nearest of the others decides.
    """
    (value, half), *_ = _ends(evidence, extreme)
    gaps = [
        (sign * (value - other), half + other_half) for other, other_half in _ends(evidence, others)
    ]
    return _printed(*min(gaps), len(gaps) + 1, label=extreme)


def steps(evidence: Reported, fact: str) -> list[Estimate]:
    """Differences of successive figures, each less the next."""
    ends = _ends(evidence, fact)
    return [
        _printed(first[0] - second[0], first[1] + second[1], 2, label=f"{place} over {place + 1}")
        for place, (first, second) in enumerate(pairwise(ends), start=1)
    ]


def values(evidence: Reported, fact: str) -> list[Estimate]:
    """Each printed figure, with what rounds to it."""
    return [
        _printed(value, half, 1, label=text)
        for (value, half), text in zip(_ends(evidence, fact), evidence.printed(fact), strict=True)
    ]


def printed_interval(
    evidence: Reported, fact: str, words: str, confidence: float
) -> list[Estimate]:
    """Interval that a printed Spearman coefficient has at the printed number of words."""
    n = int(evidence.figures(words)[0])
    return [
        Estimate(rho, *spearman_interval(rho, n, confidence), n, "Bonett-Wright", confidence)
        for rho in evidence.figures(fact)
    ]


def smallest_level(evidence: Reported, fact: str) -> list[Estimate]:
    """Smallest two-sided p that B resamples can give, 2 / (B + 1)."""
    return [
        Estimate.exact(2 / (resamples + 1), int(resamples), "2 / (B + 1)")
        for resamples in evidence.figures(fact)
    ]


def rule_broken(evidence: Reported, before: str, after: str, called: str) -> Estimate:
    """Tell whether the Introduction's rule and the Discussion disagree (1) or agree (0).

    The rule: tuning is effective if alignment with people rose, else ineffective.
    """
    effective = change(evidence, before, after).low > 0
    (said,) = evidence.figures(called)
    return Estimate.exact(float(effective != bool(said)), 1, "rule against word")


def missing_references(evidence: Reported, named: str, serving: str) -> Estimate:
    """How many of the references named are not among those that serve the purpose."""
    wanted, there = set(evidence.figures(named)), set(evidence.figures(serving))
    return Estimate.exact(len(wanted - there), len(wanted), "named but not serving")


def ratios(evidence: Reported, larger: str, smaller: str) -> list[Estimate]:
    """Each figure of one fact over the single one of another."""
    (small,) = evidence.figures(smaller)
    return [
        Estimate.exact(figure / small, 2, "ratio of printed counts", label=larger)
        for figure in evidence.figures(larger)
    ]


def _ends(evidence: Reported, fact: str) -> list[tuple[float, float]]:
    """Return each figure with half a unit of its last decimal; 0 for a whole number."""
    return [
        (value, 0.5 * 10.0 ** -decimals(text) if decimals(text) else 0.0)
        for value, text in zip(evidence.figures(fact), evidence.printed(fact), strict=True)
    ]


def _printed(value: float, half: float, n: int, label: str = "") -> Estimate:
    # Bounds are decimals too: 1e-12 keeps 0.36 + 0.2 from falling short of 0.56.
    value, half = round(value, 12), round(half, 12)
    low, high = round(value - half, 12), round(value + half, 12)
    return Estimate(value, low, high, n, "printed, with its rounding", 1.0, label=label)
