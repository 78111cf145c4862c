"""Compiled sorting of long samples: a stable order, mid-ranks, merged ties, and inversions.

A sample that spreads over its range is sorted in three passes: each value becomes a whole number of
24 bits by its place between the smallest and the largest, those are sorted a byte at a time
(packed with their index into one word, so that a pass moves one stream), and what 24 bits could
not tell apart is put right by insertion. Where that would take too many moves (outliers that press
the rest together, or many values that differ in the last bits only), all eight bytes of the floats
are sorted instead. Neither the order nor anything made from it depends on which way was taken.
"""

import numba
import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray

MOVES = 4
"""Insertions are given up after so many moves per value: about what the other way costs."""

_SIGN = np.uint64(1 << 63)
_INDEX = np.uint64(0xFFFFFFFF)
_BYTE = np.uint64(0xFF)


def stable_order(x: FloatArray) -> tuple[npt.NDArray[np.uint32], FloatArray]:
    """Sort, and say where each value came from.

    Parameters
    ----------
    x : ndarray of float64, shape (n,)
        Finite; n below 2^32.

    Returns
    -------
    order : ndarray of uint32, shape (n,)
        As `np.argsort(x, kind="stable")`: equal values, 0 and -0 among them, in their own order.
    in_order : ndarray of float64, shape (n,)
        `x[order]`.

    Raises
    ------
    ValueError
        When there are 2^32 values or more.

    Notes
    -----
    Needs 8 bytes of memory per value beside `x` and what it returns; 20 on the slower way.
    """
    if len(x) > int(_INDEX):
        raise ValueError(f"{len(x)} values; at most {int(_INDEX)} can be ordered")
    x = np.ascontiguousarray(x, dtype=np.float64)
    order = np.empty(len(x), dtype=np.uint32)
    words, spare = np.empty(len(x), dtype=np.uint64), np.empty(len(x), dtype=np.uint64)
    if _sort_by_place(x, words, spare, order, MOVES * len(x)):
        return order, words.view(np.float64)
    _sort_by_bytes(x, words, order, spare, np.empty(len(x), dtype=np.uint32))
    return order, x[order]


@numba.njit(cache=True, nogil=True)
def _sort_by_place(x, words, spare, order, limit):  # pragma: no cover - compiled
    """Leave the order in `order` and the sorted floats in `words`; False if given up."""
    n = np.uint64(len(x))
    if n == 0:
        return True
    low = high = x[0]
    for i in range(n):
        low = min(low, x[i])
        high = max(high, x[i])
    span = high - low
    scale = 0.0 if span == 0 else 16777215.0 / span
    if not (np.isfinite(span) and np.isfinite(scale)):
        return False
    counts = np.zeros((3, 256), np.uint32)
    for i in range(n):
        place = np.uint64(np.uint32((x[i] - low) * scale))
        words[i] = (place << np.uint64(32)) | i
        counts[0, place & _BYTE] += np.uint32(1)
        counts[1, (place >> np.uint64(8)) & _BYTE] += np.uint32(1)
        counts[2, place >> np.uint64(16)] += np.uint32(1)
    source, target = words, spare
    for byte in range(3):
        heads = counts[byte]
        _to_heads(heads)
        shift = np.uint64(32 + 8 * byte)
        for i in range(n):
            word = source[i]
            digit = (word >> shift) & _BYTE
            head = heads[digit]
            heads[digit] = head + np.uint32(1)
            target[head] = word
        source, target = target, source
    # After three passes the words lie in `spare`.
    values = words.view(np.float64)
    for i in range(n):
        values[i] = x[spare[i] & _INDEX]
    moves = 0
    for i in range(1, n):
        value = values[i]
        if values[i - 1] > value:
            word = spare[i]
            j = i
            while j > 0 and values[j - 1] > value:
                values[j] = values[j - 1]
                spare[j] = spare[j - 1]
                j -= 1
            values[j] = value
            spare[j] = word
            moves += i - j
            if moves > limit:
                return False
    for i in range(n):
        order[i] = spare[i] & _INDEX
    return True


@numba.njit(cache=True, nogil=True)
def _sort_by_bytes(x, keys, order, spare, other):  # pragma: no cover - compiled
    """Leave the order in `order`; the rest is scratch."""
    n = np.uint64(len(x))
    bits = x.view(np.uint64)
    counts = np.zeros((8, 256), np.uint32)
    for i in range(n):
        key = bits[i]
        # Bit patterns rise with positive floats and fall with negative ones; -0 becomes 0.
        if key == _SIGN:
            key = np.uint64(0)
        key = ~key if key & _SIGN else key | _SIGN
        keys[i] = key
        order[i] = i
        for byte in range(8):
            counts[byte, (key >> np.uint64(8 * byte)) & _BYTE] += np.uint32(1)
    # An even number of passes: the order ends where it began.
    for byte in range(8):
        heads = counts[byte]
        _to_heads(heads)
        shift = np.uint64(8 * byte)
        for i in range(n):
            key = keys[i]
            digit = (key >> shift) & _BYTE
            head = heads[digit]
            heads[digit] = head + np.uint32(1)
            spare[head] = key
            other[head] = order[i]
        keys, spare = spare, keys
        order, other = other, order


@numba.njit(cache=True, nogil=True)
def _to_heads(counts):  # pragma: no cover - compiled
    """Turn counts per digit into the place where each digit's values start."""
    head = np.uint32(0)
    for digit in range(len(counts)):
        count = counts[digit]
        counts[digit] = head
        head += count


@numba.njit(cache=True, nogil=True)
def midranks(order, in_order, tolerance, out):  # pragma: no cover - compiled
    """Write mid-ranks from 1; a value within `tolerance` of the one before ties with it."""
    n = len(in_order)
    start = 0
    for stop in range(1, n + 1):
        if stop == n or in_order[stop] - in_order[stop - 1] > tolerance:
            rank = (start + 1 + stop) / 2
            for i in range(start, stop):
                out[order[i]] = rank
            start = stop


@numba.njit(cache=True, nogil=True)
def merge_ties(order, in_order, tolerance, out):  # pragma: no cover - compiled
    """Write every group's smallest value, or 0 where that is within `tolerance` of 0.

    Parameters
    ----------
    order, in_order : ndarray, shape (n,)
        As from `stable_order`, none negative.
    tolerance : float
        A value within it of the one before belongs to that one's group.
    out : ndarray of float64, shape (n,)
        Overwritten.
    """
    value = 0.0
    for i in range(len(in_order)):
        if i == 0 or in_order[i] - in_order[i - 1] > tolerance:
            value = in_order[i] if in_order[i] > tolerance else 0.0
        out[order[i]] = value


@numba.njit(cache=True, nogil=True)
def inversions(places, spare):  # pragma: no cover - compiled
    """Count pairs i < j with places[i] > places[j], by merging sorted runs.

    Parameters
    ----------
    places, spare : ndarray of uint32, shape (n,)
        Both are overwritten.

    Returns
    -------
    int
        From 0 to n (n - 1) / 2.
    """
    n = np.int64(len(places))
    count = np.int64(0)
    width = np.int64(1)
    while width < n:
        for start in range(0, n, 2 * width):
            middle = min(start + width, n)
            stop = min(start + 2 * width, n)
            i, j, k = start, middle, start
            # Without a branch: which side is taken next cannot be foreseen.
            while i < middle and j < stop:
                left, right = places[i], places[j]
                later = np.int64(right < left)
                spare[k] = right if later else left
                count += later * (middle - i)
                i += 1 - later
                j += later
                k += 1
            while i < middle:
                spare[k] = places[i]
                i += 1
                k += 1
            while j < stop:
                spare[k] = places[j]
                j += 1
                k += 1
        places, spare = spare, places
        width *= 2
    return count


@numba.njit(cache=True, nogil=True)
def centred_midranks(order, in_order, tolerance, shift, out):  # pragma: no cover - compiled
    """Write twice the mid-ranks from 0, tied as in `midranks`, plus a shift, as int32."""
    n = len(in_order)
    start = 0
    for stop in range(1, n + 1):
        if stop == n or in_order[stop] - in_order[stop - 1] > tolerance:
            rank = np.int32(start + stop + shift)
            for i in range(start, stop):
                out[order[i]] = rank
            start = stop
