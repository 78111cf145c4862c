"""The shortest way out, against a graph of poses built here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from core.agent.escape import Escape, escape_path
from core.agent.geometry import FORWARD, LEFT, RIGHT
from core.agent.instructions import SENTENCES
from core.agent.rooms import Rooms, Starts
from tests.agent.hand import NAMES, start

TOWARDS = ((0, 1), (1, 0), (0, -1), (-1, 0))  # row and column; right, down, left, up
ESCAPES = st.builds(Escape, st.integers(3, 7), st.booleans())


def after(free, pose, action):
    (row, column), direction = divmod(pose // 4, 6), pose % 4
    if action == LEFT:
        return pose - direction + [3, 0, 1, 2][direction]
    if action == RIGHT:
        return pose - direction + [1, 2, 3, 0][direction]
    row, column = row + TOWARDS[direction][0], column + TOWARDS[direction][1]
    return (row * 6 + column) * 4 + direction if (row, column) in free else pose


def escaped(pose, target, escape):
    (row, column), (down, right) = divmod(pose // 4, 6), TOWARDS[pose % 4]
    y, x = target // 6 - row, target % 6 - column
    ahead, side = y * down + x * right, abs(y * right - x * down)
    seen = 0 <= ahead <= 6 and side <= 3
    return abs(y) + abs(x) >= escape.distance and not (escape.unseen and seen)


def steps_to_go(cells, target, escape):
    """From every pose, the number of steps out of the target's reach."""
    free = {divmod(cell, 6) for cell in range(36) if not cells[cell]}
    edges = [(p, after(free, p, a)) for p in range(144) for a in (FORWARD, LEFT, RIGHT)]
    goals = [p for p in range(144) if escaped(p, target, escape) and divmod(p // 4, 6) in free]
    # Backwards from one more node, which stands for every goal.
    back = [(q, p) for p, q in edges if p != q] + [(144, goal) for goal in goals]
    graph = coo_array((np.ones(len(back)), np.array(back).T), shape=(145, 145))
    return dijkstra(graph.tocsr(), indices=144)[:144] - 1, free


@st.composite
def rooms(draw):
    """Cells with up to 18 things in them, a pose on a free one, and the target's cell."""
    n = draw(st.integers(1, 18))
    places = draw(st.permutations(range(36)))
    cells = np.zeros(36, dtype=np.uint8)
    cells[places[:n]] = draw(st.permutations(range(1, 19)))[:n]
    return cells, places[n] * 4 + draw(st.integers(0, 3)), places[0]


@given(rooms(), ESCAPES)
def test_the_way_is_the_shortest_and_forward_then_left_go_first(room, escape):
    cells, pose, target = room
    found = escape_path(cells, pose, target, escape)
    left, free = steps_to_go(cells, target, escape)
    if not np.isfinite(left[pose]):
        assert found is None
        return
    way = []
    while left[pose]:
        nearer = (a for a in (FORWARD, LEFT, RIGHT) if left[after(free, pose, a)] < left[pose])
        way.append(next(nearer))
        pose = after(free, pose, way[-1])
    assert found == way


@given(rooms(), ESCAPES)
def test_the_way_succeeds_at_its_last_step(room, escape):
    cells, pose, target = room
    way = escape_path(cells, pose, target, escape)
    asked = SENTENCES.index(f"avoid the {NAMES[cells[target] - 1]}")
    played = Rooms(
        Starts(cells[None], np.array([pose], np.uint8), np.array([asked], np.uint8)), escape=escape
    )
    reached = []
    for action in way or []:
        played.step(np.array([action]))
        reached.append(bool(played.success[0]))
    assert reached == [False] * (len(reached) - 1) + [True] * bool(reached)


@pytest.mark.parametrize(
    ("things", "found"),
    [
        ({"red ball": (0, 1), "red key": (1, 0)}, None),
        # Around the ball: down the left column, which is as far as five cells.
        ({"red ball": (0, 1)}, [RIGHT, *[FORWARD] * 4]),
        ({"red ball": (0, 2), "grey key": (1, 1), "blue box": (2, 0)}, None),
    ],
)
def test_ways_by_hand(things, found):
    room = start("avoid the red ball", "0 0 >", things)
    target = dict(things)["red ball"]
    cell = target[0] * 6 + target[1]
    assert escape_path(room.cells[0], int(room.pose[0]), cell, Escape()) == found


def test_who_has_escaped_already_has_nothing_to_do():
    room = start("avoid the red ball", "5 5 >", {"red ball": (0, 0)})
    assert escape_path(room.cells[0], int(room.pose[0]), 0, Escape()) == []
