"""What is seen and what lies in front, from each of the 144 poses, as minigrid has it."""

import numpy as np
import pytest
from minigrid.core.constants import OBJECT_TO_IDX
from minigrid.core.world_object import Ball

from core.agent.geometry import ACTIONS, DISTANCE, FRONT, HIDDEN_CELL, SEEN, VIEWS, WALL_CELL
from core.agent.instructions import INSTRUCTIONS
from tests.agent.hand import reset

POSES = range(144)
CELLS = [(x, y) for y in range(1, 7) for x in range(1, 7)]


@pytest.fixture(scope="module")
def room():
    env = reset(INSTRUCTIONS[0], seed=0)
    for cell in CELLS:
        env.grid.set(*cell, None)
    return env


def put(env, pose):
    env.agent_pos, env.agent_dir = CELLS[pose // 4], pose % 4


def image(env):
    """What is at each of the 49 places, row by row, by minigrid's numbers."""
    return env.gen_obs()["image"][:, :, 0].T.ravel()


def test_the_cell_behind_each_place_is_minigrid_s(room):
    for pose in POSES:
        put(room, pose)
        seen = np.flatnonzero(VIEWS[pose] < 36)
        behind = [room.get_view_coords(*CELLS[cell]) for cell in VIEWS[pose][seen]]
        assert [(x, y) for x, y in behind] == [(place % 7, place // 7) for place in seen]


def test_cells_are_seen_as_in_minigrid(room):
    for pose in POSES:
        put(room, pose)
        assert SEEN[pose].tolist() == [room.in_view(*cell) for cell in CELLS]


@pytest.mark.parametrize("crowded", [False, True])
def test_walls_and_hidden_places_are_minigrid_s_and_nothing_hides_them(room, crowded):
    for pose in POSES:
        put(room, pose)
        for cell in CELLS:
            full = crowded and cell != room.agent_pos
            room.grid.set(*cell, Ball("red") if full else None)
        found = image(room)
        assert ((VIEWS[pose] == WALL_CELL) == (found == OBJECT_TO_IDX["wall"])).all()
        assert ((VIEWS[pose] == HIDDEN_CELL) == (found == OBJECT_TO_IDX["unseen"])).all()


def test_the_cell_in_front_is_minigrid_s(room):
    for pose in POSES:
        put(room, pose)
        front = tuple(room.front_pos)
        assert FRONT[pose] == (CELLS.index(front) if front in CELLS else WALL_CELL)


def test_distances_by_hand():
    assert DISTANCE[0, 35] == DISTANCE[5, 30] == 10
    assert DISTANCE[7, 7] == 0
    assert DISTANCE[7, 8] == DISTANCE[7, 13] == DISTANCE[7, 1] == 1
    assert DISTANCE[2, 19] == 4


def test_actions_have_minigrid_s_numbers(room):
    assert [room.actions[action].value for action in ACTIONS] == list(range(6))
