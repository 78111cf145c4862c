"""The infinitesimal jackknife over concepts for RSA: an interval without resampling.

It agrees to first order with the bootstrap that drops self-pairs, at the cost of two sorts, so that
many recipes and functions of several coefficients can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import squareform
from scipy.special import ndtri
from scipy.stats import rankdata

from core.verdict.estimate import Estimate


@dataclass(frozen=True, eq=False)
class Influence:
    """Spearman's rho of two RDMs of n concepts, and each concept's influence on it, (n,)."""

    rho: float
    values: np.ndarray


def rsa_influence(a: np.ndarray, b: np.ndarray) -> Influence:
    """Return the RSA of two condensed RDMs with every concept's influence.

    A concept's influence is the derivative of rho with respect to its weight, times n; the
    influences sum to zero, and the squared standard error of rho is the sum of their squares
    over n squared (Efron and Tibshirani, 1993, section 22.6).
    """
    x, y = _centred(a), _centred(b)
    top, in_a, in_b = (_pair_influence(*both) for both in ((x, y), (x, x), (y, y)))
    (cov, d_cov), (var_a, d_a), (var_b, d_b) = top, in_a, in_b
    rho = cov / np.sqrt(var_a * var_b)
    pairs = d_cov / np.sqrt(var_a * var_b) - rho / 2 * (d_a / var_a + d_b / var_b)
    square = squareform(pairs)
    # A concept stands in two of the n^2 ordered pairs for each partner, hence the factor of two.
    return Influence(float(rho), 2 * square.sum(0) / (len(square) - 1))


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


@dataclass(frozen=True, eq=False)
class _Ranked:
    order: np.ndarray
    group: np.ndarray
    u: np.ndarray


def _centred(distances: np.ndarray) -> _Ranked:
    """Return mid-ranks scaled to (-1/2, 1/2), with what is needed to sum over larger distances."""
    order = np.argsort(distances, kind="stable")
    group = np.empty(len(order), dtype=np.intp)
    ordered = distances[order]
    group[order] = np.cumsum(np.r_[False, ordered[1:] != ordered[:-1]])
    return _Ranked(order, group, (rankdata(distances) - 0.5) / len(distances) - 0.5)


def _pair_influence(x: _Ranked, y: _Ranked) -> tuple[float, np.ndarray]:
    """Return the covariance of two rankings and every pair's influence on it.

    One more pair at x adds to the rank of every pair above it, and half as much to its ties.
    """
    covariance = float((x.u * y.u).mean())
    return covariance, x.u * y.u + _lifted(x, y.u) + _lifted(y, x.u) - 3 * covariance


def _lifted(x: _Ranked, other: np.ndarray) -> np.ndarray:
    """Return, per pair, the mean of `other` over pairs above it, its ties counting half."""
    sums = np.bincount(x.group, weights=other)
    above = sums[::-1].cumsum()[::-1] - sums / 2
    return above[x.group] / len(other)
