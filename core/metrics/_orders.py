"""One RDM's pairs in order, for `core.metrics._comparison`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics._sorting import stable_order
from core.metrics._weighted_ranks import LAST, SINGLE
from core.metrics.checks import FloatArray

#: Pairs that share a base, and the size from which a tie group has one of its own: 16 bits then
#: hold their offsets in any likely resample.
BLOCK, LARGE = 2048, 1024


@dataclass(frozen=True, eq=False)
class Order:
    """One RDM's pairs in increasing distance, with the ends of its tie groups.

    Attributes
    ----------
    first, second : ndarray of uint16, shape (m,)
        The concepts of each pair.
    kind : ndarray of uint8, shape (m,)
        As `core.metrics._weighted_ranks` wants it. A first group at distance 0 is never SINGLE:
        pairs of a concept with itself join it.
    zeros : int
        Pairs at distance 0.
    groups, blocks : ndarray of int32, shapes (m + AHEAD,) and (m,)
        Of each pair, the tie group in the human order and its block.
    """

    first: npt.NDArray[np.uint16]
    second: npt.NDArray[np.uint16]
    kind: npt.NDArray[np.uint8]
    zeros: int
    groups: npt.NDArray[np.int32]
    blocks: npt.NDArray[np.int32]

    def starts(self) -> npt.NDArray[np.intp]:
        """Where each tie group starts."""
        return np.r_[0, np.flatnonzero(self.kind)[:-1] + 1]


def sorted_pairs(
    distances: FloatArray, pairs: tuple[npt.NDArray[np.uint16], ...]
) -> tuple[npt.NDArray[np.uint32], dict[str, Any]]:
    """Return the order of the pairs, and what of `Order` follows from one RDM alone."""
    order, in_order = stable_order(distances)
    last = np.append(in_order[1:] != in_order[:-1], True)
    alone = np.append(True, last[:-1]) & last
    zeros = int(np.searchsorted(in_order, 0, side="right"))
    alone[0] &= not zeros
    kind = np.where(alone, np.uint8(SINGLE), last * np.uint8(LAST))
    first, second = (side[order] for side in pairs)
    return order, {"first": first, "second": second, "kind": kind, "zeros": zeros}


def pairs_of(n: int) -> tuple[npt.NDArray[np.uint16], ...]:
    """Return the concepts of every pair, (0, 1), (0, 2), ..., of n up to 65,535."""
    every = np.arange(n, dtype=np.uint16)
    first = np.repeat(every, np.arange(n - 1, -1, -1))
    return first, np.concatenate([every[i + 1 :] for i in range(n)])


def blocks_of(ends: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Return each tie group's block, of those that share a base, given where each group ends."""
    large = np.diff(ends, prepend=-1) > LARGE
    place = ends // BLOCK
    opens = large[1:] | large[:-1] | (place[1:] != place[:-1])
    return np.r_[0, np.cumsum(opens)].astype(np.int32)
