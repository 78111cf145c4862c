"""Exact ranks of more distances than fit in memory, a run of bins at a time."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.metrics._cosine_pairs import collect, dot, whole
from core.metrics._sorting import centred_midranks, stable_order
from core.metrics._walk import Rows, Walk, pairs_before
from core.metrics.checks import FloatArray

PIECE = 2**18
"""Pairs of a piece, so that each thread's room for them is small."""

PER_THREAD = 12 * PIECE
PER_PAIR = 40

SPARE = 32
"""One part of so many of a slice's room is left for the cell that its end falls into."""

Ranks = npt.NDArray[np.int32]


class Slice(NamedTuple):
    """A run of bins, and how many distances lie in it and before it."""

    from_bin: int
    to_bin: int
    size: int
    before: int


def room(memory: int, threads: int) -> int:
    """Pairs of a slice for which there is memory.

    Raises
    ------
    ValueError
        When there is none.
    """
    left = memory - PER_THREAD * threads
    if left < PER_PAIR:
        raise ValueError(
            f"memory is {memory} bytes; exact mode needs more than {PER_THREAD * threads}"
        )
    return left // PER_PAIR


def foreseen(pairs: int, room: int) -> int:
    """Slices that `slices` makes, unless a cell is larger than the room spared for it."""
    return 1 if pairs <= room else math.ceil(pairs / (room - room // SPARE))


def slices(starts: npt.NDArray, sizes: npt.NDArray, bins: int, room: int) -> list[Slice]:
    """Put cells together to slices of much the same size, at most `room` pairs.

    Parameters
    ----------
    starts, sizes : ndarray of int, shape (cells,)
        Each cell's first bin and its number of pairs; a group of ties lies within one cell.
    bins : int
        Number of bins.
    room : int
        Pairs for which there is memory.

    Returns
    -------
    list of Slice
        In order; every pair is in one. They are as many as `foreseen` says, or, where cells are so
        large that slices cannot be much the same, some more or fewer.

    Raises
    ------
    ValueError
        When a single cell has no room.
    """
    largest = int(sizes.max())
    if largest > room:
        raise ValueError(
            f"{largest} pairs share a bin and are ranked together: memory must be at least "
            f"{(largest - room) * PER_PAIR} bytes larger, or the bins more and narrower"
        )
    until = np.cumsum(sizes)
    edges = np.r_[starts, bins]
    pairs = int(until[-1])
    found = []
    cell, before = 0, 0
    while before < pairs:
        left = max(1, foreseen(pairs, room) - len(found))
        share = before + math.ceil((pairs - before) / left)
        stop = min(
            int(np.searchsorted(until, share)) + 1,
            int(np.searchsorted(until, before + room, side="right")),
        )
        size = int(until[stop - 1]) - before
        found.append(Slice(int(edges[cell]), int(edges[stop]), size, before))
        cell, before = stop, before + size
    return found


class Ranking:
    """Doubled, centred mid-ranks of two RDMs, whose squares and products are summed.

    Parameters
    ----------
    walk : Walk
        In pieces of `PIECE`.
    n : int
        Number of rows.
    scale, tolerance : float
        Bins per unit of distance; how near two distances are one.
    threads : int
        How many work.
    """

    def __init__(self, walk: Walk, n: int, scale: float, tolerance: float, threads: int) -> None:
        self.walk = walk
        self.n = n
        self.pairs = pairs_before(n, n)
        self.scale = scale
        self.tolerance = tolerance
        # `collect` writes one more than it keeps.
        self.rooms = [
            (np.empty(PIECE + 1), np.empty(PIECE + 1, dtype=np.uint32)) for _ in range(threads)
        ]

    def sums(
        self,
        columns: tuple[FloatArray, FloatArray],
        limits: Sequence[Sequence[Slice]],
        folder: Path | None,
    ) -> tuple[int, int, int]:
        """Rank one RDM into a file, then the other, which finds there its pairs' other ranks.

        Parameters
        ----------
        columns : pair of ndarray, shapes (d, n) and (e, n)
            See `core.metrics._cosine_pairs`.
        limits : pair of list of Slice
            Of either RDM.
        folder : Path, optional
            Where the file lies meanwhile.

        Returns
        -------
        tuple of int
            Squares of the first, squares of the second, products.

        Raises
        ------
        ValueError
            When the folder's disk has too little space.
        """
        squares_x = squares_y = shared = 0
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            path = Path(temporary) / "ranks"
            self._make(path)
            for one in limits[0]:
                for rows, places, ranks in self._ranked(columns[0], one):
                    self._kept(path, rows)[places] = ranks
                    squares_x += whole(*dot(ranks, ranks))
            for one in limits[1]:
                for rows, places, ranks in self._ranked(columns[1], one):
                    shared += whole(*dot(self._kept(path, rows)[places], ranks))
                    squares_y += whole(*dot(ranks, ranks))
        return squares_x, squares_y, shared

    def _ranked(
        self, columns: FloatArray, one: Slice
    ) -> Iterator[tuple[Rows, npt.NDArray[np.uint32], Ranks]]:
        """Rank one slice; for each piece of rows give the places of its pairs and their ranks."""

        def pick(
            rows: Rows, room: tuple[FloatArray, npt.NDArray[np.uint32]]
        ) -> tuple[FloatArray, npt.NDArray[np.uint32]]:
            found = collect(columns, *rows, self.scale, one.from_bin, one.to_bin, *room)
            return room[0][:found].copy(), room[1][:found].copy()

        distances, places = np.empty(one.size), np.empty(one.size, dtype=np.uint32)
        pieces = []
        at = 0
        for rows, (found, where) in self.walk.each(pick, self.rooms):
            piece = slice(at, at + len(found))
            distances[piece], places[piece] = found, where
            at += len(found)
            pieces.append((rows, piece))
        order, in_order = stable_order(distances)
        ranks = np.empty(one.size, dtype=np.int32)
        shift = 2 * one.before - self.pairs
        centred_midranks(order, in_order, self.tolerance, shift, ranks)
        for rows, piece in pieces:
            yield rows, places[piece], ranks[piece]

    def _make(self, path: Path) -> None:
        """Make room for all ranks; what the disk says may be more than a user may have of it."""
        size = 4 * self.pairs
        needed = f"the ranks of {self.pairs} pairs need {size} bytes, and the disk of {path.parent}"
        free = shutil.disk_usage(path.parent).free
        if free < size:
            raise ValueError(f"{needed} has {free}; name another folder")
        try:
            with path.open("wb") as file:
                # Writing to the map of a file with holes ends the process once the disk is full.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.truncate(size)
        except OSError as error:
            why = error.strerror
            raise ValueError(f"{needed} does not give them ({why}); name another folder") from error

    def _kept(self, path: Path, rows: Rows) -> Ranks:
        """Map the ranks of some rows' pairs; a map of the whole file would count as memory used."""
        start, stop = (pairs_before(row, self.n) for row in rows)
        return np.memmap(path, dtype=np.int32, mode="r+", offset=4 * start, shape=(stop - start,))
