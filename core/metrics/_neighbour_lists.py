"""Compiled walks along neighbour lists, for `core.metrics.neighbours` and `.permutation`.

A list comes as its parts: row i has the neighbours indices[indptr[i]:indptr[i + 1]], increasing,
with their weights. To meet one row's neighbours in another's, the latter are marked in a table of
n entries, which is left clean.

Every sum is taken row by row, in the order of the list: it depends on the two lists and the
permutation alone. Where nothing ties it is a sum of whole numbers.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def shared_by_row(
    x_indptr, x_indices, x_weights, y_indptr, y_indices, y_weights, out
):  # pragma: no cover - compiled
    """Write into `out`, shape (n,), the sum of products of weights that each row has in common.

    Swapping the lists changes no bit: common neighbours come in the same order.
    """
    mark = np.zeros(len(out))
    for i in range(len(out)):
        for at in range(y_indptr[i], y_indptr[i + 1]):
            mark[y_indices[at]] = y_weights[at]
        total = 0.0
        for at in range(x_indptr[i], x_indptr[i + 1]):
            total += x_weights[at] * mark[x_indices[at]]
        out[i] = total
        for at in range(y_indptr[i], y_indptr[i + 1]):
            mark[y_indices[at]] = 0.0


@numba.njit(cache=True, nogil=True)
def relabelled(
    x_indptr, x_indices, x_weights, y_indptr, y_indices, y_weights, permutations, out
):  # pragma: no cover - compiled
    """Write the sum of what rows i of x and p(i) of y share, j in the one being p(j) in the other.

    Parameters
    ----------
    x_indptr, x_indices, x_weights, y_indptr, y_indices, y_weights
        Two lists over n rows.
    permutations : ndarray of int, shape (B, n)
    out : ndarray of float64, shape (B,)
        Overwritten. Scratch memory: 12 n bytes.
    """
    n = np.uint64(permutations.shape[1])
    one = np.uint64(1)
    mark = np.zeros(n)
    to = np.empty(n, np.uint32)
    for draw in range(len(out)):
        for i in range(n):
            to[i] = permutations[draw, i]
        total = 0.0
        for i in range(n):
            start, stop = np.uint64(y_indptr[to[i]]), np.uint64(y_indptr[np.uint64(to[i]) + one])
            for at in range(start, stop):
                mark[np.uint64(y_indices[at])] = y_weights[at]
            row = 0.0
            for at in range(np.uint64(x_indptr[i]), np.uint64(x_indptr[i + one])):
                row += x_weights[at] * mark[to[np.uint64(x_indices[at])]]
            total += row
            for at in range(start, stop):
                mark[np.uint64(y_indices[at])] = 0.0
        out[draw] = total


@numba.njit(cache=True, nogil=True)
def relabelled_untied(near, table, permutations, out):  # pragma: no cover - compiled
    """Count what `relabelled` sums, for few rows and weights that are all 1: twice as fast.

    Parameters
    ----------
    near : ndarray of uint16, shape (n, k)
        The neighbours in x.
    table : ndarray of uint8, shape (n, n)
        1 where the second is a neighbour of the first in y, else 0.
    permutations : ndarray of int, shape (B, n)
    out : ndarray of float64, shape (B,)
        Overwritten with whole numbers.
    """
    n, k = near.shape
    flat = near.ravel()
    to = np.empty(n, np.uint16)
    for draw in range(len(out)):
        for i in range(n):
            to[i] = permutations[draw, i]
        count = np.uint32(0)
        at = np.uint64(0)
        for i in range(n):
            row = table[to[i]]
            for _ in range(k):
                count += np.uint32(row[to[flat[at]]])
                at += np.uint64(1)
        out[draw] = count


@numba.njit(cache=True, nogil=True)
def gathered(weights, matrix, i, j, permutations, out):  # pragma: no cover - compiled
    """Write the sum of weights times matrix[p(i), p(j)] for every permutation p.

    Parameters
    ----------
    weights : ndarray of float64, shape (m,)
    matrix : ndarray of float64, shape (n, n)
    i, j : ndarray of int, shape (m,)
    permutations : ndarray of int, shape (B, n)
    out : ndarray of float64, shape (B,)
        Overwritten.
    """
    to = np.empty(permutations.shape[1], np.uint32)
    for draw in range(len(out)):
        for row in range(len(to)):
            to[row] = permutations[draw, row]
        total = 0.0
        for at in range(np.uint64(len(weights))):
            total += weights[at] * matrix[to[np.uint64(i[at])], to[np.uint64(j[at])]]
        out[draw] = total


@numba.njit(cache=True, nogil=True)
def first_wrong(permutations):  # pragma: no cover - compiled
    """Return the first row that does not hold each of 0 to n - 1 once, -1 where all do."""
    n = permutations.shape[1]
    seen = np.full(n, -1)
    for draw in range(len(permutations)):
        for place in range(n):
            value = permutations[draw, place]
            if value < 0 or value >= n or seen[value] == draw:
                return draw
            seen[value] = draw
    return -1


@numba.njit(cache=True, nogil=True)
def shared_at_every_k(x, y, out):  # pragma: no cover - compiled
    """Add to out[k - 1] the sum of products of weights at k, for all k up to its length.

    At each k no more than one group of ties in a row is part in and part out. So per row and k it
    is enough to count the common neighbours by whether they are in as a whole or in part, in x and
    in y; a neighbour adds to each count over one stretch of k, noted at its ends. The parts are
    fractions of the row, not of the neighbour. O(n most + m) steps.

    Parameters
    ----------
    x, y : tuple of ndarray of int
        indptr, indices, ahead, tied: see `core.metrics.neighbours.NeighbourList`, found at k =
        len(out).
    out : ndarray of float64
    """
    x_indptr, x_indices, x_ahead, x_tied = x
    y_indptr, y_indices, y_ahead, y_tied = y
    n, most = len(x_indptr) - 1, len(out)
    place = np.full(n, -1)
    whole, only_x, only_y, both = np.zeros((4, most + 2), np.int64)
    x_part, y_part = np.zeros((2, most + 2))
    for i in range(n):
        for at in range(y_indptr[i], y_indptr[i + 1]):
            place[y_indices[at]] = at
            _ramp(y_ahead[at], y_tied[at], y_part, most)
        for at in range(x_indptr[i], x_indptr[i + 1]):
            _ramp(x_ahead[at], x_tied[at], x_part, most)
            other = place[x_indices[at]]
            if other >= 0:
                x_in, y_in = x_ahead[at] + 1, y_ahead[other] + 1
                x_all, y_all = x_ahead[at] + x_tied[at], y_ahead[other] + y_tied[other]
                _stretch(max(x_all, y_all), most + 1, whole)
                _stretch(max(x_in, y_all), x_all, only_x)
                _stretch(max(x_all, y_in), y_all, only_y)
                _stretch(max(x_in, y_in), min(x_all, y_all), both)
        in_whole = in_x = in_y = in_both = 0
        for k in range(1, most + 1):
            in_whole += whole[k]
            in_x += only_x[k]
            in_y += only_y[k]
            in_both += both[k]
            # Bracketed so that swapping x and y changes no bit.
            parts = x_part[k] * in_x + y_part[k] * in_y
            out[k - 1] += in_whole + parts + x_part[k] * y_part[k] * in_both
        for counts in (whole, only_x, only_y, both):
            counts[:] = 0
        x_part[:] = 0.0
        y_part[:] = 0.0
        for at in range(y_indptr[i], y_indptr[i + 1]):
            place[y_indices[at]] = -1


@numba.njit(cache=True, nogil=True)
def _ramp(ahead, tied, part, most):  # pragma: no cover - compiled
    """Write the share of places that a group of ties has at each k inside it, once per group."""
    if tied > 1 and part[ahead + 1] == 0.0:
        for k in range(ahead + 1, min(ahead + tied, most + 1)):
            part[k] = (k - ahead) / tied


@numba.njit(cache=True, nogil=True)
def _stretch(start, stop, counts):  # pragma: no cover - compiled
    """Note one more for k from start to stop - 1, as a step up and a step down."""
    stop = min(stop, len(counts) - 1)
    if start < stop:
        counts[start] += 1
        counts[stop] -= 1
