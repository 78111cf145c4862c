"""Compiled walks over the cosine distances of all pairs of rows.

Every distance comes from `_distances`, which adds the products of a pair in the order of their
columns, without fused or reordered sums. So a pair has the same distance, to the last bit, whatever
the machine, the number of threads or the tile it is met in: a walk can be repeated.

`columns` is what `padded_columns` makes of rows of unit length.
"""

from typing import SupportsInt

import numba
import numpy as np

from core.metrics.checks import FloatArray

CHUNK = 1024
"""Columns of a tile: a few vectors of so many numbers stay in the processor's cache."""

ATOM = -(2**31)
"""Entries of a table of ranks from here to 2^15 - 1 above are numbers of atoms, not ranks."""

_LOW = np.int64(0xFFFFFFFF)
_RANK = np.int64(ATOM + 2**15)
_ATOM = np.int64(ATOM)
_COUNT = np.uint32(2**31)


def padded_columns(unit: FloatArray) -> FloatArray:
    """Transpose rows of unit length, with columns of zeros up to a multiple of four.

    Parameters
    ----------
    unit : ndarray of float64, shape (n, d)
        Rows of length one.

    Returns
    -------
    ndarray of float64, shape (4 * ceil(d / 4), n)
        Adding 0 changes no bit of a sum.
    """
    n, d = unit.shape
    columns = np.zeros((d + -d % 4, n))
    columns[:d] = unit.T
    return columns


@numba.njit(cache=True, nogil=True)
def _distances(columns, i, start, stop, out):  # pragma: no cover - compiled
    """Write 1 - cos of row i with rows start to stop, held within [0, 2]."""
    m = stop - start
    for q in range(m):
        out[q] = 0.0
    for k in range(0, len(columns), 4):
        a0, a1, a2, a3 = columns[k, i], columns[k + 1, i], columns[k + 2, i], columns[k + 3, i]
        c0, c1 = columns[k, start:stop], columns[k + 1, start:stop]
        c2, c3 = columns[k + 2, start:stop], columns[k + 3, start:stop]
        for q in range(m):
            out[q] = (((out[q] + a0 * c0[q]) + a1 * c1[q]) + a2 * c2[q]) + a3 * c3[q]
    for q in range(m):
        out[q] = min(max(1.0 - out[q], 0.0), 2.0)


@numba.njit(cache=True, nogil=True)
def condensed(columns, out):  # pragma: no cover - compiled
    """Write all distances in the order of SciPy's `pdist`.

    Parameters
    ----------
    columns : ndarray of float64, shape (d, n)
        See `padded_columns`.
    out : ndarray of float64, shape (n * (n - 1) / 2,)
        Overwritten.
    """
    n = columns.shape[1]
    at = 0
    for i in range(n):
        for start in range(i + 1, n, CHUNK):
            stop = min(start + CHUNK, n)
            _distances(columns, i, start, stop, out[at : at + stop - start])
            at += stop - start


@numba.njit(cache=True, nogil=True)
def _side(distance, atom, tolerance):  # pragma: no cover - compiled
    """0 below an atom, 1 at it, 2 above: any two distances at an atom tie."""
    if abs(distance - atom) <= 0.49 * tolerance:
        return 1
    return 2 if distance > atom else 0


@numba.njit(cache=True, nogil=True)
def count(
    columns, first, last, scale, margin, atoms, tolerance, counts, beside, near, unclean
):  # pragma: no cover - compiled
    """Count the distances of some rows by bin, and note what lies near edges and atoms.

    Parameters
    ----------
    columns : ndarray of float64, shape (d, n)
        See `padded_columns`.
    first, last : int
        Pairs (i, j) with first <= i < last and i < j.
    scale : float
        Bins per unit of distance: a distance d lies in bin floor(d * scale).
    margin : float
        How near an edge is near, in bins.
    atoms : ndarray of float64, shape (atoms,)
        Distances that have cells of their own.
    tolerance : float
        A distance within it of the one before ties with it.
    counts : ndarray of uint32, shape (bins,)
        Added to, but where 2^31 and more stands for the number of the bin's atom.
    beside : ndarray of uint32, shape (atoms, 3)
        Added to instead: below the atom, at it, above it.
    near : ndarray of bool, shape (2, bins + 1)
        Set for edge k, between bins k - 1 and k, where a distance lies near it above and below.
    unclean : ndarray of bool, shape (atoms,)
        Set where a distance lies so near that it might, but need not, tie with the atom.
    """
    n = columns.shape[1]
    distances = np.empty(CHUNK)
    bins = np.empty(CHUNK, np.int32)
    for left in range(first + 1, n, CHUNK):
        right = min(left + CHUNK, n)
        for i in range(first, min(last, right - 1)):
            start = max(left, i + 1)
            m = right - start
            _distances(columns, i, start, right, distances)
            any_near = np.int32(0)
            for q in range(m):
                place = distances[q] * scale
                bins[q] = np.int32(place)
                any_near += np.int32(abs(place - bins[q] - 0.5) > 0.5 - 2 * margin)
            for q in range(m):
                found = counts[np.uint32(bins[q])]
                if found < _COUNT:
                    counts[np.uint32(bins[q])] = found + np.uint32(1)
                else:
                    a = found - _COUNT
                    side = _side(distances[q], atoms[a], tolerance)
                    beside[a, side] += np.uint32(1)
                    if side != 1 and abs(distances[q] - atoms[a]) < 1.6 * tolerance:
                        unclean[a] = True
            if any_near:
                for q in range(m):
                    rest = distances[q] * scale - bins[q]
                    if rest < margin:
                        near[0, bins[q]] = True
                    if rest > 1 - margin:
                        near[1, bins[q] + 1] = True


@numba.njit(cache=True, nogil=True)
def products(
    columns_x, columns_y, first, last, scale, tolerance, table_x, table_y
):  # pragma: no cover - compiled
    """Sum the products of two tables' ranks over the pairs of some rows.

    Parameters
    ----------
    columns_x, columns_y, first, last, scale, tolerance
        As for `count`.
    table_x, table_y : tuple of ndarray
        The ranks by bin, the atoms, and the ranks beside atoms of `core.metrics._cells.Table`.

    Returns
    -------
    tuple of int
        High and low part of the exact sum high * 2^32 + low, for up to 2^31 pairs.
    """
    n = columns_x.shape[1]
    distances_x, distances_y = np.empty(CHUNK), np.empty(CHUNK)
    bins_x, bins_y = np.empty(CHUNK, np.int32), np.empty(CHUNK, np.int32)
    ranks_x, atoms_x, beside_x = table_x
    ranks_y, atoms_y, beside_y = table_y
    high, low = np.int64(0), np.int64(0)
    for left in range(first + 1, n, CHUNK):
        right = min(left + CHUNK, n)
        for i in range(first, min(last, right - 1)):
            start = max(left, i + 1)
            m = right - start
            _distances(columns_x, i, start, right, distances_x)
            _distances(columns_y, i, start, right, distances_y)
            for q in range(m):
                bins_x[q] = np.int32(distances_x[q] * scale)
                bins_y[q] = np.int32(distances_y[q] * scale)
            for q in range(m):
                x = np.int64(ranks_x[np.uint32(bins_x[q])])
                y = np.int64(ranks_y[np.uint32(bins_y[q])])
                if x < _RANK:
                    a = x - _ATOM
                    x = np.int64(beside_x[a, _side(distances_x[q], atoms_x[a], tolerance)])
                if y < _RANK:
                    a = y - _ATOM
                    y = np.int64(beside_y[a, _side(distances_y[q], atoms_y[a], tolerance)])
                product = x * y
                high += product >> 32
                low += product & _LOW
    return high, low


@numba.njit(cache=True, nogil=True)
def collect(
    columns, first, last, scale, from_bin, to_bin, distances, pairs
):  # pragma: no cover - compiled
    """Pick out the distances of some rows that lie in a run of bins.

    Parameters
    ----------
    columns, first, last, scale
        As for `count`.
    from_bin, to_bin : int
        Bins from the first up to, but not with, the second.
    distances : ndarray of float64
        Overwritten; room for all pairs of these rows and one more.
    pairs : ndarray of uint32
        Likewise: the place of each in the condensed RDM, counted from the first of these rows.

    Returns
    -------
    int
        How many there are.
    """
    n = columns.shape[1]
    row = np.empty(CHUNK)
    found = 0
    for left in range(first + 1, n, CHUNK):
        right = min(left + CHUNK, n)
        for i in range(first, min(last, right - 1)):
            start = max(left, i + 1)
            _distances(columns, i, start, right, row)
            at = (np.int64(i) - first) * (2 * n - i - first - 1) // 2 + start - i - 1
            for q in range(right - start):
                place = np.int32(row[q] * scale)
                # Written either way and kept by moving on: cheaper than a branch.
                distances[found] = row[q]
                pairs[found] = np.uint32(at + q)
                found += np.int64((place >= from_bin) & (place < to_bin))
    return found


@numba.njit(cache=True, nogil=True)
def dot(x, y):  # pragma: no cover - compiled
    """Exact sum of the products of two int32 arrays, in two parts as `products` gives it."""
    high, low = np.int64(0), np.int64(0)
    for i in range(len(x)):
        product = np.int64(x[i]) * np.int64(y[i])
        high += product >> 32
        low += product & _LOW
    return high, low


def whole(high: SupportsInt, low: SupportsInt) -> int:
    """Join the two parts of a sum."""
    return (int(high) << 32) + int(low)
