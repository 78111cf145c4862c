"""The infinitesimal jackknife over concepts for RSA: an interval without resampling.

It agrees to first order with the bootstrap that drops self-pairs, at the cost of two sorts, so that
many recipes and functions of several coefficients can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from core.metrics.linearised import RankedRdm, linearised_rsa
from core.verdict.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Influence:
    """Spearman's rho of two RDMs of n concepts, and each concept's influence on it, (n,)."""

    rho: float
    values: np.ndarray


def rsa_influence(a: np.ndarray | RankedRdm, b: np.ndarray | RankedRdm) -> Influence:
    """Return the RSA of two condensed RDMs with every concept's influence."""
    found = linearised_rsa(a, b)
    return Influence(found.rho, found.influence)


def smooth(
    function: Callable[..., float],
    influences: Sequence[Influence],
    method: str,
    *,
    confidence: float = 0.95,
    label: str = "",
) -> Estimate:
    """Return a smooth function of several coefficients with its normal interval (delta method)."""
    at = np.array([one.rho for one in influences])
    step = 1e-6
    steps = step * np.eye(len(at))
    gradient = [(function(*(at + h)) - function(*(at - h))) / (2 * step) for h in steps]
    total = sum(g * one.values for g, one in zip(gradient, influences, strict=True))
    n = len(influences[0].values)
    half = ndtri((1 + confidence) / 2) * float(np.linalg.norm(total)) / n
    value = function(*at)
    low, high = value - half, value + half
    return Estimate(value, low, high, n, method, confidence=confidence, label=label)


def difference(a: float, b: float) -> float:
    """Return a - b, for `smooth`."""
    return a - b


def partial(ab: float, ac: float, bc: float) -> float:
    """Return the partial correlation of a and b given c, for `smooth`."""
    return (ab - ac * bc) / float(np.sqrt((1 - ac**2) * (1 - bc**2)))
