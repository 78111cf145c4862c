"""Two correlations that share a variable: tests and an interval for their difference.

Throughout, variable 1 is the one in common (the human ratings), variables 2 and 3 are compared
(two models): `r12` and `r13` are the correlations compared, `r23` ties the two together.
"""

import math
from dataclasses import dataclass

from scipy.special import ndtr, stdtr

from core.metrics.checks import correlation_and_size
from core.metrics.correlation import pearson_interval, spearman_interval


@dataclass(frozen=True)
class DependentTest:
    """A test of equal dependent correlations.

    Attributes
    ----------
    statistic : float
        Positive where r12 exceeds r13.
    p : float
        Two-sided, in [0, 1].
    """

    statistic: float
    p: float


def steiger_z(r12: float, r13: float, r23: float, n: int) -> DependentTest:
    """Steiger's Z with the two correlations pooled in the covariance (`steiger1980` in cocor).

    Parameters
    ----------
    r12, r13 : float
        The correlations compared, strictly within (-1, 1).
    r23 : float
        The correlation between the two variables compared, in [-1, 1].
    n : int
        Number of complete cases, at least 4.

    Returns
    -------
    DependentTest
        Standard normal under the null. Equal correlations give 0 and p = 1, even at r23 = 1.

    Raises
    ------
    ValueError
        When an argument is out of range or no three variables can correlate so.

    References
    ----------
    Steiger, J. H. (1980). Tests for comparing elements of a correlation matrix. Psychological
    Bulletin, 87, 245-251, equation 14.
    """
    _check(r12, r13, r23, n)
    if r12 == r13:
        return DependentTest(0.0, 1.0)
    mean = (r12 + r13) / 2
    covariance = _covariance(mean, mean, r23)
    if covariance >= 1:
        raise ValueError(_impossible(r12, r13, r23))
    z = (math.atanh(r12) - math.atanh(r13)) * math.sqrt((n - 3) / (2 - 2 * covariance))
    return DependentTest(z, 2 * float(ndtr(-abs(z))))


def williams_t(r12: float, r13: float, r23: float, n: int) -> DependentTest:
    """Williams's t test of two dependent correlations, n - 3 degrees of freedom.

    Parameters
    ----------
    r12, r13 : float
        The correlations compared, strictly within (-1, 1).
    r23 : float
        The correlation between the two variables compared, in [-1, 1].
    n : int
        Number of complete cases, at least 4.

    Returns
    -------
    DependentTest
        Student's t under the null. Equal correlations give 0 and p = 1, even at r23 = 1.

    Raises
    ------
    ValueError
        When an argument is out of range or no three variables can correlate so.

    References
    ----------
    Williams, E. J. (1959). The comparison of regression variables. Journal of the Royal
    Statistical Society B, 21, 396-399.
    """
    _check(r12, r13, r23, n)
    if r12 == r13:
        return DependentTest(0.0, 1.0)
    mean = (r12 + r13) / 2
    spread = 2 * (n - 1) / (n - 3) * _determinant(r12, r13, r23) + mean**2 * (1 - r23) ** 3
    if spread <= 0:
        raise ValueError(_impossible(r12, r13, r23))
    t = (r12 - r13) * math.sqrt((n - 1) * (1 + r23) / spread)
    return DependentTest(t, 2 * float(stdtr(n - 3, -abs(t))))


def zou_interval(
    r12: float, r13: float, r23: float, n: int, confidence: float = 0.95, spearman: bool = False
) -> tuple[float, float]:
    """Zou's interval for r12 - r13, from the limits of each and their correlation.

    Parameters
    ----------
    r12, r13 : float
        The correlations compared, strictly within (-1, 1).
    r23 : float
        The correlation between the two variables compared, in [-1, 1].
    n : int
        Number of complete cases, at least 4.
    confidence : float
        Coverage, strictly between 0 and 1.
    spearman : bool
        Take each coefficient's limits from Bonett and Wright (2000) rather than Fisher.

    Returns
    -------
    tuple of float
        Lower and upper limit of the difference, in [-2, 2].

    Raises
    ------
    ValueError
        When an argument is out of range or no three variables can correlate so.

    References
    ----------
    Zou, G. Y. (2007). Toward using confidence intervals to compare correlations. Psychological
    Methods, 12, 399-413.
    """
    _check(r12, r13, r23, n)
    limits = spearman_interval if spearman else pearson_interval
    low12, high12 = limits(r12, n, confidence)
    low13, high13 = limits(r13, n, confidence)
    # Zou prints the same covariance with the cube of r23 added and subtracted.
    shared = _covariance(r12, r13, r23)
    down, up = r12 - low12, high12 - r12
    return (
        r12 - r13 - _hypotenuse(down, high13 - r13, shared),
        r12 - r13 + _hypotenuse(up, r13 - low13, shared),
    )


def _covariance(r12: float, r13: float, r23: float) -> float:
    """Large-sample correlation between the Fisher z's of r12 and r13 (Dunn and Clark, 1969)."""
    free = 1 - r12**2 - r13**2
    top = r23 * free - r12 * r13 * (free - r23**2) / 2
    return top / ((1 - r12**2) * (1 - r13**2))


def _hypotenuse(a: float, b: float, correlation: float) -> float:
    return math.sqrt(max(a * a + b * b - 2 * correlation * a * b, 0.0))


def _determinant(r12: float, r13: float, r23: float) -> float:
    return 1 - r12**2 - r13**2 - r23**2 + 2 * r12 * r13 * r23


def _check(r12: float, r13: float, r23: float, n: int) -> None:
    for name, r in (("r12", r12), ("r13", r13), ("r23", r23)):
        correlation_and_size(r, n, name)
    for name, r in (("r12", r12), ("r13", r13)):
        if abs(r) == 1:
            raise ValueError(f"{name} is {r}: a perfect correlation has no Fisher z to compare")
    # Coefficients computed from nearly collinear data miss zero by rounding.
    if _determinant(r12, r13, r23) < -1e-12:
        raise ValueError(_impossible(r12, r13, r23))


def _impossible(r12: float, r13: float, r23: float) -> str:
    return (
        f"no three variables correlate r12={r12}, r13={r13}, r23={r23}; "
        "compute all three on the same complete rows"
    )
