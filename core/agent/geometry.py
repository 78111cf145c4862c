"""The room's geometry: what is seen, and what lies in front, from every pose.

A room has a 6x6 interior without doors. Nothing in it hides anything else, so what the agent sees
depends on its pose alone. A pose is the agent's cell (row by row) times four, plus its direction
(right, down, left, up).
"""

from __future__ import annotations

import numpy as np

SIDE = 6
VIEW = 7
N_CELLS = SIDE * SIDE
#: Stand for a cell where there is none: a wall, and what is hidden from view.
WALL_CELL, HIDDEN_CELL = N_CELLS, N_CELLS + 1
#: minigrid's first six actions; it has a seventh, "done", which does nothing here.
ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle")
LEFT, RIGHT, FORWARD, PICKUP, DROP, TOGGLE = range(len(ACTIONS))
#: Per direction, the step in x and y.
STEPS = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)])


def _views() -> tuple[np.ndarray, np.ndarray]:
    """Return, per pose, the cell behind each of the 49 places of the view, and what is seen.

    Walls and hidden places have their own numbers.
    """
    view = np.full((N_CELLS * 4, VIEW * VIEW), HIDDEN_CELL, dtype=np.intp)
    for pose in range(N_CELLS * 4):
        (y, x), direction = divmod(pose // 4, SIDE), pose % 4
        ahead, right = STEPS[direction], STEPS[(direction + 1) % 4]
        for row in range(VIEW):
            for column in range(VIEW):
                at = (x, y) + ahead * (VIEW - 1 - row) + right * (column - VIEW // 2)
                if (at >= 0).all() and (at < SIDE).all():
                    view[pose, row * VIEW + column] = at[1] * SIDE + at[0]
                elif (at >= -1).all() and (at <= SIDE).all():
                    view[pose, row * VIEW + column] = WALL_CELL
    seen = np.zeros((N_CELLS * 4, N_CELLS), dtype=bool)
    for pose, cells in enumerate(view):
        seen[pose, cells[cells < N_CELLS]] = True
    return view, seen


#: Per pose, the cell at each of the 49 places of the view, and which cells are seen.
VIEWS, SEEN = _views()
_ROW, _COLUMN = np.divmod(np.arange(N_CELLS), SIDE)
#: Manhattan distance between every two cells.
DISTANCE = abs(_ROW[:, None] - _ROW) + abs(_COLUMN[:, None] - _COLUMN)


def _fronts() -> np.ndarray:
    """Return, per pose, the cell in front of the agent."""
    front = np.full(N_CELLS * 4, WALL_CELL, dtype=np.intp)
    for pose in range(N_CELLS * 4):
        x, y = (pose // 4 % SIDE, pose // 4 // SIDE) + STEPS[pose % 4]
        if 0 <= x < SIDE and 0 <= y < SIDE:
            front[pose] = y * SIDE + x
    return front


#: Per pose, the cell in front.
FRONT = _fronts()
