"""Passes over all pairs of many rows, by several threads in fixed pieces."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

Rows = tuple[int, int]
Scratch = TypeVar("Scratch")
Result = TypeVar("Result")


def pairs_before(row: int, n: int) -> int:
    """Count the pairs (i, j), i < j < n, with i before `row`."""
    return row * (2 * n - row - 1) // 2


class Walk:
    """Passes over the pairs of n rows, each in pieces of whole rows.

    Parameters
    ----------
    n : int
        Number of rows, at least 2.
    piece : int
        Pairs in a piece, about; a piece holds at least one row's.
    progress : callable, optional
        Called with the pieces done and those expected: when passes are announced, and after every
        piece.
    """

    def __init__(self, n: int, piece: int, progress: Callable[[int, int], None] | None) -> None:
        self.pieces: list[Rows] = []
        first = 0
        while first < n - 1:
            last = first + 1
            while last < n - 1 and pairs_before(last + 1, n) - pairs_before(first, n) <= piece:
                last += 1
            self.pieces.append((first, last))
            first = last
        self._progress = progress
        self._done = self._expected = 0

    def expect(self, passes: int) -> None:
        """Announce passes to come; fewer than 0 take back what was announced."""
        self._expected += passes * len(self.pieces)
        self._report()

    def each(
        self, function: Callable[[Rows, Scratch], Result], scratch: Sequence[Scratch]
    ) -> Iterator[tuple[Rows, Result]]:
        """Apply a function to every piece; give piece and result in the order of the pieces.

        As many threads work as there are entries of `scratch`; no two use one at the same time.
        """
        free: SimpleQueue[Scratch] = SimpleQueue()
        for one in scratch:
            free.put(one)

        def with_scratch(rows: Rows) -> Result:
            one = free.get()
            try:
                return function(rows, one)
            finally:
                free.put(one)

        with ThreadPoolExecutor(len(scratch)) as pool:
            for rows, result in zip(self.pieces, pool.map(with_scratch, self.pieces), strict=True):
                yield rows, result
                self._done += 1
                self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(self._done, self._expected)
