"""How well trees fit distances: many sets of things, each with its own tree, at once."""

from __future__ import annotations

import numpy as np
from scipy.cluster.hierarchy import linkage


def ward(squares: np.ndarray) -> np.ndarray:
    """Return the Ward tree of each of many sets of m things.

    Parameters
    ----------
    squares : ndarray, shape (B, m, m)
        Symmetric distances.

    Returns
    -------
    ndarray, shape (B, m - 1, 4)
        Per set the matrix that SciPy's `linkage` returns.
    """
    return np.array([linkage(pairs, "ward") for pairs in condensed(squares)])


def condensed(squares: np.ndarray) -> np.ndarray:
    """Return the upper triangles of many symmetric matrices, shape (B, m (m - 1) / 2)."""
    first, second = np.triu_indices(squares.shape[1], 1)
    return squares[:, first, second]


def cophenetic_correlations(trees: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the correlation of every tree's cophenetic distances with distances of its things.

    The cophenetic distance of two things is the height at which a tree first joins them, so sums
    over pairs are sums over merges: of the pairs between the two parts of a merge, how many there
    are and what their distances add up to. Pearson's correlation needs no more.

    Parameters
    ----------
    trees : ndarray, shape (B, m - 1, 4)
        As `ward` returns them.
    squares : ndarray, shape (B, m, m)
        Symmetric distances; not constant.

    Returns
    -------
    ndarray, shape (B,)
        In [-1, 1], as SciPy's `cophenet` gives it.

    References
    ----------
    R. R. Sokal and F. J. Rohlf, The comparison of dendrograms by objective methods, Taxon 11
    (1962).
    """
    draws, m = squares.shape[:2]
    every = np.arange(draws)
    pairs, between = condensed(squares), squares.copy()
    size = np.ones((draws, m))
    # A cluster takes the place of its first part; where each cluster is.
    place = np.empty((draws, 2 * m - 1), dtype=np.intp)
    place[:, :m] = np.arange(m)
    count, total = np.empty((2, draws, m - 1))
    for step in range(m - 1):
        a, b = (place[every, trees[:, step, part].astype(np.intp)] for part in (0, 1))
        count[:, step] = size[every, a] * size[every, b]
        total[:, step] = between[every, a, b]
        joined = between[every, a] + between[every, b]
        between[every, a], between[every, :, a] = joined, joined
        size[every, a] += size[every, b]
        place[:, m + step] = a
    height = trees[:, :, 2]
    # About their mean over pairs, so that the distances need no centring.
    height = height - (height * count).sum(axis=1, keepdims=True) / pairs.shape[1]
    spread = (height**2 * count).sum(axis=1) * pairs.var(axis=1) * pairs.shape[1]
    return np.clip((height * total).sum(axis=1) / np.sqrt(spread), -1.0, 1.0)
