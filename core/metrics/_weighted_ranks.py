"""Compiled walks along sorted pairs, for `core.metrics.bootstrap`.

With N the total weight, a tie group of weight T that starts after weight S has the mid-rank
S + (T + 1) / 2; twice its distance from the mean rank is 2 S + T - N, an exact integer.

The loops have no branches: what a tie group adds when it is complete is masked out before. In
ratings groups of one and of several pairs alternate, and mispredicted branches took half the time.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def centred_ranks(weights, first, second, last, total, out):  # pragma: no cover - compiled
    """Write 2 * midrank - (N + 1) of every tie group into `out`; return the sum of its squares.

    Parameters
    ----------
    weights : ndarray of int32
        A pair weighs the product of two entries of this table.
    first, second : ndarray of uint16, shape (m,)
        Those entries, in increasing distance.
    last : ndarray of uint8, shape (m,)
        1 where a tie group ends, else 0.
    total : int
        N, the sum of all pairs' weights.
    out : ndarray of int32, shape (groups,)
        Overwritten.

    Returns
    -------
    int
        Weighted over all pairs; at most N^3 / 3, the caller's guard against overflow.
    """
    run = -np.int64(total)
    group = np.int64(0)
    squares = np.int64(0)
    g = np.uint64(0)
    for k in range(np.uint64(len(last))):
        group += weights[first[k]] * weights[second[k]]
        rank = run + group
        out[g] = rank
        done = -np.int64(last[k])
        squares += (group * rank * rank) & done
        run += (2 * group) & done
        group &= ~done
        g += np.uint64(last[k])
    return squares


@numba.njit(cache=True, nogil=True)
def covariance(weights, first, second, last, groups, total, centred):  # pragma: no cover - compiled
    """Weighted sums of products with, and squares of, this order's centred ranks.

    Parameters
    ----------
    weights, first, second, last, total
        As for `centred_ranks`, in this RDM's order.
    groups : ndarray of int32, shape (m,)
        The tie group of each pair in the other order.
    centred : ndarray of int32
        The other order's centred ranks, by tie group.

    Returns
    -------
    tuple of int
        Products and squares, both at most N^3 / 3 in size.
    """
    run = -np.int64(total)
    group = np.int64(0)
    inner = np.int64(0)
    products = np.int64(0)
    squares = np.int64(0)
    for k in range(np.uint64(len(last))):
        weight = np.int64(weights[first[k]] * weights[second[k]])
        group += weight
        inner += weight * centred[np.uint64(groups[k])]
        rank = run + group
        done = -np.int64(last[k])
        products += (inner * rank) & done
        squares += (group * rank * rank) & done
        run += (2 * group) & done
        group &= ~done
        inner &= ~done
    return products, squares
