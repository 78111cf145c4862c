"""Data sets of demonstrations: balanced, the same again, and never silently another."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.agent import dataset
from core.agent.dataset import (
    demonstrations,
    draw_starts,
    make_demonstrations,
    read_demonstrations,
)
from core.agent.errors import DemonstrationError
from core.agent.geometry import DROP, TOGGLE
from core.agent.instructions import TASK_OF, TASKS
from core.agent.shards import DatasetError, read_shard, replay, write_shard
from core.evidence.errors import EvidenceError, HashMismatch
from tests.agent.hand import NAMES

EPISODES, SHARD = 70, 30


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(dataset, "SHARD", SHARD)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "SHARD", SHARD)
        out = tmp_path_factory.mktemp("data") / "set"
        make_demonstrations(out, EPISODES, seed=5)
    return out


@pytest.fixture
def folder(original, tmp_path):
    """A copy of three shards of 30, 30 and 10 episodes, to be spoilt."""
    return shutil.copytree(original, tmp_path / "set")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shards(folder):
    return {name: data for name, data in content(folder).items() if name.endswith(".npz")}


def test_every_demonstration_succeeds_at_its_last_step_and_shows_what_was_seen(shown):
    views, reached = replay(shown.starts, shown.length, shown.actions)
    assert reached.all()
    assert_array_equal(views, shown.views)
    assert shown.length.min() > 0
    assert shown.length.sum() == len(shown.actions) == len(shown.views)


def test_nobody_drops_or_toggles(shown):
    assert not np.isin(shown.actions, (DROP, TOGGLE)).any()


def test_only_who_is_asked_to_picks_up_and_only_at_the_end(shown):
    last = np.zeros(len(shown.actions), dtype=bool)
    last[np.cumsum(shown.length, dtype=int) - 1] = True
    asked = TASK_OF[shown.instruction] == TASKS.index("PICK-UP")
    assert_array_equal(shown.actions == 3, asked & last)


def test_a_data_set_is_balanced(folder, shown):
    assert (np.bincount(shown.starts.instruction, minlength=108) == 2).all()
    found = read_demonstrations(folder)
    assert len(found.starts) == EPISODES
    assert np.bincount(found.starts.instruction, minlength=108).max() == 1


def test_every_shard_draws_rooms_of_its_own():
    first, second = (demonstrations(0, shard, range(5))[0].starts for shard in (0, 1))
    assert first.instruction.tolist() == second.instruction.tolist()
    assert (first.cells != second.cells).any(axis=1).all()


def test_no_two_episodes_begin_alike(folder):
    found = read_demonstrations(folder)
    rooms = np.column_stack([found.starts.cells, found.starts.pose])
    assert len(np.unique(rooms, axis=0)) == EPISODES


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(folder, tmp_path):
    again = make_demonstrations(tmp_path / "again", EPISODES, seed=5)
    assert content(tmp_path / "again") == content(folder)
    other = make_demonstrations(tmp_path / "other", EPISODES, seed=6)
    assert other["sha256"] != again["sha256"]
    assert not set(shards(tmp_path / "other").values()) & set(shards(folder).values())


def test_a_thousand_episodes_take_less_than_100_kb(shown, tmp_path):
    write_shard(tmp_path / "shard.npz", shown)
    assert (tmp_path / "shard.npz").stat().st_size / len(shown.starts) * 1000 < 100_000


def test_the_manifest_says_what_is_there(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    found = read_demonstrations(folder)
    assert (manifest["schema"], manifest["seed"], manifest["episodes"]) == (1, 5, EPISODES)
    assert manifest["training_steps"] == len(found.actions)
    assert manifest["sha256"] == found.sha256()
    assert manifest["files"] == {
        name: hashlib.sha256(data).hexdigest() for name, data in shards(folder).items()
    }
    assert list(manifest["files"]) == ["shard-000.npz", "shard-001.npz", "shard-002.npz"]
    assert sum(manifest["actions"].values()) == len(found.actions)
    assert manifest["actions"]["pickup"] == (TASK_OF[found.starts.instruction] == 1).sum()
    assert manifest["actions"]["drop"] == manifest["actions"]["toggle"] == 0
    for i, task in enumerate(TASKS):
        mine = found.length[TASK_OF[found.starts.instruction] == i]
        steps = manifest["steps"][task]
        assert sum(steps) == len(mine)
        assert sum(k * n for k, n in enumerate(steps)) == mine.sum()
    assert manifest["failures"] == sum(read_shard(path)[1] for path in folder.glob("*.npz"))
    assert manifest["success"] == EPISODES / (EPISODES + manifest["failures"])


def test_failures_are_drawn_again_and_told(monkeypatch):
    tries = []

    def clumsy(env):
        tries.append(env.instruction.text)
        if len(tries) % 3 == 1:
            raise DemonstrationError
        return honest(env)

    honest = dataset.demonstrate
    monkeypatch.setattr(dataset, "demonstrate", clumsy)
    found, failures = demonstrations(0, 0, range(6))
    assert failures == 3
    assert len(tries) == 9
    assert found.starts.instruction.tolist() == [0, 1, 2, 3, 4, 5]
    assert replay(found.starts, found.length, found.actions)[1].all()


def test_a_run_that_was_cut_goes_on_to_the_same_bytes(folder, tmp_path, monkeypatch):
    class CutError(Exception):
        pass

    def make(seed, shard, episodes):
        if shard == 2:
            raise CutError
        return demonstrations(seed, shard, episodes)

    out = tmp_path / "cut"
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "demonstrations", make)
        with pytest.raises(CutError):
            make_demonstrations(out, EPISODES, seed=5)
    assert sorted(content(out)) == ["plan.json", "shard-000.npz", "shard-001.npz"]
    with pytest.raises(DatasetError, match="manifest"):
        read_demonstrations(out)
    made = []
    monkeypatch.setattr(
        dataset, "demonstrations", lambda *a: made.append(a[1]) or demonstrations(*a)
    )
    make_demonstrations(out, EPISODES, seed=5)
    assert made == [2]
    assert content(out) == content(folder)


def test_a_shard_that_was_deleted_comes_back_the_same(folder):
    before = content(folder)
    (folder / "shard-001.npz").unlink()
    make_demonstrations(folder, EPISODES, seed=5)
    assert content(folder) == before


def test_a_shard_that_is_broken_stops_the_making_and_nothing_is_lost(folder):
    before = content(folder)
    (folder / "shard-001.npz").write_bytes(before["shard-001.npz"][:500])
    with pytest.raises(DatasetError, match=r"shard-001\.npz: cannot be read.*delete it and run"):
        make_demonstrations(folder, EPISODES, seed=5)
    assert content(folder) == before | {"shard-001.npz": before["shard-001.npz"][:500]}


def test_a_shard_of_another_size_stops_the_making(folder):
    shutil.copy(folder / "shard-002.npz", folder / "shard-001.npz")
    with pytest.raises(DatasetError, match=r"shard-001\.npz: 10 episodes, not 30; delete it"):
        make_demonstrations(folder, EPISODES, seed=5)


@pytest.mark.parametrize(("episodes", "seed"), [(EPISODES, 6), (EPISODES + 30, 5)])
def test_another_seed_or_size_in_the_same_folder_is_refused(folder, episodes, seed):
    before = content(folder)
    with pytest.raises(DatasetError, match="choose") as found:
        make_demonstrations(folder, episodes, seed)
    for said in (str(folder), "'seed': 5", f"'seed': {seed}", f"'episodes': {episodes}"):
        assert said in str(found.value)
    assert content(folder) == before


def test_another_seed_is_refused_after_a_cut_too(tmp_path, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "demonstrations", cut)
        with pytest.raises(KeyboardInterrupt):
            make_demonstrations(tmp_path, EPISODES, seed=5)
    with pytest.raises(DatasetError, match="choose"):
        make_demonstrations(tmp_path, EPISODES, seed=6)


def test_shards_of_who_knows_what_seed_are_refused(folder):
    (folder / "plan.json").unlink()
    before = content(folder)
    with pytest.raises(DatasetError, match=r"plan\.json.*choose"):
        make_demonstrations(folder, EPISODES, seed=6)
    assert content(folder) == before


def test_a_plan_that_is_not_json_is_refused(folder):
    (folder / "plan.json").write_text("{")
    with pytest.raises(DatasetError, match=r"plan\.json: is not JSON"):
        make_demonstrations(folder, EPISODES, seed=5)


def test_a_missing_shard_is_named(folder):
    (folder / "shard-001.npz").unlink()
    with pytest.raises(HashMismatch, match=r"shard-001\.npz.*no file; delete it and run") as found:
        read_demonstrations(folder)
    assert found.value.where == str(folder / "shard-001.npz")


def test_a_changed_shard_is_named_and_kept(folder):
    before = content(folder)
    manifest = json.loads(before["manifest.json"])
    shutil.copy(folder / "shard-002.npz", folder / "shard-001.npz")
    with pytest.raises(HashMismatch) as found:
        read_demonstrations(folder)
    assert found.value.name == "shard-001.npz"
    assert found.value.expected == manifest["files"]["shard-001.npz"]
    assert found.value.found == manifest["files"]["shard-002.npz"]
    assert content(folder) == before | {"shard-001.npz": before["shard-002.npz"]}


@pytest.mark.parametrize("text", [None, "", "{", "[]", "{}", '{"files": {}}', '"files"'])
def test_a_manifest_that_is_missing_or_broken_is_named(folder, text):
    path = folder / "manifest.json"
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=r"manifest\.json: cannot be read.*run `claims demonst"):
        read_demonstrations(folder)


@pytest.mark.parametrize("files", [[], {}, ["shard-000.npz"]])
def test_a_manifest_with_other_files_than_a_table_of_them_is_named(folder, files):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": files}))
    with pytest.raises(EvidenceError, match=r"manifest\.json: "):
        read_demonstrations(folder)


def test_a_manifest_of_other_shards_is_named(folder):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"] = dict(list(manifest["files"].items())[:2])
    path.write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match=r"manifest\.json: the shards do not hold the data set"):
        read_demonstrations(folder)


def test_starts_are_drawn_for_every_instruction_in_turn():
    starts = draw_starts(2, np.random.default_rng(0))
    assert starts.instruction.tolist() == [i for i in range(108) for _ in range(2)]
    assert ((starts.cells > 0).sum(axis=1) == 5).all()
    targets = starts.instruction % len(NAMES) + 1
    assert (starts.cells == targets[:, None]).any(axis=1).all()
    assert (starts.cells[np.arange(216), starts.pose // 4] == 0).all()
    assert (draw_starts(2, np.random.default_rng(0)).cells == starts.cells).all()
    assert not (draw_starts(2, np.random.default_rng(1)).cells == starts.cells).all()


def test_nothing_is_printed(capfd):
    demonstrations(0, 0, range(60, 80))
    assert capfd.readouterr().out == ""
