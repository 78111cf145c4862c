"""Cells of distances: runs of bins, or single values that many pairs share.

Equal bins would do if all distances differed. In ratings some are shared by thousands of pairs (0,
by pairs of equal rows), and a bin that holds such a value could hide as much as if its pairs were
all in the wrong order. So the values that pairs of a sample of rows share become atoms: cells of
their own, between what is left of their bin on either side. An atom is used only if it turns out
that no distance lies near it without being of its group of ties, so that nothing is hidden in it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.metrics._cosine_pairs import ATOM, condensed, count
from core.metrics._sorting import stable_order
from core.metrics._walk import Rows, Walk
from core.metrics.checks import FloatArray

RANGE = 2.0001
"""Where the bins end: beyond 2, so that 2 has a bin too, and a little off, so that round distances,
which many pairs may share, do not lie on an edge."""

MOST_ATOMS = 2**15
"""So many 32-bit numbers are no rank of any pair: they stand for the atom of a bin instead."""

SAMPLE = 1024
"""Rows whose distances from each other are looked through for atoms."""

SAMPLE_BYTES = 20 * SAMPLE * (SAMPLE - 1)

Ints = npt.NDArray[np.int64]
Ranks = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Table:
    """Mid-ranks of one RDM by cell, doubled and taken from their mean.

    Attributes
    ----------
    ranks : ndarray of int32, shape (bins,)
        By bin; `ATOM` plus its number in a bin with an atom.
    atoms : ndarray of float64, shape (atoms,)
        Their distances.
    beside : ndarray of int32, shape (atoms, 3)
        Ranks below an atom in its bin, of the atom, and above it.
    squares : int
        Sum of squares of these ranks, over all pairs.
    within : int
        The most that the squares of true ranks from these can add up to.
    """

    ranks: Ranks
    atoms: FloatArray
    beside: Ranks
    squares: int
    within: int


@dataclass(frozen=True)
class Cells:
    """How one RDM's distances spread over cells, none of which parts a group of ties.

    A part is a bin, or one of the three that an atom makes of its bin.

    Attributes
    ----------
    parts : int
        How many there are.
    starts, sizes : ndarray of int64, shape (cells,)
        Each cell's first part, and its number of pairs.
    atoms : ndarray of float64, shape (atoms,)
    middles : ndarray of int64, shape (atoms,)
        Each atom's part.
    clean : ndarray of bool, shape (atoms,)
        Where an atom is a cell.
    """

    parts: int
    starts: Ints
    sizes: Ints
    atoms: FloatArray
    middles: Ints
    clean: npt.NDArray[np.bool_]

    def table(self) -> Table:
        """Give every cell its rank."""
        pairs = int(self.sizes.sum())
        before = np.cumsum(self.sizes) - self.sizes
        ranks = (2 * before + self.sizes - pairs).astype(np.int32)
        parts = np.repeat(ranks, np.diff(np.r_[self.starts, self.parts]))
        beside = parts[self.middles[:, None] + [-1, 0, 1]]
        bins = np.delete(parts, np.r_[self.middles, self.middles + 1])
        # Two parts before it belong to each atom before it.
        bins[self.middles - 1 - 2 * np.arange(len(self.atoms))] = ATOM + np.arange(len(self.atoms))
        tied = np.zeros(len(self.sizes), dtype=np.bool_)
        tied[np.searchsorted(self.starts, self.middles[self.clean])] = True
        within, among = _cubes(self.sizes[~tied]), _cubes(self.sizes[tied])
        squares = (pairs**3 - pairs - within - among) // 3
        return Table(bins, self.atoms, beside, squares, within // 3)


def find_atoms(columns: FloatArray, bins: int, tolerance: float) -> FloatArray:
    """Distances that several pairs of evenly spaced rows share, at most one to a bin.

    Parameters
    ----------
    columns : ndarray of float64, shape (d, n)
        See `core.metrics._cosine_pairs`.
    bins : int
        Number of bins.
    tolerance : float
        A distance within it of the one before ties with it.

    Returns
    -------
    ndarray of float64, shape (atoms,)
        In increasing order; those of most pairs, if there are too many.
    """
    n = columns.shape[1]
    some = np.ascontiguousarray(columns[:, np.linspace(0, n - 1, min(n, SAMPLE)).astype(int)])
    distances = np.empty(some.shape[1] * (some.shape[1] - 1) // 2)
    condensed(some, distances)
    _, in_order = stable_order(distances)
    starts = np.flatnonzero(np.diff(in_order, prepend=-np.inf) > tolerance)
    sizes = np.diff(np.r_[starts, len(in_order)])
    starts, sizes = starts[sizes > 1], sizes[sizes > 1]
    values = (in_order[starts] + in_order[starts + sizes - 1]) / 2
    in_bin = _bin_of(np.maximum(values - 2 * tolerance, 0), bins)
    inside = in_bin == _bin_of(values + 2 * tolerance, bins)
    values, in_bin, sizes = values[inside], in_bin[inside], sizes[inside]
    largest_first = np.argsort(-sizes, kind="stable")
    _, chosen = np.unique(in_bin[largest_first], return_index=True)
    return np.sort(values[largest_first[np.sort(chosen)[:MOST_ATOMS]]])


def count_cells(
    walk: Walk, columns: FloatArray, bins: int, tolerance: float, atoms: FloatArray, threads: int
) -> Cells:
    """Count one RDM's distances, in one pass.

    Parameters
    ----------
    walk : Walk
        Over the pairs of the rows.
    columns, bins, tolerance
        As for `find_atoms`.
    atoms : ndarray of float64
        As found there, or empty.
    threads : int
        How many work.
    """
    scale = bins / RANGE
    # What two distances and two products add in rounding is far below a hundredth of it.
    margin = 1.01 * tolerance * scale + bins * 2.0**-51
    in_bin = _bin_of(atoms, bins)
    empty = np.zeros(bins, dtype=np.uint32)
    empty[in_bin] = 2**31 + np.arange(len(atoms), dtype=np.uint32)
    scratch = [
        (
            empty.copy(),
            np.zeros((len(atoms), 3), dtype=np.uint32),
            np.zeros((2, bins + 1), dtype=np.bool_),
            np.zeros(len(atoms), dtype=np.bool_),
        )
        for _ in range(threads)
    ]

    def piece(rows: Rows, room: tuple[npt.NDArray, ...]) -> None:
        count(columns, *rows, scale, margin, atoms, tolerance, *room)

    for _ in walk.each(piece, scratch):
        pass
    by_bin, by_atom = np.zeros(bins, dtype=np.int64), np.zeros((len(atoms), 3), dtype=np.int64)
    above, below = np.zeros(bins, dtype=np.bool_), np.zeros(bins, dtype=np.bool_)
    unclean = np.zeros(len(atoms), dtype=np.bool_)
    for room in scratch:
        by_bin += room[0]
        by_atom += room[1]
        above |= room[2][0, :bins]
        below |= room[2][1, :bins]
        unclean |= room[3]
    clean = ~unclean
    by_bin[in_bin] = by_atom[:, 0]
    sizes = np.insert(by_bin, np.repeat(in_bin + 1, 2), by_atom[:, 1:].ravel())
    new = np.insert(~(above & below), np.repeat(in_bin + 1, 2), np.repeat(clean, 2))
    new[0] = True
    starts = np.flatnonzero(new)
    middles = in_bin + 1 + 2 * np.arange(len(atoms))
    return Cells(len(sizes), starts, np.add.reduceat(sizes, starts), atoms, middles, clean)


def _bin_of(distances: FloatArray, bins: int) -> Ints:
    return (distances * (bins / RANGE)).astype(np.int64)


def _cubes(sizes: Ints) -> int:
    """Sum size^3 - size; few sizes differ, so Python's integers, which do not overflow, will do."""
    return sum(
        int(times) * (int(size) ** 3 - int(size))
        for size, times in zip(*np.unique(sizes, return_counts=True), strict=True)
    )
