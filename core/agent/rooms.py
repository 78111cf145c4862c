"""Many rooms at once: the environment as arrays, equal to minigrid's step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.agent.escape import Escape
from core.agent.geometry import (
    DISTANCE,
    DROP,
    FORWARD,
    FRONT,
    HIDDEN_CELL,
    LEFT,
    N_CELLS,
    PICKUP,
    RIGHT,
    SEEN,
    SIDE,
    TOGGLE,
    VIEW,
    VIEWS,
    WALL_CELL,
)
from core.agent.instructions import ESCAPE, GO_TO, OBJECT_OF, OBJECTS, PICK_UP, TASK_OF, TASKS

MAX_STEPS = 64

#: Tiles of the agent's view: hidden, wall, floor, the 18 objects, the agent alone and with each
#: object in hand. The full view has its own: wall, objects, and the agent in four directions.
HIDDEN, WALL, FLOOR = 0, 1, 2
AGENT = FLOOR + len(OBJECTS) + 1
BLANK = AGENT + len(OBJECTS) + 1
FULL_WALL = BLANK + 1
FULL_AGENT = FULL_WALL + len(OBJECTS) + 1
N_TILES = FULL_AGENT + 4
_BOXES = np.array([0, *(kind == "box" for _, kind in OBJECTS)], dtype=bool)


@dataclass(frozen=True)
class Starts:
    """Where episodes begin.

    Attributes
    ----------
    cells : ndarray of uint8, shape (n, 36)
        The interior row by row: 0 for floor, 1 + the index in `OBJECTS` for an object.
    pose : ndarray of uint8, shape (n,)
        The agent's cell times four, plus its direction (right, down, left, up).
    instruction : ndarray of uint8, shape (n,)
        Index of the request.
    """

    cells: np.ndarray
    pose: np.ndarray
    instruction: np.ndarray

    def __len__(self) -> int:
        return len(self.pose)

    def __getitem__(self, rows: slice | np.ndarray) -> Starts:
        return Starts(self.cells[rows], self.pose[rows], self.instruction[rows])


class Rooms:
    """Episodes in many rooms, stepped together.

    Parameters
    ----------
    starts : Starts
        Where each begins, n of them.
    max_steps : int
        An episode ends without success after so many steps.
    escape : Escape
        When an escape counts.

    Attributes
    ----------
    done, success : ndarray of bool, shape (n,)
        Whether the episode has ended, and with success.
    steps : ndarray of int64, shape (n,)
        Steps taken; they stand still once an episode is done.
    """

    def __init__(
        self, starts: Starts, max_steps: int = MAX_STEPS, escape: Escape | None = None
    ) -> None:
        n = len(starts)
        self.max_steps, self.escape = max_steps, escape or Escape()
        # One more cell for the wall, which no action changes, and one for what is hidden.
        self._cells = np.zeros((n, N_CELLS + 2), dtype=np.uint8)
        self._cells[:, :N_CELLS] = starts.cells
        self._pose = starts.pose.astype(np.intp)
        self._rows = np.arange(n)
        self._target = OBJECT_OF[starts.instruction].astype(np.uint8) + 1
        self._home = (self._cells == self._target[:, None]).argmax(axis=1)
        self._task = TASK_OF[starts.instruction]
        self._carrying = np.zeros(n, dtype=np.uint8)
        self.instruction = starts.instruction.astype(np.intp)
        self.steps = np.zeros(n, dtype=np.int64)
        self.done = np.zeros(n, dtype=bool)
        self.success = np.zeros(n, dtype=bool)

    def views(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return what the agent sees: tiles, uint8, shape (n, 49), row by row."""
        tiles = self._cells[rows] + np.uint8(FLOOR)
        tiles[:, WALL_CELL] = WALL
        tiles[:, HIDDEN_CELL] = HIDDEN
        views = np.take_along_axis(tiles, VIEWS[self._pose[rows]], axis=1)
        views[:, (VIEW - 1) * VIEW + VIEW // 2] = AGENT + self._carrying[rows]
        return views

    def full_views(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Return the whole room with its walls: tiles, uint8, shape (n, 64), row by row."""
        cells, pose = self._cells[rows, :N_CELLS], self._pose[rows]
        tiles = np.where(cells, cells + np.uint8(FULL_WALL), np.uint8(HIDDEN))
        tiles[np.arange(len(pose)), pose // 4] = FULL_AGENT + pose % 4
        whole = np.full((len(pose), SIDE + 2, SIDE + 2), FULL_WALL, dtype=np.uint8)
        whole[:, 1:-1, 1:-1] = tiles.reshape(-1, SIDE, SIDE)
        return whole.reshape(-1, (SIDE + 2) ** 2)

    def ahead(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what lies before the agent: 0 or 1 + the object's index, and whether a wall."""
        front = FRONT[self._pose[rows]]
        return self._cells[rows, front], front == WALL_CELL

    def step(self, actions: np.ndarray) -> None:
        """Take one action, 0 to 5, in every episode that is not done."""
        act = np.where(self.done, -1, actions)
        front = FRONT[self._pose]
        ahead = self._cells[self._rows, front]
        free = (ahead == 0) & (front < N_CELLS)
        turn = (act == RIGHT).astype(np.intp) - (act == LEFT)
        self._pose = self._pose // 4 * 4 + (self._pose + turn) % 4
        move = (act == FORWARD) & free
        self._pose[move] = front[move] * 4 + self._pose[move] % 4
        picked = (act == PICKUP) & (ahead > 0) & (self._carrying == 0)
        dropped = (act == DROP) & free & (self._carrying > 0)
        # Toggling a box opens it; an empty one vanishes.
        gone = picked | ((act == TOGGLE) & _BOXES[ahead])
        self._cells[self._rows[dropped], front[dropped]] = self._carrying[dropped]
        self._cells[self._rows[gone], front[gone]] = 0
        self._carrying[picked] = ahead[picked]
        self._carrying[dropped] = 0
        self.steps += ~self.done
        self.success |= ~self.done & self._reached(picked & (ahead == self._target))
        self.done |= self.success | (self.steps >= self.max_steps)

    def _reached(self, picked_target: np.ndarray) -> np.ndarray:
        where = self._cells == self._target[:, None]
        cell = where.argmax(axis=1)
        away = where.any(axis=1) & (DISTANCE[self._pose // 4, cell] >= self.escape.distance)
        if self.escape.unseen:
            away &= ~SEEN[self._pose, cell]
        return np.select(
            [self._task == TASKS.index(task) for task in (GO_TO, PICK_UP, ESCAPE)],
            [FRONT[self._pose] == self._home, picked_target, away],
            default=False,
        )
