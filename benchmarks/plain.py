"""The plain ways: what one writes with SciPy and NumPy from the definition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
from scipy.spatial.distance import cdist, pdist

from core.metrics.checks import FloatArray

IntArray = npt.NDArray[np.intp]
Models = Mapping[str, FloatArray]
# SciPy's types do not know its own results.
stats: Any = scipy.stats

#: Places looked up, and cosines sorted, at a time: about as many as is fastest.
PLACES, COSINES = 2**18, 5_000_000


def rsa(human: FloatArray, models: Models) -> dict[str, float]:
    """RSA of every model from the ratings."""
    theirs = pdist(human, "cosine")
    return {
        name: float(stats.spearmanr(theirs, pdist(model, "cosine")).statistic)
        for name, model in models.items()
    }


def rsa_ranked_once(human: FloatArray, models: Models) -> dict[str, float]:
    """RSA of every model from the ratings, the human RDM ranked once for all of them."""

    def unit_ranks(ratings: FloatArray) -> FloatArray:
        ranks = stats.rankdata(pdist(ratings, "cosine"))
        ranks -= ranks.mean()
        ranks /= np.linalg.norm(ranks)
        return ranks

    theirs = unit_ranks(human)
    return {name: float(theirs @ unit_ranks(model)) for name, model in models.items()}


def bootstrap(
    human: FloatArray,
    models: Models,
    draws: Sequence[IntArray],
    rsa: Callable[[FloatArray, Models], dict[str, float]] = rsa,
) -> dict[str, FloatArray]:
    """RSA of every model on each draw; a concept drawn twice makes pairs with itself as others."""
    each = [
        rsa(human[rows], {name: model[rows] for name, model in models.items()}) for rows in draws
    ]
    return {name: np.array([one[name] for one in each]) for name in models}


def bootstrap_by_rule(
    human: FloatArray, models: Models, draws: Sequence[IntArray]
) -> dict[str, dict[str, FloatArray]]:
    """RSA of every model on each draw, with the pairs of a concept with itself and without."""
    i, j = np.triu_indices(len(human), 1)
    out = {rule: {name: np.empty(len(draws)) for name in models} for rule in ("keep", "drop")}
    for b, rows in enumerate(draws):
        theirs, others = pdist(human[rows], "cosine"), rows[i] != rows[j]
        for name, model in models.items():
            ours = pdist(model[rows], "cosine")
            out["keep"][name][b] = stats.spearmanr(theirs, ours).statistic
            out["drop"][name][b] = stats.spearmanr(theirs[others], ours[others]).statistic
    return out


def nearest(space: FloatArray, k: int) -> IntArray:
    """Each row's k nearest neighbours by SciPy's distances, sorted; breaks ties as they come."""
    distances = cdist(space, space, "cosine")
    np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1)[:, :k]


def nearest_by_blocks(space: FloatArray, k: int) -> IntArray:
    """Each row's k nearest neighbours, in no order, by products of some rows with all."""
    unit = space / np.linalg.norm(space, axis=1, keepdims=True)
    n = len(unit)
    found = np.empty((n, k), dtype=np.intp)
    step = max(1, COSINES // n)
    for start in range(0, n, step):
        cosines = unit[start : start + step] @ unit.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        found[start : start + step] = np.argpartition(cosines, n - k, axis=1)[:, n - k :]
    return found


def precision(near_x: IntArray, y: FloatArray, permutations: IntArray) -> FloatArray:
    """P@k from one space's neighbours and the other's vectors, anew for every relabelling."""
    n, k = near_x.shape
    of_x = [set(row) for row in near_x]

    def shared(relabelled: IntArray) -> int:
        both = zip(of_x, nearest(y[relabelled], k), strict=True)
        return sum(len(a & set(b)) for a, b in both)

    return np.array([shared(relabelled) for relabelled in permutations]) / (k * n)


def is_near(near: IntArray) -> npt.NDArray[np.uint8]:
    """Return (n, n) ones where the column is among the row's neighbours, else zeros."""
    table = np.zeros((len(near), len(near)), dtype=np.uint8)
    np.put_along_axis(table, near, 1, axis=1)
    return table


def taken_precision(
    near_x: IntArray, near_y: npt.NDArray[np.uint8], permutations: IntArray
) -> FloatArray:
    """P@k from one space's neighbours, looked up in the other's `is_near` once relabelled.

    Of several ways to write it with NumPy the fastest: some relabellings at a time side by side,
    so that what is copied, added and summed lies together.
    """
    n, k = near_x.shape
    table, second = near_y.ravel(), near_x.ravel()
    step = max(1, PLACES // near_x.size)
    parts = []
    for start in range(0, len(permutations), step):
        part = np.ascontiguousarray(permutations[start : start + step].T)
        at = part.take(second, axis=0).reshape(n, k, -1)
        at += (part * n)[:, None]
        parts.append(table.take(at.reshape(n * k, -1)).sum(axis=0, dtype=np.uint32))
    return np.concatenate(parts) / (k * n)
