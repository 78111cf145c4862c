"""Ranks, Pearson's and Spearman's correlation, and their Fisher z intervals."""

import math
import warnings

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from core.metrics.checks import FloatArray, correlation_and_size, finite, fraction, same_shape


def ranks(x: npt.ArrayLike) -> FloatArray:
    """Rank from 1 to n; tied values share the mean of the ranks they cover.

    Parameters
    ----------
    x : array_like, shape (n,)
        Finite numbers, compared exactly: values that differ in the last bit are not tied.

    Returns
    -------
    ndarray, shape (n,)
        Multiples of one half in [1, n].

    Raises
    ------
    ValueError
        When `x` is empty, not one-dimensional, or holds NaN or infinity.
    """
    x = finite(x, "x")
    order = np.argsort(x, kind="stable")
    in_order = x[order]
    starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
    stops = np.r_[starts[1:], len(x)]
    out = np.empty(len(x))
    out[order] = np.repeat((starts + 1 + stops) / 2, stops - starts)
    return out


def pearson(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Pearson's product-moment correlation.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Paired finite numbers, n >= 2.

    Returns
    -------
    float
        In [-1, 1]; NaN, with a RuntimeWarning, when either side is constant.

    Raises
    ------
    ValueError
        When the shapes differ, n < 2, or a value is NaN or infinite.
    """
    x, y = finite(x, "x", at_least=2), finite(y, "y", at_least=2)
    same_shape(x, y, "x and y")
    if x.min() == x.max() or y.min() == y.max():
        warnings.warn("correlation with a constant is undefined", RuntimeWarning, stacklevel=2)
        return math.nan
    x, y = _centred(x), _centred(y)
    # numpy's own sum, unlike a BLAS product, does not depend on the machine's thread count.
    r = float(np.sum(x * y) / math.sqrt(float(np.sum(x * x)) * float(np.sum(y * y))))
    return max(-1.0, min(1.0, r))


def spearman(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of average ranks.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Paired finite numbers, n >= 2; ties get average ranks.

    Returns
    -------
    float
        In [-1, 1]; NaN, with a RuntimeWarning, when either side is constant.

    Raises
    ------
    ValueError
        When the shapes differ, n < 2, or a value is NaN or infinite.

    References
    ----------
    Spearman, C. (1904). The proof and measurement of association between two things.
    American Journal of Psychology, 15, 72-101.
    """
    x, y = finite(x, "x", at_least=2), finite(y, "y", at_least=2)
    same_shape(x, y, "x and y")
    return pearson(ranks(x), ranks(y))


def pearson_interval(r: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Fisher's z interval of a Pearson correlation, variance 1 / (n - 3).

    Parameters
    ----------
    r : float
        The coefficient, in [-1, 1]; at -1 or 1 the interval has no width.
    n : int
        Number of pairs, at least 4.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper limit, in [-1, 1].

    Raises
    ------
    ValueError
        When an argument is out of its range.
    """
    return fisher_interval(r, pearson_variance(r, n), confidence)


def spearman_interval(rho: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Fisher's z interval of a Spearman correlation, variance (1 + rho^2 / 2) / (n - 3).

    Parameters
    ----------
    rho : float
        The coefficient, in [-1, 1]; at -1 or 1 the interval has no width.
    n : int
        Number of pairs, at least 4.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper limit, in [-1, 1].

    Raises
    ------
    ValueError
        When an argument is out of its range.

    References
    ----------
    Bonett, D. G., & Wright, T. A. (2000). Sample size requirements for estimating Pearson,
    Kendall and Spearman correlations. Psychometrika, 65, 23-28.
    """
    return fisher_interval(rho, spearman_variance(rho, n), confidence)


def pearson_variance(r: float, n: int) -> float:
    """Variance of Fisher's z of a Pearson correlation: 1 / (n - 3)."""
    correlation_and_size(r, n)
    return 1 / (n - 3)


def spearman_variance(rho: float, n: int) -> float:
    """Variance of Fisher's z of a Spearman correlation (Bonett and Wright, 2000)."""
    correlation_and_size(rho, n, "rho")
    return (1 + rho**2 / 2) / (n - 3)


def fisher_z(r: float) -> float:
    """Inverse hyperbolic tangent of `r`, infinite at -1 and 1."""
    return math.atanh(r) if abs(r) < 1 else math.copysign(math.inf, r)


def fisher_interval(r: float, variance: float, confidence: float) -> tuple[float, float]:
    """Interval of a correlation whose Fisher z is normal with this variance."""
    fraction(confidence, "confidence")
    half = float(ndtri((1 + confidence) / 2)) * math.sqrt(variance)
    z = fisher_z(r)
    return math.tanh(z - half), math.tanh(z + half)


def _centred(x: FloatArray) -> FloatArray:
    # Scaled before and after centring, so that neither end of the float range is lost.
    x = x / np.abs(x).max()
    x = x - x.mean()
    return x / np.abs(x).max()
