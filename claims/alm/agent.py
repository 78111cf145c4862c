"""What trained agents do and how their sentence embeddings lie, measured.

The seed is the unit: intervals are Student's t over seeds, so they speak of other initial weights
and orders of training. All seeds share one set of demonstrations and of held-out starts, of which
the intervals say nothing. The episodes behind a seed's share are its inner error, and are in the
spread over seeds already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from core.agent.instructions import ESCAPE, OBJECT_OF, PHRASE_OF, PHRASES, TASK_OF, TASKS
from core.evidence.replicated import Agents
from core.metrics.neighbours import (
    neighbour_composition,
    neighbour_weights,
    pairwise_precision_at_k,
    precision_at_k,
)
from core.metrics.proportion import wilson_interval
from core.metrics.words import mean_interval
from core.verdict.estimate import Estimate

PHRASE = list(PHRASES)
#: The reading of an escape that the agents were trained on.
TRAINED_ESCAPE = (5, True)
FLOORS_METHOD = "seeds less the best policy that neither sees nor listens"


def over_seeds(values: Any, method: str, confidence: float = 0.95, label: str = "") -> Estimate:
    """Return the mean over seeds with its t interval."""
    mean, low, high = mean_interval(values, confidence)
    told = f"{method}, t interval over seeds"
    n = len(values)
    return Estimate(mean, low, high, n, told, confidence=confidence, label=label, df=n - 1)


def share(agents: Agents, instructions: np.ndarray, limit: int = 64) -> np.ndarray:
    """Return each seed's share of successes, shape (seeds,), among the given instructions."""
    won = agents.success if limit == 64 else agents.success_24
    return won[:, instructions].sum(axis=1) / agents.episodes[:, instructions].sum(axis=1)


def of_task(task: str) -> np.ndarray:
    """Return which instructions ask for a task, bool, shape (108,)."""
    return np.equal(TASK_OF, TASKS.index(task))


def success(
    evidence: Any, variant: str, tasks: list[str], confidence: float = 0.95, less: float = 0.0
) -> list[Estimate]:
    """Success at each task, less a printed share."""
    agents = evidence.agents(variant)
    return [
        over_seeds(share(agents, of_task(task)) - less, "share of episodes", confidence, task)
        for task in tasks
    ]


def best_seed(evidence: Any, variant: str, task: str, less: float = 0.0) -> Estimate:
    """Success of the seed that does best at a task."""
    agents = evidence.agents(variant)
    shares, n = share(agents, of_task(task)), int(agents.episodes[0, of_task(task)].sum())
    best = float(shares.max())
    low, high = wilson_interval(best, n)
    label = f"seed {agents.seeds[int(shares.argmax())]}"
    method = f"best of {len(shares)} seeds, Wilson interval"
    return Estimate(best - less, low - less, high - less, n, method, label=label)


def task_difference(evidence: Any, variant: str, over: list[str], task: str) -> list[Estimate]:
    """Success at one task less that at others, seed by seed."""
    agents = evidence.agents(variant)
    return [
        over_seeds(
            share(agents, of_task(task)) - share(agents, of_task(other)),
            "paired difference",
            label=f"{task} over {other}",
        )
        for other in over
    ]


def wording_difference(
    evidence: Any, variant: str, pairs: list[list[str]], confidence: float
) -> list[Estimate]:
    """Success under one wording less that under another of the same task, seed by seed."""
    agents = evidence.agents(variant)
    shares = {p: share(agents, np.equal(PHRASE_OF, PHRASE.index(p))) for p in PHRASES}
    return [
        over_seeds(shares[a] - shares[b], "paired difference", confidence, f"{a} less {b}")
        for a, b in pairs
    ]


def fewer_steps(evidence: Any, variant: str, confidence: float) -> list[Estimate]:
    """Success within 24 steps less success within 64, per task."""
    agents = evidence.agents(variant)
    return [
        over_seeds(
            share(agents, of_task(task), 24) - share(agents, of_task(task)),
            "24 steps less 64",
            confidence,
            task,
        )
        for task in TASKS
    ]


def other_escapes(
    evidence: Any, variant: str, readings: list[list[Any]], confidence: float
) -> list[Estimate]:
    """Success at ESCAPE under other readings of it, less that under the one trained on."""
    agents = evidence.agents(variant)
    found = []
    for distance, unseen in readings:
        changes = [
            escapes[distance, unseen] - escapes[TRAINED_ESCAPE] for escapes in agents.escapes
        ]
        label = f"distance {distance}, {'unseen' if unseen else 'seen or not'}"
        found.append(over_seeds(changes, f"{ESCAPE} so read less as trained", confidence, label))
    return found


def over_floors(evidence: Any, variant: str) -> list[Estimate]:
    """Success at each task over the best of the policies that neither see nor listen.

    A floor's own error is small beside the difference and is left out: it played as many episodes
    as a seed does.
    """
    agents, found = evidence.agents(variant), []
    for task in TASKS:
        counts = [floor["success"] for floor in evidence.floors.values()]
        best = max(
            np.array(c["64"])[of_task(task)].sum() / np.array(c["episodes"])[of_task(task)].sum()
            for c in counts
        )
        found.append(over_seeds(share(agents, of_task(task)) - best, FLOORS_METHOD, label=task))
    return found


def variant_difference(
    evidence: Any, variant: str, over: str, confidence: float = 0.95
) -> list[Estimate]:
    """Success at each task of agents trained in one way less that of another way (Welch)."""
    a, b = evidence.agents(variant), evidence.agents(over)
    return [
        welch(share(a, of_task(task)), share(b, of_task(task)), confidence, task) for task in TASKS
    ]


def welch(x: np.ndarray, y: np.ndarray, confidence: float, label: str) -> Estimate:
    """Return the difference of two means over different seeds, with Welch's interval."""
    a, b = x.var(ddof=1) / len(x), y.var(ddof=1) / len(y)
    gap = float(x.mean() - y.mean())
    n, told = len(x) + len(y), "Welch's t over seeds"
    if a + b == 0:
        return Estimate(gap, gap, gap, n, told, confidence=confidence, label=label)
    df = (a + b) ** 2 / (a**2 / (len(x) - 1) + b**2 / (len(y) - 1))
    half = float(stdtrit(df, (1 + confidence) / 2)) * np.sqrt(a + b)
    ends = (gap, gap - half, gap + half)
    return Estimate(*ends, n, told, confidence=confidence, label=label, df=df)


def late_change(evidence: Any, variant: str, since: int, confidence: float) -> list[Estimate]:
    """Success at the end less that at an earlier update, on the same few episodes."""
    agents = evidence.agents(variant)
    changes = agents.along[:, -1] - agents.along[:, agents.updates.index(since)]
    return [
        over_seeds(changes[:, i], f"end less update {since}", confidence, task)
        for i, task in enumerate(TASKS)
    ]


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
    """Return the mean over pairs of seeds with the interval of the jackknife over seeds.

    The diagonal is left out. The mean over pairs is a U statistic, so the mean of the pseudo-values
    is the mean itself.
    """
    n = len(shared)
    pairs = np.where(np.eye(n, dtype=bool), np.nan, shared)
    without = [np.nanmean(np.delete(np.delete(pairs, i, 0), i, 1)) for i in range(n)]
    pseudo = n * np.nanmean(pairs) - (n - 1) * np.array(without)
    return over_seeds(pseudo, f"{method}, jackknife", confidence)


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


def demonstrated(evidence: Any, key: str) -> Estimate:
    """Return a count from the demonstrations' manifest."""
    made = evidence.demonstrations
    return Estimate.exact(made[key], made["episodes"], f"demonstrations, {key}")


def actions_used(evidence: Any) -> Estimate:
    """How many of the six actions the demonstrators ever take."""
    taken = evidence.demonstrations["actions"]
    used = sum(count > 0 for count in taken.values())
    return Estimate.exact(used, sum(taken.values()), "actions ever demonstrated")


def runs(evidence: Any, variant: str) -> Estimate:
    """How many agents were trained."""
    n = len(evidence.agents(variant).seeds)
    return Estimate.exact(n, n, "agents trained")


def dimensions(evidence: Any, variant: str) -> Estimate:
    """How many dimensions a sentence embedding has."""
    spaces = evidence.agents(variant).embeddings
    return Estimate.exact(spaces.shape[-1], spaces.shape[-2], "dimensions of E_L")


def on_plateau(evidence: Any, variant: str) -> Estimate:
    """How many seeds stayed on the plateau where verbs are learned and objects are not."""
    stuck = evidence.agents(variant).plateau
    return Estimate.exact(int(stuck.sum()), len(stuck), "seeds on the plateau")
