"""Rooms as arrays: minigrid's, step by step, and the rules of the three tasks by hand."""

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.agent.dataset import draw_start
from core.agent.escape import Escape
from core.agent.geometry import DROP, PICKUP, TOGGLE
from core.agent.instructions import INSTRUCTIONS, TASK_OF, TASKS
from core.agent.rooms import AGENT, FLOOR, HIDDEN, WALL, Rooms, Starts
from core.agent.tasks import RequestLevel
from core.agent.tiles import render
from tests.agent.hand import NAMES, act, played, start

AGENT_PLACE = 6 * 7 + 3


def draw(n, rng, max_steps, escape):
    """Environments of all tasks in turn, and the same rooms as arrays."""
    envs, states = [], []
    for k in range(n):
        instruction = int(rng.choice(np.flatnonzero(k % 3 == TASK_OF)))
        envs.append(RequestLevel(INSTRUCTIONS[instruction], max_steps, escape))
        states.append((*draw_start(envs[-1], rng), instruction))
    columns = [np.array(column, dtype=np.uint8) for column in zip(*states, strict=True)]
    return envs, Rooms(Starts(*columns), max_steps, escape)


def meddle(env, rng):
    """An action, any of the six, that often handles what is before the agent."""
    ahead = env.grid.get(*env.front_pos)
    if rng.random() < 0.8:
        if ahead is not None and ahead.type != "wall":
            return PICKUP if rng.random() < 0.6 else TOGGLE
        if ahead is None and env.carrying and rng.random() < 0.4:
            return DROP
    return int(rng.choice(6, p=[0.15, 0.15, 0.55, 0.05, 0.05, 0.05]))


def happened(env, action, before):
    """What an action did, by minigrid's own state before it."""
    carried, thing = before
    if action == PICKUP and carried is None and env.carrying is not None:
        return "picked up"
    if action == DROP and carried is not None and env.carrying is None:
        return "dropped"
    if action == TOGGLE and thing is not None and thing.type == "box":
        return "opened"
    return "carried" if env.carrying is not None else "other"


def same_frames(rooms, envs, rows):
    views, whole = render(rooms.views(rows)), render(rooms.full_views(rows))
    for k, row in enumerate(rows):
        env = envs[row]
        assert_array_equal(views[k], env.get_frame(tile_size=8, agent_pov=True))
        assert_array_equal(whole[k], env.get_frame(tile_size=8, highlight=False))


def test_every_step_is_minigrid_s():
    rng, seen = np.random.default_rng(0), Counter()
    for max_steps, escape in ((20, Escape()), (24, Escape(4)), (16, Escape(5, unseen=False))):
        envs, rooms = draw(51, rng, max_steps, escape)
        same_frames(rooms, envs, np.arange(51))
        for step in range(max_steps):
            (going,) = np.nonzero(~rooms.done)
            actions = rng.integers(6, size=51)  # those that are done do not heed theirs
            ended = np.zeros((51, 2), dtype=bool)
            for row in going:
                env = envs[row]
                before = env.carrying, env.grid.get(*env.front_pos)
                actions[row] = meddle(env, rng)
                ended[row] = env.step(int(actions[row]))[2:4]
                seen[happened(env, actions[row], before)] += 1
                seen[env.instruction.task] += int(ended[row, 0])
            rooms.step(actions)
            assert_array_equal(rooms.success[going], ended[going, 0])
            assert_array_equal(rooms.done[going], ended[going].any(axis=1))
            assert (rooms.steps[going] == step + 1).all()
            same_frames(rooms, envs, going)
        assert rooms.done.all()
        # Those that ended early have stood still since.
        same_frames(rooms, envs, np.arange(51))
    # Enough went on for the comparison to mean something.
    assert seen["carried"] > 200
    assert min(seen[what] for what in ("picked up", "dropped", "opened")) > 20
    assert min(seen[task] for task in TASKS) > 2, seen


BALL = {"red ball": (2, 3)}


def test_go_to_succeeds_on_facing_its_object():
    assert played("go to the red ball", "2 0 >", BALL, "ff") == [False, True]
    assert played("move towards the red ball", "1 3 <", BALL, "l") == [True]
    # Beside it, but looking elsewhere.
    assert played("go to the red ball", "1 3 ^", BALL, "rpdt") == [False] * 4


def test_go_to_succeeds_by_an_action_not_by_the_start():
    rooms = Rooms(start("go to the red ball", "2 2 >", BALL))
    assert not rooms.done[0]
    assert act(rooms, "d") == [True]
    assert played("go to the red ball", "2 2 >", BALL, "rl") == [False, True]


def test_go_to_is_not_satisfied_by_another_object():
    things = {"red ball": (5, 5), "red key": (0, 2), "blue ball": (1, 0)}
    assert not any(played("go to the red ball", "0 0 >", things, "frlpdlr"))


def test_pick_up_takes_its_object_into_the_hand():
    things = {"red key": (0, 1), "red ball": (1, 0)}
    # The key first: no success; then the hands are full, until the key is put back.
    found = played("pick up the red ball", "0 0 >", things, "p r p l d r p")
    assert found == [False] * 6 + [True]


def test_pick_up_is_not_facing_opening_or_reaching_at_a_wall():
    things = {"red box": (0, 1)}
    assert not any(played("pick up the red box", "0 0 >", things, "dfrrpllt p"))


FAR = {"red ball": (0, 0)}


@pytest.mark.parametrize(
    ("escape", "steps"),
    [(Escape(), 5), (Escape(4), 4), (Escape(3), 3), (Escape(4, unseen=False), 4)],
)
def test_escape_counts_from_the_distance_on(escape, steps):
    found = played("avoid the red ball", "0 2 <", FAR, "rrfff", escape=escape)
    assert found == [step >= steps for step in range(1, 6)]


@pytest.mark.parametrize(
    ("unseen", "found"), [(True, [False, False, True]), (False, [True, True, True])]
)
def test_escape_may_ask_that_the_object_is_out_of_view(unseen, found):
    escape = Escape(5, unseen=unseen)
    # Five cells away and looking at it: a drop with empty hands changes nothing.
    assert played("escape from the red ball", "0 5 <", FAR, "ddr", escape=escape) == found


def test_the_view_reaches_three_cells_to_each_side():
    things = {"red ball": (5, 2)}
    # Turning up keeps the ball behind; turning down brings it into view, if it is within three.
    assert played("avoid the red ball", "0 5 >", things, "r") == [False]
    assert played("avoid the red ball", "0 5 >", things, "l") == [True]
    assert played("avoid the red ball", "1 5 >", {"red ball": (5, 1)}, "r") == [True]


def test_a_carried_object_is_not_escaped_from():
    # Five cells from where it lay, with it in hand.
    assert not any(played("avoid the red ball", "0 1 <", FAR, "p rr ffff lr"))


def test_a_dropped_object_counts_by_its_new_place():
    # Dropped in the other corner at (1, 5); four cells on, the agent is five away from there and
    # one from where the ball lay at first.
    found = played("avoid the red ball", "0 1 <", FAR, "p rr ffff r d r ffff")
    assert found == [False] * 13 + [True]


def test_an_opened_box_is_never_escaped_from():
    rooms = Rooms(start("avoid the red box", "0 1 <", {"red box": (0, 0)}))
    act(rooms, "t rr ffff" + "rl" * 40)
    assert rooms.done[0]
    assert not rooms.success[0]


def test_an_opened_box_is_gone_and_nothing_else_opens():
    cells = {"red box": (0, 1), "red key": (1, 0)}
    rooms = Rooms(start("go to the blue ball", "0 0 >", cells | {"blue ball": (5, 5)}))
    act(rooms, "t")
    assert rooms.ahead(np.array([0]))[0] == [0]
    act(rooms, "rt")
    assert rooms.ahead(np.array([0]))[0] == [NAMES.index("red key") + 1]


def test_what_is_in_the_way_stops_the_agent_and_a_drop():
    rooms = Rooms(start("pick up the blue ball", "0 0 >", {"red key": (0, 1), "blue ball": (5, 5)}))
    before = rooms.full_views()
    act(rooms, "f l f r")  # the key, then the wall
    assert_array_equal(rooms.full_views(), before)
    act(rooms, "p l d r")  # the key in hand, and nowhere to put it: a wall
    assert rooms.views()[0, AGENT_PLACE] == AGENT + NAMES.index("red key") + 1
    act(rooms, "d")
    assert_array_equal(rooms.full_views(), before)


def test_the_view_by_hand():
    things = {"green box": (3, 1), "blue ball": (1, 4), "red key": (5, 0)}
    view = Rooms(start("avoid the blue ball", "4 1 ^", things)).views()[0].reshape(7, 7)
    assert view[6, 3] == AGENT
    assert view[5, 3] == FLOOR + NAMES.index("green box") + 1
    assert view[3, 6] == FLOOR + NAMES.index("blue ball") + 1
    assert (view[:, 1][1:] == WALL).all()  # beyond the left column
    assert (view[:, 0] == HIDDEN).all()
    assert (view[1, 1:] == WALL).all()  # above the first row
    assert (view[0] == HIDDEN).all()
    assert set(view[2:, 2:].ravel()) == {
        FLOOR,
        AGENT,
        view[5, 3],
        view[3, 6],
    }  # the key is behind


def test_what_is_ahead():
    things = {"red ball": (0, 1), "red key": (3, 3)}
    rooms = Rooms(start("avoid the red key", "0 0 >", things))
    ahead, wall = rooms.ahead(np.array([0]))
    assert (ahead, wall) == ([NAMES.index("red ball") + 1], [False])
    act(rooms, "l")
    assert tuple(map(list, rooms.ahead(np.array([0])))) == ([0], [True])


def test_an_episode_ends_at_its_limit_and_stands_still():
    rooms = Rooms(start("go to the red ball", "2 0 >", BALL), max_steps=3)
    act(rooms, "lll")
    assert rooms.done[0]
    view = rooms.views()
    act(rooms, "rff")
    assert_array_equal(rooms.views(), view)
    assert (rooms.steps, rooms.success) == ([3], [False])


def test_success_at_the_last_step_counts_and_stops_the_clock():
    rooms = Rooms(start("go to the red ball", "2 0 >", BALL), max_steps=2)
    assert act(rooms, "ff") == [False, True]
    act(rooms, "ll")
    assert (rooms.steps, rooms.success, rooms.done) == ([2], [True], [True])


def test_the_limit_is_64_steps():
    rooms = Rooms(start("go to the red ball", "2 0 >", BALL))
    act(rooms, "l" * 63)
    assert not rooms.done[0]
    act(rooms, "l")
    assert rooms.done[0]


def test_rows_are_taken_by_number():
    starts = [start("avoid the red ball", f"{row} 0 >", BALL) for row in (0, 1, 4)]
    joined = Starts(
        *(
            np.concatenate([getattr(s, name) for s in starts])
            for name in ("cells", "pose", "instruction")
        )
    )
    rooms, rows = Rooms(joined), np.array([2, 0])
    assert_array_equal(rooms.views(rows), rooms.views()[rows])
    assert_array_equal(rooms.full_views(rows), rooms.full_views()[rows])
    assert len(joined) == 3
    assert_array_equal(Rooms(joined[rows]).views(), rooms.views()[rows])
    assert len(joined[1:]) == 2


def test_the_starts_are_not_changed_by_playing():
    begun = start("pick up the red ball", "2 2 >", BALL)
    act(Rooms(begun), "p")
    assert begun.cells.sum() == NAMES.index("red ball") + 1
    assert_array_equal(
        Rooms(begun).views(), Rooms(start("avoid the red ball", "2 2 >", BALL)).views()
    )
