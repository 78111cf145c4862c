"""The plain ways: what one writes with SciPy and NumPy from the definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.stats
from scipy.spatial.distance import cdist, pdist

from core.metrics.checks import FloatArray

IntArray = npt.NDArray[np.intp]
# SciPy's types do not know its own results.
stats: Any = scipy.stats


def rsa(human: FloatArray, models: Mapping[str, FloatArray]) -> dict[str, float]:
    """RSA of every model from the ratings."""
    return {
        name: float(stats.spearmanr(pdist(human, "cosine"), pdist(model, "cosine")).statistic)
        for name, model in models.items()
    }


def bootstrap(
    human: FloatArray, models: Mapping[str, FloatArray], draws: Sequence[IntArray], keep: bool
) -> dict[str, FloatArray]:
    """RSA of every model on each draw of concepts.

    With `keep`, a concept drawn twice makes pairs with itself as any others; else those are out.
    """
    out = {name: np.empty(len(draws)) for name in models}
    for b, rows in enumerate(draws):
        i, j = np.triu_indices(len(rows), 1)
        other = slice(None) if keep else rows[i] != rows[j]
        theirs = pdist(human[rows], "cosine")[other]
        for name, model in models.items():
            ours = pdist(model[rows], "cosine")[other]
            out[name][b] = stats.spearmanr(theirs, ours).statistic
    return out


def precision(x: FloatArray, y: FloatArray, k: int, permutations: IntArray) -> FloatArray:
    """P@k from the vectors, anew for every relabelling; breaks ties as they come."""

    def nearest(space: FloatArray) -> IntArray:
        distances = cdist(space, space, "cosine")
        np.fill_diagonal(distances, np.inf)
        return np.argsort(distances, axis=1)[:, :k]

    def shared(relabelled: IntArray) -> int:
        both = zip(nearest(x), nearest(y[relabelled]), strict=True)
        return sum(len(set(a) & set(b)) for a, b in both)

    return np.array([shared(relabelled) for relabelled in permutations]) / (k * len(x))


def dense_precision(
    near_x: FloatArray, near_y: FloatArray, k: int, permutations: IntArray
) -> FloatArray:
    """P@k from both matrices of neighbours, relabelled a hundred at a time."""
    parts = [
        (near_x * near_y[part[:, :, None], part[:, None, :]]).sum(axis=(1, 2))
        for part in np.array_split(permutations, max(1, len(permutations) // 100))
    ]
    return np.concatenate(parts) / (k * len(near_x))


def gathered_precision(
    near_x: FloatArray, near_y: FloatArray, k: int, permutations: IntArray
) -> FloatArray:
    """P@k from those places of one matrix where the other has neighbours."""
    i, j = np.nonzero(near_x)
    weights = near_x[i, j]
    parts = [
        near_y[part[:, i], part[:, j]] @ weights
        for part in np.array_split(permutations, max(1, len(permutations) // 1000))
    ]
    return np.concatenate(parts) / (k * len(near_x))


def listed_precision(
    near_x: IntArray, near_y: IntArray, k: int, permutations: IntArray
) -> FloatArray:
    """P@k from each row's k neighbours: how many pairs are in both lists once relabelled."""
    n = len(near_x)
    rows = np.arange(n)[:, None]
    held = (rows * n + near_y).ravel()
    return np.array([np.isin(p[rows] * n + p[near_x], held).sum() for p in permutations]) / (k * n)
