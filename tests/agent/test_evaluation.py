"""Success of agents, and of those that understand nothing."""

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from core.agent.dataset import draw_starts
from core.agent.escape import Escape
from core.agent.evaluation import (
    Outcome,
    floors,
    greedy,
    held_out_starts,
    play,
    shared_by_synonyms,
    uniform,
    wander,
)
from core.agent.geometry import FORWARD, LEFT, PICKUP, RIGHT
from core.agent.instructions import OBJECT_OF, SENTENCES
from core.agent.model import Agent, Architecture
from core.agent.rooms import BLANK, Rooms, Starts
from core.agent.tiles import tile_table
from tests.agent.hand import start


@pytest.fixture(scope="module")
def starts():
    """Three starts of every instruction."""
    return draw_starts(3, np.random.default_rng(0))


def keys(starts):
    return [
        (cells.tobytes(), int(pose), int(instruction))
        for cells, pose, instruction in zip(
            starts.cells, starts.pose, starts.instruction, strict=True
        )
    ]


def test_the_demonstrator_s_own_actions_succeed_everywhere_in_as_many_steps(shown):
    first = np.cumsum(shown.length, dtype=int) - shown.length
    told = []

    def policy(rooms, rows):
        told.append(rows)
        return shown.actions[first[rows] + rooms.steps[rows]]

    outcome = play(policy, shown.starts)
    assert outcome.success.all()
    assert_array_equal(outcome.steps, shown.length)
    assert_array_equal(outcome.instruction, shown.starts.instruction)
    assert outcome.by_task() == {"GO-TO": 1.0, "PICK-UP": 1.0, "ESCAPE": 1.0}
    # Only those that go on are asked.
    assert [len(rows) for rows in told] == [(shown.length > k).sum() for k in range(len(told))]


def test_who_turns_for_ever_reaches_the_limit():
    outcome = play(
        lambda _, rows: np.zeros(len(rows), int),
        start("go to the red ball", "2 0 >", {"red ball": (5, 5)}),
    )
    assert (outcome.success, outcome.steps) == ([False], [64])


def test_an_escape_is_counted_as_asked():
    room = start("avoid the red ball", "0 2 <", {"red ball": (0, 0)})
    way = np.array([RIGHT, RIGHT, FORWARD, FORWARD, FORWARD])

    def policy(rooms, rows):
        return way[np.minimum(rooms.steps[rows], 4)]

    assert play(policy, room).steps == [5]
    assert play(policy, room, Escape(3)).steps == [3]
    assert not play(policy, room, Escape(6)).success[0]


def test_counts_by_hand():
    outcome = Outcome(
        np.array([0, 0, 0, 107, 107, 36]),
        np.array([True, True, False, True, False, False]),
        np.array([24, 25, 64, 3, 64, 64]),
    )
    reached, episodes = outcome.counts()
    assert (len(reached), len(episodes)) == (108, 108)
    assert (reached[0], episodes[0]) == (2, 3)
    assert (reached[107], episodes[107]) == (1, 2)
    assert (reached[36], episodes[36]) == (0, 1)
    assert (reached.sum(), episodes.sum()) == (3, 6)
    few, episodes = outcome.counts(24)
    assert (few[0], few[107], few.sum()) == (1, 1, 2)
    assert episodes.sum() == 6
    assert outcome.counts(23)[0][0] == 0
    assert outcome.by_task() == {"GO-TO": pytest.approx(2 / 3), "PICK-UP": 0.0, "ESCAPE": 0.5}


def agent(view="partial", seed=0):
    torch.manual_seed(seed)
    return Agent(Architecture(view=view), tile_table()).eval()


@pytest.mark.parametrize("action", range(6))
def test_the_likeliest_action_is_taken(action, starts):
    net = agent()
    with torch.no_grad():
        net.policy.weight.zero_()
        net.policy.bias[:] = torch.linspace(0, 0.1, 6)
        net.policy.bias[action] += 1
    chosen = greedy(net)(Rooms(starts), np.arange(10))
    assert chosen.tolist() == [action] * 10


@pytest.mark.parametrize("view", ["partial", "full"])
def test_the_agent_is_shown_what_its_rooms_show_and_told_their_instruction(view, starts):
    net, asked = agent(view), []

    def watched(module, inputs):
        asked.append(inputs)

    net.register_forward_pre_hook(watched)
    rooms, rows = Rooms(starts), np.array([5, 200, 17])
    chosen = greedy(net)(rooms, rows)
    ((tiles, instruction),) = asked
    assert instruction.tolist() == starts.instruction[rows].tolist()
    if view == "full":
        assert_array_equal(tiles.numpy(), rooms.full_views()[rows])
    else:
        grid = tiles.numpy().reshape(3, 8, 8)
        assert_array_equal(grid[:, :7, :7].reshape(3, 49), rooms.views()[rows])
        assert (grid[:, 7] == BLANK).all()
    with torch.no_grad():
        assert_array_equal(chosen, net(tiles, instruction).numpy().argmax(1))


def test_uniform_choices_are_even():
    act = uniform((LEFT, RIGHT, FORWARD), np.random.default_rng(0))
    drawn = Counter(act(None, np.arange(6000)).tolist())  # pyright: ignore[reportArgumentType]
    assert drawn.keys() == {LEFT, RIGHT, FORWARD}
    assert all(1850 < n < 2150 for n in drawn.values())


def test_who_only_moves_never_picks_up_and_who_does_anything_seldom(starts):
    found = {
        name: play(policy, starts).by_task()
        for name, policy in floors(np.random.default_rng(1)).items()
    }
    assert list(found) == ["uniform over six actions", "uniform over three moves", "wandering"]
    assert found["uniform over three moves"]["PICK-UP"] == 0
    assert 0 < found["uniform over six actions"]["PICK-UP"] < found["wandering"]["PICK-UP"]
    assert found["wandering"]["GO-TO"] > found["uniform over six actions"]["GO-TO"] + 0.1
    assert all(success < 0.9 for tasks in found.values() for success in tasks.values())


def many(room, n=4000):
    return Starts(*(np.repeat(x, n, axis=0) for x in (room.cells, room.pose, room.instruction)))


@pytest.mark.parametrize(
    ("agent_at", "forward", "pickup"),
    [("2 0 >", 0.9, 0), ("2 2 >", 0, 0.45), ("0 0 ^", 0, 0)],
)
def test_who_wanders_goes_on_unless_something_is_in_the_way(agent_at, forward, pickup):
    rooms = Rooms(many(start("pick up the red ball", agent_at, {"red ball": (2, 3)})))
    taken = wander(np.random.default_rng(0))(rooms, np.arange(4000))
    share = np.bincount(taken, minlength=6) / 4000
    assert share[FORWARD] == pytest.approx(forward, abs=0.03 * (forward > 0))
    assert share[PICKUP] == pytest.approx(pickup, abs=0.03 * (pickup > 0))
    assert share[LEFT] == pytest.approx(share[RIGHT], abs=0.04)
    assert share[[LEFT, RIGHT, FORWARD, PICKUP]].sum() == pytest.approx(1)


def test_held_out_starts_are_drawn_for_every_instruction_and_the_same_again(shown):
    found = held_out_starts(shown.starts, 2, seed=3)
    assert found.instruction.tolist() == [i for i in range(108) for _ in range(2)]
    assert keys(found) == keys(held_out_starts(shown.starts, 2, seed=3))
    assert keys(found) != keys(held_out_starts(shown.starts, 2, seed=4))
    assert len(set(keys(found))) == 216


@pytest.fixture(scope="module")
def replaced(shown):
    """Starts as drawn, those of them that are trained on, and what is held out then."""
    drawn = held_out_starts(shown.starts, 3, seed=3)
    rows = np.array([0, 1, 2, 40, 200, 201])  # all three of one instruction, and two of another
    return drawn, rows, held_out_starts(drawn[rows], 3, seed=3)


def test_no_held_out_start_is_trained_on(replaced):
    drawn, rows, found = replaced
    assert not set(keys(found)) & set(keys(drawn[rows]))
    assert_array_equal(found.instruction, drawn.instruction)
    kept = np.setdiff1d(np.arange(324), rows)
    assert keys(found[kept]) == keys(drawn[kept])
    targets = found.instruction % 18 + 1
    assert (found.cells == targets[:, None]).any(axis=1).all()
    assert (found.cells[np.arange(324), found.pose // 4] == 0).all()


def test_starts_drawn_again_differ_from_each_other(replaced):
    _, rows, found = replaced
    assert len(set(keys(found[rows]))) == len(rows)


def test_starts_drawn_again_are_not_trained_on_either(shown, replaced):
    drawn, rows, found = replaced
    both = Starts(
        *(
            np.concatenate(x)
            for x in zip(
                *((s.cells, s.pose, s.instruction) for s in (drawn[rows], found[rows])), strict=True
            )
        )
    )
    third = held_out_starts(both, 3, seed=3)
    assert not set(keys(third)) & set(keys(both))


def test_a_room_seen_under_another_request_is_no_held_out_one():
    drawn = held_out_starts(start("avoid the red box", "0 0 >", {"red box": (0, 2)}), 1, seed=3)
    other = Starts(drawn.cells, drawn.pose, (drawn.instruction + 18) % 108)
    again = held_out_starts(other, 1, seed=3)
    rooms = {key[:2] for key in keys(drawn)}
    assert not rooms & {key[:2] for key in keys(again)}


def test_synonyms_begin_in_the_same_rooms_and_others_do_not(starts):
    shared = shared_by_synonyms(starts)
    assert_array_equal(shared.instruction, starts.instruction)
    rooms = {i: [key[:2] for key in keys(shared[shared.instruction == i])] for i in range(108)}
    at = SENTENCES.index
    for first, *synonyms in (
        ("go to the red ball", "move towards the red ball"),
        ("escape from the blue key", "stay away the blue key", "avoid the blue key"),
    ):
        own = [key[:2] for key in keys(starts[starts.instruction == at(first)])]
        assert rooms[at(first)] == own
        assert all(rooms[at(synonym)] == own for synonym in synonyms)
    assert len({tuple(r) for r in rooms.values()}) == 3 * 18


def test_every_shared_start_holds_its_target(starts):
    shared = shared_by_synonyms(starts)
    target = np.array([OBJECT_OF[i] + 1 for i in shared.instruction])
    assert (shared.cells == target[:, None]).sum(axis=1).tolist() == [1] * len(shared)
