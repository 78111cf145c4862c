"""RSA on draws of concepts that are standardised anew: its parts that need speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np

#: Cosine distances, from 0 to 2, are taken in whole steps of one over this.
STEPS = 10_000


def rsa_within(features: Sequence[np.ndarray], counts: np.ndarray) -> list[float]:
    """Return the RSA of each but the first of several tables with the first, on one draw.

    Ratings are standardised over the draw. Each concept is looked at once, with its number of
    times as a weight. Distances are rounded to whole steps of 1e-4, so that ranks are counted
    instead of sorted, which moves a coefficient by some 1e-4 at most; all sums are whole numbers.

    Parameters
    ----------
    features : sequence of ndarray, shapes (n, d)
        Ratings of the same concepts.
    counts : ndarray of int, shape (n,)
        How often each concept was drawn. A pair of a concept with itself is at distance 0.

    Returns
    -------
    list of float
        Spearman's rho, one less than `features`; n up to 2,460, as in `core.metrics.bootstrap`.
        Scratch memory: 8 n^2 bytes, and n^2 for each table.
    """
    kept = np.flatnonzero(counts)
    weights = counts[kept].astype(np.int64)
    human, *others = (_ranked(_scaled_cosines(x[kept], weights), weights) for x in features)
    rho = []
    for other in others:
        product = int(_products(human.steps, other.steps, weights, human.ranks, other.ranks))
        rho.append(product / math.sqrt(human.squares * other.squares))
    return rho


@dataclass(frozen=True, eq=False)
class _Ranked:
    """Distances in steps, pair by pair; per step twice its mid-rank about the middle; squares."""

    steps: np.ndarray
    ranks: np.ndarray
    squares: int


def _ranked(cosines: np.ndarray, weights: np.ndarray) -> _Ranked:
    in_step = np.zeros(2 * STEPS + 1, dtype=np.int64)
    in_step[0] = (weights * (weights - 1) // 2).sum()
    steps = np.empty(len(weights) * (len(weights) - 1) // 2, dtype=np.uint16)
    _count(cosines, weights, in_step, steps)
    ranks = 2 * np.cumsum(in_step) - in_step - in_step.sum()
    return _Ranked(steps, ranks, int((in_step * ranks**2).sum()))


def _scaled_cosines(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return `STEPS` times the cosines of rows standardised under weights, shape (m, m)."""
    total = weights.sum()
    centred = x - weights @ x / total
    sd = np.sqrt(weights @ centred**2 / total)
    constant = x.min(axis=0) == x.max(axis=0)
    z = np.where(constant, 0.0, centred / np.where(constant, 1.0, sd))
    z *= math.sqrt(STEPS) / np.linalg.norm(z, axis=1, keepdims=True)
    return z @ z.T


@numba.njit(cache=True, nogil=True)
def _count(cosines, weights, in_step, steps):  # pragma: no cover - compiled
    """Write the step of every pair of rows, and add its weight to the step's."""
    at = np.uint64(0)
    for i in range(len(weights)):
        for j in range(i + 1, len(weights)):
            step = np.uint16(STEPS - np.int64(np.rint(cosines[i, j])))
            steps[at] = step
            at += np.uint64(1)
            in_step[step] += weights[i] * weights[j]


@numba.njit(cache=True, nogil=True)
def _products(x, y, weights, ranks_x, ranks_y):  # pragma: no cover - compiled
    """Return the sum over all pairs of the products of their ranks in x and y, weighted."""
    at = np.uint64(0)
    total = np.int64(0)
    for i in range(len(weights)):
        total += weights[i] * (weights[i] - 1) // 2 * ranks_x[0] * ranks_y[0]
        row = np.int64(0)
        for j in range(i + 1, len(weights)):
            row += weights[j] * ranks_x[x[at]] * ranks_y[y[at]]
            at += np.uint64(1)
        total += weights[i] * row
    return total
