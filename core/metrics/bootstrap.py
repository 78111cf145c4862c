"""Percentile bootstrap over concepts, for any statistic and, exactly but fast, for RSA."""

import math
import os
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.metrics._weighted_ranks import centred_ranks, covariance
from core.metrics.checks import FloatArray, finite, fraction

SelfPairs = Literal["keep", "drop"]

LARGEST_N = 2460
"""N^3 / 3, with N the number of pairs, bounds every sum and must stay below 2^63."""


@dataclass(frozen=True)
class RsaBootstrap:
    """Bootstrapped RSA of several models against the same human RDM, on the same resamples.

    Attributes
    ----------
    n : int
        Number of concepts.
    n_resamples : int
        Number of resamples B.
    self_pairs : {"keep", "drop"}
        What was done with a concept drawn twice.
    rho : dict of str to float
        Each model's RSA on all concepts once; NaN where an RDM is constant.
    draws : dict of str to ndarray, shape (B,)
        Each model's RSA per resample; NaN where a resample left an RDM constant.
    """

    n: int
    n_resamples: int
    self_pairs: SelfPairs
    rho: dict[str, float]
    draws: dict[str, FloatArray]

    def interval(self, model: str, confidence: float = 0.95) -> tuple[float, float]:
        """Percentile interval of a model's RSA; it need not contain `rho`."""
        return percentile_interval(self.draws[model], confidence)

    def difference(self, a: str, b: str) -> FloatArray:
        """Draws of the RSA of model `a` less that of model `b`, shape (B,)."""
        return self.draws[a] - self.draws[b]


def percentile_interval(draws: npt.ArrayLike, confidence: float = 0.95) -> tuple[float, float]:
    """Interval between the outer percentiles, linear between order statistics.

    Parameters
    ----------
    draws : array_like, shape (B,)
        Bootstrap draws of one statistic, finite.
    confidence : float
        Strictly between 0 and 1.

    Returns
    -------
    tuple of float
        Lower and upper limit, in the units of the draws.

    Raises
    ------
    ValueError
        When there are no draws, one is NaN or infinite, or `confidence` is out of range.

    References
    ----------
    Efron, B., & Tibshirani, R. J. (1993). An Introduction to the Bootstrap, section 13.3.
    """
    fraction(confidence, "confidence")
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite(draws, "draws"), [tail, 1 - tail])
    return float(low), float(high)


def resample(
    statistic: Callable[[npt.NDArray[np.intp]], float | npt.ArrayLike],
    n: int,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw n of n cases with replacement and compute a statistic, B times.

    Parameters
    ----------
    statistic : callable
        Takes the indices drawn, shape (n,), and returns a number or k numbers. Indexing several
        arrays by the same indices resamples them together.
    n : int
        Number of cases, at least 1.
    n_resamples : int
        Number of resamples B, at least 1.
    rng : numpy.random.Generator
        Advanced by B * n integers; `bootstrap_rsa` draws the same indices from the same state.

    Returns
    -------
    ndarray, shape (B,) or (B, k)
        One row per resample.

    Raises
    ------
    ValueError
        When `n` or `n_resamples` is below 1.
    """
    _check_counts(n, n_resamples)
    return np.array([statistic(_draw(n, rng)) for _ in range(n_resamples)], dtype=np.float64)


def bootstrap_rsa(
    human: npt.ArrayLike,
    models: Mapping[str, npt.ArrayLike],
    *,
    n_resamples: int,
    rng: np.random.Generator,
    self_pairs: SelfPairs = "keep",
) -> RsaBootstrap:
    """Resample concepts and compute every model's RSA on the resampled RDMs.

    The distances are fixed: z-scores, if any, were taken once, over all concepts. The result is
    that of re-indexing both square RDMs, but each RDM is sorted only once: a resample is a weight
    per pair of concepts, mid-ranks are running sums of weights, and all sums are exact integers.

    A concept drawn k times makes k (k - 1) / 2 pairs with itself at distance 0, (n - 1) / 2 pairs
    per resample on average. They are alike in every RDM and so pull rho upwards.

    Parameters
    ----------
    human : array_like, shape (n * (n - 1) / 2,)
        Condensed human RDM with exact ties, as `core.metrics.rdm.rdm` gives it.
    models : mapping of str to array_like, shape (n * (n - 1) / 2,)
        Condensed RDMs of the models, pairs in the same order.
    n_resamples : int
        Number of resamples B, at least 1.
    rng : numpy.random.Generator
        Advanced by B * n integers whatever the models: all see the same resamples.
    self_pairs : {"keep", "drop"}
        Keep the pairs of a concept with itself, or leave them out.

    Returns
    -------
    RsaBootstrap
        A draw is NaN, with a RuntimeWarning, where its resample leaves an RDM constant.

    Raises
    ------
    ValueError
        When an RDM is not a condensed one of the same n >= 3 concepts, n exceeds 2,460 (beyond
        which 64-bit integers overflow), a value is not finite or negative, or an option is unknown.
    """
    if self_pairs not in ("keep", "drop"):
        raise ValueError(f"self_pairs is {self_pairs!r}, choose 'keep' or 'drop'")
    human = finite(human, "human")
    n = _concepts(human)
    _check_counts(n, n_resamples)
    rdms = {name: finite(model, f"models[{name!r}]") for name, model in models.items()}
    for name, distances in {"human": human, **rdms}.items():
        if distances.shape != human.shape:
            raise ValueError(
                f"{name} has {len(distances)} distances, human {len(human)}; "
                "take both RDMs over the same concepts"
            )
        if distances.min() < 0:
            raise ValueError(f"{name} has a negative distance")
    compare = _Comparison(human, rdms, n, self_pairs == "keep")
    rho = compare(np.ones(n, dtype=np.intp))
    counts = [np.bincount(_draw(n, rng), minlength=n) for _ in range(n_resamples)]
    # The compiled walks release the interpreter's lock, so that threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(compare, counts))
    draws = {name: np.array([row[name] for row in rows]) for name in rdms}
    undefined = sum(int(np.isnan(d).sum()) for d in draws.values())
    if undefined:
        warnings.warn(
            f"{undefined} draws are NaN: the resample left a constant RDM",
            RuntimeWarning,
            stacklevel=2,
        )
    return RsaBootstrap(n, n_resamples, self_pairs, rho, draws)


class _Order:
    """One RDM's pairs in increasing distance, with the ends of its tie groups."""

    def __init__(self, distances: FloatArray, first: npt.NDArray, second: npt.NDArray):
        self.order = np.argsort(distances, kind="stable")
        in_order = distances[self.order]
        self.first = first[self.order]
        self.second = second[self.order]
        self.last = np.r_[in_order[1:] != in_order[:-1], True].astype(np.uint8)

    def groups(self) -> npt.NDArray[np.int32]:
        """Tie group of every pair, in the pairs' own order, from 0."""
        out = np.empty(len(self.order), dtype=np.int32)
        out[self.order] = np.cumsum(self.last, dtype=np.int32) - self.last
        return out


class _Comparison:
    """RDMs sorted once, compared with the human one under any counts of the concepts."""

    def __init__(self, human: FloatArray, rdms: Mapping[str, FloatArray], n: int, keep: bool):
        self.keep = keep
        first, second = _pairs(n, keep)
        diagonal = np.zeros(n if keep else 0)
        self.human = _Order(np.r_[human, diagonal], first, second)
        groups = self.human.groups()
        self.models = {}
        for name, distances in rdms.items():
            model = _Order(np.r_[distances, diagonal], first, second)
            self.models[name] = model, groups[model.order]
        self.groups = int(groups.max()) + 1

    def __call__(self, counts: npt.NDArray[np.intp]) -> dict[str, float]:
        """Each model's rho with concept i present `counts[i]` times; NaN where undefined."""
        weights, total = _weights(counts, self.keep)
        human, centred = self.human, np.empty(self.groups, dtype=np.int32)
        variance = centred_ranks(weights, human.first, human.second, human.last, total, centred)
        rho = {}
        for name, (model, groups) in self.models.items():
            shared, other = covariance(
                weights, model.first, model.second, model.last, groups, total, centred
            )
            # Python's integers: the product of the two would not fit into 64 bits.
            scale = math.sqrt(int(variance) * int(other))
            rho[name] = max(-1.0, min(1.0, shared / scale)) if scale else math.nan
        return rho


def _pairs(n: int, keep: bool) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """Rows of the weight table whose product is a pair's weight; self-pairs come last."""
    first, second = np.triu_indices(n, 1)
    if keep:
        first = np.r_[first, n + np.arange(n)]
        second = np.r_[second, np.full(n, 2 * n)]
    return first.astype(np.uint16), second.astype(np.uint16)


def _weights(counts: npt.NDArray[np.intp], keep: bool) -> tuple[npt.NDArray[np.int32], int]:
    """Table of counts w, then w (w - 1) / 2, then 1; and the number of pairs in the resample."""
    repeats = counts * (counts - 1) // 2
    table = np.r_[counts, repeats, 1].astype(np.int32)
    n = len(counts)
    return table, n * (n - 1) // 2 - (0 if keep else int(repeats.sum()))


def _draw(n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rng.integers(n, size=n)


def _concepts(distances: FloatArray) -> int:
    n = (1 + math.isqrt(1 + 8 * len(distances))) // 2
    if n < 3 or n * (n - 1) // 2 != len(distances):
        raise ValueError(
            f"human has {len(distances)} distances, not n (n - 1) / 2 of at least 3 concepts"
        )
    if n > LARGEST_N:
        raise ValueError(
            f"{n} concepts: exact 64-bit sums overflow beyond {LARGEST_N}; "
            "draw a subset of concepts, or use `resample` on the square RDMs"
        )
    return n


def _check_counts(n: int, n_resamples: int) -> None:
    if n < 1 or n_resamples < 1:
        raise ValueError(f"n is {n} and n_resamples {n_resamples}; both must be at least 1")
