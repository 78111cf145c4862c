"""Percentile bootstrap over concepts, for any statistic and, exactly but fast, for RSA."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from core.metrics._comparison import Comparison, SelfPairs
from core.metrics.checks import FloatArray, concepts, finite, fraction

Run = Callable[..., Sequence[Any]]

#: Concepts are numbered, and pairs counted, in 16 and 32 bits.
LARGEST_N = 65_535
#: Resamples that a thread, or a worker elsewhere, computes at a time: bounds overhead, not results.
BATCH = 128


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
        Advanced by B * n integers; `draw_counts` draws the same indices from the same state.

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
    run: Run | None = None,
) -> RsaBootstrap:
    """Resample concepts and compute every model's RSA on the resampled RDMs.

    The distances are fixed: z-scores, if any, were taken once, over all concepts. The result is
    that of re-indexing both square RDMs, but each RDM is sorted only once: a resample is a weight
    per pair of concepts, mid-ranks are running sums of weights, and all sums are exact integers
    up to n = 2,299; above, covariances are doubles summed in blocks (1e-12). 32 resamples are
    computed at a time.

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
        Advanced by B * n integers whatever the models, as by `draw_counts`.
    self_pairs : {"keep", "drop"}
        Keep the pairs of a concept with itself, or leave them out.
    run : callable, optional
        `run(function, batches, shared=objects)` returns `function(*objects, batch)` for every
        batch, in their order, computed wherever it likes; by default in threads, one per core. The
        result does not depend on it.

    Returns
    -------
    RsaBootstrap
        A draw is NaN, with a RuntimeWarning, where its resample leaves an RDM constant.

    Raises
    ------
    ValueError
        When an RDM is not a condensed one of the same n >= 3 concepts, n exceeds 65,535,
        a value is not finite or negative, or an option is unknown.

    Notes
    -----
    Memory: 5 bytes per pair for the human RDM and 13 for each model, and 35 while one is sorted;
    then for each thread 64 bytes per distinct human distance. At n = 1,570 these are 6, 16, 43 and
    up to 79 MB. A resample that draws a concept so often that its sums do not fit is computed
    alone, with 60 bytes per pair.
    """
    if self_pairs not in ("keep", "drop"):
        raise ValueError(f"self_pairs is {self_pairs!r}, choose 'keep' or 'drop'")
    return _bootstrap(human, models, (self_pairs,), n_resamples, rng, run)[self_pairs]


def bootstrap_rsa_by_rule(
    human: npt.ArrayLike,
    models: Mapping[str, npt.ArrayLike],
    *,
    n_resamples: int,
    rng: np.random.Generator,
    run: Run | None = None,
) -> dict[SelfPairs, RsaBootstrap]:
    """Bootstrap RSA by both rules for self-pairs, on the same resamples.

    Parameters
    ----------
    human, models, n_resamples, rng, run
        As for `bootstrap_rsa`.

    Returns
    -------
    dict of {"keep", "drop"} to RsaBootstrap
        What `bootstrap_rsa` gives by each rule, to the bit, in the time of one: where no human
        distance is 0, the sums with self-pairs follow from those without.

    Raises
    ------
    ValueError
        As `bootstrap_rsa`.
    """
    return _bootstrap(human, models, ("keep", "drop"), n_resamples, rng, run)


def _bootstrap(
    human: npt.ArrayLike,
    models: Mapping[str, npt.ArrayLike],
    rules: tuple[SelfPairs, ...],
    n_resamples: int,
    rng: np.random.Generator,
    run: Run | None,
) -> dict[SelfPairs, RsaBootstrap]:
    human = finite(human, "human")
    n = concepts(human, "human")
    if n > LARGEST_N:
        raise ValueError(f"{n} concepts: at most {LARGEST_N} fit; draw a subset of them")
    rdms = {name: finite(model, f"models[{name!r}]") for name, model in models.items()}
    named = [("human", human), *((f"models[{name!r}]", rdm) for name, rdm in rdms.items())]
    for name, distances in named:
        if distances.shape != human.shape:
            raise ValueError(
                f"{name} has {len(distances)} distances, human {len(human)}; "
                "take both RDMs over the same concepts"
            )
        if distances.min() < 0:
            raise ValueError(f"{name} has a negative distance")
    compare = Comparison(human, rdms, n)
    # Every concept once goes first: the RSA itself.
    counts = np.ones((1 + n_resamples, n), dtype=np.uint16)
    counts[1:] = draw_counts(n, n_resamples, rng)
    batches = [counts[start : start + BATCH] for start in range(0, len(counts), BATCH)]
    parts = (run or _in_threads)(Comparison.rhos, batches, shared=(compare, rules))
    found = {}
    for rule, rows in zip(rules, np.concatenate(parts, axis=2), strict=True):
        rho = {name: float(row[0]) for name, row in zip(rdms, rows, strict=True)}
        draws = {name: row[1:] for name, row in zip(rdms, rows, strict=True)}
        found[rule] = RsaBootstrap(n, n_resamples, rule, rho, draws)
        if undefined := int(np.isnan(rows[:, 1:]).sum()):
            warnings.warn(
                f"{undefined} draws are NaN: the resample left a constant RDM",
                RuntimeWarning,
                stacklevel=3,
            )
    return found


def _in_threads(
    function: Callable[..., Any], batches: Sequence[Any], *, shared: tuple[Any, ...]
) -> list[Any]:
    # Compiled code releases the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(partial(function, *shared), batches))


def draw_counts(n: int, n_resamples: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Draw n of n concepts with replacement, B times, and count how often each came.

    Parameters
    ----------
    n, n_resamples : int
        Concepts, and resamples B, at least 1 each.
    rng : numpy.random.Generator
        Advanced by B * n integers; `resample` draws the same indices from the same state.

    Returns
    -------
    ndarray of int, shape (B, n)
        Rows sum to n.

    Raises
    ------
    ValueError
        When `n` or `n_resamples` is below 1.
    """
    _check_counts(n, n_resamples)
    return np.array([np.bincount(_draw(n, rng), minlength=n) for _ in range(n_resamples)])


def _draw(n: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return rng.integers(n, size=n)


def _check_counts(n: int, n_resamples: int) -> None:
    if n < 1 or n_resamples < 1:
        raise ValueError(f"n is {n} and n_resamples {n_resamples}; both must be at least 1")
