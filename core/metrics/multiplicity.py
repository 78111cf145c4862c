"""Correction of p values for several tests."""

import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray, finite


def holm(p: npt.ArrayLike) -> FloatArray:
    """Holm's step-down adjustment, controlling the family-wise error under any dependence.

    Parameters
    ----------
    p : array_like, shape (m,)
        Raw p values in [0, 1].

    Returns
    -------
    ndarray, shape (m,)
        Adjusted p values in [0, 1], in the order given; equal p values stay equal.

    Raises
    ------
    ValueError
        When `p` is empty or a value is NaN or outside [0, 1].

    References
    ----------
    Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal
    of Statistics, 6, 65-70.
    """
    p = finite(p, "p")
    if p.min() < 0 or p.max() > 1:
        raise ValueError("p has values outside [0, 1]")
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * steps), 1.0)
    return adjusted
