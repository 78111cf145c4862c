"""What was measured: a value with its interval, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


class Undefined(ValueError):  # noqa: N818
    """What was measured has no value on this evidence."""


@dataclass(frozen=True)
class Estimate:
    """A measured value with its interval.

    Attributes
    ----------
    value : float
        The point estimate.
    low, high : float
        The interval's ends. A full count has no sampling error: ``exact`` sets both to the value.
    n : int
        How many units (words, answers, questions) the value rests on.
    method : str
        How value and interval were computed, in a few words.
    confidence : float
        The interval's level; 1.0 for an exact count.
    seed : int or None
        The seed of the generator, where random numbers were drawn.
    df : float
        Degrees of freedom of a Student t interval; infinite for every other.
    label : str
        Which member of a family this is ("Visual", "En_FT over Nl_FT"); empty for a single value.

    Raises
    ------
    Undefined
        If the value or an end is not finite.
    ValueError
        If the ends are in the wrong order. A percentile interval need not contain the value, so
        that is not checked.
    """

    value: float
    low: float
    high: float
    n: int
    method: str
    confidence: float = 0.95
    seed: int | None = None
    label: str = ""
    df: float = math.inf

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = float(getattr(self, name))
            if not math.isfinite(number):
                msg = f"{name} of the estimate {self.label or self.method!r} is {number}"
                raise Undefined(msg)
            object.__setattr__(self, name, number)
        object.__setattr__(self, "n", int(self.n))
        if self.low > self.high:
            msg = f"interval of {self.label or self.method!r} is reversed: {self.low}, {self.high}"
            raise ValueError(msg)

    @classmethod
    def exact(cls, value: float, n: int, method: str, label: str = "") -> Estimate:
        """Return an estimate without sampling error: a full count, or a figure read off a text."""
        return cls(value, value, value, n, method, confidence=1.0, label=label)


#: A claim about several things at once ("every dimension") is measured as a family.
Measured = Estimate | Sequence[Estimate]


def as_family(measured: Measured) -> tuple[Estimate, ...]:
    """Return the estimates as a tuple; a single one is a family of one.

    Raises
    ------
    Undefined
        If the family is empty: nothing was measured, so nothing can be judged.
    """
    family = (measured,) if isinstance(measured, Estimate) else tuple(measured)
    if not family:
        msg = "nothing was measured: the family of estimates is empty"
        raise Undefined(msg)
    return family
