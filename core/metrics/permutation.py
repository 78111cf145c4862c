"""Relabellings of rows: how they are drawn, and what P@k and a p value are under them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from core.metrics._neighbour_lists import first_wrong, gathered, relabelled, relabelled_untied
from core.metrics.checks import FloatArray, finite
from core.metrics.nearest import Space, paired_lists

IntArray = npt.NDArray[np.intp]

#: A draw that falls short of the observed value by no more than rounding counts as reaching it.
SLACK = 1e-12
#: Up to so many rows a table of n * n bytes, which fits the cache, is the fastest way to look up
#: neighbours.
SMALL = 1024


def relabellings(n: int, draws: int, rng: np.random.Generator) -> IntArray:
    """Draw permutations of n rows, all equally likely.

    Parameters
    ----------
    n, draws : int
        Rows and permutations, at least 1 each.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (draws, n)
        Each row holds 0 to n - 1; the identity may be among them.

    Raises
    ------
    ValueError
        When `n` or `draws` is below 1.
    """
    if n < 1:
        raise ValueError(f"n is {n}, must be at least 1")
    return within_blocks(np.zeros(n, dtype=np.intp), draws, rng)


def within_blocks(labels: npt.ArrayLike, draws: int, rng: np.random.Generator) -> IntArray:
    """Draw permutations that move a row only to places of rows with its label.

    Parameters
    ----------
    labels : array_like, shape (n,)
        A label per row.
    draws : int
        Permutations, at least 1.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of int, shape (draws, n)
        `labels[row]` equals `labels` for every row of the result; all such permutations are
        equally likely.

    Raises
    ------
    ValueError
        When there are no labels, they have more than one axis, or `draws` is below 1.
    """
    label = np.asarray(labels)
    if label.ndim != 1 or not len(label):
        raise ValueError(f"labels has shape {label.shape}, expected one label per row")
    _at_least_one(draws)
    _, block = np.unique(label, return_inverse=True)
    out = np.empty((draws, len(label)), dtype=np.intp)
    for one in range(block.max() + 1):
        rows = np.flatnonzero(block == one)
        out[:, rows] = rng.permuted(np.tile(rows, (draws, 1)), axis=1)
    return out


def factor_relabellings(
    factors: npt.ArrayLike,
    draws: int,
    rng: np.random.Generator,
    groups: Sequence[Sequence[int] | None] | None = None,
) -> IntArray:
    """Draw permutations of a full factorial that only rename the levels of its factors.

    Per draw, every factor's levels are permuted, and the row with levels (p, c, k) goes to the row
    with their new names. Which factors two rows have in common stays as it was; so a space that
    knows no more of its rows than that is the same after every draw.

    Parameters
    ----------
    factors : array_like of int, shape (n, f)
        The level of each factor in each row; each combination of levels once.
    draws : int
        Permutations, at least 1.
    rng : numpy.random.Generator
    groups : sequence of (sequence of int, or None), optional
        Per factor: a group per level, in increasing order of the levels; a level takes only names
        from its own group. None, for a factor or for all, is one group; a factor whose levels each
        have a group of their own stays as it is.

    Returns
    -------
    ndarray of int, shape (draws, n)
        Entry (draw, row): the row that this row goes to.

    Raises
    ------
    ValueError
        When the rows are no full factorial, `groups` does not fit the levels, or `draws` is below
        1.
    """
    table = np.asarray(factors)
    if table.ndim != 2 or not table.size or not np.issubdtype(table.dtype, np.integer):
        raise ValueError("factors must be whole numbers, a row per thing and a column per factor")
    _at_least_one(draws)
    level = np.column_stack([np.unique(column, return_inverse=True)[1] for column in table.T])
    sizes = tuple(int(size) for size in level.max(axis=0) + 1)
    code = np.ravel_multi_index(tuple(level.T), sizes)
    if int(np.prod(sizes)) != len(table) or len(np.unique(code)) != len(table):
        by = " x ".join(map(str, sizes))
        raise ValueError(f"{len(table)} rows are no full factorial of {by} levels, each row once")
    kept = (None,) * len(sizes) if groups is None else groups
    if len(kept) != len(sizes):
        raise ValueError(f"groups has {len(kept)} entries for {len(sizes)} factors")
    renamed = []
    for factor, (size, group) in enumerate(zip(sizes, kept, strict=True)):
        if group is not None and len(group) != size:
            raise ValueError(f"groups[{factor}] has {len(group)} entries for {size} levels")
        names = within_blocks(np.zeros(size) if group is None else group, draws, rng)
        renamed.append(names[:, level[:, factor]])
    return np.argsort(code)[np.ravel_multi_index(tuple(renamed), sizes)]


def permutation_p(observed: float, null: npt.ArrayLike) -> float:
    """One-sided p value: how often relabelling does as well, the observed value counted in.

    Parameters
    ----------
    observed : float
        The statistic on the rows as they are; larger is further from chance, so that a distance
        goes in with its sign turned, here and in `null`.
    null : array_like, shape (B,)
        The statistic under B relabellings, at least one.

    Returns
    -------
    float
        (b + 1) / (B + 1), with b the draws that reach the observed value but for rounding (1e-12);
        never 0.

    Raises
    ------
    ValueError
        When there are no draws, or a value is NaN or infinite.

    References
    ----------
    B. Phipson and G. K. Smyth, Permutation p-values should never be zero, Statistical Applications
    in Genetics and Molecular Biology 9 (2010).
    """
    null = finite(null, "null")
    if not np.isfinite(observed):
        raise ValueError(f"observed is {observed}, must be finite")
    return float(((null >= observed - SLACK).sum() + 1) / (len(null) + 1))


def permuted_precision(x: Space, y: Space, k: int, permutations: npt.ArrayLike) -> FloatArray:
    """P@k of x with y[permutation], for many permutations; neighbours are found only once.

    Parameters
    ----------
    x, y, k
        As `core.metrics.neighbours.precision_at_k`; where many spaces are compared, lists of
        neighbours found beforehand save finding them again.
    permutations : array_like of int, shape (B, n)

    Returns
    -------
    ndarray, shape (B,)
        In [0, 1]. O(n k) steps each, more with ties; the same to the last bit whichever other
        permutations are asked for.

    Raises
    ------
    ValueError
        As `precision_at_k`, and when a row of `permutations` is no permutation of the n rows.
    """
    near_x, near_y = paired_lists(x, y, k)
    n = len(near_x)
    permutations = as_permutations(permutations, n)
    found = np.empty(len(permutations))
    if n <= SMALL and len(near_x.indices) == len(near_y.indices) == n * k:
        table = np.zeros((n, n), dtype=np.uint8)
        table[near_y.rows, near_y.indices] = 1
        near = near_x.indices.astype(np.uint16).reshape(n, k)
        relabelled_untied(near, table, permutations, found)
    else:
        a, b = near_x, near_y
        relabelled(
            a.indptr, a.indices, a.weights, b.indptr, b.indices, b.weights, permutations, found
        )
    return found / (k * n)


def permuted_sums(
    weights: FloatArray, matrix: FloatArray, i: IntArray, j: IntArray, permutations: IntArray
) -> FloatArray:
    """Sum of weights times matrix entries (i, j) after its rows and columns are permuted.

    Parameters
    ----------
    weights : ndarray, shape (m,)
    matrix : ndarray, shape (n, n)
    i, j : ndarray of int, shape (m,)
        Where in the permuted matrix each weight belongs.
    permutations : ndarray of int, shape (B, n)
        As `as_permutations` returns them.

    Returns
    -------
    ndarray, shape (B,)
        Each summed in the order of the weights: the same to the last bit whichever other
        permutations are asked for.

    Raises
    ------
    ValueError
        When `i`, `j` and `weights` do not pair up, an index is out of range, `matrix` is not square
        or not finite, or as `as_permutations`.
    """
    matrix = finite(matrix, "matrix", ndim=2)
    n = len(matrix)
    if matrix.shape != (n, n):
        raise ValueError(f"matrix has shape {matrix.shape}, expected a square")
    i, j = np.ascontiguousarray(i, dtype=np.intp), np.ascontiguousarray(j, dtype=np.intp)
    for name, at in (("i", i), ("j", j)):
        if at.shape != np.shape(weights) or ((at < 0) | (at >= n)).any():
            raise ValueError(f"{name} must hold a row of the {n}, 0 to {n - 1}, per weight")
    permutations = as_permutations(permutations, n)
    found = np.empty(len(permutations))
    weights = np.ascontiguousarray(weights, dtype=np.float64)
    gathered(weights, np.ascontiguousarray(matrix), i, j, permutations, found)
    return found


def as_permutations(permutations: npt.ArrayLike, n: int) -> IntArray:
    """Return `permutations` as an array of indices, or say why they are none.

    Parameters
    ----------
    permutations : array_like of int, shape (B, n)
        At least one row; each holds 0 to n - 1.
    n : int

    Returns
    -------
    ndarray of int, shape (B, n)

    Raises
    ------
    ValueError
        On another shape, no rows, numbers that are not whole, or a row that is no permutation.
    """
    array = np.asarray(permutations)
    if array.ndim != 2 or array.shape[1] != n or not len(array):
        raise ValueError(f"permutations has shape {array.shape}, expected (draws, {n})")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"permutations holds {array.dtype}, expected whole numbers")
    array = np.ascontiguousarray(array, dtype=np.intp)
    wrong = first_wrong(array)
    if wrong >= 0:
        raise ValueError(f"row {wrong} of permutations is no permutation of 0 to {n - 1}")
    return array


def _at_least_one(draws: int) -> None:
    if draws < 1:
        raise ValueError(f"draws is {draws}, must be at least 1")
