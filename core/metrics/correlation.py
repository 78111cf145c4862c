"""Ranks, Pearson's and Spearman's correlation, and their Fisher z intervals."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from core.metrics._sorting import inversions, midranks, stable_order
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
    order, in_order = stable_order(x)
    out = np.empty(len(x))
    midranks(order, in_order, 0.0, out)
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
    return pearson_with(x)(y)


def pearson_with(x: npt.ArrayLike) -> Callable[[npt.ArrayLike], float]:
    """Make one sample ready to be correlated with several others.

    Parameters
    ----------
    x : array_like, shape (n,)
        Finite numbers, n >= 2.

    Returns
    -------
    callable
        Takes y and returns `pearson(x, y)`, to the last bit.

    Raises
    ------
    ValueError
        As `pearson`; what is wrong with y is raised by the callable.
    """
    x = finite(x, "x", at_least=2)
    varies = x.min() < x.max()
    x_centred = _centred(x) if varies else np.zeros_like(x)
    x_squares = float(np.sum(x_centred * x_centred))

    def with_x(y: npt.ArrayLike) -> float:
        y = finite(y, "y", at_least=2)
        same_shape(x, y, "x and y")
        if not varies or y.min() == y.max():
            warnings.warn("correlation with a constant is undefined", RuntimeWarning, stacklevel=3)
            return math.nan
        y = _centred(y)
        # numpy's own sum, unlike a BLAS product, does not depend on the machine's thread count.
        r = float(np.sum(x_centred * y) / math.sqrt(x_squares * float(np.sum(y * y))))
        return max(-1.0, min(1.0, r))

    return with_x


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


def kendall(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Kendall's tau-b: concordant less discordant pairs, as a share of those that tie nowhere.

    Parameters
    ----------
    x, y : array_like, shape (n,)
        Paired finite numbers, n >= 2, compared exactly.

    Returns
    -------
    float
        In [-1, 1]; NaN, with a RuntimeWarning, when either side is constant.

    Raises
    ------
    ValueError
        When the shapes differ, n < 2, a value is NaN or infinite, or n is 2^32 or more.

    Notes
    -----
    Knight's method: with the pairs sorted by x, and by y where x ties, the discordant ones are the
    inversions left in y, which a merge sort counts on its way. Counts are exact integers. Time
    grows with n log n; needs about 50 bytes of memory per observation.

    References
    ----------
    Kendall, M. G. (1945). The treatment of ties in ranking problems. Biometrika, 33, 239-251.
    Knight, W. R. (1966). A computer method for calculating Kendall's tau with ungrouped data.
    Journal of the American Statistical Association, 61, 436-439.
    """
    x, y = finite(x, "x", at_least=2), finite(y, "y", at_least=2)
    same_shape(x, y, "x and y")
    if x.min() == x.max() or y.min() == y.max():
        warnings.warn("correlation with a constant is undefined", RuntimeWarning, stacklevel=2)
        return math.nan
    by_y, in_order = stable_order(y)
    new_y = _is_new(in_order)
    places = np.cumsum(new_y, dtype=np.uint32)
    by_x, in_order = stable_order(x[by_y])
    places = places[by_x]
    new_x = _is_new(in_order)
    new_pair = new_x.copy()
    new_pair[1:] |= places[1:] != places[:-1]
    pairs = len(x) * (len(x) - 1) // 2
    tied_x, tied_y, tied = (_tied_pairs(new) for new in (new_x, new_y, new_pair))
    discordant = int(inversions(places, by_x))
    difference = pairs - tied_x - tied_y + tied - 2 * discordant
    # Python's integers: the product of the two would not fit into 64 bits.
    return max(-1.0, min(1.0, difference / math.sqrt((pairs - tied_x) * (pairs - tied_y))))


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


def _is_new(in_order: FloatArray) -> npt.NDArray[np.bool_]:
    """Where a sorted sample takes a new value."""
    new = np.ones(len(in_order), dtype=np.bool_)
    np.not_equal(in_order[1:], in_order[:-1], out=new[1:])
    return new


def _tied_pairs(new: npt.NDArray[np.bool_]) -> int:
    sizes = np.diff(np.flatnonzero(np.r_[new, True]))
    return int((sizes * (sizes - 1) // 2).sum())


def _centred(x: FloatArray) -> FloatArray:
    # Scaled before and after centring, so that neither end of the float range is lost.
    x = x / np.abs(x).max()
    x -= x.mean()
    x /= np.abs(x).max()
    return x
