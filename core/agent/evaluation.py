"""How often the agent succeeds, and how often one would without understanding anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from core.agent.dataset import draw_starts
from core.agent.escape import Escape
from core.agent.geometry import ACTIONS, FORWARD, LEFT, PICKUP, RIGHT
from core.agent.instructions import FIRST_SYNONYM, INSTRUCTIONS, TASK_OF, TASKS
from core.agent.model import Agent
from core.agent.rooms import Rooms, Starts
from core.agent.tiles import pad_views

#: The shorter limit at which success is reported too.
FEW_STEPS = 24

#: Chooses actions for the given rows of the rooms.
Policy = Callable[[Rooms, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Outcome:
    """What came of a set of episodes.

    Attributes
    ----------
    instruction : ndarray of int64, shape (n,)
    success : ndarray of bool, shape (n,)
    steps : ndarray of int64, shape (n,)
        Steps until success or the limit.
    """

    instruction: np.ndarray
    success: np.ndarray
    steps: np.ndarray

    def counts(self, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return successes and episodes per instruction, each int64, shape (108,).

        Parameters
        ----------
        limit : int, optional
            Count successes within so many steps only.
        """
        reached = self.success if limit is None else self.success & (self.steps <= limit)
        n = len(INSTRUCTIONS)
        return (
            np.bincount(self.instruction[reached], minlength=n),
            np.bincount(self.instruction, minlength=n),
        )

    def by_task(self) -> dict[str, float]:
        """Return the share of successes per task."""
        reached, episodes = self.counts()
        return {
            task: float(reached[i == TASK_OF].sum() / episodes[i == TASK_OF].sum())
            for i, task in enumerate(TASKS)
        }


def play(policy: Policy, starts: Starts, escape: Escape | None = None) -> Outcome:
    """Play an episode from every start, side by side."""
    rooms = Rooms(starts, escape=escape)
    while not rooms.done.all():
        (going,) = np.nonzero(~rooms.done)
        actions = np.zeros(len(starts), dtype=np.intp)
        actions[going] = policy(rooms, going)
        rooms.step(actions)
    return Outcome(rooms.instruction, rooms.success, rooms.steps)


def greedy(agent: Agent) -> Policy:
    """Return the agent's policy: always the likeliest action."""
    device = next(agent.parameters()).device
    full = agent.architecture.view == "full"

    def act(rooms: Rooms, rows: np.ndarray) -> np.ndarray:
        tiles = rooms.full_views(rows) if full else pad_views(rooms.views(rows))
        asked = torch.from_numpy(rooms.instruction[rows]).to(device)
        with torch.inference_mode():
            logits = agent(torch.from_numpy(tiles).to(device).long(), asked)
        return logits.argmax(1).cpu().numpy()

    return act


def uniform(choices: tuple[int, ...], rng: np.random.Generator) -> Policy:
    """Return a policy that draws each action evenly from the choices."""
    return lambda _, rows: rng.choice(choices, len(rows))


def wander(rng: np.random.Generator) -> Policy:
    """Return a policy that walks until something is in the way, then turns or picks it up.

    It turns for no reason in one step of ten, or it would pace between two walls.
    """

    def act(rooms: Rooms, rows: np.ndarray) -> np.ndarray:
        ahead, wall = rooms.ahead(rows)
        turn = rng.choice((LEFT, RIGHT), len(rows))
        blocked = np.where(~wall & (rng.random(len(rows)) < 0.5), PICKUP, turn)
        action = np.where(wall | (ahead > 0), blocked, FORWARD)
        return np.where(rng.random(len(rows)) < 0.1, turn, action)

    return act


def floors(rng: np.random.Generator) -> dict[str, Policy]:
    """Return what an agent is held against: policies that do not listen."""
    return {
        "uniform over six actions": uniform(tuple(range(len(ACTIONS))), rng),
        "uniform over three moves": uniform((LEFT, RIGHT, FORWARD), rng),
        "wandering": wander(rng),
    }


def held_out_starts(training: Starts, per_instruction: int, seed: int | tuple[int, ...]) -> Starts:
    """Return drawn starts for every instruction, in none of the rooms that training began in.

    Parameters
    ----------
    training : Starts
    per_instruction : int
        How many starts each instruction gets.
    seed : int or tuple of int
        Of the drawing; its stream is apart from that of the demonstrations.
    """
    known = set(_rooms(training))
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0xE7A1,)))
    drawn = draw_starts(per_instruction, rng)
    while any(seen := np.array([room in known for room in _rooms(drawn)])):
        again = draw_starts(per_instruction, rng)
        drawn.cells[seen], drawn.pose[seen] = again.cells[seen], again.pose[seen]
    return drawn


def shared_by_synonyms(starts: Starts) -> Starts:
    """Return the starts with those of each instruction replaced by those of its first synonym.

    So that two wordings of one request are compared in the same rooms.

    Parameters
    ----------
    starts : Starts
        As many for every instruction, instruction by instruction.
    """
    per_instruction = len(starts) // len(INSTRUCTIONS)
    first = FIRST_SYNONYM[:, None] * per_instruction + np.arange(per_instruction)
    rows = first.ravel()
    return Starts(starts.cells[rows], starts.pose[rows], starts.instruction)


def _rooms(starts: Starts) -> list[bytes]:
    return [row.tobytes() for row in np.column_stack([starts.cells, starts.pose])]
