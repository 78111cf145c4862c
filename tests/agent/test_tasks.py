"""The levels as minigrid sets them up."""

import numpy as np
import pytest

from core.agent.escape import Escape, escape_path
from core.agent.instructions import INSTRUCTIONS, SENTENCES
from tests.agent.hand import NAMES, reset


@pytest.fixture(scope="module")
def levels():
    """A level of every other instruction."""
    return [reset(INSTRUCTIONS[k], seed=k) for k in range(0, 108, 2)]


def things(env):
    """Cells and what lies there, as minigrid has it, walls aside."""
    found = {}
    for y in range(8):
        for x in range(8):
            thing = env.grid.get(x, y)
            assert (thing is not None and thing.type == "wall") == (not (0 < x < 7 and 0 < y < 7))
            if thing is not None and thing.type != "wall":
                found[x, y] = f"{thing.color} {thing.type}"
    return found


def test_five_different_things_lie_in_a_room_without_doors(levels):
    for env in levels:
        found = things(env)
        assert len(found) == len(set(found.values())) == 5
        assert f"{env.instruction.colour} {env.instruction.kind}" in found.values()
        assert tuple(env.agent_pos) not in found
        assert env.carrying is None


def test_cells_pose_and_target_are_read_off_the_grid(levels):
    for env in levels:
        expected = np.zeros(36)
        for (x, y), name in things(env).items():
            expected[(y - 1) * 6 + x - 1] = NAMES.index(name) + 1
        assert env.cells.tolist() == expected.tolist()
        x, y = env.agent_pos
        assert env.pose == ((y - 1) * 6 + x - 1) * 4 + env.agent_dir
        target = env.target_cell % 6 + 1, env.target_cell // 6 + 1
        assert things(env)[target] == f"{env.instruction.colour} {env.instruction.kind}"


def test_an_escape_begins_two_cells_away_with_the_target_in_view_and_a_way_out(levels):
    for env in levels:
        x, y = env.target_cell % 6 + 1, env.target_cell // 6 + 1
        apart = abs(env.agent_pos[0] - x) + abs(env.agent_pos[1] - y)
        if env.instruction.task == "ESCAPE":
            assert apart == 2
            assert env.in_view(x, y)
            assert escape_path(env.cells, env.pose, env.target_cell, Escape())


def test_places_and_companions_vary():
    drawn = [reset(INSTRUCTIONS[-1], seed=seed) for seed in range(40)]
    assert len({env.pose for env in drawn}) > 20
    assert len({env.target_cell for env in drawn}) > 12
    assert {name for env in drawn for name in things(env).values()} == set(NAMES)


def test_the_same_seed_draws_the_same_room():
    first, second, other = (reset(INSTRUCTIONS[40], seed=seed) for seed in (7, 7, 8))
    assert (first.pose, first.cells.tolist()) == (second.pose, second.cells.tolist())
    assert (first.pose, first.cells.tolist()) != (other.pose, other.cells.tolist())


def test_an_escape_says_what_from():
    env = reset(INSTRUCTIONS[SENTENCES.index("avoid the grey key")], seed=0)
    assert env.instrs.surface(env) == "escape from the grey key"
