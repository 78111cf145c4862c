"""How far the agents' spaces are from other models' after the best rotation; equations (7), (8).

Disparities are standardised unless said otherwise: both spaces centred and of unit Frobenius norm,
the wider first brought to the width of the narrower by PCA, rotation and size fitted. Only so do
they lie between 0 and 1, as Figure 5 has them. The seed is the unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.alm.agent import over_seeds
from claims.alm.alignment import DRAWS, SEED, trained
from core.embedding.nulls import gaussian
from core.metrics.permutation import relabellings
from core.metrics.procrustes import disparity_after_pca, permuted_disparity, reduce_to, residual
from core.metrics.words import median_interval
from core.verdict.estimate import Estimate

GAUSSIANS = 100


def disparities(evidence: Any, reference: str, pooling: str = "") -> tuple[np.ndarray, str]:
    """Return each agent's disparity with a reference, shape (seeds,), and the reference's name."""
    other = evidence.embedding(reference, pooling)
    return np.array(
        [disparity_after_pca(one, other.values) for one in trained(evidence)]
    ), other.name


def median(evidence: Any, reference: str, pooling: str = "") -> Estimate:
    """Median disparity over agents, with the interval of the order statistics."""
    values, name = disparities(evidence, reference, pooling)
    value, low, high, level = median_interval(values)
    return Estimate(value, low, high, len(values), "median disparity over seeds", level, label=name)


def difference(
    evidence: Any, reference: str, over: list[str], confidence: float = 0.95
) -> list[Estimate]:
    """Disparity with a reference less that with each of others, agent by agent."""
    values, name = disparities(evidence, reference)
    found = []
    for other in over:
        rest, base = disparities(evidence, other)
        label = f"{name} over {base}"
        found.append(over_seeds(values - rest, "disparity, difference", confidence, label))
    return found


def less_permuted(evidence: Any, reference: str) -> Estimate:
    """Disparity with a reference less the mean of that with its sentences relabelled.

    The mean over relabellings is the level of spaces of these shapes that have nothing to do with
    each other; it is well below 1 where both spread over many dimensions.
    """
    other = evidence.embedding(reference)
    drawn = relabellings(len(other.values), DRAWS // 5, np.random.default_rng(SEED))
    values = [
        disparity_after_pca(one, other.values) - permuted_disparity(one, other.values, drawn).mean()
        for one in trained(evidence)
    ]
    return over_seeds(np.array(values), "disparity less that of relabelled", label=other.name)


def random_spaces(evidence: Any, width: int) -> Estimate:
    """Disparity of the agents with Gaussian spaces; a draw is the unit, its mean over agents."""
    agents = trained(evidence)
    draws = gaussian(np.random.default_rng(SEED), width, GAUSSIANS)
    values = [np.mean([disparity_after_pca(one, draw) for one in agents]) for draw in draws]
    return over_seeds(np.array(values), f"disparity, Gaussian spaces of width {width}")


def rescaled(evidence: Any, reference: str, times: float) -> Estimate:
    """Relative change of equation (8), read literally, when the agents' space is made larger."""
    other, changes = evidence.embedding(reference), []
    for one in trained(evidence):
        width = min(one.shape[1], other.values.shape[1])
        a, b = reduce_to(one, width), reduce_to(other.values, width)
        changes.append(residual(times * a, b) / residual(a, b) - 1)
    method = f"||A'-B||^2, A {times:g} times as large, relative change"
    return over_seeds(np.array(changes), method, 0.9, other.name)
