"""How many neighbours the agents share with other models, measured; P@k of equation (6).

The seed is the unit: intervals are Student's t over the agents. They speak of other agents, and of
the same 108 sentences and the same model. Agents are alike for reasons of their own, and what they
have in common can meet a model by chance; so where an alignment is held against chance, the spread
over relabellings of the sentences, which all agents meet together, is a part of the interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from math import sqrt
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from scipy.special import stdtrit
from scipy.stats import chi2

from claims.alm.agent import over_seeds
from core.metrics.crossed import crossed_interval
from core.metrics.exact_null import Moments, relabelling_moments
from core.metrics.nearest import NeighbourList, neighbour_list
from core.metrics.neighbours import pairwise_precision_at_k, precision_at_k, precision_curve
from core.metrics.permutation import SLACK, permutation_p, permuted_sums, relabellings
from core.metrics.proportion import wilson_interval
from core.verdict.estimate import Estimate

SEED = 15
#: Relabellings: of a permutation test, for the spread of chance, and Gaussian spaces.
P_DRAWS, CHANCE_DRAWS, RANDOM_DRAWS = 10_000, 200, 100
#: Neighbours of the agents, for as long as their body of evidence is there.
_FOUND: WeakKeyDictionary[Any, dict[tuple[int, int], tuple[NeighbourList, ...]]] = (
    WeakKeyDictionary()
)


def trained(evidence: Any, variant: str = "baseline") -> np.ndarray:
    """Return every agent's space at the end of its training, shape (seeds, 108, 128)."""
    return evidence.agents(variant).embeddings[:, -1]


def neighbours(evidence: Any, k: int, point: int = -1) -> tuple[NeighbourList, ...]:
    """Return each agent's neighbours at one point of its training, at its end if not said."""
    found = _FOUND.setdefault(evidence, {})
    if (k, point) not in found:
        found[k, point] = near(evidence.agents("baseline").embeddings[:, point], k)
    return found[k, point]


def near(spaces: Iterable[np.ndarray], k: int) -> tuple[NeighbourList, ...]:
    """Return the neighbours in each of several spaces."""
    return tuple(neighbour_list(space, k) for space in spaces)


def precisions(agents: Iterable[NeighbourList], other: np.ndarray, k: int) -> np.ndarray:
    """Return each agent's P@k with a space, shape (seeds,)."""
    found = neighbour_list(other, k)
    return np.array([precision_at_k(one, found, k) for one in agents])


def shared(evidence: Any, reference: str, k: int, pooling: str = "") -> tuple[np.ndarray, str]:
    """Return each agent's P@k with a reference, shape (seeds,), and the reference's name."""
    other = evidence.embedding(reference, pooling)
    return precisions(neighbours(evidence, k), other.values, k), other.name


def curves(evidence: Any, reference: str, most: int) -> tuple[np.ndarray, str]:
    """Return each agent's P@k at k = 1 to `most`, shape (seeds, most), and the name."""
    other = evidence.embedding(reference)
    found = neighbour_list(other.values, most)
    return np.array(
        [precision_curve(one, found, most) for one in neighbours(evidence, most)]
    ), other.name


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
    other, agents = evidence.embedding(reference).values, neighbours(evidence, most)
    n = len(other)
    drawn = relabellings(n, CHANCE_DRAWS, np.random.default_rng(SEED))
    found = []
    for k in range(least, most + 1):
        seeds = over_seeds(values[:, k - 1] - times * k / (n - 1), "P@k over chance")
        spread = relabelled(agents, other, k, drawn).std(ddof=1)
        label = f"{name}, k = {k}"
        found.append(widened(seeds, float(spread), "relabellings", label))
    return found


def relabelled(
    agents: Sequence[NeighbourList], other: np.ndarray, k: int, drawn: np.ndarray
) -> np.ndarray:
    """Return the agents' mean P@k with a space under each relabelling, shape (draws,)."""
    held, (found,) = shares([one.nearest(k) for one in agents]), near([other], k)
    i, j = np.nonzero(held)
    return permuted_sums(held[i, j], shares([found]), i, j, drawn) / (k * len(other))


def exact_null(agents: Sequence[NeighbourList], other: np.ndarray, k: int) -> Moments:
    """Return mean and spread of the agents' mean P@k with a space over all relabellings.

    Exact, for that mean is linear in each agent's weights, hence in the mean of these.
    """
    held, (found,) = shares([one.nearest(k) for one in agents]), near([other], k)
    moments, scale = relabelling_moments(held, shares([found])), k * len(other)
    return Moments(moments.mean / scale, moments.variance / scale**2)


def shares(agents: Sequence[NeighbourList]) -> np.ndarray:
    """Return the mean over agents of the weight of j among i's neighbours, shape (108, 108)."""
    total = np.zeros([len(agents[0])] * 2)
    for one in agents:
        total[one.rows, one.indices] += one.weights
    return total / len(agents)


def widened(one: Estimate, sd: float, over: str, label: str) -> Estimate:
    """Return an estimate with a t interval, and a further, independent spread in it."""
    t = float(stdtrit(one.df, (1 + one.confidence) / 2))
    half = float(np.hypot((one.high - one.low) / 2, t * sd))
    ends = {"low": one.value - half, "high": one.value + half}
    return replace(one, **ends, method=f"{one.method} and {over}", seed=SEED, label=label)


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
    other = evidence.embedding(reference)
    return p_value(neighbours(evidence, k), other.values, k, other.name)


def permutation_among(evidence: Any, references: list[str], k: int) -> list[Estimate]:
    """Return p of P@k of every two references."""
    spaces = [evidence.embedding(reference) for reference in references]
    return [
        p_value(near([a.values], k), b.values, k, f"{a.name} and {b.name}")
        for a, b in combinations(spaces, 2)
    ]


def p_value(agents: Sequence[NeighbourList], other: np.ndarray, k: int, label: str) -> Estimate:
    """Return p of the agents' mean P@k with Wilson's interval for so many relabellings.

    One that is never reached in 1,000 draws may yet be above .001, so there are ten times as many.
    How far the mean lies beyond all draws is told by the exact null, in the method.
    """
    drawn = relabellings(len(other), P_DRAWS, np.random.default_rng(SEED))
    seen = float(np.mean(precisions(agents, other, k)))
    null = relabelled(agents, other, k, drawn)
    p = permutation_p(seen, null)
    low, high = wilson_interval(float((null >= seen - SLACK).mean()), P_DRAWS)
    method = f"p of P@{k}, (b+1)/(B+1), {P_DRAWS} relabellings, Wilson interval"
    exact = exact_null(agents, other, k)
    method += f"; exact null {exact.mean:.3f}, sd {exact.sd:.4f}"
    method += f", z {exact.z(seen):.1f}" if exact.variance else ""
    return Estimate(p, low, max(p, high), len(agents), method, seed=SEED, label=label)


def spread(evidence: Any, reference: str, k: int) -> Estimate:
    """Return the standard deviation of P@k over agents, with its interval under normality."""
    values, name = shared(evidence, reference, k)
    df, sd = len(values) - 1, float(np.std(values, ddof=1))
    low, high = (sd * sqrt(df / float(chi2.ppf(q, df))) for q in (0.975, 0.025))
    return Estimate(sd, low, high, len(values), f"SD of P@{k} over seeds, chi square", label=name)


def random_spaces(evidence: Any, k: list[int], confidence: float = 0.95) -> list[Estimate]:
    """P@k of the agents with random spaces, less k / 107; agents and draws are crossed samples."""
    agents, draws = trained(evidence), evidence.random(RANDOM_DRAWS)
    found = []
    for one in k:
        pairs = pairwise_precision_at_k([*agents, *draws], one)[: len(agents), len(agents) :]
        gaps = pairs - one / (agents.shape[1] - 1)
        mean, low, high, df = crossed_interval(gaps, confidence)
        method, label = f"P@{one} over chance, interval over seeds and draws", f"k = {one}"
        found.append(Estimate(mean, low, high, len(agents), method, confidence, SEED, label, df))
    return found


def untrained_pairs(evidence: Any, first: str, second: str, k: int) -> Estimate:
    """P@k of untrained copies of two models; the copies of both are samples, crossed."""
    a, b = evidence.untrained(first), evidence.untrained(second)
    every = near((x.values for x in a), k)
    values = np.transpose([precisions(every, y.values, k) for y in b])
    mean, low, high, df = crossed_interval(values)
    label = " and ".join(copies[0].name.rpartition(",")[0] for copies in (a, b))
    method = f"P@{k} of untrained models, interval over copies of both"
    return Estimate(mean, low, high, len(a) * len(b), method, label=label, df=df)


def untrained_agents(evidence: Any, reference: str, k: int) -> Estimate:
    """P@k of agents before any training with untrained copies of a model, the mean over copies."""
    copies = evidence.untrained(reference)
    values = np.array([precisions(neighbours(evidence, k, 0), copy.values, k) for copy in copies])
    label = copies[0].name.rpartition(",")[0]
    return over_seeds(values.mean(axis=0), f"P@{k}, both untrained", label=label)
