"""Shards: what is written is read, and nothing else is."""

import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.agent.dataset import demonstrations
from core.agent.rooms import Rooms
from core.agent.shards import (
    SCHEMA,
    DatasetError,
    Demonstrations,
    instructions_digest,
    joined,
    read_shard,
    replay,
    shard_name,
    write_shard,
)
from tests.agent.hand import act, start

REMEDY = "delete it and run `claims demonstrate` again with the same seed"


@pytest.fixture(scope="module")
def few():
    """Twelve episodes, of which one asks to pick up and the first is longer than a step."""
    return demonstrations(3, 0, range(0, 108, 9))[0]


@pytest.fixture(scope="module")
def content(few, tmp_path_factory):
    path = tmp_path_factory.mktemp("shard") / shard_name(0)
    write_shard(path, few, failures=2)
    return path.read_bytes()


@pytest.fixture
def path(content, tmp_path):
    found = tmp_path / shard_name(0)
    found.write_bytes(content)
    return found


def arrays(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def rewrite(path, **changes):
    """Write a shard with other arrays in it; None takes one away."""
    kept = {name: x for name, x in (arrays(path) | changes).items() if x is not None}
    with path.open("wb") as file:
        np.savez_compressed(file, **kept)


def same(first: Demonstrations, second: Demonstrations):
    for name in ("cells", "pose", "instruction"):
        assert_array_equal(getattr(first.starts, name), getattr(second.starts, name))
    for name in ("length", "views", "actions"):
        assert_array_equal(getattr(first, name), getattr(second, name))


def test_a_shard_is_read_as_written(path, few):
    found, failures = read_shard(path)
    same(found, few)
    assert failures == 2
    assert found.sha256() == few.sha256()


def test_a_shard_says_what_it_is_in_plain_arrays(path, few):
    found = arrays(path)
    assert set(found) == {
        *("schema", "sentences", "failures", "cells"),
        *("pose", "instruction", "length", "views", "actions"),
    }
    assert found["schema"] == SCHEMA
    assert found["sentences"] == instructions_digest()
    assert found["views"].shape == (few.length.sum(), 49)
    assert {found[name].dtype for name in ("cells", "views", "actions")} == {np.dtype(np.uint8)}


def test_the_same_shard_is_the_same_bytes(path, few, tmp_path):
    write_shard(tmp_path / "again.npz", few, failures=2)
    assert (tmp_path / "again.npz").read_bytes() == path.read_bytes()


def test_names_sort_by_number():
    assert [shard_name(k) for k in (0, 7, 123)] == [
        "shard-000.npz",
        "shard-007.npz",
        "shard-123.npz",
    ]


def test_the_sentences_are_told_apart_by_this_digest():
    # Held fixed: data on disk carries it.
    lines = [
        f"{phrase} the {colour} {kind}"
        for phrase in ("go to", "move towards", "pick up", "escape from", "stay away", "avoid")
        for colour in ("red", "green", "grey", "yellow", "purple", "blue")
        for kind in ("box", "key", "ball")
    ]
    assert instructions_digest() == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_replay_sees_what_was_there_before_each_action():
    things = {"red ball": (2, 3)}
    starts = start("go to the red ball", "2 0 >", things)
    two = np.array([2], np.uint8), np.array([2, 2], np.uint8)
    (views, reached), (whole, _) = replay(starts, *two), replay(starts, *two, full=True)
    assert reached.tolist() == [True]
    rooms = Rooms(starts)
    for step in range(2):
        assert_array_equal(views[step : step + 1], rooms.views())
        assert_array_equal(whole[step : step + 1], rooms.full_views())
        act(rooms, "f")
    assert (views.shape, whole.shape) == ((2, 49), (2, 64))
    assert (views[0] != views[1]).any()


@pytest.mark.parametrize("actions", [[2], [2, 0], [2, 2, 0], [0, 1, 2]])
def test_replay_tells_who_does_not_succeed_at_the_last_step(actions):
    starts = start("go to the red ball", "2 0 >", {"red ball": (2, 3)})
    length = np.array([len(actions)], np.uint8)
    assert replay(starts, length, np.array(actions, np.uint8))[1].tolist() == [False]


def test_replay_keeps_episodes_of_different_lengths_apart(few):
    views, reached = replay(few.starts, few.length, few.actions)
    assert reached.all()
    ends = np.cumsum(few.length, dtype=int)
    for n, end in enumerate(ends):
        mine = slice(end - few.length[n], end)
        alone = replay(few.starts[n : n + 1], few.length[n : n + 1], few.actions[mine])
        assert_array_equal(alone[0], views[mine])


def test_instructions_are_told_per_step(few):
    expected = [
        i for i, n in zip(few.starts.instruction, few.length, strict=True) for _ in range(n)
    ]
    assert few.instruction.tolist() == expected
    assert few.instruction.dtype == np.int64


def test_the_full_views_are_those_of_the_episodes(few):
    assert few.full_views().shape == (len(few.actions), 64)
    assert_array_equal(
        few.full_views()[: few.length[0]],
        replay(few.starts[:1], few.length[:1], few.actions[: few.length[0]], full=True)[0],
    )


def test_joined_shards_hold_all_episodes_in_order(few):
    split, steps = 5, int(few.length[:5].sum())
    parts = (
        Demonstrations(
            few.starts[:split], few.length[:split], few.views[:steps], few.actions[:steps]
        ),
        Demonstrations(
            few.starts[split:], few.length[split:], few.views[steps:], few.actions[steps:]
        ),
    )
    same(joined(parts), few)
    assert joined(parts).sha256() == few.sha256() != joined(parts[::-1]).sha256()


@pytest.mark.parametrize("what", ["cells", "pose", "instruction"])
def test_the_digest_depends_on_where_episodes_begin(few, what):
    changed = getattr(few.starts, what).copy()
    changed.flat[0] += 1
    other = replace(few, starts=replace(few.starts, **{what: changed}))
    assert other.sha256() != few.sha256()


@pytest.mark.parametrize("what", ["length", "actions"])
def test_the_digest_depends_on_what_was_done(few, what):
    changed = getattr(few, what).copy()
    changed[0] += 1
    assert replace(few, **{what: changed}).sha256() != few.sha256()


def refused(path, fault):
    with pytest.raises(DatasetError, match=fault) as found:
        read_shard(path)
    assert str(found.value).startswith(f"{path}: ")
    assert str(found.value).endswith(REMEDY)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_shard_cut_short_is_refused(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "cannot be read")


def test_a_missing_shard_is_refused(path):
    path.unlink()
    refused(path, "cannot be read")


def test_a_changed_byte_is_refused_or_does_not_matter(path, content, few):
    told = []
    for place in range(0, len(content), 7):
        changed = bytearray(content)
        changed[place] ^= 0x41
        path.write_bytes(changed)
        try:
            found, failures = read_shard(path)
        except DatasetError as error:
            told.append(str(error))
        else:
            same(found, few)
            assert failures == 2
    # Times and the like within the archive may change.
    assert len(told) > len(content) / 7 / 2
    assert all(message.startswith(f"{path}: ") for message in told)


def test_pickles_are_refused_and_never_run(path, tmp_path):
    class Mischief:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    cells = np.empty(12, dtype=object)
    cells[:] = [Mischief() for _ in range(12)]
    changed = arrays(path) | {"cells": cells}
    buffer = io.BytesIO()
    np.savez(buffer, **changed)  # pyright: ignore[reportArgumentType]
    path.write_bytes(buffer.getvalue())
    refused(path, "cannot be read")
    assert not (tmp_path / "ran").exists()


def test_one_array_in_the_place_of_a_shard_is_refused(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3, np.uint8))
    refused(path, None)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"schema": np.array(SCHEMA + 1)}, f"schema {SCHEMA + 1}, not {SCHEMA}"),
        ({"sentences": np.array("0" * 64)}, "made for other instructions"),
        ({"views": None}, "holds .*, not .*views"),
        ({"extra": np.zeros(3)}, "holds .*extra.*, not"),
        ({"failures": None}, "holds .*, not .*failures"),
        ({"schema": np.array("one")}, "schema"),
        ({"failures": np.array("none")}, "failures"),
        ({"failures": np.array([1, 2])}, "failures"),
        ({"pose": np.uint8(3)}, "pose"),
        ({"length": np.array(["1"] * 12)}, "length"),
    ],
)
def test_another_kind_of_file_is_refused(path, changes, fault):
    rewrite(path, **changes)
    refused(path, fault)


@pytest.mark.parametrize("name", ["cells", "pose", "instruction", "length", "views", "actions"])
@pytest.mark.parametrize("dtype", [np.int64, np.float32])
def test_an_array_of_another_type_is_refused(path, name, dtype):
    rewrite(path, **{name: arrays(path)[name].astype(dtype)})
    refused(path, rf"{name} is {np.dtype(dtype)} .*, not uint8")


@pytest.mark.parametrize("name", ["cells", "instruction", "length", "views", "actions"])
def test_an_array_of_another_length_is_refused(path, name):
    rewrite(path, **{name: arrays(path)[name][:-1]})
    refused(path, r"is uint8 \(\d+,.*, not uint8")


@pytest.mark.parametrize(("name", "limit"), [("pose", 144), ("instruction", 108), ("actions", 6)])
def test_values_that_mean_nothing_are_refused(path, name, limit):
    changed = arrays(path)[name].copy()
    changed[-1] = limit
    rewrite(path, **{name: changed})
    refused(path, f"{name} has values of {limit} and more")


def test_cells_that_mean_nothing_are_refused(path):
    changed = arrays(path)["cells"].copy()
    changed[0][changed[0] == 0] = 19
    rewrite(path, cells=changed)
    refused(path, None)


def test_an_empty_shard_and_an_empty_episode_are_refused(path):
    found = arrays(path)
    length = found["length"].copy()
    length[1] += length[0]
    length[0] = 0
    rewrite(path, length=length)
    refused(path, "empty episode")
    rewrite(path, **{name: x[:0] for name, x in found.items() if x.ndim})
    refused(path, "empty")


def test_an_action_changed_is_found_by_replaying(path):
    found = arrays(path)
    ends = np.cumsum(found["length"], dtype=int)
    for episode in (0, 4):
        actions = found["actions"].copy()
        actions[ends[episode] - 1] = 4  # nobody ever drops anything
        rewrite(path, actions=actions)
        refused(path, f"replayed, episode {episode} does not end in success")


def test_views_changed_are_found_by_replaying(path):
    views = arrays(path)["views"].copy()
    views[5, 20] ^= 1
    rewrite(path, views=views)
    refused(path, "replayed, views differ")


def test_a_thing_moved_is_found_by_replaying(path):
    cells = arrays(path)["cells"].copy()
    cells[2] = np.roll(cells[2], 1)
    rewrite(path, cells=cells)
    refused(path, "replayed")


def test_lengths_changed_are_found_by_replaying(path):
    length = arrays(path)["length"].copy()
    length[0] -= 1
    length[1] += 1
    rewrite(path, length=length)
    refused(path, "replayed, episode 0 does not end in success")


def test_another_instruction_is_found_by_replaying(path):
    instruction = arrays(path)["instruction"].copy()
    assert instruction[0] < 18
    instruction[0] += 36  # pick it up, where it was gone to
    rewrite(path, instruction=instruction)
    refused(path, "replayed, episode 0 does not end in success")
