"""Compiled walks along sorted pairs under 32 weightings at once, for `core.metrics.bootstrap`.

With N the total weight, a tie group of weight T that starts after weight S has the mid-rank
S + (T + 1) / 2; twice its distance from the mean rank is 2 S + T - N, an exact integer. One walk
along the sorted pairs gives it for every group; with R = 2 S - N running, it is R + T.

A lane is one weighting. 32 of them stand side by side in memory, so that each random access brings
a full cache line and each instruction serves many lanes. Ranks of the human RDM are kept as 16 bits
relative to a 32-bit base per some thousand pairs, which makes 32 lanes one cache line of 64 bytes.

What is done to a row of lanes is written as vector instructions (LLVM's, which every processor's
back end translates): from loops over the lanes the compiler does not make them. They stand in this
file because numba recompiles a function only when its own file changes.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 32
#: Pairs between asking for a far row and using it: about the time that memory takes to answer.
AHEAD = 16
#: Pairs between two flushes of the running sums.
FLUSH = 4096
#: What a pair is in its order: alone in its tie group; the last of several; 0 is any other.
SINGLE, LAST = 1, 2
#: Added to SINGLE or LAST where the group is the first of a block with a base of its own.
OPENS = 4

_BYTE, _SHORT, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))


class _Lanes:
    """Rows of lanes as vectors while LLVM code is written; arguments go by their position."""

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any) -> None:
        self.context, self.build, self.kinds, self.values = context, builder, kinds, values

    def floating(self, array: int) -> bool:
        return isinstance(self.kinds[array].dtype, types.Float)

    def _row(self, array: int, at: int | None) -> Any:
        kind = self.kinds[array]
        data = self.context.make_array(kind)(self.context, self.build, self.values[array]).data
        start = ir.Constant(_LONG, 0) if at is None else self.values[at]
        element = self.context.get_data_type(kind.dtype)
        row = self.build.gep(data, [start])
        return self.build.bitcast(row, ir.VectorType(element, LANES).as_pointer())

    def load(self, array: int, at: int | None = None) -> Any:
        row = self.build.load(self._row(array, at))
        row.align = 1
        return row

    def store(self, value: Any, array: int, at: int | None = None) -> None:
        self.build.store(value, self._row(array, at)).align = 1

    def add(self, value: Any, array: int) -> None:
        add = self.build.fadd if self.floating(array) else self.build.add
        self.store(add(self.load(array), value), array)

    def clear(self, array: int) -> None:
        self.store(ir.Constant(self.load(array).type, None), array)

    def long(self, value: Any) -> Any:
        return self.build.sext(value, ir.VectorType(_LONG, LANES))

    def double(self, value: Any) -> Any:
        return self.build.sitofp(value, ir.VectorType(ir.DoubleType(), LANES))

    def weights(self, counts: int, first: int, second: int) -> Any:
        wide = ir.VectorType(_INT, LANES)
        one, other = (self.build.zext(self.load(counts, at), wide) for at in (first, second))
        return self.build.mul(one, other)

    def rank(self, offsets: int, row: int, bases: int, base: int) -> Any:
        offset = self.build.sext(self.load(offsets, row), ir.VectorType(_INT, LANES))
        return self.build.add(offset, self.load(bases, base))

    def pass_group(self, run: int, weight: Any) -> Any:
        """Move the running sum past a group; return twice its centred mid-rank."""
        rank = self.build.add(self.load(run), weight)
        self.store(self.build.add(rank, weight), run)
        return rank

    def add_cube(self, weight: Any, cubes: int, rough: int) -> None:
        """Add a group's cube: as an integer that may wrap around and, if need be, as a double."""
        value = self.long(weight)
        self.add(self.build.mul(self.build.mul(value, value), value), cubes)
        if self.floating(rough):
            value = self.double(weight)
            self.add(self.build.fmul(self.build.fmul(value, value), value), rough)

    def take_cube(self, weight: Any, cubes: int, rough: int) -> None:
        """Take off a member's cube, which fits into 32 bits."""
        cube = self.build.mul(self.build.mul(weight, weight), weight)
        self.store(self.build.sub(self.load(cubes), self.long(cube)), cubes)
        if self.floating(rough):
            self.store(self.build.fsub(self.load(rough), self.double(cube)), rough)


def _vector(write: Callable[..., None]) -> Any:
    """Make a function that compiled code can call out of one that writes vector instructions."""

    def typed(_typing: Any, *arguments: Any) -> Any:
        def code(context: Any, builder: Any, kinds: Any, values: Any) -> Any:
            write(_Lanes(context, builder, kinds.args, values), *range(len(values)))
            return context.get_dummy_value()

        return types.void(*arguments), code

    typed.__name__ = write.__name__
    typed.__signature__ = signature(write)  # type: ignore[attr-defined]
    return intrinsic(typed)


@_vector
def _prefetch(lanes, offsets, row):
    """Ask for a row that will be needed soon."""
    build, byte = lanes.build, _BYTE.as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
    call = cgutils.get_or_insert_function(build.module, kind, "llvm.prefetch.p0i8")
    flags = [ir.Constant(_INT, flag) for flag in (0, 3, 1)]  # to read, keep it near, data
    build.call(call, [build.bitcast(lanes._row(offsets, row), byte), *flags])


@_vector
def _member(lanes, counts, first, second, group, cubes, rough):
    """Add a pair to the open group, and take its cube from the sum that its group's is added to."""
    weight = lanes.weights(counts, first, second)
    lanes.add(weight, group)
    lanes.take_cube(weight, cubes, rough)


@_vector
def _open_block(lanes, run, group, bases, base):
    """Take the rank of the group about to close as the base of a new block."""
    lanes.store(lanes.build.add(lanes.load(run), lanes.load(group)), bases, base)


def _keep_rank(lanes, rank, offsets, row, bases, base, lost):
    offset = lanes.build.sub(rank, lanes.load(bases, base))
    short = lanes.build.trunc(offset, ir.VectorType(_SHORT, LANES))
    lanes.store(short, offsets, row)
    again = lanes.build.sext(short, ir.VectorType(_INT, LANES))
    lanes.store(lanes.build.or_(lanes.load(lost), lanes.build.xor(offset, again)), lost)


@_vector
def _keep_single(lanes, counts, first, second, run, offsets, row, bases, base, lost):
    """Keep the rank of a pair without ties."""
    rank = lanes.pass_group(run, lanes.weights(counts, first, second))
    _keep_rank(lanes, rank, offsets, row, bases, base, lost)


@_vector
def _keep_group(lanes, run, group, cubes, rough, offsets, row, bases, base, lost):
    """Keep the rank of the open group and close it."""
    weight = lanes.load(group)
    _keep_rank(lanes, lanes.pass_group(run, weight), offsets, row, bases, base, lost)
    lanes.add_cube(weight, cubes, rough)
    lanes.clear(group)


@_vector
def _multiply_single(lanes, counts, first, second, run, offsets, row, bases, base, products):
    """Add the product of the two ranks of a pair without ties in this order."""
    weight, build = lanes.weights(counts, first, second), lanes.build
    rank, other = lanes.pass_group(run, weight), lanes.rank(offsets, row, bases, base)
    if lanes.floating(products):
        weighted = build.mul(lanes.long(weight), lanes.long(rank))
        lanes.add(build.fmul(lanes.double(weighted), lanes.double(other)), products)
    else:
        weighted = lanes.long(build.mul(weight, rank))
        lanes.add(build.mul(weighted, lanes.long(other)), products)


@_vector
def _collect(lanes, counts, first, second, offsets, row, bases, base, inner):
    """Add the other order's rank, times the pair's weight, to the open group's sum."""
    weight, other = lanes.weights(counts, first, second), lanes.rank(offsets, row, bases, base)
    lanes.add(lanes.build.mul(lanes.long(weight), lanes.long(other)), inner)


@_vector
def _multiply_group(lanes, run, group, inner, cubes, rough, products):
    """Add the products of the open group's ranks and close it."""
    weight, build = lanes.load(group), lanes.build
    rank, other = lanes.pass_group(run, weight), lanes.load(inner)
    if lanes.floating(products):
        lanes.add(build.fmul(lanes.double(other), lanes.double(rank)), products)
    else:
        lanes.add(build.mul(other, lanes.long(rank)), products)
    lanes.add_cube(weight, cubes, rough)
    lanes.clear(group)
    lanes.clear(inner)


_U = np.uint64
_ROW, _AHEAD, _FLUSH = _U(LANES), _U(AHEAD), _U(FLUSH)


@numba.njit(cache=True, nogil=True)
def keep_ranks(
    counts, first, second, kind, run, group, cubes, rough, offsets, bases, lost
):  # pragma: no cover - compiled
    """Write 2 * midrank - (N + 1) of every tie group of one RDM, 32 lanes at once.

    Every argument is one-dimensional; what has a row of lanes per entry is aligned to 64 bytes.

    Parameters
    ----------
    counts : ndarray of uint8, n rows of lanes
        How often each concept was drawn; a pair weighs the product of two.
    first, second : ndarray of uint16, shape (m,)
        The concepts of each pair, in increasing distance.
    kind : ndarray of uint8, shape (m,)
        0, SINGLE or LAST, with OPENS where a block begins.
    run, group : ndarray of int32, one row
        -N, and the weight that is already in the first group; changed.
    cubes, rough : ndarray of int64, and of float64 or int64, one row each
        Of every tie group of several pairs, the cube of its weight less the cubes of its members'
        is added here: modulo 2^64, and if `rough` holds doubles, also to their precision.
    offsets, bases : ndarray of int16 and int32, a row per tie group and per block
        Overwritten: a group's rank is its offset plus its block's base.
    lost : ndarray of int32, one row
        Not 0 afterwards in a lane where an offset did not fit.
    """
    row, base = _U(0), _U(0) - _ROW
    for k in range(_U(len(kind))):
        i, j = _U(first[k]) * _ROW, _U(second[k]) * _ROW
        if kind[k] & SINGLE:
            if kind[k] & OPENS:
                base += _ROW
                _open_block(run, group, bases, base)
            _keep_single(counts, i, j, run, offsets, row, bases, base, lost)
            row += _ROW
        else:
            _member(counts, i, j, group, cubes, rough)
            if kind[k] & LAST:
                if kind[k] & OPENS:
                    base += _ROW
                    _open_block(run, group, bases, base)
                _keep_group(run, group, cubes, rough, offsets, row, bases, base, lost)
                row += _ROW


@numba.njit(cache=True, nogil=True)
def sum_products(
    counts,
    first,
    second,
    kind,
    groups,
    blocks,
    run,
    group,
    inner,
    cubes,
    rough,
    offsets,
    bases,
    products,
    total,
):  # pragma: no cover - compiled
    """Sum the products of this RDM's centred ranks with those that were kept, 32 lanes at once.

    Parameters
    ----------
    counts, first, second, kind, run, group, cubes, rough, offsets, bases
        As for `keep_ranks`, in this RDM's order; `offsets` and `bases` are only read.
    groups, blocks : ndarray of int32, shapes (m + AHEAD,) and (m,)
        Of each pair, the tie group in the other order and its block.
    inner : ndarray of int64, one row
        Weights times the other ranks of what is already in the first group; changed.
    products, total : ndarray of int64 or float64, one row
        The sums are added to `total`; `products` holds them between two flushes, which keeps the
        rounding of doubles small.
    """
    for k in range(_U(len(kind))):
        _prefetch(offsets, _U(groups[k + _AHEAD]) * _ROW)
        i, j = _U(first[k]) * _ROW, _U(second[k]) * _ROW
        row, base = _U(groups[k]) * _ROW, _U(blocks[k]) * _ROW
        if kind[k] & SINGLE:
            _multiply_single(counts, i, j, run, offsets, row, bases, base, products)
        else:
            _collect(counts, i, j, offsets, row, bases, base, inner)
            _member(counts, i, j, group, cubes, rough)
            if kind[k] & LAST:
                _multiply_group(run, group, inner, cubes, rough, products)
        if k % _FLUSH == _FLUSH - _U(1):
            total += products
            products[:] = 0
    total += products
    products[:] = 0
