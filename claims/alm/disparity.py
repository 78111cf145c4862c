"""How far the agents' spaces are from other models' after the best rotation; equations (7), (8).

Disparities are standardised unless said otherwise: both spaces centred and of unit Frobenius norm,
the wider first brought to the width of the narrower by PCA, rotation and size fitted. Only so do
they lie between 0 and 1, as Figure 5 has them. The seed is the unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.alm.agent import over_seeds
from claims.alm.alignment import CHANCE_DRAWS, RANDOM_DRAWS, SEED, trained, widened
from core.metrics.crossed import crossed_interval
from core.metrics.permutation import relabellings
from core.metrics.procrustes import pairwise_disparity, permuted_disparity
from core.metrics.words import median_interval
from core.verdict.estimate import Estimate


def disparities(evidence: Any, reference: str, pooling: str = "") -> tuple[np.ndarray, str]:
    """Return each agent's disparity with a reference, shape (seeds,), and the reference's name."""
    other = evidence.embedding(reference, pooling)
    return pairwise_disparity(trained(evidence), [other.values])[:, 0], other.name


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
    each other; it is well below 1 where both spread over many dimensions. All agents meet the same
    relabellings, whose spread is a part of the interval.
    """
    other, agents = evidence.embedding(reference), trained(evidence)
    drawn = relabellings(len(other.values), CHANCE_DRAWS, np.random.default_rng(SEED))
    null = np.array([permuted_disparity(one, other.values, drawn) for one in agents])
    seen, _ = disparities(evidence, reference)
    seeds = over_seeds(seen - null.mean(axis=1), "disparity less that of relabelled")
    return widened(seeds, float(null.mean(axis=0).std(ddof=1)), "relabellings", other.name)


def random_spaces(evidence: Any) -> Estimate:
    """Disparity of the agents from random spaces; agents and draws are crossed samples."""
    agents, draws = trained(evidence), evidence.random(RANDOM_DRAWS // 5)
    mean, low, high, df = crossed_interval(pairwise_disparity(agents, draws))
    method = "disparity from random spaces, interval over seeds and draws"
    return Estimate(mean, low, high, len(agents), method, seed=SEED, df=df)
