"""RSA of so many rows that their RDMs fit in no memory: distances are met in passing, never kept.

Two passes over all pairs give rho within a bound. The first counts each RDM's distances in equal
bins. In the second every pair has, in either RDM, the mid-rank of its whole bin in place of its
own, and the products of the two are summed.

Why the bound holds. Take all ranks from their mean. Let r be the true mid-ranks of one RDM and b
those of the bins. A bin's T pairs hold T successive ranks, so b is the mean of r in each bin, and
e = r - b is orthogonal to whatever is constant in each bin, b included. So the angle between r and
b is arctan(|e| / |b|), and |e|^2 is at most the sum of (T^3 - T) / 12, which it reaches when no two
distances of a bin tie. Angles obey the triangle inequality: with a_x and a_y the two largest angles
and theta the one between b_x and b_y, the angle of r_x and r_y, whose cosine is rho, lies within
theta +- (a_x + a_y). All sums are exact integers; evaluating the cosines adds less than 1e-15.

What a tie is. As in `core.metrics.rdm`, distances that follow each other within 1e-13 are one
distance. If an edge parted such a group, the two members next to it would lie within 1e-13 of it,
one on either side. The first pass notes every edge with distances so near on both sides, and the
bins it parts are taken as one. Thus no group is parted, and the bound holds for the ranks of
canonical distances, those of `rsa(rdm(x), rdm(y))`.

Where very many pairs share one distance, as those of equal rows do, its bin would make the bound
wide, though nothing is hidden there. `core.metrics._cells` sets such distances apart, in cells in
which e is 0. Where the text above says bin, it is any cell.
"""

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.metrics import _slices
from core.metrics._cells import RANGE, SAMPLE_BYTES, count_cells, find_atoms
from core.metrics._cosine_pairs import padded_columns, products, whole
from core.metrics._walk import Rows, Walk
from core.metrics.checks import FloatArray
from core.metrics.rdm import TIE, Metric, unit_rows

Progress = Callable[[int, int], None]

MOST_THREADS = 4
"""Threads unless more are asked for. Each has counts of its own, and a heap that the system keeps
for it, so that without a limit memory would grow with the machine's processors."""

LARGEST_N = 65_536
"""Ranks of more pairs than that would not fit into 32 bits."""

MOST_BINS = 2**24
"""Bins a million times as wide as the distance at which two distances are one."""

_ROUNDING = 1e-15
_PIECE = 2**20
_PER_BIN = 48
_PER_BIN_AND_THREAD = 6


@dataclass(frozen=True)
class StreamedRsa:
    """Spearman's rho of two RDMs that were never written down.

    Attributes
    ----------
    n : int
        Number of rows.
    pairs : int
        n (n - 1) / 2.
    rho : float
        In [-1, 1]; NaN where the distances of one side all share a bin, or, if exact, are equal.
    low, high : float
        Limits between which the rho of the RDMs lies for certain; both are `rho` if exact.
    """

    n: int
    pairs: int
    rho: float
    low: float
    high: float

    @property
    def bound(self) -> float:
        """Largest possible distance of `rho` from the rho of the RDMs."""
        return max(self.high - self.rho, self.rho - self.low)


def streamed_rsa(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    metric: Metric = "cosine",
    bins: int = 2**20,
    exact: bool = False,
    memory: int = 96_000_000,
    threads: int | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> StreamedRsa:
    """RSA of two sets of features within a bound, or exactly, in little memory.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n rows in the same order, 3 to 65,536; standardise ratings beforehand.
    metric : {"cosine", "correlation"}
        As in `core.metrics.rdm.rdm`.
    bins : int
        Equal bins from 0 to 2, 2 to 2^24. The bound falls as 1 / bins, until a bin holds a pair.
    exact : bool
        Give every distance its own rank, slice by slice: one pass more for each slice of each RDM.
        Those of x lie meanwhile in a temporary file of 4 bytes per pair. At n = 39,707 it has 3.2
        GB, and a gigabyte of memory makes 33 slices of an RDM.
    memory : int
        Bytes for the arrays of the computation, the features left out. They are 48 per bin, 21 MB
        at least, and 6 per bin and thread. In exact mode a slice takes 40 per pair, besides 3 MB
        per thread: twice the memory is half the passes.
    threads : int, optional
        At most so many, fewer where memory is short; the processors, but no more than 4, unless
        given. The result does not depend on it.
    folder : Path, optional
        Where the file of exact mode lies while it is needed; the system's own unless given.
    progress : callable, optional
        Called with the steps done and the steps in all: once before the first, then after each. In
        exact mode too they are known from the start, but where so many pairs tie that the slices
        cannot be much the same in size: then the number changes after two passes.

    Returns
    -------
    StreamedRsa
        `rho` and the limits of `rsa(rdm(x, metric), rdm(y, metric))`; see the module for why they
        hold. Where `rho` is NaN there is a RuntimeWarning, and the limits are NaN.

    Raises
    ------
    ValueError
        As `core.metrics.rdm.unit_rows` (a row without direction, a metric of lengths), when x and y
        differ in rows, an option is out of range, or `memory` or the disk is too small.
    """
    sides = padded_columns(unit_rows(x, metric)), padded_columns(unit_rows(y, metric))
    n = _rows(*sides)
    _refuse_fractions(bins=bins, memory=memory, threads=1 if threads is None else threads)
    if not 2 <= bins <= MOST_BINS:
        raise ValueError(f"bins is {bins}, must lie between 2 and {MOST_BINS}")
    pairs = n * (n - 1) // 2
    if exact:
        workers = _workers(bins, memory, threads, 0)
        room = _slices.room(memory, workers)
        walk = Walk(n, _slices.PIECE, progress)
        guess = 2 * _slices.foreseen(pairs, room)
        walk.expect(2 + guess)
        none = np.empty(0)
        cells = [count_cells(walk, side, bins, TIE, none, workers) for side in sides]
        limits = [_slices.slices(one.starts, one.sizes, bins, room) for one in cells]
        del cells
        if more := sum(map(len, limits)) - guess:
            walk.expect(more)
        ranking = _slices.Ranking(walk, n, bins / RANGE, TIE, workers)
        return _result(n, ranking.sums(sides, limits, folder), (0, 0))
    workers = _workers(bins, memory, threads, SAMPLE_BYTES)
    walk = Walk(n, _PIECE, progress)
    walk.expect(3)
    x_table, y_table = (
        count_cells(walk, side, bins, TIE, find_atoms(side, bins, TIE), workers).table()
        for side in sides
    )
    tables = [(one.ranks, one.atoms, one.beside) for one in (x_table, y_table)]

    def piece(rows: Rows, _: None) -> int:
        return whole(*products(sides[0], sides[1], *rows, bins / RANGE, TIE, *tables))

    shared = sum(part for _, part in walk.each(piece, [None] * workers))
    sums = x_table.squares, y_table.squares, shared
    return _result(n, sums, (x_table.within, y_table.within))


def _result(n: int, sums: tuple[int, int, int], within: tuple[int, int]) -> StreamedRsa:
    """Rho of sums of squares and products, and its limits given the squares within cells."""
    pairs = n * (n - 1) // 2
    squares_x, squares_y, shared = sums
    if not squares_x or not squares_y:
        warnings.warn(
            "rho is undefined: all distances of one side are equal, or share a bin",
            RuntimeWarning,
            stacklevel=3,
        )
        return StreamedRsa(n, pairs, math.nan, math.nan, math.nan)
    # Python's integers throughout: 1 - rho^2 keeps its precision where rho is near 1.
    both = squares_x * squares_y
    rho = max(-1.0, min(1.0, shared / math.sqrt(both)))
    if not any(within):
        return StreamedRsa(n, pairs, rho, rho, rho)
    across = math.sqrt((both - shared**2) / both)
    tan_x, tan_y = math.sqrt(within[0] / squares_x), math.sqrt(within[1] / squares_y)
    scale = math.sqrt((1 + tan_x**2) * (1 + tan_y**2))
    cos, sin = (1 - tan_x * tan_y) / scale, (tan_x + tan_y) / scale
    # cos(theta - turn) and cos(theta + turn), unless a turn that wide goes past 0 or pi.
    high = rho * cos + across * sin + _ROUNDING if rho < cos else 1.0
    low = rho * cos - across * sin - _ROUNDING if rho > -cos else -1.0
    return StreamedRsa(n, pairs, rho, max(-1.0, low), min(1.0, high))


def _rows(x_columns: FloatArray, y_columns: FloatArray) -> int:
    n = x_columns.shape[1]
    if n != y_columns.shape[1]:
        raise ValueError(f"x has {n} rows and y {y_columns.shape[1]}; they must pair up")
    if not 3 <= n <= LARGEST_N:
        raise ValueError(f"x and y have {n} rows, must have 3 to {LARGEST_N}")
    return n


def _refuse_fractions(**options: int) -> None:
    for name, value in options.items():
        if not isinstance(value, Integral):
            raise ValueError(f"{name} is {value!r}, must be a whole number of type int")


def _workers(bins: int, memory: int, threads: int | None, sample: int) -> int:
    """Threads for which there is memory beside what they share."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, must be at least 1")
    shared = max(_PER_BIN * bins, sample)
    afford = (memory - shared) // (_PER_BIN_AND_THREAD * bins)
    if afford < 1:
        least = shared + _PER_BIN_AND_THREAD * bins
        raise ValueError(f"memory is {memory} bytes; {bins} bins need {least}")
    return min(threads or min(os.cpu_count() or 1, MOST_THREADS), afford)
