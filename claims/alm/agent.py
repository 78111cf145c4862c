"""What trained agents do and how their sentence embeddings lie, measured.

The seed is the unit: intervals are Student's t over seeds, so they speak of other initial weights,
orders of training and held-out starts. Synonyms are played from the same starts. All seeds share
one set of demonstrations, of which the intervals say nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import stdtrit

from core.agent.instructions import ESCAPE, PHRASE_OF, PHRASES, TASK_OF, TASKS
from core.evidence.replicated import Agents
from core.metrics.proportion import wilson_interval
from core.metrics.words import mean_interval
from core.verdict.estimate import Estimate

PHRASE = list(PHRASES)
#: The reading of an escape that the agents were trained on.
TRAINED_ESCAPE = (5, True)
FLOORS_METHOD = "seeds less the best policy that does not listen"


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
    shares = share(agents, of_task(task))
    # The phrases of a task are played from the same starts, which count once.
    phrases = len(np.unique(PHRASE_OF[of_task(task)]))
    n = int(agents.episodes[0, of_task(task)].sum()) // phrases
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
    """Success at each task over the best of the policies that do not listen.

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


def on_plateau(evidence: Any, variant: str) -> Estimate:
    """How many seeds stayed on the plateau where verbs are learned and objects are not."""
    stuck = evidence.agents(variant).plateau
    return Estimate.exact(int(stuck.sum()), len(stuck), "seeds on the plateau")
