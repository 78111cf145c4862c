"""RDMs sorted once and compared under any counts of the concepts, for `core.metrics.bootstrap`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from core.metrics import _weighted_ranks as walks
from core.metrics._orders import BLOCK, Order, blocks_of, pairs_of, sorted_pairs
from core.metrics._weighted_ranks import AHEAD, LANES, OPENS
from core.metrics.checks import FloatArray

Counts = npt.NDArray[np.intp]
SelfPairs = Literal["keep", "drop"]

#: Integers of 64 bits wrap around at it. While the cube of the number of pairs is below it, sums
#: of products are exact in them (n up to 2,299).
WRAP = 2**64


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
        self.exact = len(human) ** 3 < WRAP if exact is None else exact
        pairs = pairs_of(n)
        order, parts = sorted_pairs(human, pairs)
        ends = np.flatnonzero(parts["kind"])
        blocks = blocks_of(ends)
        parts["kind"][ends[np.r_[True, blocks[1:] != blocks[:-1]]]] |= OPENS
        self.n_groups, self.n_blocks = len(ends), int(blocks[-1]) + 1
        of_pair = np.empty(len(human), dtype=np.int32)
        of_pair[order] = np.repeat(np.arange(len(ends), dtype=np.int32), np.diff(ends, prepend=-1))
        nothing = np.empty(0, dtype=np.int32)
        self.human = Order(**parts, groups=nothing, blocks=nothing)
        self.models = {}
        for name, distances in models.items():
            order, parts = sorted_pairs(distances, pairs)
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
        self.cubes = _aligned(1, np.int64)
        self.rough, self.products, self.total = (_aligned(1, sums) for _ in range(3))

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
            *(self.run, self.group, self.cubes, self.rough),
            *(self.offsets, self.bases, self.lost),
        )
        human_cubes = self._cubes()
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
                *(self.run, self.group, self.inner, self.cubes, self.rough),
                *(self.offsets, self.bases, self.products, self.total),
            )
            shared, cubes = self.total.tolist(), self._cubes()
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
            self.run[:], self.group[:], self.cubes[:] = 2 * own - pairs, 0, own**3
        self.rough[:] = self.cubes

    def _cubes(self) -> list[int]:
        """Return the sums of cubes as integers of any size."""
        if self.comparison.exact:
            return [cube % WRAP for cube in self.cubes.tolist()]
        found = []
        for cube, rough in zip(self.cubes.tolist(), self.rough.tolist(), strict=True):
            # A double is nearer than half of 2^64, and an integer knows the rest.
            near = int(rough)
            rest = (cube - near) % WRAP
            found.append(near + (rest if 2 * rest < WRAP else rest - WRAP))
        return found

    def _rhos(self, pairs: Any, shared: Any, human_cubes: Any, cubes: Any) -> FloatArray:
        """Return rhos from sums of products and of cubes; a sum of squares is (N^3 - cubes) / 3."""
        rows = zip(pairs.tolist(), self.untied, human_cubes, cubes, strict=True)
        scales = [(n**3 - u - a) * (n**3 - u - b) for n, u, a, b in rows]
        return np.array([_rho(3 * s, scale) for s, scale in zip(shared, scales, strict=True)])


def _rho(shared: Any, scale: Any) -> float:
    # Python's integers: the product of two sums of squares does not fit into 64 bits.
    return max(-1.0, min(1.0, shared / math.sqrt(scale))) if scale > 0 else math.nan


def _cubes_of_pairs(counts: npt.NDArray[np.int64]) -> int:
    """Return the sum over pairs of concepts of the cube of the pair's weight."""
    cubes = counts**3
    return (int(cubes.sum()) ** 2 - int((cubes**2).sum())) // 2


def _aligned(rows: int, dtype: type) -> npt.NDArray[Any]:
    """Return rows of lanes, flat, that start at a cache line."""
    size = rows * LANES * np.dtype(dtype).itemsize
    raw = np.zeros(size + 64, dtype=np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype)
