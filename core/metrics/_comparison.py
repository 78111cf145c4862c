"""RDMs sorted once and compared under any counts of the concepts, for `core.metrics.bootstrap`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.metrics import _weighted_ranks as walks
from core.metrics._sorting import stable_order
from core.metrics._weighted_ranks import AHEAD, LANES, LAST, OPENS, SINGLE
from core.metrics.checks import FloatArray

Counts = npt.NDArray[np.intp]
SelfPairs = Literal["keep", "drop"]

#: Below 2^64, the cube of the number of pairs keeps 64-bit sums exact (n up to 2,299).
EXACT_CUBE = 2**64
#: Above it, sums of squares below the cube by more than this factor are computed one by one.
FEW = 64
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


def _sorted(
    distances: FloatArray, pairs: tuple[npt.NDArray[np.uint16], ...]
) -> tuple[npt.NDArray[np.uint32], dict[str, Any]]:
    order, in_order = stable_order(distances)
    last = np.append(in_order[1:] != in_order[:-1], True)
    alone = np.append(True, last[:-1]) & last
    zeros = int(np.searchsorted(in_order, 0, side="right"))
    alone[0] &= not zeros
    kind = np.where(alone, np.uint8(SINGLE), last * np.uint8(LAST))
    first, second = (side[order] for side in pairs)
    return order, {"first": first, "second": second, "kind": kind, "zeros": zeros}


class Comparison:
    """A human RDM and models', each sorted once.

    Parameters
    ----------
    human : ndarray, shape (n * (n - 1) / 2,)
        Finite, not negative, n from 3 to 65,535.
    models : mapping of str to ndarray
        Of the same shape.
    exact : bool, optional
        Whether sums are 64-bit integers, exact up to n = 2,299, or doubles summed in blocks;
        as n allows, unless given.
    """

    def __init__(
        self,
        human: FloatArray,
        models: Mapping[str, FloatArray],
        n: int,
        *,
        exact: bool | None = None,
    ) -> None:
        self.n = n
        self.exact = len(human) ** 3 < EXACT_CUBE if exact is None else exact
        pairs = tuple(side.astype(np.uint16) for side in np.triu_indices(n, 1))
        order, parts = _sorted(human, pairs)
        ends = np.flatnonzero(parts["kind"])
        blocks = _blocks(ends)
        parts["kind"][ends[np.r_[True, blocks[1:] != blocks[:-1]]]] |= OPENS
        self.n_groups, self.n_blocks = len(ends), int(blocks[-1]) + 1
        of_pair = np.empty(len(human), dtype=np.int32)
        of_pair[order] = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(ends, prepend=-1))
        nothing = np.empty(0, dtype=np.int32)
        self.human = Order(**parts, groups=nothing, blocks=nothing)
        self.models = {}
        for name, distances in models.items():
            order, parts = _sorted(distances, pairs)
            groups = of_pair[order]
            padded = np.r_[groups, np.zeros(AHEAD, dtype=np.int32)]
            self.models[name] = Order(**parts, groups=padded, blocks=blocks[groups])

    def rhos(self, rules: Sequence[SelfPairs], counts: Counts) -> FloatArray:
        """Return each model's rho under each row of counts, (b, n), by each rule for self-pairs.

        The result has the shape (rules, models, b). Scratch memory: 64 bytes per distinct human
        distance, whatever b.
        """
        out = np.empty((len(rules), len(self.models), len(counts)))
        lanes = _Lanes(self)
        for start in range(0, len(counts), LANES):
            part = slice(start, start + LANES)
            out[:, :, part], lost = lanes.rhos(rules, counts[part])
            for b in start + np.flatnonzero(lost):
                out[:, :, b] = [self.plain(rule, counts[b]) for rule in rules]
        return out

    def plain(self, rule: SelfPairs, counts: Counts) -> FloatArray:
        """Return each model's rho with concept i present `counts[i]` times, (models,).

        The same sums by array arithmetic, for counts of any size.
        """
        counts = counts.astype(np.int64)
        own, total = (int(one[0]) for one in totals(rule, counts[None]))

        def ranked(order: Order) -> tuple[Any, Any, Any]:
            weights = counts[order.first] * counts[order.second]
            sums = np.add.reduceat(weights, order.starts())
            if order.zeros:
                sums[0] += own
            else:
                sums = np.r_[own, sums]
            return weights, sums, 2 * np.cumsum(sums) - sums - total

        weights, sums, ranks = ranked(self.human)
        squares, own_rank = self._dot(sums, ranks, ranks), ranks[0]
        ranks = ranks if self.human.zeros else ranks[1:]
        rhos = []
        for model in self.models.values():
            weights, sums, other = ranked(model)
            inner = np.add.reduceat(weights * ranks[model.groups[:-AHEAD]], model.starts())
            if model.zeros:
                inner[0] += own * own_rank
            else:
                inner = np.r_[own * own_rank, inner]
            scale = squares * self._dot(sums, other, other)
            # Thrice, as in lanes, so that both agree in the last bit.
            rhos.append(_rho(3 * self._dot(inner, other), 9 * scale))
        return np.array(rhos)

    def _dot(self, *factors: npt.NDArray[np.int64]) -> Any:
        if self.exact:
            return int(np.prod(factors, axis=0).sum())
        return float(np.prod(factors, axis=0, dtype=np.float64).sum())


def totals(rule: SelfPairs, counts: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """Return the numbers of pairs of a concept with itself, and of all, per row of counts."""
    own = (counts * (counts - 1) // 2).sum(1)
    pairs = counts.sum(1) * (counts.sum(1) - 1) // 2
    return (own, pairs) if rule == "keep" else (0 * own, pairs - own)


class _Lanes:
    """Scratch memory of one thread, and what it is used for: 32 resamples at a time."""

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        sums = np.int64 if comparison.exact else np.float64
        self.counts = _aligned(comparison.n, np.uint8)
        self.offsets = _aligned(comparison.n_groups, np.int16)
        self.bases = _aligned(comparison.n_blocks, np.int32)
        self.run, self.group, self.lost = (_aligned(1, np.int32) for _ in range(3))
        self.inner = _aligned(1, np.int64)
        self.cubes, self.products, self.total = (_aligned(1, sums) for _ in range(3))

    def rhos(
        self, rules: Sequence[SelfPairs], counts: Counts
    ) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
        """Return (rules, models, b) rhos of up to 32 rows of counts, and which rows did not fit."""
        compare, b = self.comparison, len(counts)
        lanes = np.zeros((LANES, compare.n), dtype=np.int64)
        lanes[:b] = counts
        own, pairs = totals("keep", lanes)
        most = int(lanes.max())
        # A rank times a weight is 32 bits wide in exact sums, and the cube of a weight always.
        widest = max(most**6, most**2 * int(pairs.max()) if compare.exact else 0)
        if widest >= 2**31:  # so many copies of a concept are never drawn
            return np.empty((len(rules), len(compare.models), b)), np.ones(b, dtype=bool)
        self.counts[:] = lanes.T.astype(np.uint8).ravel()
        self.untied = [_cubes_of_pairs(row) for row in lanes]
        self.lost[:] = 0
        if not compare.human.zeros:
            # Then pairs of concepts with themselves come before all others, and need no walk.
            found = dict(zip(("drop", "keep"), self._walk(0 * own, pairs - own, own), strict=True))
        else:
            found = {rule: self._walk(*totals(rule, lanes))[0] for rule in rules}
        return np.array([found[rule][:, :b] for rule in rules]), self.lost[:b] != 0

    def _walk(self, own: Any, pairs: Any, joining: Any = None) -> list[FloatArray]:
        """Return (models, LANES) rhos with `own` self-pairs among `pairs`.

        Where `joining` is given, also those with so many self-pairs more, by `_join`.
        """
        compare, human = self.comparison, self.comparison.human
        self._begin(human, own, pairs)
        walks.keep_ranks(
            *(self.counts, human.first, human.second, human.kind),
            *(self.run, self.group, self.cubes, self.offsets, self.bases, self.lost),
        )
        human_cubes = self.cubes.tolist()
        own_rank = own - pairs
        if human.zeros:
            own_rank = self.bases[:LANES].astype(np.int64) + self.offsets[:LANES]
        out = np.empty((1 if joining is None else 2, len(compare.models), LANES))
        for at, model in enumerate(compare.models.values()):
            self._begin(model, own, pairs)
            self.inner[:] = own * own_rank if model.zeros else 0
            alone = own.astype(self.total.dtype) * own_rank * (own - pairs)
            self.total[:] = 0 if model.zeros else alone
            walks.sum_products(
                *(self.counts, model.first, model.second, model.kind, model.groups, model.blocks),
                *(self.run, self.group, self.inner, self.cubes),
                *(self.offsets, self.bases, self.products, self.total),
            )
            shared, cubes = self.total.tolist(), self.cubes.tolist()
            out[0, at] = self._rhos(pairs, shared, human_cubes, cubes)
            if joining is not None:
                out[1, at] = self._join(model, joining, pairs, shared, human_cubes, cubes)
        return list(out)

    def _join(
        self, model: Order, own: Any, pairs: Any, shared: Any, human_cubes: Any, cubes: Any
    ) -> FloatArray:
        """Return what sums without self-pairs become with them, where no human distance is 0.

        With `own` self-pairs before all others, every human rank rises by `own`; so does every
        rank of the model but those of its pairs at distance 0, which self-pairs tie with. Sums of
        weighted ranks over all pairs are 0, so that only those pairs have to be looked up.
        """
        zeros, ranks = self._at_zero(model)
        rows = list(zip(own.tolist(), pairs.tolist(), zeros, ranks, strict=True))
        shared = [
            s - w * r + w * (n - z) * (n + w) for s, (w, n, z, r) in zip(shared, rows, strict=True)
        ]
        human_cubes = [c + w**3 for c, (w, *_) in zip(human_cubes, rows, strict=True)]
        cubes = [c + (z + w) ** 3 - z**3 for c, (w, _, z, _) in zip(cubes, rows, strict=True)]
        return self._rhos(pairs + own, shared, human_cubes, cubes)

    def _at_zero(self, model: Order) -> tuple[list[int], list[int]]:
        """Return the weight of a model's pairs at distance 0, and their human ranks' sum."""
        counts = self.counts.reshape(-1, LANES)
        offsets, bases = self.offsets.reshape(-1, LANES), self.bases.reshape(-1, LANES)
        zeros, ranks = np.zeros(LANES, dtype=np.int64), np.zeros(LANES, dtype=np.int64)
        for start in range(0, model.zeros, BLOCK):
            part = slice(start, min(start + BLOCK, model.zeros))
            weights = counts[model.first[part]].astype(np.int64) * counts[model.second[part]]
            zeros += weights.sum(0)
            rank = bases[model.blocks[part]] + offsets[model.groups[part]]
            ranks += (weights * rank).sum(0)
        return zeros.tolist(), ranks.tolist()

    def _begin(self, order: Order, own: Any, pairs: Any) -> None:
        """Set the running sums behind the pairs of concepts with themselves, or in their midst."""
        self.products[:] = 0
        if order.zeros:
            self.run[:], self.group[:], self.cubes[:] = -pairs, own, 0
        else:
            self.run[:], self.group[:] = 2 * own - pairs, 0
            self.cubes[:] = own.astype(self.cubes.dtype) ** 3

    def _rhos(self, pairs: Any, shared: Any, human_cubes: Any, cubes: Any) -> FloatArray:
        """Return rhos from sums of products and of cubes; a sum of squares is (N^3 - cubes) / 3."""
        # Python's integers: the product of two sums of squares does not fit into 64 bits.
        untied = [n**3 - u for n, u in zip(pairs.tolist(), self.untied, strict=True)]
        rows = zip(shared, untied, human_cubes, cubes, strict=True)
        if self.comparison.exact:
            # Sums that wrapped around are right again modulo 2^64, which these are below.
            squares = [((u - a) % EXACT_CUBE, (u - b) % EXACT_CUBE) for _, u, a, b in rows]
        else:
            squares = [(u - a, u - b) for _, u, a, b in rows]
            # Where nearly everything ties, doubles leave few digits of the difference.
            few = [FEW * min(both) < n**3 for both, n in zip(squares, pairs.tolist(), strict=True)]
            self.lost |= np.array(few, dtype=np.int32)
        return np.array([_rho(3 * s, a * b) for s, (a, b) in zip(shared, squares, strict=True)])


def _rho(shared: Any, scale: Any) -> float:
    return max(-1.0, min(1.0, shared / math.sqrt(scale))) if scale > 0 else math.nan


def _cubes_of_pairs(counts: npt.NDArray[np.int64]) -> int:
    """Return the sum over pairs of concepts of the cube of the pair's weight."""
    cubes = counts**3
    return (int(cubes.sum()) ** 2 - int((cubes**2).sum())) // 2


def _blocks(ends: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    """Return each tie group's block, of those that share a base, given where each group ends."""
    large = np.diff(ends, prepend=-1) > LARGE
    place = ends // BLOCK
    opens = large[1:] | large[:-1] | (place[1:] != place[:-1])
    return np.r_[0, np.cumsum(opens)].astype(np.int32)


def _aligned(rows: int, dtype: type) -> npt.NDArray[Any]:
    """Return rows of lanes, flat, that start at a cache line."""
    size = rows * LANES * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype)
