"""Intervals of a mean over two crossed random factors, such as seeds and sentences."""

from __future__ import annotations

import math

import numpy.typing as npt
from scipy.special import stdtrit

from core.metrics.checks import finite, fraction


def crossed_interval(
    scores: npt.ArrayLike, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Interval of the mean of a table whose rows and columns are both drawn at random.

    Each entry is taken as a mean, plus an effect of its row, plus one of its column, plus a rest,
    all independent and normal. The variance of the mean over S rows and N columns is then
    estimated, without bias, by (MS_rows + MS_columns - MS_rest) / (S N) from the mean squares. Two
    rules keep it on the safe side: the sum is not let fall below the largest of the three mean
    squares, and the degrees of freedom, Satterthwaite's with that sum, not below min(S, N) - 1.

    Parameters
    ----------
    scores : array_like, shape (S, N)
        One score per seed and sentence, none missing; S and N at least 2.
    confidence : float
        Coverage, strictly between 0 and 1.

    Returns
    -------
    mean, low, high, df : float
        The limits are not cut to the range of the scores. A constant table has no width.

    Raises
    ------
    ValueError
        When a value is NaN or infinite, S or N is below 2, or `confidence` is out of range.

    References
    ----------
    J. Cornfield and J. W. Tukey, Average values of mean squares in factorials, Annals of
    Mathematical Statistics 27 (1956).
    F. E. Satterthwaite, An approximate distribution of estimates of variance components,
    Biometrics Bulletin 2 (1946).
    """
    scores = finite(scores, "scores", ndim=2, at_least=2)
    fraction(confidence, "confidence")
    s, n = scores.shape
    if n < 2:
        msg = f"scores has {n} columns, needs at least 2"
        raise ValueError(msg)
    mean = float(scores.mean())
    rows, columns = scores.mean(axis=1) - mean, scores.mean(axis=0) - mean
    rest = scores - mean - rows[:, None] - columns
    ms_rows = float(n * (rows @ rows) / (s - 1))
    ms_columns = float(s * (columns @ columns) / (n - 1))
    ms_rest = float((rest**2).sum() / ((s - 1) * (n - 1)))
    total = max(ms_rows + ms_columns - ms_rest, ms_rows, ms_columns, ms_rest)
    df = float(min(s, n) - 1)
    spread = ms_rows**2 / (s - 1) + ms_columns**2 / (n - 1) + ms_rest**2 / ((s - 1) * (n - 1))
    if spread > 0:
        df = max(df, total**2 / spread)
    half = float(stdtrit(df, (1 + confidence) / 2)) * math.sqrt(total / (s * n))
    return mean, mean - half, mean + half, df
