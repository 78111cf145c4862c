"""Whether P@k is lower than other measures of the same two spaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.alm.agent import over_seeds
from claims.alm.alignment import trained
from core.metrics.neighbours import precision_at_k
from core.metrics.similarity import (
    matrix_correlation,
    pairwise_matching_accuracy,
    percentile_rank,
)
from core.metrics.words import pairs_interval
from core.verdict.estimate import Estimate


def conservative(evidence: Any, reference: str, measure: str, k: int) -> list[Estimate]:
    """P@k less another measure of the same two spaces, both as a share of the way from chance to 1.

    The spaces are agents among themselves, agents and a reference, and agents before any training
    and the reference.
    """
    agents, starts = trained(evidence), evidence.agents("baseline").embeddings[:, 0]
    other = evidence.embedding(reference)
    pairs = np.array([[_gap(a, b, measure, k) if a is not b else 0.0 for b in agents]
                      for a in agents])  # fmt: skip
    mean, low, high = pairs_interval(pairs)
    method = f"P@{k} less {measure}, jackknife over seeds"
    n = len(agents)
    found = [Estimate(mean, low, high, n, method, label="agents among themselves", df=n - 1)]
    for spaces, which in ((agents, "agents"), (starts, "untrained agents")):
        gaps = np.array([_gap(one, other.values, measure, k) for one in spaces])
        label = f"{which} and {other.name}"
        found.append(over_seeds(gaps, f"P@{k} less {measure}", label=label))
    return found


def _gap(x: np.ndarray, y: np.ndarray, measure: str, k: int) -> float:
    other, chance = MEASURES[measure]
    base = k / (len(x) - 1)
    shared = (precision_at_k(x, y, k) - base) / (1 - base)
    return shared - (other(x, y) - chance) / (1 - chance)


#: What section 2.6 holds P@k against, with the level that unrelated spaces give.
MEASURES = {
    "Pearson correlation": (matrix_correlation, 0.0),
    "percentile rank": (percentile_rank, 0.5),
    "pairwise matching accuracy": (pairwise_matching_accuracy, 0.5),
}
