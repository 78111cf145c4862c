"""All relabellings at once: exact mean and variance of P@k, beside a permutation test of it."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.special import ndtr

from core.metrics.checks import FloatArray, finite
from core.metrics.nearest import NeighbourList, Space, paired_lists
from core.metrics.neighbours import precision_at_k
from core.metrics.permutation import permutation_p, permuted_precision

#: What is left of numbers that cancel, as a share of them, and is only rounding.
NOTHING = 1e-12

# SciPy's sparse classes tell a type checker little.
Sparse = Any


@dataclass(frozen=True)
class Moments:
    """Mean and variance of a statistic over all relabellings, each as likely as any other.

    Attributes
    ----------
    mean, variance : float
        Exact but for rounding; the variance is 0 where all relabellings give the same.
    """

    mean: float
    variance: float

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return sqrt(self.variance)

    def z(self, observed: float) -> float:
        """Return how many standard deviations a value lies above the mean, NaN if there are none.

        Parameters
        ----------
        observed : float
        """
        return (observed - self.mean) / self.sd if self.variance else float("nan")


@dataclass(frozen=True, eq=False)
class PrecisionTest:
    """P@k of two spaces against all relabellings of one of them.

    Attributes
    ----------
    precision : float
        P@k of the rows as they are.
    p : float
        Of as large a P@k or larger under the relabellings drawn, (b + 1) / (B + 1).
    exact : Moments
        Of P@k over all n! relabellings; the mean is k / (n - 1).
    null : ndarray, shape (B,)
        P@k under each relabelling drawn.
    """

    precision: float
    p: float
    exact: Moments
    null: FloatArray

    @property
    def z(self) -> float:
        """Exact standard deviations of P@k above its exact mean; NaN where it cannot vary."""
        return self.exact.z(self.precision)

    @property
    def normal_p(self) -> float:
        """Upper tail of a normal distribution at z: an approximation only.

        P@k takes few values and its null is skewed where n or k is small, so that far out in the
        tail this can be wrong by orders of magnitude. What to report is `p`; this tells apart
        results that lie beyond all draws.
        """
        return float(ndtr(-self.z))


def precision_test(x: Space, y: Space, k: int, permutations: npt.ArrayLike) -> PrecisionTest:
    """Test whether two spaces share more of k neighbours than relabelled ones do.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e), or NeighbourList
        As `core.metrics.neighbours.precision_at_k`.
    k : int
        Neighbours per thing, 1 to n - 1; ties as in `neighbour_weights`.
    permutations : array_like of int, shape (B, n)
        Relabellings of the things. Where they are not drawn from all n!, `exact` and z are not
        those of the null that p is about.

    Returns
    -------
    PrecisionTest

    Raises
    ------
    ValueError
        As `core.metrics.permutation.permuted_precision`.
    """
    near_x, near_y = paired_lists(x, y, k)
    precision = precision_at_k(near_x, near_y, k)
    null = permuted_precision(near_x, near_y, k, permutations)
    p = permutation_p(precision, null)
    return PrecisionTest(precision, p, precision_moments(near_x, near_y, k), null)


def precision_moments(x: Space, y: Space, k: int) -> Moments:
    """Exact mean and variance of P@k over all n! relabellings of one of the spaces.

    Parameters
    ----------
    x, y, k
        As `precision_test`.

    Returns
    -------
    Moments
        The mean is k / (n - 1). O(n k) steps and memory, more with ties.

    Raises
    ------
    ValueError
        As `core.metrics.neighbours.precision_at_k`.
    """
    near_x, near_y = paired_lists(x, y, k)
    n = len(near_x)
    shared = relabelling_moments(_matrix(near_x), _matrix(near_y))
    return Moments(k / (n - 1), shared.variance / (k * n) ** 2)


def relabelling_moments(a: npt.ArrayLike | Sparse, b: npt.ArrayLike | Sparse) -> Moments:
    """Exact mean and variance of sum_ij a[i, j] * b[p(i), p(j)] over all permutations p.

    Parameters
    ----------
    a, b : array_like or SciPy sparse, shape (n, n)
        At least two rows; the diagonals are zero. They need not be symmetric.

    Returns
    -------
    Moments
        O(entries that are not zero) steps and memory.

    Raises
    ------
    ValueError
        When a matrix is not square, not finite, or its diagonal is not zero; when the two differ in
        size.

    Notes
    -----
    The square of the sum is over two places of each matrix. A permutation takes two places to any
    two that overlap in the same way with equal probability; so the expectation is, over the six
    ways in which two places off the diagonal can overlap (the same, mirrored, one row, one column,
    end to end and the other way round, nothing), the sum of products in a times that in b, by the
    number of such pairs of places. Off their diagonals both matrices are centred beforehand, which
    takes the mean out and keeps digits.

    References
    ----------
    N. Mantel, The detection of disease clustering and a generalized regression approach, Cancer
    Research 27 (1967), for matrices that are not symmetric.
    L. J. Hubert and J. V. Schultz, Quadratic assignment as a general data analysis strategy,
    British Journal of Mathematical and Statistical Psychology 29 (1976).
    """
    first, second = _off_diagonal(a, "a"), _off_diagonal(b, "b")
    n = first.shape[0]
    if second.shape[0] != n:
        raise ValueError(f"a has {n} rows and b {second.shape[0]}; they must pair up")
    mean = float(first.sum()) * float(second.sum()) / (n * (n - 1))
    left, right = _overlaps(first), _overlaps(second)
    if left is None or right is None:
        return Moments(mean, 0.0)
    pairs = n * (n - 1)
    triples = pairs * (n - 2)
    number = np.array([pairs, pairs, triples, triples, 2 * triples, triples * (n - 3)], dtype=float)
    # With two or three things there are no three or four different ones, nor sums over them.
    terms = np.divide(left * right, number, out=np.zeros(6), where=number > 0)
    variance = fsum(terms)
    return Moments(mean, variance if variance > NOTHING * np.abs(terms).sum() else 0.0)


def _matrix(near: NeighbourList) -> Sparse:
    n = len(near)
    return sparse.csr_array((near.weights, near.indices, near.indptr), shape=(n, n))


def _off_diagonal(matrix: npt.ArrayLike | Sparse, name: str) -> Sparse:
    given: Any = matrix if sparse.issparse(matrix) else finite(matrix, name, ndim=2, at_least=2)
    found: Sparse = sparse.csr_array(given, dtype=np.float64, copy=True)
    found.sum_duplicates()
    found.eliminate_zeros()
    if found.shape[0] != found.shape[1] or found.shape[0] < 2:
        raise ValueError(f"{name} has shape {found.shape}, expected a square of two rows or more")
    finite(found.data, name, at_least=0)
    if found.diagonal().any():
        raise ValueError(f"{name} has a diagonal that is not zero")
    return found


def _overlaps(matrix: Sparse) -> FloatArray | None:
    """Sum products of two entries, less the mean entry, by overlap of their places; None if flat.

    In order: the same place, mirrored places, one row, one column, the row of one being the column
    of the other (either way), nothing in common.
    """
    n = matrix.shape[0]
    pairs = n * (n - 1)
    mean = float(matrix.sum()) / pairs
    stored = matrix.data - mean
    same = float(stored @ stored) + (pairs - len(stored)) * mean**2
    if same <= pairs * (NOTHING * mean) ** 2:
        return None
    unlike = (matrix - matrix.T).data
    mirrored = same - float(unlike @ unlike) / 2
    rows = matrix.sum(axis=1) - mean * (n - 1)
    columns = matrix.sum(axis=0) - mean * (n - 1)
    by_row, by_column, across = rows @ rows, columns @ columns, rows @ columns
    nothing = same + mirrored - by_row - by_column - 2 * across
    ends = 2 * (across - mirrored)
    return np.array([same, mirrored, by_row - same, by_column - same, ends, nothing])
