"""The table of how often agents succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from core.agent.instructions import PHRASE_OF, PHRASES, TASK_OF, TASKS
from core.evidence.replicated import Replicated
from core.metrics.proportion import wilson_interval

BY_TASK = {task: np.isin(TASK_OF, i) for i, task in enumerate(TASKS)}
BY_PHRASE = {phrase: np.isin(PHRASE_OF, i) for i, phrase in enumerate(PHRASES)}
#: Successes and episodes, each ndarray of int, shape (instructions,).
Counts = tuple[np.ndarray, np.ndarray]


def success(agents: Mapping[str, Counts], plateau: Sequence[str] = ()) -> Iterator[str]:
    """Yield a line per agent, by task and then by phrase: shares with Wilson's 95 % interval.

    Parameters
    ----------
    agents : mapping of str to Counts
        By name.
    plateau : sequence of str
        Those that stayed where verbs are learned and objects are not; they get a star.
    """
    for groups in (BY_TASK, BY_PHRASE):
        yield from _table(agents, groups, plateau)
    if plateau:
        yield "* on the plateau where verbs are learned and objects are not"


def replicated(body: Replicated) -> Iterator[str]:
    """Yield the lines for the agents that are kept as evidence, and for the floors."""
    found: dict[str, Counts] = {}
    plateau: list[str] = []
    for variant in body.manifest["variants"]:
        these = body.agents(variant)
        for i, seed in enumerate(these.seeds):
            found[f"{variant} {seed}"] = (these.success[i], these.episodes[i])
            plateau += [f"{variant} {seed}"] if these.plateau[i] else []
        found[f"{variant}, all"] = (these.success.sum(axis=0), these.episodes.sum(axis=0))
    for name, floor in body.floors.items():
        counts = floor["success"]
        found[name] = (np.array(counts["64"]), np.array(counts["episodes"]))
    yield from success(found, plateau)


def _table(
    agents: Mapping[str, Counts], groups: Mapping[str, np.ndarray], marked: Sequence[str]
) -> Iterator[str]:
    width = max(map(len, agents)) + 3
    yield " " * width + "".join(f"{group:<22}" for group in groups).rstrip()
    for name, (won, episodes) in agents.items():
        shares = [
            _cell(int(won[which].sum()), int(episodes[which].sum())) for which in groups.values()
        ]
        mark = "* " if name in marked else "  "
        yield f"{mark}{name:<{width - 2}}" + "".join(f"{share:<22}" for share in shares).rstrip()


def _cell(won: int, episodes: int) -> str:
    low, high = wilson_interval(won / episodes, episodes)
    return f"{won / episodes:.3f} [{low:.3f}, {high:.3f}]"
