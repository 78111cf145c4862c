"""Shares of a number of cases."""

from __future__ import annotations

import math

from scipy.special import ndtri

from core.metrics.checks import fraction


def wilson_interval(share: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share.

    It assumes independent cases with one probability; where cases come in groups (seeds), it is
    too narrow for a statement about other groups.

    Parameters
    ----------
    share : float
        Successes over cases, in [0, 1].
    n : int
        Cases, at least 1.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper limit, within [0, 1].

    Raises
    ------
    ValueError
        When the share is NaN or outside [0, 1], n is below 1, or `confidence` is out of range.

    References
    ----------
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22
    (1927).
    """
    fraction(confidence, "confidence")
    if not 0 <= share <= 1:
        msg = f"share is {share}, must lie in [0, 1]"
        raise ValueError(msg)
    if n < 1:
        msg = f"n is {n}, needs at least 1"
        raise ValueError(msg)
    z2 = float(ndtri((1 + confidence) / 2)) ** 2
    middle, half = share + z2 / (2 * n), math.sqrt(z2 * (share * (1 - share) + z2 / (4 * n)) / n)
    low, high = (middle - half) / (1 + z2 / n), (middle + half) / (1 + z2 / n)
    # At the ends the last bits would leave the share itself out.
    return 0.0 if share == 0 else max(0.0, low), 1.0 if share == 1 else min(1.0, high)
