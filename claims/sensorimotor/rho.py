"""Spearman coefficients of many models on many dimensions, on draws of words: the compiled part."""

from __future__ import annotations

import numba
import numpy as np


def bootstrapped_rho(human: np.ndarray, models: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return every model's rank correlation with people on every dimension, draw by draw.

    Values are coded once; a draw is a weight per word, so that its ranks are counted instead of
    sorted. All sums are whole numbers.

    Parameters
    ----------
    human : ndarray, shape (n, d)
        Complete ratings; n below 2 million, for the sums to fit 64 bits.
    models : ndarray, shape (m, n, d)
        The same words on the same dimensions.
    counts : ndarray of int, shape (B, n)
        How often each word was drawn; all ones for the words as they are.

    Returns
    -------
    ndarray, shape (m, B, d)
        NaN where a draw leaves a column constant. Scratch memory: 4 bytes per rating.
    """
    codes = np.array([[_codes(column) for column in table.T] for table in (human, *models)])
    found = np.empty((len(models), len(counts), human.shape[1]))
    _correlate(codes, int(codes.max()) + 1, np.ascontiguousarray(counts, dtype=np.int64), found)
    return found


def _codes(column: np.ndarray) -> np.ndarray:
    """Return the place of each value among the distinct ones, in increasing order."""
    return np.unique(column, return_inverse=True)[1].astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _correlate(codes, levels, counts, out):  # pragma: no cover - compiled
    """Write the coefficients of tables 1, 2, ... of `codes`, (1 + m, d, n), with table 0."""
    tables, dimensions, n = codes.shape
    ranks = np.empty((tables, levels), np.int64)
    squares = np.empty(tables, np.int64)
    products = np.empty(tables, np.int64)
    for draw in range(len(counts)):
        weights = counts[draw]
        for d in range(dimensions):
            for t in range(tables):
                squares[t] = _centred_ranks(codes[t, d], weights, ranks[t])
            products[:] = 0
            for i in range(n):
                if weights[i]:
                    own = weights[i] * ranks[0, codes[0, d, i]]
                    for t in range(1, tables):
                        products[t] += own * ranks[t, codes[t, d, i]]
            for t in range(1, tables):
                size = np.sqrt(np.float64(squares[0])) * np.sqrt(np.float64(squares[t]))
                out[t - 1, draw, d] = products[t] / size if size > 0 else np.nan


@numba.njit(cache=True, nogil=True)
def _centred_ranks(codes, weights, ranks):  # pragma: no cover - compiled
    """Write twice the mid-rank of each level about the middle; return the sum of squares."""
    ranks[:] = 0
    total = np.int64(0)
    for i in range(len(codes)):
        ranks[codes[i]] += weights[i]
        total += weights[i]
    run = -total
    squares = np.int64(0)
    for level in range(len(ranks)):
        size = ranks[level]
        ranks[level] = run + size
        squares += size * ranks[level] * ranks[level]
        run += 2 * size
    return squares
