"""The table of how often agents succeed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from core.agent.instructions import PHRASE_OF, PHRASES, TASK_OF, TASKS
from core.evidence.replicated import Replicated
from core.metrics.proportion import wilson_interval
from core.metrics.words import mean_interval

BY_TASK = {task: np.isin(TASK_OF, i) for i, task in enumerate(TASKS)}
BY_PHRASE = {phrase: np.isin(PHRASE_OF, i) for i, phrase in enumerate(PHRASES)}
#: Successes and episodes, each ndarray of int, shape (instructions,).
Counts = tuple[np.ndarray, np.ndarray]


def success(agents: Mapping[str, Sequence[Counts]], plateau: Sequence[str] = ()) -> Iterator[str]:
    """Yield a line per name, by task and then by phrase: shares with their 95 % interval.

    Parameters
    ----------
    agents : mapping of str to sequence of Counts
        One agent's share comes with Wilson's interval over starts: the phrases of a task have the
        same ones, which count once. That of several agents is their mean with Student's t interval,
        cut at 0 and 1.
    plateau : sequence of str
        Those that stayed where verbs are learned and objects are not; they get a star.
    """
    for groups in (BY_TASK, BY_PHRASE):
        yield from _table(agents, groups, plateau)
    if plateau:
        yield "* on the plateau where verbs are learned and objects are not"


def replicated(body: Replicated) -> Iterator[str]:
    """Yield the lines for the agents that are kept as evidence, and for the floors."""
    found: dict[str, list[Counts]] = {}
    plateau: list[str] = []
    for variant in body.manifest["variants"]:
        these = body.agents(variant)
        counts = list(zip(these.success, these.episodes, strict=True))
        for seed, one, stuck in zip(these.seeds, counts, these.plateau, strict=True):
            found[f"{variant} {seed}"] = [one]
            plateau += [f"{variant} {seed}"] if stuck else []
        if len(counts) > 1:
            found[f"{variant}, mean"] = counts
    for name, floor in body.floors.items():
        won = floor["success"]
        found[name] = [(np.array(won["64"]), np.array(won["episodes"]))]
    yield from success(found, plateau)


def _table(
    agents: Mapping[str, Sequence[Counts]], groups: Mapping[str, np.ndarray], marked: Sequence[str]
) -> Iterator[str]:
    width = max(map(len, agents)) + 3
    yield " " * width + "".join(f"{group:<22}" for group in groups).rstrip()
    for name, counts in agents.items():
        cells = [_cell(counts, which) for which in groups.values()]
        mark = "* " if name in marked else "  "
        yield f"{mark}{name:<{width - 2}}" + "".join(f"{cell:<22}" for cell in cells).rstrip()


def _cell(counts: Sequence[Counts], which: np.ndarray) -> str:
    won = [(int(w[which].sum()), int(episodes[which].sum())) for w, episodes in counts]
    shares = [w / episodes for w, episodes in won]
    if len(shares) > 1:
        share, low, high = mean_interval(shares)
    else:
        share = shares[0]
        low, high = wilson_interval(share, won[0][1] // len(np.unique(PHRASE_OF[which])))
    return f"{share:.3f} [{max(low, 0):.3f}, {min(high, 1):.3f}]"
