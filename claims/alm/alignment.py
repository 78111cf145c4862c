"""How many neighbours the agents share with other models, measured; P@k of equation (6).

The seed is the unit: intervals are Student's t over the agents. They speak of other agents, and of
the same 108 sentences and the same model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from typing import Any

import numpy as np
from scipy.stats import chi2

from claims.alm.agent import over_seeds
from core.metrics.neighbours import precision_at_k, precision_curve
from core.metrics.permutation import permutation_p, permuted_precision, relabellings
from core.metrics.similarity import (
    matrix_correlation,
    pairwise_matching_accuracy,
    percentile_rank,
)
from core.verdict.estimate import Estimate

SEED = 15
#: Relabellings of a permutation test, as the paper has them.
DRAWS = 1000


def trained(evidence: Any, variant: str = "baseline") -> np.ndarray:
    """Return every agent's space at the end of its training, shape (seeds, 108, 128)."""
    return evidence.agents(variant).embeddings[:, -1]


def shared(evidence: Any, reference: str, k: int, pooling: str = "") -> tuple[np.ndarray, str]:
    """Return each agent's P@k with a reference, shape (seeds,), and the reference's name."""
    other = evidence.embedding(reference, pooling)
    return np.array([precision_at_k(one, other.values, k) for one in trained(evidence)]), other.name


def curves(evidence: Any, reference: str, most: int) -> tuple[np.ndarray, str]:
    """Return each agent's P@k at k = 1 to `most`, shape (seeds, most), and the name."""
    other = evidence.embedding(reference)
    found = [precision_curve(one, other.values, most) for one in trained(evidence)]
    return np.array(found), other.name


def precision(
    evidence: Any, reference: str, k: int, pooling: str = "", confidence: float = 0.95
) -> Estimate:
    """Mean P@k of the agents with a reference."""
    values, name = shared(evidence, reference, k, pooling)
    return over_seeds(values, f"P@{k}", confidence, name)


def table_cells(evidence: Any, reference: str, pooling: str = "") -> list[Estimate]:
    """Distance of the mean P@k from the printed one, in printed standard deviations, at each k."""
    table, found = evidence.table(reference), []
    for k, mean, sd in zip(table.k, table.means, table.sds, strict=True):
        values, name = shared(evidence, reference, k, pooling)
        method = f"P@{k} less {mean:.4f}, over {sd:.4f}"
        found.append(over_seeds((values - mean) / sd, method, label=f"{name}, k = {k}"))
    return found


def over_chance(
    evidence: Any, reference: str, most: int, least: int = 1, times: float = 1
) -> list[Estimate]:
    """Mean P@k less a multiple of k / 107, at every k from `least` to `most`."""
    values, name = curves(evidence, reference, most)
    chance = times * np.arange(1, most + 1) / (trained(evidence).shape[1] - 1)
    return [
        over_seeds(values[:, k - 1] - chance[k - 1], "P@k over chance", label=f"{name}, k = {k}")
        for k in range(least, most + 1)
    ]


def difference(
    evidence: Any, reference: str, over: list[str], k: int, confidence: float = 0.95
) -> list[Estimate]:
    """P@k with a reference less that with each of others, agent by agent."""
    values, name = shared(evidence, reference, k)
    found = []
    for other in over:
        rest, base = shared(evidence, other, k)
        label = f"{name} over {base}"
        found.append(over_seeds(values - rest, f"P@{k}, difference", confidence, label))
    return found


def among(evidence: Any, references: list[str], k: int) -> list[Estimate]:
    """P@k of every two references; models and sentences are what they are, without sampling."""
    spaces = [evidence.embedding(reference) for reference in references]
    return [
        Estimate.exact(
            precision_at_k(a.values, b.values, k),
            len(a.values),
            f"P@{k}",
            f"{a.name} and {b.name}",
        )
        for a, b in combinations(spaces, 2)
    ]


def below_among(
    evidence: Any, references: list[str], among_too: list[str], k: int, confidence: float = 0.95
) -> list[Estimate]:
    """P@k of the agents with each reference, less the mean of that among references.

    Parameters
    ----------
    evidence : object
    references : list of str
        Those whose alignment with the agents is in question.
    among_too : list of str
        Others whose alignment among themselves and with the former counts in the mean.
    k : int
    confidence : float
    """
    pairs = among(evidence, [*references, *among_too], k)
    level = float(np.mean([one.value for one in pairs]))
    found = []
    for reference in references:
        values, name = shared(evidence, reference, k)
        method = f"P@{k} less the mean among references, {level:.3f}"
        found.append(over_seeds(values - level, method, confidence, name))
    return found


def permutation(evidence: Any, reference: str, k: int) -> Estimate:
    """Return p of the agents' mean P@k, all of which meet the same relabelled sentences."""
    other, agents = evidence.embedding(reference), trained(evidence)
    drawn = relabellings(len(other.values), DRAWS, np.random.default_rng(SEED))
    seen = np.mean([precision_at_k(one, other.values, k) for one in agents])
    null = np.mean([permuted_precision(one, other.values, k, drawn) for one in agents], axis=0)
    p = permutation_p(float(seen), null)
    return Estimate(p, p, p, DRAWS, f"p of P@{k}, (b+1)/(B+1)", 1.0, SEED, other.name)


def spread(evidence: Any, reference: str, k: int) -> Estimate:
    """Return the standard deviation of P@k over agents, with its interval under normality."""
    values, name = shared(evidence, reference, k)
    df, sd = len(values) - 1, float(np.std(values, ddof=1))
    low, high = (sd * sqrt(df / float(chi2.ppf(q, df))) for q in (0.975, 0.025))
    return Estimate(sd, low, high, len(values), f"SD of P@{k} over seeds, chi square", label=name)


def conservative(evidence: Any, references: list[str], measure: str, k: int) -> list[Estimate]:
    """P@k less another measure of the same two spaces, both as a share of the way from chance to 1.

    "agents" among the references stands for the other agents, each seed with the next.
    """
    other_measure, chance = MEASURES[measure]
    agents, found = trained(evidence), []
    for reference in references:
        if reference == "agents":
            others, name = np.roll(agents, 1, axis=0), "another agent"
        else:
            space = evidence.embedding(reference)
            others, name = [space.values] * len(agents), space.name
        base = k / (agents.shape[1] - 1)
        gaps = [
            (precision_at_k(a, b, k) - base) / (1 - base)
            - (other_measure(a, b) - chance) / (1 - chance)
            for a, b in zip(agents, others, strict=True)
        ]
        found.append(over_seeds(np.array(gaps), f"P@{k} less {measure}", label=name))
    return found


#: What section 2.6 holds P@k against, with the level that unrelated spaces give.
MEASURES = {
    "Pearson correlation": (matrix_correlation, 0.0),
    "percentile rank": (percentile_rank, 0.5),
    "pairwise matching accuracy": (pairwise_matching_accuracy, 0.5),
}


def untrained_pairs(evidence: Any, references: Sequence[str], k: int) -> Estimate:
    """Mean P@k over all pairs of untrained models of different architecture.

    Copies of one architecture are not paired. The interval is the range over pairs, for the copies
    are few and stand in many pairs.
    """
    copies = [[space.values for space in evidence.untrained(one)] for one in references]
    values = [
        precision_at_k(a, b, k)
        for first, second in combinations(copies, 2)
        for a in first
        for b in second
    ]
    low, high = min(values), max(values)
    method = f"P@{k} of untrained models, range over pairs"
    return Estimate(float(np.mean(values)), low, high, len(values), method, 1.0)


def untrained_agents(evidence: Any, reference: str, k: int) -> Estimate:
    """P@k of agents before any training with untrained copies of a model, the mean over copies."""
    copies = evidence.untrained(reference)
    starts = evidence.agents("baseline").embeddings[:, 0]
    values = [[precision_at_k(one, copy.values, k) for copy in copies] for one in starts]
    label = copies[0].name.rpartition(",")[0] or copies[0].name
    return over_seeds(np.mean(values, axis=1), f"P@{k}, both untrained", label=label)
