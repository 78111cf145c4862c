"""What an estimate must satisfy, and the verdict that follows from its interval."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from math import isclose, isfinite

from scipy.special import ndtri, stdtrit

from core.verdict.estimate import Estimate, Measured, as_family


class Verdict(StrEnum):
    """The words a claim is judged with."""

    SUPPORTED = "supported"
    REFUTED = "refuted"
    INCONCLUSIVE = "inconclusive"
    UNTESTED = "untested"
    #: A paper's figures against each other: a source cannot certify itself.
    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"


#: The keys each kind of criterion takes, all required unless they have a default in `Criterion`.
KINDS: dict[str, frozenset[str]] = {
    "above": frozenset({"bound"}),
    "below": frozenset({"bound"}),
    "between": frozenset({"low", "high"}),
    "equivalent": frozenset({"margin"}),
    "near": frozenset({"printed"}),
    "count": frozenset({"printed"}),
    "ordered": frozenset(),
}


@dataclass(frozen=True)
class Criterion:
    """A condition fixed before the claim is run.

    Attributes
    ----------
    kind : str
        ``above`` and ``below`` a bound; ``between`` two ends; ``equivalent`` to zero within a
        margin (the interval must be the 1 - 2 alpha one, which makes it two one-sided tests);
        ``near`` a printed figure at its printed precision; ``count``, a whole number hit exactly;
        ``ordered``, a family of successive differences that are all above zero.
    bound, low, high, margin : float
        As the kind asks.
    printed : str
        The figure as the paper prints it, a string so that the precision is kept.
    """

    kind: str
    bound: float = math.nan
    low: float = math.nan
    high: float = math.nan
    margin: float = math.nan
    printed: str = ""

    @classmethod
    def parse(cls, table: Mapping[str, object]) -> Criterion:
        """Read a criterion from its table in a registry.

        Raises
        ------
        ValueError
            If the kind is unknown, a key is missing or unknown, or a number is not a number.
        """
        keys = dict(table)
        kind = str(keys.pop("kind", ""))
        if kind not in KINDS:
            msg = f"unknown criterion kind {kind!r}; known: {', '.join(sorted(KINDS))}"
            raise ValueError(msg)
        if set(keys) != KINDS[kind]:
            msg = f"criterion {kind!r} takes {sorted(KINDS[kind])}, not {sorted(keys)}"
            raise ValueError(msg)
        if "printed" in keys:
            printed = keys["printed"]
            if not isinstance(printed, str):
                msg = f"criterion {kind!r}: printed must be a string, to keep its precision"
                raise ValueError(msg)
            if decimals(printed) and kind == "count":
                msg = f"criterion 'count': {printed!r} is no whole number"
                raise ValueError(msg)
            return cls(kind, printed=printed)
        numbers: dict[str, float] = {}
        for name, value in keys.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                msg = f"criterion {kind!r}: {name} must be a finite number, not {value!r}"
                raise ValueError(msg)
            numbers[name] = float(value)
        criterion = replace(cls(kind), **numbers)
        if kind == "between" and not criterion.low < criterion.high:
            msg = "criterion 'between' needs low < high"
            raise ValueError(msg)
        if kind == "equivalent" and not criterion.margin > 0:
            msg = "criterion 'equivalent' needs a margin above zero"
            raise ValueError(msg)
        return criterion

    def with_figure(self, value: float) -> Criterion:
        """Return the criterion with another figure, printed at the same precision."""
        return replace(self, printed=f"{value:.{decimals(self.printed)}f}")

    def __str__(self) -> str:
        """Return the criterion as a reader would say it."""
        match self.kind:
            case "above":
                return f"> {self.bound:g}"
            case "below":
                return f"< {self.bound:g}"
            case "between":
                return f"in ({self.low:g}, {self.high:g})"
            case "equivalent":
                return f"within ±{self.margin:g}"
            case "ordered":
                return "each step > 0"
            case _:
                return f"= {self.printed}"


def parse_figure(printed: str) -> Decimal:
    """Return a printed figure as an exact decimal.

    Thousands commas, a percent sign, a leading point and the typographic minus are understood.

    Raises
    ------
    ValueError
        If what is left is no finite number.
    """
    text = printed.replace("−", "-").replace("%", "").strip()
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    try:
        figure = Decimal(text)
    except InvalidOperation:
        msg = f"printed figure {printed!r} is not a number"
        raise ValueError(msg) from None
    if not figure.is_finite():
        msg = f"printed figure {printed!r} is not a finite number"
        raise ValueError(msg)
    return figure


def decimals(printed: str) -> int:
    """Return how many digits stand behind the decimal point of a printed figure."""
    exponent = parse_figure(printed).as_tuple().exponent
    return max(0, -int(exponent))


def rounds_to(value: float, printed: str) -> bool:
    """Tell whether a value rounds to what was printed.

    That is, whether it lies within half a unit of the last printed digit. A value exactly half a
    unit away rounds to either side, and counts; 1e-9 of a unit absorbs binary noise.
    """
    unit = 10.0 ** -decimals(printed)
    return abs(value - float(parse_figure(printed))) <= unit * (0.5 + 1e-9)


def judge(measured: Measured, criterion: Criterion) -> Verdict:
    """Reach the verdict from the interval, never from the point alone.

    Parameters
    ----------
    measured : Estimate or sequence of Estimate
        A family is a claim about all its members. It is supported if every member is
        (intersection-union, so no correction for their number is due), and refuted if some member
        is; since any of m members can stray outside by chance, that one must stay outside with its
        interval widened to the level 1 - alpha / m (Bonferroni). Otherwise it is inconclusive.
    criterion : Criterion
        The condition.

    Returns
    -------
    Verdict
        ``SUPPORTED`` if the whole interval satisfies the criterion, ``REFUTED`` if all of it lies
        on the other side, ``INCONCLUSIVE`` if it straddles. Printed figures and counts have no
        middle: the recomputed value hits them or does not.

    Raises
    ------
    ValueError
        If the criterion is an equivalence and an interval is neither exact nor of level .90: only
        the 1 - 2 alpha interval makes the two one-sided tests at alpha = .05.
    """
    family = as_family(measured)
    verdicts = {_judge_member(one, criterion, len(family)) for one in family}
    if Verdict.REFUTED in verdicts:
        return Verdict.REFUTED
    if Verdict.INCONCLUSIVE in verdicts:
        return Verdict.INCONCLUSIVE
    return Verdict.SUPPORTED


def deciding(measured: Measured, criterion: Criterion) -> Estimate:
    """Return the member of a family that decides its verdict: the one that speaks most against it.

    Among the members with the family's verdict, it is the one whose interval goes least far
    inside the criterion, or farthest outside.
    """
    family = as_family(measured)
    overall = judge(family, criterion)
    candidates = [one for one in family if _judge_member(one, criterion, len(family)) is overall]
    return min(candidates, key=lambda one: _margin(one, criterion))


def _judge_member(one: Estimate, criterion: Criterion, members: int) -> Verdict:
    verdict = _judge_one(one, criterion)
    return _judge_one(_widened(one, members), criterion) if verdict is Verdict.REFUTED else verdict


def _widened(one: Estimate, members: int) -> Estimate:
    """Return the estimate with its interval at level 1 - alpha / m.

    Each side is stretched by the ratio of the quantiles of Student's t with the estimate's degrees
    of freedom, of the normal distribution where it has none: exact for intervals of these kinds,
    close for the others.
    """
    alpha = 1 - one.confidence
    if members == 1 or alpha == 0:
        return one
    wide, narrow = alpha / (2 * members), alpha / 2
    if math.isinf(one.df):
        stretch = float(ndtri(wide) / ndtri(narrow))
    else:
        stretch = float(stdtrit(one.df, wide) / stdtrit(one.df, narrow))
    low = min(one.low, one.value - stretch * (one.value - one.low))
    high = max(one.high, one.value + stretch * (one.high - one.value))
    return replace(one, low=low, high=high)


def _judge_one(one: Estimate, criterion: Criterion) -> Verdict:
    if criterion.kind == "equivalent" and not (one.confidence == 1 or isclose(one.confidence, 0.9)):
        msg = f"equivalence needs the 90 % interval, not {one.confidence:.0%} ({one.method})"
        raise ValueError(msg)
    inside, outside = False, False
    match criterion.kind:
        case "near":
            inside = rounds_to(one.value, criterion.printed)
            outside = not inside
        case "count":
            inside = one.value == float(parse_figure(criterion.printed))
            outside = not inside
        case "above" | "ordered":
            bound = 0.0 if criterion.kind == "ordered" else criterion.bound
            inside, outside = one.low > bound, one.high <= bound
        case "below":
            inside, outside = one.high < criterion.bound, one.low >= criterion.bound
        case "between" | "equivalent":
            low, high = _ends(criterion)
            inside = low < one.low and one.high < high
            outside = one.high <= low or high <= one.low
    if inside:
        return Verdict.SUPPORTED
    return Verdict.REFUTED if outside else Verdict.INCONCLUSIVE


def _ends(criterion: Criterion) -> tuple[float, float]:
    if criterion.kind == "equivalent":
        return -criterion.margin, criterion.margin
    return criterion.low, criterion.high


def _margin(one: Estimate, criterion: Criterion) -> float:
    match criterion.kind:
        case "near" | "count":
            return -abs(one.value - float(parse_figure(criterion.printed)))
        case "above":
            return one.low - criterion.bound
        case "ordered":
            return one.low
        case "below":
            return criterion.bound - one.high
        case _:
            low, high = _ends(criterion)
            return min(one.low - low, high - one.high)
