"""Escaping: when it counts, and the shortest way to it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from core.agent.geometry import DISTANCE, FORWARD, FRONT, LEFT, N_CELLS, RIGHT, SEEN


@dataclass(frozen=True)
class Escape:
    """When the agent has escaped; the paper does not say.

    Attributes
    ----------
    distance : int
        The least Manhattan distance to the target, in cells.
    unseen : bool
        Whether the target must also lie outside the agent's view. Who has walked four cells away
        or more looks away, so this decides next to nothing.
    """

    distance: int = 5
    unseen: bool = True


def escape_path(cells: np.ndarray, pose: int, target: int, escape: Escape) -> list[int] | None:
    """Return the shortest way out of a target's reach, by breadth-first search over poses.

    Parameters
    ----------
    cells : ndarray of int, shape (36,)
        The interior; anything but 0 stands in the way.
    pose : int
        The agent's cell times four, plus its direction.
    target : int
        The target's cell.
    escape : Escape
        When the agent has escaped.

    Returns
    -------
    list of int or None
        Actions; of several shortest ways the one that goes forward, then left, first. None if
        there is no way.
    """
    came: dict[int, tuple[int, int]] = {pose: (-1, -1)}
    queue = deque([pose])
    while queue:
        here = queue.popleft()
        far = DISTANCE[here // 4, target] >= escape.distance
        if far and not (escape.unseen and SEEN[here, target]):
            return _way(came, here)
        for action in (FORWARD, LEFT, RIGHT):
            there = _moved(cells, here, action)
            if there not in came:
                came[there] = (here, action)
                queue.append(there)
    return None


def _moved(cells: np.ndarray, pose: int, action: int) -> int:
    if action == FORWARD:
        front = int(FRONT[pose])
        return front * 4 + pose % 4 if front < N_CELLS and not cells[front] else pose
    return pose // 4 * 4 + (pose + (1 if action == RIGHT else -1)) % 4


def _way(came: dict[int, tuple[int, int]], pose: int) -> list[int]:
    actions: list[int] = []
    while came[pose][0] >= 0:
        pose, action = came[pose]
        actions.append(action)
    return actions[::-1]
