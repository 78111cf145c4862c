"""One agent, from demonstrations to what is kept of it."""

import json

import pytest
from safetensors import safe_open

from core.agent import replication, runs
from core.agent.dataset import make_demonstrations
from core.agent.replication import Job, train_agent
from core.agent.runs import Recipe
from core.evidence.errors import EvidenceError

RECIPE = Recipe(seed=1, updates=3, batch=8)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replication, "EPISODES", 1)
        patch.setattr(replication, "QUICK_EPISODES", 1)
        patch.setattr(runs, "SCHEDULE", (0, 2))
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstrations")
    make_demonstrations(folder, 108, seed=0)
    return folder


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent")
    train_agent(Job(RECIPE, data, folder, "cpu"))
    return folder


def test_the_embeddings_are_kept_at_every_point_of_the_schedule(folder):
    snapshots = sorted(folder.glob("snapshot-*.safetensors"))
    assert [path.stem for path in snapshots] == [
        "snapshot-000000",
        "snapshot-000002",
        "snapshot-000003",
    ]
    found = []
    for path in snapshots:
        with safe_open(path, "np") as file:
            assert list(file.keys()) == ["E_L"]
            found.append(file.get_tensor("E_L"))
    assert all(e_l.shape == (108, 128) for e_l in found)
    assert (found[0] != found[1]).any()
    assert (found[1] != found[2]).any()


def test_the_result_says_what_was_trained_and_how_it_does(folder, data):
    result = json.loads((folder / "result.json").read_text())
    manifest = json.loads((data / "manifest.json").read_text())
    assert result["updates"] == 3
    assert result["data"] == manifest["sha256"]
    assert result["recipe"]["seed"] == 1
    assert result["success"]["episodes"] == [1] * 108
    for few, all_steps in zip(result["success"]["24"], result["success"]["64"], strict=True):
        assert 0 <= few <= all_steps <= 1


def test_a_folder_of_another_recipe_is_refused_and_left(folder, data):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(EvidenceError, match="another recipe; choose"):
        train_agent(Job(Recipe(seed=2, updates=3, batch=8), data, folder, "cpu"))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
