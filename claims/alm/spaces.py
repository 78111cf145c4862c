"""How the agents' sentence embeddings lie, before, along and after the training, measured.

Neighbours are by cosine; a pair of spaces is compared by the neighbours that they share, P@k of
equation (6). The units and intervals are those of `claims.alm.agent`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.alm.agent import over_seeds
from core.agent.instructions import OBJECT_OF, TASK_OF
from core.evidence.replicated import Agents
from core.metrics.neighbours import (
    neighbour_composition,
    neighbour_weights,
    pairwise_precision_at_k,
    precision_at_k,
)
from core.metrics.words import pairs_interval
from core.verdict.estimate import Estimate


def shared_with_end(
    evidence: Any, variant: str, k: int, update: int, confidence: float = 0.95, less: str = ""
) -> Estimate:
    """P@k between a seed's space at one point of its training and at the end; less chance."""
    agents = evidence.agents(variant)
    at = agents.updates.index(update)
    shared = np.array([precision_at_k(space[at], space[-1], k) for space in agents.embeddings])
    level = chance(agents, k) if less == "chance" else 0.0
    method = f"P@{k} of update {update} and the end{', less chance' if less else ''}"
    return over_seeds(shared - level, method, confidence)


def own_start(evidence: Any, variant: str, k: int, confidence: float) -> Estimate:
    """P@k between a seed's end and its own start, less that with the other seeds' starts.

    What all starts have in common, such as the words that two sentences share, cancels.
    """
    spaces = evidence.agents(variant).embeddings
    n = len(spaces)
    shared = pairwise_precision_at_k([*spaces[:, 0], *spaces[:, -1]], k)[n:, :n]
    others = (shared.sum(axis=1) - np.diag(shared)) / (n - 1)
    return over_seeds(np.diag(shared) - others, f"P@{k}, own start less others'", confidence)


def between_seeds(
    evidence: Any, variant: str, k: int, update: int, confidence: float = 0.95, less: str = ""
) -> Estimate:
    """Mean P@k over all pairs of seeds at one point of the training; less chance.

    A seed stands in several pairs, so the interval is the jackknife's over seeds.
    """
    agents = evidence.agents(variant)
    level = chance(agents, k) if less == "chance" else 0.0
    method = f"P@{k} between seeds at update {update}{', less chance' if less else ''}"
    return jackknife(_shared(agents, k, update) - level, method, confidence)


def between_seeds_change(evidence: Any, variant: str, k: int) -> Estimate:
    """Mean P@k over all pairs of seeds after the training less that before it."""
    agents = evidence.agents(variant)
    change = _shared(agents, k, agents.updates[-1]) - _shared(agents, k, 0)
    return jackknife(change, f"P@{k} between seeds, trained less untrained", 0.95)


def _shared(agents: Agents, k: int, update: int) -> np.ndarray:
    return pairwise_precision_at_k(list(agents.embeddings[:, agents.updates.index(update)]), k)


def jackknife(shared: np.ndarray, method: str, confidence: float) -> Estimate:
    """Return the mean over pairs of seeds with the interval of the jackknife over seeds."""
    mean, low, high = pairs_interval(shared, confidence)
    told = f"{method}, jackknife, t interval over seeds"
    return Estimate(mean, low, high, len(shared), told, confidence, df=len(shared) - 1)


def chance(agents: Agents, k: int) -> float:
    """Return the P@k of unrelated spaces."""
    return k / (agents.embeddings.shape[2] - 1)


def same_task_change(evidence: Any, variant: str, k: int) -> Estimate:
    """Share of the k nearest neighbours that ask for the same task, trained less untrained."""
    spaces = evidence.agents(variant).embeddings
    change = [
        neighbour_composition(one[-1], TASK_OF, k) - neighbour_composition(one[0], TASK_OF, k)
        for one in spaces
    ]
    return over_seeds(np.array(change), f"task shared by {k} neighbours, trained less untrained")


def nearest_is_synonym(evidence: Any, variant: str, update: int) -> Estimate:
    """Share of the sentences that have synonyms whose nearest neighbour is one.

    A synonym asks for the same task with the same object; "pick up" has none.
    """
    agents = evidence.agents(variant)
    synonym = np.equal(TASK_OF[:, None], TASK_OF) & np.equal(OBJECT_OF[:, None], OBJECT_OF)
    np.fill_diagonal(synonym, val=False)
    some = synonym.any(axis=1)
    spaces = agents.embeddings[:, agents.updates.index(update)]
    nearest = np.array([neighbour_weights(space, 1) for space in spaces])
    found = (nearest * synonym)[:, some].sum(axis=2).mean(axis=1)
    return over_seeds(found, f"nearest neighbour a synonym, update {update}")


def distinct_sentences(evidence: Any, variant: str, point: int) -> list[Estimate]:
    """How many of the sentence embeddings of each seed differ, at one point of the schedule.

    They count as different if they differ by more than a millionth of their size.
    """
    agents, found = evidence.agents(variant), []
    for seed, spaces in zip(agents.seeds, agents.embeddings, strict=True):
        space = spaces[point]
        rounded = np.round(space / np.abs(space).max(), 6)
        n = len(np.unique(rounded, axis=0))
        found.append(Estimate.exact(n, len(space), "distinct embeddings", f"seed {seed}"))
    return found


def dimensions(evidence: Any, variant: str) -> Estimate:
    """How many dimensions a sentence embedding has."""
    spaces = evidence.agents(variant).embeddings
    return Estimate.exact(spaces.shape[-1], spaces.shape[-2], "dimensions of E_L")
