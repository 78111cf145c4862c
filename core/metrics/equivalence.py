"""Two one-sided tests that an effect is too small to matter."""

import math
from dataclasses import dataclass

import numpy.typing as npt
from scipy.special import ndtr, stdtr

from core.metrics.checks import fraction
from core.metrics.correlation import (
    fisher_interval,
    fisher_z,
    pearson_variance,
    spearman_variance,
)
from core.metrics.words import mean_and_error, mean_interval, ratio


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests of equivalence.

    Attributes
    ----------
    p_lower, p_upper : float
        One-sided p against lying at or below the lower, at or above the upper bound.
    p : float
        The larger of the two; equivalence at level alpha when p < alpha.
    low, high : float
        The (1 - 2 alpha) interval: inside the bounds exactly when p < alpha.
    """

    p_lower: float
    p_upper: float
    p: float
    low: float
    high: float


def tost_mean(x: npt.ArrayLike, low: float, high: float, alpha: float = 0.05) -> Tost:
    """Test that the mean of `x`, of paired differences say, lies inside the bounds.

    Parameters
    ----------
    x : array_like, shape (n,)
        Finite numbers, n >= 2.
    low, high : float
        Bounds of equivalence, low < high, in the units of `x`.
    alpha : float
        Level of each test, strictly between 0 and 0.5.

    Returns
    -------
    Tost
        From Student's t with n - 1 degrees of freedom. An estimate at or outside a bound has
        p >= 0.5. Without spread p is 0 inside the bounds, 0.5 on one and 1 outside.

    Raises
    ------
    ValueError
        When an argument is out of its range or a value is not finite.

    References
    ----------
    Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power
    approach. Journal of Pharmacokinetics and Biopharmaceutics, 15, 657-680.
    """
    _check(low, high, alpha)
    mean, error, n = mean_and_error(x)
    p_lower = float(stdtr(n - 1, -ratio(mean - low, error)))
    p_upper = float(stdtr(n - 1, ratio(mean - high, error)))
    _, inner_low, inner_high = mean_interval(x, 1 - 2 * alpha)
    return Tost(p_lower, p_upper, max(p_lower, p_upper), inner_low, inner_high)


def tost_correlation(
    rho: float, n: int, margin: float, alpha: float = 0.05, spearman: bool = True
) -> Tost:
    """Test on Fisher's z scale that a correlation lies between -margin and margin.

    Parameters
    ----------
    rho : float
        The coefficient, in [-1, 1].
    n : int
        Number of pairs, at least 4.
    margin : float
        Strictly between 0 and 1.
    alpha : float
        Level of each test, strictly between 0 and 0.5.
    spearman : bool
        Use Bonett and Wright's variance for Spearman's rho, else 1 / (n - 3).

    Returns
    -------
    Tost
        Its interval is on the scale of the correlation.

    Raises
    ------
    ValueError
        When an argument is out of its range.

    References
    ----------
    Lakens, D. (2017). Equivalence tests. Social Psychological and Personality Science, 8,
    355-362; Bonett and Wright (2000) for the variance of Spearman's rho.
    """
    fraction(margin, "margin")
    _check(-margin, margin, alpha)
    variance = spearman_variance(rho, n) if spearman else pearson_variance(rho, n)
    error = math.sqrt(variance)
    p_lower = float(ndtr(-(fisher_z(rho) + math.atanh(margin)) / error))
    p_upper = float(ndtr((fisher_z(rho) - math.atanh(margin)) / error))
    inner_low, inner_high = fisher_interval(rho, variance, 1 - 2 * alpha)
    return Tost(p_lower, p_upper, max(p_lower, p_upper), inner_low, inner_high)


def _check(low: float, high: float, alpha: float) -> None:
    if not low < high:
        raise ValueError(f"bounds are {low} and {high}; the lower must be below the upper")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is {alpha}, must lie strictly between 0 and 0.5")
