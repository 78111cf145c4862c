"""Models from the hub, which a small server on this machine plays, and from folders."""

import json
import re
import shutil

import pytest
from huggingface_hub import constants

from core.embedding.errors import EmbeddingError, HubError
from core.embedding.hub import fetch, local, sha256, weight_files
from tests.embedding.hub_server import COMMIT, OTHER, REPO


def refused(hub, told, repo=REPO, **options):
    with pytest.raises(HubError, match=told) as raised:
        fetch(repo, endpoint=hub.address, **options)
    message = str(raised.value)
    assert message.startswith(f"{repo}")
    assert "hf_secret" not in message
    assert "\n" not in message
    # Nor in what a traceback would show of it.
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
    return message


def test_a_model_is_fetched_and_its_commit_recorded(hub, checkpoints):
    hub.files |= {"pytorch_model.bin": b"pickled", "modeling.py": b"raise SystemExit"}
    hub.files |= {"README.md": b"", "onnx/config.json": b"x"}
    found = fetch(REPO, endpoint=hub.address)
    assert (found.model, found.revision, found.fetched) == (REPO, COMMIT, True)
    assert found.config()["model_type"] == "llama"
    original = checkpoints["llama"] / "model.safetensors"
    assert found.weights() == {"model.safetensors": sha256(original)}
    got = {path.name for path in found.folder.rglob("*")}
    assert got == {path.name for path in checkpoints["llama"].iterdir()}
    assert hub.tokens == {"Bearer hf_secret"}


def test_the_token_is_in_no_file(hub, tmp_path):
    fetch(REPO, endpoint=hub.address)
    for path in (tmp_path / "cache").rglob("*"):
        assert path.is_dir() or b"hf_secret" not in path.read_bytes()


def test_the_weights_can_wait(hub):
    found = fetch(REPO, endpoint=hub.address, weights=False)
    assert not any("model.safetensors" in asked for asked in hub.asked)
    assert (found.folder / "tokenizer.json").is_file()
    # They are then of the same commit, whatever the main branch has become.
    hub.refs["main"] = OTHER
    again = fetch(REPO, found.revision, endpoint=hub.address)
    assert again.revision == COMMIT
    assert (found.folder / "model.safetensors").is_file()


def test_a_branch_that_moves_meanwhile_changes_nothing(hub):
    hub.moves_to = OTHER
    found = fetch(REPO, endpoint=hub.address)
    assert hub.refs["main"] == OTHER
    assert found.revision == COMMIT
    assert (found.folder / "model.safetensors").is_file()


def test_a_commit_or_a_proposed_change_can_be_named(hub):
    assert fetch(REPO, OTHER, endpoint=hub.address).revision == OTHER
    hub.refs["refs/pr/6"] = OTHER
    assert fetch(REPO, "refs/pr/6", endpoint=hub.address).revision == OTHER


def test_what_was_fetched_needs_no_network(hub, monkeypatch):
    first = fetch(REPO, endpoint=hub.address)
    hub.asked.clear()
    found = fetch(REPO, endpoint="http://127.0.0.1:9")
    assert (found.revision, found.folder) == (first.revision, first.folder)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch(REPO, COMMIT, endpoint=hub.address).folder == first.folder
    assert hub.asked == []


def test_out_of_reach(hub, monkeypatch):
    with pytest.raises(HubError, match="run once online, or name a folder"):
        fetch(REPO, endpoint="http://127.0.0.1:9")
    with pytest.raises(HubError, match=f"{COMMIT} is not in the cache"):
        fetch(REPO, COMMIT, endpoint="http://127.0.0.1:9")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    refused(hub, "run once online, or name a folder")


def test_only_the_small_files_were_fetched_before_the_network_went(hub):
    fetch(REPO, endpoint=hub.address, weights=False)
    with pytest.raises(HubError, match="hub is out of reach"):
        fetch(REPO, endpoint="http://127.0.0.1:9")


@pytest.mark.parametrize("status", [401, 403])
def test_gated(status, hub):
    hub.file_fault = (status, "GatedRepo")
    told = refused(hub, "is gated")
    assert f"https://huggingface.co/{REPO}" in told
    assert "HF_TOKEN" in told


@pytest.mark.parametrize("fault", [(404, "RepoNotFound"), (401, None)])
def test_no_such_model(fault, hub):
    hub.fault = fault
    refused(hub, "not on the hub, or is private")


def test_no_such_revision(hub):
    hub.refs = {}
    refused(hub, "the hub has no revision its main branch")
    refused(hub, "the hub has no revision refs/pr/9", revision="refs/pr/9")


def test_a_server_that_fails(hub):
    hub.fault = (418, None)
    refused(hub, "the hub answered 418; try again later")
    # Once: the download would ask again and again.
    assert len(hub.asked) == 1


@pytest.mark.parametrize("name", ["./models/llama", "no such folder", "a/b/c"])
def test_neither_a_folder_nor_a_name(name, hub):
    refused(hub, "is no folder here, and no name of a model", repo=name)
    assert hub.asked == []


def test_a_model_without_safetensors(hub):
    del hub.files["model.safetensors"]
    hub.files["pytorch_model.bin"] = b"pickled"
    told = refused(hub, f"at {COMMIT}: holds no model.safetensors")
    assert "--revision" in told
    assert not any("pytorch_model.bin" in asked for asked in hub.asked)


def test_a_folders_revision_follows_its_configuration_and_weights(copied):
    folder = copied("llama")
    first = local(folder)
    assert (first.model, first.folder, first.fetched) == ("tiny-llama", folder, False)
    assert local(folder) == first
    (folder / "notes.txt").write_text("x")
    assert local(folder) == first
    for name in ("config.json", "model.safetensors"):
        path = folder / name
        kept = path.read_bytes()
        path.write_bytes(kept + b" ")
        assert local(folder).revision != first.revision
        path.write_bytes(kept)


def test_a_folder_is_called_by_its_own_name(copied, monkeypatch):
    folder = copied("llama")
    monkeypatch.chdir(folder)
    assert local(type(folder)(".")).model == "tiny-llama"


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(EmbeddingError, match=r"has no config\.json"):
        local(tmp_path)
    for content in ("{", "[]"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(EmbeddingError, match=r"config\.json|no configuration"):
            local(tmp_path).config()


def test_weights_in_several_files(tmp_path):
    index = {"weight_map": {"a": "model-2.safetensors", "b": "model-1.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "model-1.safetensors").write_bytes(b"1")
    with pytest.raises(HubError, match=r"x: model-2\.safetensors is missing"):
        weight_files(tmp_path, "x")
    (tmp_path / "model-2.safetensors").write_bytes(b"2")
    names = [path.name for path in weight_files(tmp_path, "x")]
    assert names == ["model-1.safetensors", "model-2.safetensors"]


@pytest.mark.parametrize(
    "name",
    [
        *("../other/model-1.safetensors", "sub/model-1.safetensors", "/model-1.safetensors"),
        *("..", "", "model-1.bin", 3, None),
    ],
)
def test_an_index_that_leads_elsewhere_is_refused(name, copied, tmp_path):
    # The loader would read what the index names; the hash would be of the file inside.
    folder = copied("llama")
    weights = folder / "model.safetensors"
    shutil.copy(weights, folder / "model-1.safetensors")
    weights.unlink()
    index = {"weight_map": {"a": "model-1.safetensors", "b": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    told = f"index.json: names {name!r}, a file outside its folder, or no safetensors; fetch"
    for read in (local, lambda folder: weight_files(folder, "x")):
        with pytest.raises(HubError, match=re.escape(told)):
            read(folder)


def test_a_folder_that_lacks_one_of_several_files(copied):
    folder = copied("llama")
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(HubError, match=r"tiny-llama: model-1\.safetensors is missing, which"):
        local(folder)


@pytest.mark.parametrize(
    "content", ["{", "[]", "{}", '{"weight_map": 1}', '{"weight_map": {"a": []}}']
)
def test_an_index_that_makes_no_sense(content, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(content)
    with pytest.raises(HubError, match="cannot be read"):
        weight_files(tmp_path, "x")


def test_a_folder_of_pickled_weights(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    with pytest.raises(HubError, match=r"pytorch_model\.bin is pickled, which may run code"):
        weight_files(tmp_path, "x")
