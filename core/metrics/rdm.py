"""Standardised ratings, representational dissimilarity matrices, and their comparison."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from core.metrics.checks import FloatArray, finite
from core.metrics.correlation import spearman

Metric = Literal["cosine", "correlation", "euclidean", "cityblock"]

TIE = 1e-13
"""Distances closer than this fraction of the scale are one distance with rounding on it: some
fifty times the noise of a few hundred dimensions, a millionth of the usual gap between pairs."""


def standardise(x: npt.ArrayLike) -> FloatArray:
    """Scale every column to mean 0 and population standard deviation 1.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Finite ratings, rows concepts, columns dimensions.

    Returns
    -------
    ndarray, shape (n, d)
        A constant column becomes zeros, as in scikit-learn's StandardScaler.

    Raises
    ------
    ValueError
        When `x` is not two-dimensional or holds NaN or infinity.
    """
    x = finite(x, "x", ndim=2)
    constant = x.min(axis=0) == x.max(axis=0)
    sd = np.where(constant, 1.0, x.std(axis=0))
    return np.where(constant, 0.0, (x - x.mean(axis=0)) / sd)


def rdm(x: npt.ArrayLike, metric: Metric = "cosine") -> FloatArray:
    """Condensed matrix of the distances between rows.

    Equal distances compare equal: sorted, a distance within 1e-13 of its neighbour (of the largest
    distance, for euclidean and cityblock) joins it, and the group takes its smallest value, or 0
    where it reaches 0. Without this, last-bit noise breaks the many ties of ratings and
    moves Spearman's rho by about 1e-7.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Finite numbers, n >= 2.
    metric : {"cosine", "correlation", "euclidean", "cityblock"}
        Cosine is 1 - cos, correlation the same after centring every row.

    Returns
    -------
    ndarray, shape (n * (n - 1) / 2,)
        Pairs (0, 1), (0, 2), ..., as SciPy's `pdist`; cosine and correlation lie in [0, 2].

    Raises
    ------
    ValueError
        When `x` is not two-dimensional, n < 2, a value is not finite, the metric is unknown, or a
        row has no direction: all zeros under cosine, constant under correlation.
    """
    x = finite(x, "x", ndim=2, at_least=2)
    if metric not in get_args(Metric):
        raise ValueError(f"metric {metric!r} is unknown; choose one of {get_args(Metric)}")
    if metric == "correlation":
        _refuse(np.ptp(x, axis=1) == 0, "are constant, so have no correlation distance")
        x = _row_centred(x)
    if metric in ("cosine", "correlation"):
        _refuse(~x.any(axis=1), "are all zeros, so have no cosine distance")
        # Half the squared chord is 1 - cos without its cancellation: exactly 0 for equal rows.
        return _merge_ties(np.minimum(pdist(_unit(x), "sqeuclidean") / 2, 2.0), TIE)
    distances = pdist(x, metric)
    return _merge_ties(distances, TIE * float(distances.max()))


def rsa(rdm_a: npt.ArrayLike, rdm_b: npt.ArrayLike) -> float:
    """Representational similarity: Spearman's rho of two condensed RDMs of the same rows.

    Parameters
    ----------
    rdm_a, rdm_b : array_like, shape (n * (n - 1) / 2,)
        Condensed RDMs, pairs in the same order, ties exact as `rdm` gives them.

    Returns
    -------
    float
        In [-1, 1]; NaN, with a RuntimeWarning, when either RDM is constant.

    Raises
    ------
    ValueError
        When the shapes differ, there are fewer than two pairs, or a value is not finite.

    References
    ----------
    Kriegeskorte, N., Mur, M., & Bandettini, P. (2008). Representational similarity analysis.
    Frontiers in Systems Neuroscience, 2, 4.
    """
    return spearman(rdm_a, rdm_b)


def _row_centred(x: FloatArray) -> FloatArray:
    x = x / np.abs(x).max(axis=1, keepdims=True)
    return x - x.mean(axis=1, keepdims=True)


def _unit(x: FloatArray) -> FloatArray:
    x = x / np.abs(x).max(axis=1, keepdims=True)
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def _merge_ties(distances: npt.NDArray[np.floating], tolerance: float) -> FloatArray:
    order = np.argsort(distances, kind="stable")
    in_order = distances[order]
    starts = np.flatnonzero(np.r_[True, np.diff(in_order) > tolerance])
    values = in_order[starts]
    values[values <= tolerance] = 0.0
    out = np.empty(len(distances))
    out[order] = np.repeat(values, np.diff(np.r_[starts, len(distances)]))
    return out


def _refuse(rows: npt.ArrayLike, why: str) -> None:
    named = np.flatnonzero(rows)
    if len(named):
        first = ", ".join(map(str, named[:10])) + (", ..." if len(named) > 10 else "")
        raise ValueError(f"rows {first} ({len(named)} in all) {why}; leave them out")
