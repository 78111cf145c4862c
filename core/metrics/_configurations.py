"""Points brought to one place and size, in no more columns than their shape needs."""

from __future__ import annotations

import numpy as np

from core.metrics.checks import FloatArray


def centred(x: FloatArray, name: str) -> FloatArray:
    """Centre, and bring to a size whose square neither vanishes nor overflows."""
    moved = x - x.mean(axis=0)
    largest = np.abs(moved).max(initial=0.0)
    if largest <= np.finfo(float).eps * max(x.shape) * np.abs(x).max(initial=0.0):
        msg = f"all points of {name} are the same: they have no shape"
        raise ValueError(msg)
    return moved / largest


def standard(x: FloatArray, name: str) -> FloatArray:
    """Centre, bring to unit norm, and narrow to n columns at most."""
    few = narrow(centred(x, name))
    return few / np.linalg.norm(few)


def narrow(x: FloatArray) -> FloatArray:
    """Rows with the same products between them, in n columns at most."""
    n, d = x.shape
    return x if d <= n else np.linalg.qr(x.T).R.T


def components(x: FloatArray) -> FloatArray:
    """Scores on the components that are there, so that a SVD is no larger than it must be."""
    u, s, _ = np.linalg.svd(x, full_matrices=False)
    there = s > np.finfo(float).eps * max(x.shape) * s[0]
    return u[:, there] * s[there]
