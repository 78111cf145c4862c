"""Similarity word by word, and paired comparisons of it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, stdtr, stdtrit

from core.metrics.checks import FloatArray, finite, fraction, same_shape


@dataclass(frozen=True)
class PairedT:
    """A paired t test of x - y.

    Attributes
    ----------
    n : int
        Number of pairs.
    mean, low, high : float
        Mean difference and its t interval, in the units of the data.
    t, df, p : float
        Statistic, n - 1 degrees of freedom, two-sided p.
    cohen_dz : float
        Mean difference over the standard deviation (n - 1) of the differences.
    """

    n: int
    mean: float
    low: float
    high: float
    t: float
    df: int
    p: float
    cohen_dz: float


def word_distance(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Euclidean distance between the two profiles of every word.

    Parameters
    ----------
    a, b : array_like, shape (n, d)
        Finite ratings, rows the same words, columns the same dimensions.

    Returns
    -------
    ndarray, shape (n,)
        Not negative, in the units of the ratings.

    Raises
    ------
    ValueError
        When the shapes differ or a value is not finite.
    """
    a, b = finite(a, "a", ndim=2), finite(b, "b", ndim=2)
    same_shape(a, b, "a and b")
    return np.linalg.norm(a - b, axis=1)


def word_similarity(distance: npt.ArrayLike) -> FloatArray:
    """Similarity 1 / (1 + distance), the paper's per-word score.

    Parameters
    ----------
    distance : array_like, shape (n,)
        Finite, not negative.

    Returns
    -------
    ndarray, shape (n,)
        In (0, 1]; 1 for identical profiles.

    Raises
    ------
    ValueError
        When a distance is negative or not finite.
    """
    distance = finite(distance, "distance")
    if distance.min() < 0:
        raise ValueError(f"distance has a negative value at index {int(distance.argmin())}")
    return 1 / (1 + distance)


def mean_interval(x: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean with its Student t interval.

    Parameters
    ----------
    x : array_like, shape (n,)
        Finite numbers, n >= 2.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Mean, lower and upper limit; constant data give no width.

    Raises
    ------
    ValueError
        When n < 2, a value is not finite, or `confidence` is out of range.
    """
    fraction(confidence, "confidence")
    mean, error, n = mean_and_error(x)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * error
    return mean, mean - half, mean + half


def median_interval(
    x: npt.ArrayLike, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Median with its interval between two order statistics, which assumes no distribution.

    Parameters
    ----------
    x : array_like, shape (n,)
        Finite numbers, n >= 2.
    confidence : float
        Coverage wanted, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Median, lower and upper limit, and the coverage that these have: the smallest that reaches
        `confidence`, or that of the range where none does. Ties only raise it.

    Raises
    ------
    ValueError
        When n < 2, a value is not finite, or `confidence` is out of range.

    References
    ----------
    W. J. Conover, Practical Nonparametric Statistics, 3rd edition, 1999, section 3.2.
    """
    fraction(confidence, "confidence")
    x = np.sort(finite(x, "x", at_least=2))
    # Fewer than `low` of the n lie below the median with probability bdtr(low - 1, n, 1/2).
    low = max(1, int((2 * bdtr(np.arange(len(x)), len(x), 0.5) <= 1 - confidence).sum()))
    level = 1 - 2 * float(bdtr(low - 1, len(x), 0.5))
    return float(np.median(x)), float(x[low - 1]), float(x[len(x) - low]), level


def pairs_interval(pairs: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean over all pairs of units with its interval over units.

    A unit stands in several pairs, so the interval is Student's t on the jackknife's pseudo-values.
    The mean over pairs is a U statistic: the mean of the pseudo-values is the mean itself.

    Parameters
    ----------
    pairs : array_like, shape (n, n)
        One figure per pair, n >= 3; the diagonal does not count, but must be finite.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Mean, lower and upper limit.

    Raises
    ------
    ValueError
        When `pairs` is not a finite square matrix of at least three rows, or `confidence` is out of
        range.

    References
    ----------
    J. N. Arvesen, Jackknifing U-statistics, Annals of Mathematical Statistics 40 (1969).
    """
    pairs = finite(pairs, "pairs", ndim=2, at_least=3)
    n = len(pairs)
    if pairs.shape != (n, n):
        raise ValueError(f"pairs has shape {pairs.shape}, must be square")
    rest = pairs - np.diag(np.diag(pairs))
    total = rest.sum()
    without = (total - rest.sum(axis=0) - rest.sum(axis=1)) / ((n - 1) * (n - 2))
    return mean_interval(total / (n - 1) - (n - 1) * without, confidence)


def paired_t(x: npt.ArrayLike, y: npt.ArrayLike, confidence: float = 0.95) -> PairedT:
    """Paired two-sided t test and its effect size.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Paired finite numbers, n >= 2.
    confidence : float
        Coverage of the interval, strictly between 0 and 1.

    Returns
    -------
    PairedT
        Where all differences are equal, t is infinite and p = 0, or, all being 0, t = 0 and p = 1.

    Raises
    ------
    ValueError
        When the shapes differ, n < 2, a value is not finite, or `confidence` is out of range.
    """
    x, y = finite(x, "x", at_least=2), finite(y, "y", at_least=2)
    same_shape(x, y, "x and y")
    mean, low, high = mean_interval(x - y, confidence)
    _, error, n = mean_and_error(x - y)
    t = ratio(mean, error)
    return PairedT(
        n=n,
        mean=mean,
        low=low,
        high=high,
        t=t,
        df=n - 1,
        p=2 * float(stdtr(n - 1, -abs(t))),
        cohen_dz=t / math.sqrt(n),
    )


def mean_and_error(x: npt.ArrayLike) -> tuple[float, float, int]:
    """Mean, its standard error with n - 1 in the variance, and n (at least 2)."""
    x = finite(x, "x", at_least=2)
    if x.min() == x.max():
        # The mean of equal numbers may miss them by a bit, which would pass for spread.
        return float(x[0]), 0.0, len(x)
    return float(x.mean()), float(x.std(ddof=1)) / math.sqrt(len(x)), len(x)


def ratio(estimate: float, error: float) -> float:
    """Estimate over standard error; without spread infinite, or 0 for an estimate of 0."""
    if error:
        return estimate / error
    return math.copysign(math.inf, estimate) if estimate else 0.0
