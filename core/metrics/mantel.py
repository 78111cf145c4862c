"""Mantel tests: whether two matrices of similarities go together, given others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import squareform

from core.metrics.checks import FloatArray, finite
from core.metrics.correlation import ranks
from core.metrics.permutation import as_permutations, permutation_p, permuted_sums

#: A residual shorter than this fraction of what it is left of is rounding.
NOTHING = 1e-9


@dataclass(frozen=True, eq=False)
class PartialMantel:
    """A partial correlation of two matrices, and what relabelling makes of it.

    Attributes
    ----------
    r : float
        In [-1, 1].
    p : float
        Of a correlation as large or larger, (b + 1) / (B + 1).
    null : ndarray, shape (B,)
        The correlation under each relabelling.
    """

    r: float
    p: float
    null: FloatArray


def mantel(
    a: npt.ArrayLike, b: npt.ArrayLike, permutations: npt.ArrayLike, *, spearman: bool = True
) -> PartialMantel:
    """Correlation of two matrices over all pairs, see `partial_mantel` with nothing given.

    Parameters
    ----------
    a, b, permutations, spearman
        As `partial_mantel`.

    Returns
    -------
    PartialMantel

    Raises
    ------
    ValueError
        As `partial_mantel`.

    References
    ----------
    N. Mantel, The detection of disease clustering and a generalized regression approach, Cancer
    Research 27 (1967).
    """
    return partial_mantel(a, b, (), permutations, spearman=spearman)


def partial_mantel(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    given: Sequence[npt.ArrayLike],
    permutations: npt.ArrayLike,
    *,
    spearman: bool = True,
) -> PartialMantel:
    """Correlation of two matrices over all pairs, with what others explain taken out of both.

    Both are regressed on the given ones and a constant, and their residuals are correlated. Then
    the things are relabelled in the residuals of b, rows and columns together. That takes the
    residuals to be exchangeable between things; where the given matrices go along with outlying
    things, p is too small.

    Parameters
    ----------
    a, b : array_like, shape (n, n) or (n * (n - 1) / 2,)
        Symmetric matrices of similarities or distances over the same n >= 3 things, or their upper
        triangles as SciPy's `squareform` has them. A diagonal is not looked at.
    given : sequence of array_like, shapes as a
        What to take out; may be empty, and its members may depend on each other.
    permutations : array_like of int, shape (B, n)
        Relabellings of the things, see `core.metrics.permutation`.
    spearman : bool
        Replace every matrix by its ranks first, ties sharing the mean rank.

    Returns
    -------
    PartialMantel

    Raises
    ------
    ValueError
        When the matrices are not of one size, not symmetric, or not finite; when a or b is
        constant, or a linear function of the given ones; when a row of `permutations` is no
        permutation.

    References
    ----------
    P. E. Smouse, J. C. Long and R. R. Sokal, Multiple regression and correlation extensions of the
    Mantel test of matrix correspondence, Systematic Zoology 35 (1986).
    P. Legendre, Comparison of permutation methods for the partial correlation and partial Mantel
    tests, Journal of Statistical Computation and Simulation 67 (2000): residuals and outliers.
    """
    first, second = _condensed(a, "a"), _condensed(b, "b")
    others = [_condensed(each, f"given[{at}]") for at, each in enumerate(given)]
    for at, each in enumerate((second, *others)):
        if each.shape != first.shape:
            name = "b" if at == 0 else f"given[{at - 1}]"
            raise ValueError(f"a has {len(first)} pairs and {name} {len(each)}; they must match")
    if spearman:
        first, second, *others = map(ranks, (first, second, *others))
    left, right = _residual(first, others, "a"), _residual(second, others, "b")
    square = squareform(right)
    i, j = np.triu_indices(len(square), 1)
    permutations = as_permutations(permutations, len(square))
    r = float(left @ right)
    null = permuted_sums(left, square, i, j, permutations)
    return PartialMantel(min(1.0, max(-1.0, r)), permutation_p(r, null), np.clip(null, -1.0, 1.0))


def _condensed(matrix: npt.ArrayLike, name: str) -> FloatArray:
    if np.ndim(matrix) != 2:
        pairs = finite(matrix, name, at_least=3)
        n = (1 + math.isqrt(1 + 8 * len(pairs))) // 2
        if n * (n - 1) // 2 != len(pairs):
            raise ValueError(f"{name} has {len(pairs)} pairs, not n (n - 1) / 2 of n things")
        return pairs
    # What stands on the diagonal is nobody's business, be it NaN.
    square = np.array(matrix, dtype=np.float64)
    if square.shape[0] != square.shape[1]:
        raise ValueError(f"{name} has shape {square.shape}, expected a square or its triangle")
    np.fill_diagonal(square, 0.0)
    square = finite(square, name, ndim=2, at_least=3)
    if not np.array_equal(square, square.T):
        raise ValueError(f"{name} is not symmetric")
    return square[np.triu_indices(len(square), 1)]


def _residual(pairs: FloatArray, others: Sequence[FloatArray], name: str) -> FloatArray:
    """Take out the others and a constant, and bring what is left to unit length."""
    centred = _centred(pairs)
    length = np.linalg.norm(centred)
    if length <= NOTHING * np.linalg.norm(pairs):
        raise ValueError(f"{name} is constant: nothing correlates with it")
    left = centred / length
    if others:
        design = np.column_stack([_unit(_centred(each)) for each in others])
        left = left - design @ np.linalg.lstsq(design, left, rcond=NOTHING)[0]
    rest = np.linalg.norm(left)
    if rest <= NOTHING:
        raise ValueError(f"{name} is a linear function of what is given: nothing of it is left")
    return left / rest


def _centred(x: FloatArray) -> FloatArray:
    return x - x.mean()


def _unit(x: FloatArray) -> FloatArray:
    length = np.linalg.norm(x)
    return x / length if length else x
