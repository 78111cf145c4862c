"""Nearest neighbours by cosine, found in blocks of rows and kept as lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray, finite

#: Cosines are rounded to so many decimals before they are ranked, so that the last bits of equal
#: vectors decide nothing.
DECIMALS = 12
#: Cosines looked at a time: bounds memory, not results.
BLOCK = 2_000_000


@dataclass(frozen=True, eq=False)
class NeighbourList:
    """Every row's k nearest neighbours with all that tie with the k-th, as `neighbour_list` finds.

    Attributes
    ----------
    k : int
        Neighbours per row.
    indptr : ndarray of int64, shape (n + 1,)
        Row i has the entries from indptr[i] to before indptr[i + 1] of the others.
    indices : ndarray of int32, shape (m,)
        The neighbours, increasing within a row; m is n * k and what ties add to it.
    ahead : ndarray of int32, shape (m,)
        How many others are nearer to the row.
    tied : ndarray of int32, shape (m,)
        How many are just as near, itself included: 1 without ties.
    """

    k: int
    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int32]
    ahead: npt.NDArray[np.int32]
    tied: npt.NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.indptr) - 1

    @property
    def weights(self) -> FloatArray:
        """Probability of each to be among the k, shape (m,): 1, or less where the k-th ties."""
        return np.minimum((self.k - self.ahead) / self.tied, 1.0)

    @property
    def rows(self) -> npt.NDArray[np.intp]:
        """The row whose neighbour each is, shape (m,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.indptr))

    def nearest(self, k: int) -> NeighbourList:
        """Return the list for fewer neighbours per row.

        Raises
        ------
        ValueError
            When `k` is not between 1 and the list's own.
        """
        if not 1 <= k <= self.k:
            raise ValueError(f"k is {k}, must lie between 1 and {self.k}, that of the list")
        if k == self.k:
            return self
        kept = self.ahead < k
        indptr = np.r_[0, np.cumsum(kept)][self.indptr]
        fewer = (each[kept] for each in (self.indices, self.ahead, self.tied))
        return NeighbourList(k, indptr, *fewer)


#: What the measures take: embeddings, or the neighbours found in them, at k or beyond.
Space: TypeAlias = npt.ArrayLike | NeighbourList


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
    unit = _unit(x)
    return _cosines(unit, unit)


def neighbour_list(x: npt.ArrayLike, k: int) -> NeighbourList:
    """Find each row's k nearest neighbours by cosine, and those that tie with the k-th.

    A row is never its own neighbour: it is left out by its index, not by its similarity.

    Parameters
    ----------
    x : array_like, shape (n, d)
        One embedding per row; see `cosine_similarity`.
    k : int
        Neighbours per row, 1 to n - 1.

    Returns
    -------
    NeighbourList
        12 bytes per neighbour, twice that while it is put together.

    Raises
    ------
    ValueError
        As `cosine_similarity`, and when k is out of range.

    Notes
    -----
    Rows are looked at in blocks: besides the list and a copy or two of `x` it takes some 40 MB of
    scratch memory however many there are, and up to 200 MB where nearly everything ties.
    """
    unit = _unit(x)
    n = len(unit)
    if not 1 <= k < n:
        raise ValueError(f"k is {k}, must lie between 1 and {n - 1}")
    step = max(1, BLOCK // n)
    parts = [_nearest(unit, start, step, k) for start in range(0, n, step)]
    counts, *columns = (np.concatenate(column) for column in zip(*parts, strict=True))
    return NeighbourList(k, np.r_[0, np.cumsum(counts)], *columns)


def paired_lists(x: Space, y: Space, k: int) -> tuple[NeighbourList, NeighbourList]:
    """Neighbours at k in two spaces, found unless they are given.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e), or NeighbourList
        The same n things in the same order.
    k : int
        Neighbours per thing, 1 to n - 1, and no more than a list given holds.

    Returns
    -------
    tuple of NeighbourList

    Raises
    ------
    ValueError
        As `neighbour_list`, and when the spaces hold different numbers of things.
    """
    near_x, near_y = _listed(x, k), _listed(y, k)
    if len(near_x) != len(near_y):
        raise ValueError(f"x has {len(near_x)} rows and y {len(near_y)}; they must pair up")
    return near_x, near_y


def _listed(x: Space, k: int) -> NeighbourList:
    return x.nearest(k) if isinstance(x, NeighbourList) else neighbour_list(x, k)


def _unit(x: npt.ArrayLike) -> FloatArray:
    """Rows at unit length."""
    x = finite(x, "x", ndim=2, at_least=2)
    largest = np.abs(x).max(axis=1, keepdims=True, initial=0.0)
    if not largest.all():
        row = int(np.flatnonzero(largest[:, 0] == 0)[0])
        raise ValueError(f"row {row} of x is zero: it has no cosine")
    # First to a size whose square neither vanishes nor overflows.
    unit = x / largest
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return unit


def _cosines(some: FloatArray, unit: FloatArray) -> FloatArray:
    found = some @ unit.T
    return np.clip(found.round(DECIMALS, out=found), -1.0, 1.0, out=found)


def _nearest(unit: FloatArray, start: int, step: int, k: int) -> tuple[np.ndarray, ...]:
    """How many neighbours each of the rows from `start` on has; which, how many nearer, tied."""
    similarity = _cosines(unit[start : start + step], unit)
    rows, n = np.arange(len(similarity)), len(unit)
    similarity[rows, start + rows] = -np.inf
    kth = np.partition(similarity, n - k, axis=1)[:, n - k, None]
    row, other = np.nonzero(similarity >= kth)
    value = similarity[row, other]
    order = np.lexsort((-value, row))
    in_order = value[order]
    first = np.ones(len(row), dtype=bool)
    first[1:] = (in_order[1:] != in_order[:-1]) | (row[1:] != row[:-1])
    group = np.flatnonzero(first)
    size = np.diff(group, append=len(row))
    count = np.bincount(row, minlength=len(rows))
    ahead, tied = np.empty((2, len(row)), dtype=np.int32)
    ahead[order] = np.repeat(group, size) - np.repeat(np.cumsum(count) - count, count)
    tied[order] = np.repeat(size, size)
    return count, other.astype(np.int32), ahead, tied
