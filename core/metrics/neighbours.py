"""Nearest neighbours in embedding spaces: how much two spaces share, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.metrics._neighbour_lists import shared_at_every_k, shared_by_row
from core.metrics.checks import FloatArray, finite
from core.metrics.nearest import NeighbourList, Space, neighbour_list, paired_lists


def neighbour_weights(x: npt.ArrayLike, k: int) -> FloatArray:
    """Probability of each row to be among another's k nearest neighbours.

    A row is never its own neighbour: it is left out by its index, not by its similarity. Rows that
    tie at the k-th place share the places that are left, as if ties were broken at random.

    Parameters
    ----------
    x : array_like, shape (n, d)
        One embedding per row; see `cosine_similarity`.
    k : int
        Neighbours per row, 1 to n - 1.

    Returns
    -------
    ndarray, shape (n, n)
        Entry (i, j): the weight of j among i's neighbours, 0 or 1 without ties; rows sum to k.

    Raises
    ------
    ValueError
        As `cosine_similarity`, and when k is out of range.
    """
    near = neighbour_list(x, k)
    weights = np.zeros((len(near), len(near)))
    weights[near.rows, near.indices] = near.weights
    return weights


def precision_at_k(x: Space, y: Space, k: int) -> float:
    """Share of k nearest neighbours that two spaces have in common, equation (6) of ALM.

    Without ties, and on rows of unit length, it is the mutual k-nearest-neighbour alignment of Huh
    et al. (2024), who rank by inner product.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e), or NeighbourList
        The same n things in the same order, or their neighbours found at this k or a larger one.
    k : int
        Neighbours per thing, 1 to n - 1.

    Returns
    -------
    float
        Mean over things, in [0, 1]; unrelated spaces give k / (n - 1) on average. With ties it is
        the expectation over breaking them at random, in each space on its own: a space without
        any structure gives k / (n - 1) with every other, itself included.

    Raises
    ------
    ValueError
        As `neighbour_weights`, and when the spaces hold different numbers of things.

    References
    ----------
    M. Huh, B. Cheung, T. Wang and P. Isola, The Platonic Representation Hypothesis, ICML 2024.
    """
    near = _shared(*paired_lists(x, y, k))
    return float(near.sum() / (k * len(near)))


def sentence_precision_at_k(x: Space, y: Space, k: int) -> FloatArray:
    """P@k of every single row, equation (6) before its mean is taken.

    Parameters
    ----------
    x, y, k
        As `precision_at_k`, whose value is the mean of these.

    Returns
    -------
    ndarray, shape (n,)
        In [0, 1].

    Raises
    ------
    ValueError
        As `precision_at_k`.
    """
    return _shared(*paired_lists(x, y, k)) / k


def precision_curve(x: Space, y: Space, most: int) -> FloatArray:
    """P@1 to P@most, from one list of neighbours per space.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e), or NeighbourList
        The same n things in the same order, or their neighbours found at `most` or beyond.
    most : int
        The largest k, 1 to n - 1.

    Returns
    -------
    ndarray, shape (most,)
        Entry k - 1 is `precision_at_k` at k, ties and all.

    Raises
    ------
    ValueError
        As `precision_at_k`.
    """
    a, b = paired_lists(x, y, most)
    total = np.zeros(most)
    shared_at_every_k(
        (a.indptr, a.indices, a.ahead, a.tied), (b.indptr, b.indices, b.ahead, b.tied), total
    )
    return total / (np.arange(1, most + 1) * len(a))


def pairwise_precision_at_k(spaces: Sequence[npt.ArrayLike], k: int) -> FloatArray:
    """P@k of every two of several spaces, see `precision_at_k`.

    Parameters
    ----------
    spaces : sequence of array_like, shapes (n, d)
        The same n things in the same order; widths may differ.
    k : int
        Neighbours per thing, 1 to n - 1.

    Returns
    -------
    ndarray, shape (m, m)
        Symmetric, in [0, 1]; 1 on the diagonal where a space has no ties.

    Raises
    ------
    ValueError
        As `precision_at_k`.
    """
    near = [neighbour_weights(space, k) for space in spaces]
    sizes = {len(one) for one in near}
    if len(sizes) > 1:
        msg = f"the spaces have {sorted(sizes)} rows; they must pair up"
        raise ValueError(msg)
    flat = np.array(near).reshape(len(near), -1)
    return flat @ flat.T / (k * len(near[0]))


def neighbour_composition(x: npt.ArrayLike, labels: npt.ArrayLike, k: int) -> float:
    """Share of k nearest neighbours that carry the same label.

    Parameters
    ----------
    x : array_like, shape (n, d)
        One embedding per row.
    labels : array_like, shape (n,)
        A label per row.
    k : int
        Neighbours per row, 1 to n - 1; ties as in `neighbour_weights`.

    Returns
    -------
    float
        Mean over rows, in [0, 1].

    Raises
    ------
    ValueError
        As `neighbour_weights`, and when labels and rows differ in number.
    """
    weights, label = neighbour_weights(x, k), np.asarray(labels)
    if label.shape != weights.shape[:1]:
        msg = f"labels has shape {label.shape}, x has {len(weights)} rows; they must pair up"
        raise ValueError(msg)
    same = label[:, None] == label
    return float((weights * same).sum() / (k * len(weights)))


def effective_rank(x: npt.ArrayLike) -> float:
    """Effective rank of a centred matrix: how many dimensions its points spread over.

    The exponential of the entropy of the singular values taken as shares.

    Parameters
    ----------
    x : array_like, shape (n, d)
        One point per row, at least two.

    Returns
    -------
    float
        Between 1 and min(n - 1, d); 0 where all points are the same.

    Raises
    ------
    ValueError
        When `x` is not a finite matrix of at least two rows.

    References
    ----------
    O. Roy and M. Vetterli, The effective rank: a measure of effective dimensionality, EUSIPCO
    2007.
    """
    x = finite(x, "x", ndim=2, at_least=2)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False)
    if values.max(initial=0.0) <= np.finfo(float).eps * max(x.shape) * np.abs(x).max(initial=0.0):
        return 0.0
    share = values / values.sum()
    share = share[share > 0]
    return float(np.exp(-(share * np.log(share)).sum()))


def _shared(x: NeighbourList, y: NeighbourList) -> FloatArray:
    """Per row, the sum of products of the weights of neighbours in common."""
    found = np.empty(len(x))
    shared_by_row(x.indptr, x.indices, x.weights, y.indptr, y.indices, y.weights, found)
    return found
