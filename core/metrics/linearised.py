"""RSA to first order in the weights of pairs: its gradient, a jackknife, and a fast bootstrap."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import squareform

from core.metrics._sorting import stable_order
from core.metrics.bootstrap import SelfPairs
from core.metrics.checks import FloatArray, concepts, finite


@dataclass(frozen=True, eq=False)
class RankedRdm:
    """A condensed RDM with what its comparisons share.

    Attributes
    ----------
    n : int
        Number of concepts.
    ranks : ndarray, shape (m,)
        2 * midrank - (m + 1), for m = n (n - 1) / 2 pairs.
    group : ndarray of int32, shape (m,)
        Tie group of every pair, from 0 in increasing distance.
    zero : bool
        Whether the smallest distance is 0.
    """

    n: int
    ranks: FloatArray
    group: npt.NDArray[np.int32]
    zero: bool

    @property
    def variance(self) -> float:
        """Sum of squared ranks."""
        return float(self.ranks @ self.ranks)

    def lifted(self, values: FloatArray) -> FloatArray:
        """Sum of values over larger distances less that over smaller ones, per pair.

        It is what one more pair beside this one does to the ranks, times the values.
        """
        sums = np.bincount(self.group, weights=values)
        upto = np.cumsum(sums)
        return (upto[-1] - 2 * upto + sums)[self.group]

    def lifted_by_self_pair(self, values: FloatArray) -> float:
        """Return the same for a pair of a concept with itself, at distance 0."""
        return float(values[self.group > 0].sum() if self.zero else values.sum())

    @property
    def self_rank(self) -> float:
        """Rank, on the scale of `ranks`, of a pair of a concept with itself."""
        return float(self.zero * np.count_nonzero(self.group == 0) - len(self.group))


def ranked_rdm(distances: npt.ArrayLike) -> RankedRdm:
    """Rank a condensed RDM once, for several comparisons.

    Parameters
    ----------
    distances : array_like, shape (n * (n - 1) / 2,)
        Not negative, n at least 3, ties exact as `core.metrics.rdm.rdm` gives them.

    Returns
    -------
    RankedRdm

    Raises
    ------
    ValueError
        When the shape is not that of a condensed RDM, or a value is not finite or negative.
    """
    distances = finite(distances, "distances")
    n = concepts(distances, "distances")
    if distances.min() < 0:
        raise ValueError("a distance is negative")
    order, in_order = stable_order(distances)
    placed = np.cumsum(np.append(False, in_order[1:] != in_order[:-1]), dtype=np.int32)
    group = np.empty_like(placed)
    group[order] = placed
    sizes = np.bincount(placed)
    ranks = (2 * np.cumsum(sizes) - sizes - len(distances)).astype(np.float64)
    return RankedRdm(n, ranks[group], group, bool(in_order[0] == 0))


@dataclass(frozen=True, eq=False)
class LinearisedRsa:
    """Spearman's rho of two RDMs, and how it changes with the weights of pairs.

    Attributes
    ----------
    n : int
        Number of concepts.
    rho : float
    gradient : ndarray, shape (n * (n - 1) / 2,)
        Derivative of rho with respect to each pair's weight, where every pair weighs 1.
    self_gradient : float
        The same for a pair of a concept with itself, which weighs 0.
    """

    n: int
    rho: float
    gradient: FloatArray
    self_gradient: float

    @property
    def influence(self) -> FloatArray:
        """Each concept's influence, (n,): n times the derivative with respect to its weight.

        The influences sum to zero.
        """
        return self.n * squareform(self.gradient, checks=False).sum(axis=0)

    @property
    def standard_error(self) -> float:
        """Standard error of the infinitesimal jackknife: the root of influence squared, over n.

        References
        ----------
        Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap, section 22.6.
        """
        return float(np.linalg.norm(self.influence)) / self.n

    def draws(self, counts: npt.ArrayLike, self_pairs: SelfPairs = "keep") -> FloatArray:
        """Rho under counts of the concepts, to first order in the weights of pairs.

        Parameters
        ----------
        counts : array_like of int, shape (B, n)
            How often each concept was drawn, as `core.metrics.bootstrap.draw_counts` gives them.
        self_pairs : {"keep", "drop"}
            Keep the pairs of a concept with itself, or leave them out.

        Returns
        -------
        ndarray, shape (B,)
            Near what `core.metrics.bootstrap.bootstrap_rsa` finds on the same counts: by 1e-3 at
            n of a thousand; not bounded by 1.

        Raises
        ------
        ValueError
            When the shape does not fit or the option is unknown.

        Notes
        -----
        With pair weights w_i w_j and the gradient G as a symmetric matrix, rho changes by
        (w'Gw - sum G) / 2: one matrix product for all resamples. Memory: that of G and of two
        arrays like `counts`.
        """
        w = finite(counts, "counts", ndim=2)
        if w.shape[1] != self.n:
            raise ValueError(f"counts has {w.shape[1]} columns for {self.n} concepts")
        if self_pairs not in ("keep", "drop"):
            raise ValueError(f"self_pairs is {self_pairs!r}, choose 'keep' or 'drop'")
        square = squareform(self.gradient, checks=False)
        found = self.rho + (np.einsum("bi,bi->b", w @ square, w) - square.sum()) / 2
        if self_pairs == "keep":
            found += self.self_gradient * (w * (w - 1) / 2).sum(axis=1)
        return found


def linearised_rsa(
    human: npt.ArrayLike | RankedRdm, model: npt.ArrayLike | RankedRdm
) -> LinearisedRsa:
    """Spearman's rho of two RDMs with its gradient in the weights of pairs.

    A rank is a sum over pairs of the sign of a difference, twice the mid-rank less its mean; so
    the gradient of the covariance at a pair is the product of its ranks, plus what the pair adds
    to the ranks of all others.

    Parameters
    ----------
    human, model : array_like, shape (n * (n - 1) / 2,), or RankedRdm
        Condensed RDMs of the same concepts; ranked already where one meets several others.

    Returns
    -------
    LinearisedRsa

    Raises
    ------
    ValueError
        As `ranked_rdm`, when the RDMs differ in size, or when one is constant.
    """
    x, y = (one if isinstance(one, RankedRdm) else ranked_rdm(one) for one in (human, model))
    if x.n != y.n:
        raise ValueError(f"human has {x.n} concepts and model {y.n}; they must be the same")
    if not (x.variance and y.variance):
        raise ValueError("an RDM is constant, so that rho and its gradient are undefined")
    scale = math.sqrt(x.variance * y.variance)
    rho = float(x.ranks @ y.ranks) / scale
    slope = (x.ranks * y.ranks + x.lifted(y.ranks) + y.lifted(x.ranks)) / scale
    own = x.self_rank * y.self_rank
    own = (own + x.lifted_by_self_pair(y.ranks) + y.lifted_by_self_pair(x.ranks)) / scale
    for one in (x, y):
        slope -= rho / 2 * (one.ranks**2 + 2 * one.lifted(one.ranks)) / one.variance
        own -= rho / 2 * (one.self_rank**2 + 2 * one.lifted_by_self_pair(one.ranks)) / one.variance
    return LinearisedRsa(x.n, rho, slope, own)
