"""Nearest neighbours in embedding spaces: how much two spaces share, and what they are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray, finite

#: Cosines are rounded to so many decimals before they are ranked, so that the last bits of equal
#: vectors decide nothing.
DECIMALS = 12


def cosine_similarity(x: npt.ArrayLike) -> FloatArray:
    """Cosine similarity of every two rows.

    Parameters
    ----------
    x : array_like, shape (n, d)
        One embedding per row; finite, none of them zero.

    Returns
    -------
    ndarray, shape (n, n)
        In [-1, 1], symmetric, rounded to 12 decimals.

    Raises
    ------
    ValueError
        When `x` is not a finite matrix of at least two rows, or a row is zero.
    """
    x = finite(x, "x", ndim=2, at_least=2)
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
    if not largest.all():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        msg = f"row {row} of x is zero: it has no cosine"
        raise ValueError(msg)
    # First to a size whose square neither vanishes nor overflows.
    unit = x / largest
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return np.clip((unit @ unit.T).round(DECIMALS), -1.0, 1.0)


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
    similarity = _others(x, k)
    n = len(similarity)
    kth = np.partition(similarity, n - k, axis=1)[:, n - k, None]
    nearer, tied = similarity > kth, similarity == kth
    left = k - nearer.sum(axis=1, keepdims=True)
    return nearer + tied * (left / tied.sum(axis=1, keepdims=True))


def precision_at_k(x: npt.ArrayLike, y: npt.ArrayLike, k: int) -> float:
    """Share of k nearest neighbours that two spaces have in common, equation (6) of ALM.

    Without ties, and on rows of unit length, it is the mutual k-nearest-neighbour alignment of Huh
    et al. (2024), who rank by inner product.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n things in the same order.
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
    near = _shared(neighbour_weights(x, k), neighbour_weights(y, k))
    return float(near.sum() / (k * len(near)))


def sentence_precision_at_k(x: npt.ArrayLike, y: npt.ArrayLike, k: int) -> FloatArray:
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
    return _shared(neighbour_weights(x, k), neighbour_weights(y, k)).sum(axis=1) / k


def precision_curve(x: npt.ArrayLike, y: npt.ArrayLike, most: int) -> FloatArray:
    """P@1 to P@most, with every row sorted once.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n things in the same order.
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
    (ahead_x, tied_x), (ahead_y, tied_y) = _places(x, most), _places(y, most)

    def shared(k: int) -> float:
        # Of the places up to k, those that a group of ties covers, shared out among the group.
        near_x = np.clip((k - ahead_x) / tied_x, 0.0, 1.0)
        near_y = np.clip((k - ahead_y) / tied_y, 0.0, 1.0)
        return float(_shared(near_x, near_y).sum() / (k * len(near_x)))

    return np.array([shared(k) for k in range(1, most + 1)])


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


def _others(x: npt.ArrayLike, k: int) -> FloatArray:
    """Cosines, with a row's own out of the running, after a look at k."""
    similarity = cosine_similarity(x)
    n = len(similarity)
    if not 1 <= k < n:
        msg = f"k is {k}, must lie between 1 and {n - 1}"
        raise ValueError(msg)
    np.fill_diagonal(similarity, -np.inf)
    return similarity


def _places(x: npt.ArrayLike, k: int) -> tuple[FloatArray, FloatArray]:
    """Per row and other: how many are nearer, and how many are just as near, itself included."""
    similarity = _others(x, k)
    n = len(similarity)
    order = np.argsort(-similarity, axis=1, kind="stable")
    in_order = np.take_along_axis(similarity, order, axis=1)
    first = np.ones((n, n), dtype=bool)
    first[:, 1:] = in_order[:, 1:] != in_order[:, :-1]
    last = np.roll(first, -1, axis=1)
    place = np.arange(n)
    start = np.maximum.accumulate(np.where(first, place, 0), axis=1)
    stop = np.minimum.accumulate(np.where(last, place + 1, n)[:, ::-1], axis=1)[:, ::-1]
    ahead, tied = np.empty((n, n)), np.empty((n, n))
    np.put_along_axis(ahead, order, start, axis=1)
    np.put_along_axis(tied, order, stop - start, axis=1)
    return ahead, tied


def _shared(near_x: FloatArray, near_y: FloatArray) -> FloatArray:
    if near_x.shape != near_y.shape:
        msg = f"x has {len(near_x)} rows and y {len(near_y)}; they must pair up"
        raise ValueError(msg)
    return near_x * near_y
