"""Standardised ratings, representational dissimilarity matrices, and their comparison."""

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import pdist

from core.metrics._cosine_pairs import condensed, padded_columns
from core.metrics._sorting import merge_ties, midranks, stable_order
from core.metrics.checks import FloatArray, finite
from core.metrics.correlation import pearson_with, ranks, spearman

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
        When `x` is not two-dimensional, n < 2, there is no column, a value is not finite, the
        metric is unknown, a row has no direction (all zeros under cosine, constant under
        correlation), or a distance is too large for a float.

    Notes
    -----
    Needs 20 bytes of memory per pair beside the result, 32 where very many distances all but tie.
    """
    distances, tolerance = _distances(x, metric)
    order, in_order = stable_order(distances)
    merge_ties(order, in_order, tolerance, distances)
    return distances


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


def rsa_many(human: npt.ArrayLike, models: Mapping[str, npt.ArrayLike]) -> dict[str, float]:
    """RSA of several models with the same human RDM, which is ranked once.

    Parameters
    ----------
    human : array_like, shape (n * (n - 1) / 2,)
        Condensed human RDM with exact ties, as `rdm` gives it.
    models : mapping of str to array_like, shape (n * (n - 1) / 2,)
        Condensed RDMs of the models, pairs in the same order.

    Returns
    -------
    dict of str to float
        For each model what `rsa` gives, to the last bit; NaN, with a RuntimeWarning, where an RDM
        is constant.

    Raises
    ------
    ValueError
        As `rsa`.
    """
    with_human = pearson_with(ranks(human))
    return {name: with_human(ranks(model)) for name, model in models.items()}


def rsa_of_features(
    human: npt.ArrayLike, models: Mapping[str, npt.ArrayLike], metric: Metric = "cosine"
) -> dict[str, float]:
    """RSA of several models from their features, every set of distances sorted once.

    Given as such, an RDM is sorted to find its ties and once more to be ranked; where only the RSA
    is wanted, one sort does for both.

    Parameters
    ----------
    human : array_like, shape (n, d)
        One row per concept; see `rdm`, and `standardise` for ratings.
    models : mapping of str to array_like, shapes (n, e)
        The same concepts in the same order; widths may differ.
    metric : {"cosine", "correlation", "euclidean", "cityblock"}
        As in `rdm`.

    Returns
    -------
    dict of str to float
        `rsa(rdm(human, metric), rdm(model, metric))` of each model, to the last bit; NaN, with a
        RuntimeWarning, where an RDM is constant.

    Raises
    ------
    ValueError
        As `rdm` and `rsa`.
    """
    with_human = pearson_with(_ranked(human, metric))
    return {name: with_human(_ranked(model, metric)) for name, model in models.items()}


def unit_rows(x: npt.ArrayLike, metric: Metric = "cosine") -> FloatArray:
    """Rows scaled to length 1, whose inner products are the cosines or correlations of rows.

    Parameters
    ----------
    x : array_like, shape (n, d)
        Finite numbers, n >= 2.
    metric : {"cosine", "correlation"}
        Correlation centres every row first.

    Returns
    -------
    ndarray, shape (n, d)
        Rows of any size, 1e-200 say, keep their direction.

    Raises
    ------
    ValueError
        As `rdm`, and when the metric is one of lengths.
    """
    x = _features(x)
    if metric not in ("cosine", "correlation"):
        raise ValueError(f"metric is {metric!r}; only cosine and correlation compare directions")
    if metric == "correlation":
        _refuse(np.ptp(x, axis=1) == 0, "are constant, so have no correlation distance")
        x = _row_centred(x)
    _refuse(~x.any(axis=1), "are all zeros, so have no cosine distance")
    return _unit(x)


def _ranked(x: npt.ArrayLike, metric: Metric) -> FloatArray:
    """Ranks of the canonical distances: those of `rdm`, without writing it down."""
    distances, tolerance = _distances(x, metric)
    order, in_order = stable_order(distances)
    midranks(order, in_order, tolerance, distances)
    return distances


def _distances(x: npt.ArrayLike, metric: Metric) -> tuple[FloatArray, float]:
    """Condensed distances as computed, and how near two of them may be to be one."""
    x = _features(x)
    if metric not in get_args(Metric):
        raise ValueError(f"metric {metric!r} is unknown; choose one of {get_args(Metric)}")
    if metric in ("cosine", "correlation"):
        columns = padded_columns(unit_rows(x, metric))
        distances = np.empty(len(x) * (len(x) - 1) // 2)
        condensed(columns, distances)
        return distances, TIE
    # Squares neither overflow nor vanish in this scale, and a power of two changes no digit.
    exponent = np.frexp(np.abs(x).max())[1]
    distances = np.asarray(pdist(np.ldexp(x, -exponent), metric), dtype=np.float64)
    with np.errstate(over="ignore"):
        np.ldexp(distances, exponent, out=distances)
    largest = float(distances.max())
    if largest == np.inf:
        raise ValueError(f"x reaches {np.abs(x).max():.3g}, so that {metric} distances overflow")
    return distances, TIE * largest


def _features(x: npt.ArrayLike) -> FloatArray:
    x = finite(x, "x", ndim=2, at_least=2)
    if not x.shape[1]:
        raise ValueError("x has no columns, so its rows have no distances")
    return x


def _row_centred(x: FloatArray) -> FloatArray:
    x = x / np.abs(x).max(axis=1, keepdims=True)
    return x - x.mean(axis=1, keepdims=True)


def _unit(x: FloatArray) -> FloatArray:
    x = x / np.abs(x).max(axis=1, keepdims=True)
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def _refuse(rows: npt.ArrayLike, why: str) -> None:
    named = np.flatnonzero(rows)
    if len(named):
        first = ", ".join(map(str, named[:10])) + (", ..." if len(named) > 10 else "")
        raise ValueError(f"rows {first} ({len(named)} in all) {why}; leave them out")
