"""The answers a local model is scored on, besides the one it gives: numbers on the scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core.evidence.tables import HIGHEST, LOWEST


@dataclass(frozen=True)
class Candidate:
    """An answer that is scored.

    Attributes
    ----------
    text : str
    value : float
        The rating it is.
    ended : bool
        Whether it must end there. An answer with two decimals counts whatever follows it, which
        for a model tuned on two decimals is its end.
    """

    text: str
    value: float
    ended: bool = True


def _grid(steps: int) -> tuple[Candidate, ...]:
    """Return the numbers in steps of 1/2, 1/10 or 1/100, written as the training answers are."""
    values = [k / steps for k in range(int(LOWEST * steps), int(HIGHEST * steps) + 1)]
    return tuple(Candidate(str(x), x, ended=len(str(x)) < 4) for x in values)


_WHOLE = tuple(Candidate(str(k), float(k)) for k in range(int(LOWEST), int(HIGHEST) + 1))
#: Sets of answers by name. Those with decimals have the whole numbers in both ways of writing.
CANDIDATES: Mapping[str, tuple[Candidate, ...]] = MappingProxyType(
    {
        "whole": _WHOLE,
        "half": _WHOLE + _grid(2),
        "tenth": _WHOLE + _grid(10),
        "hundredth": _WHOLE + _grid(100),
    }
)


def expectation(values: npt.ArrayLike, logprobs: npt.ArrayLike) -> tuple[float, float]:
    """Return the mean of some answers under their probabilities, renormalised, and their sum.

    The mean is NaN where the sum is 0.
    """
    each = np.exp(np.asarray(logprobs, dtype=float))
    mass = math.fsum(each)
    mean = math.fsum(np.asarray(values) * each) / mass if mass > 0 else math.nan
    return mean, mass
