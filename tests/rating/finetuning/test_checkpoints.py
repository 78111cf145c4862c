"""A run in a file: all of it comes back, and nothing else is taken for it."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from core.rating.errors import RatingError
from core.rating.finetuning import checkpoints
from core.rating.finetuning.loop import Corpus, begin, train
from core.rating.finetuning.settings import Settings
from tests.rating.finetuning import small

SETTINGS = Settings(epochs=1, batch=4, rate=1e-3)
OF = {"recipe": "En_FT", "rate": 1e-3, "data": "a" * 64, "scrambled": False}


@pytest.fixture
def done():
    chat = small.chat()
    encoded = chat.encode(small.examples(12))
    data = Corpus(encoded[:10], encoded[10:], chat.padding)
    return train(begin(small.llama(), SETTINGS), data, small.quietly_done)


@pytest.fixture
def path(done, tmp_path):
    path = tmp_path / "deep" / "checkpoint.safetensors"
    checkpoints.keep(done, path, OF)
    return path


def moments(state):
    named = {id(x): name for name, x in state.trained().items()}
    return {
        f"{named[id(x)]} {key}": value
        for x, each in state.optimiser.state.items()
        for key, value in each.items()
    }


def change(path, tensors=None, **metadata):
    with safe_open(path, "pt") as file:
        old = file.metadata()
    save_file(tensors or load_file(path), path, metadata=old | metadata)


def test_all_of_a_run_comes_back(done, path):
    state = begin(small.llama(seed=1), SETTINGS)
    checkpoints.restore(state, path, OF)
    assert small.same(state.model, done.model)
    assert not small.same(small.llama(seed=1), done.model)
    assert (state.step, state.losses, state.held_out) == (3, done.losses, done.held_out)
    assert small.same(moments(state), moments(done))
    assert len(moments(done)) == 3 * len(done.trained())
    assert small.same(state.random, done.random)
    assert list(path.parent.iterdir()) == [path]


def test_a_run_before_its_first_step_comes_back(tmp_path):
    fresh = begin(small.llama(), SETTINGS)
    checkpoints.keep(fresh, tmp_path / "c", OF)
    state = begin(small.llama(seed=1), SETTINGS)
    checkpoints.restore(state, tmp_path / "c", OF)
    assert small.same(state.model, fresh.model)
    assert (state.step, moments(state)) == (0, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [("recipe", "Nl_FT"), ("rate", 2e-3), ("data", "b" * 64), ("scrambled", True), ("lora", 4)],
)
def test_a_run_that_follows_from_something_else_is_refused(path, name, value):
    state = begin(small.llama(seed=1), SETTINGS)
    with pytest.raises(RatingError, match=f"made with {name} .* not .*--out") as found:
        checkpoints.restore(state, path, OF | {name: value})
    assert json.dumps(value)[:13] in str(found.value)
    assert small.same(state.model, small.llama(seed=1))


@pytest.mark.parametrize("size", [0, 7, 500, -1])
def test_a_file_that_was_cut_is_named(path, size):
    content = path.read_bytes()
    path.write_bytes(content[:size])
    with pytest.raises(RatingError, match=r"checkpoint.safetensors: cannot be read .*delete"):
        checkpoints.restore(begin(small.llama(), SETTINGS), path, OF)


@pytest.mark.parametrize(
    "metadata", [{"schema": "2"}, {"of": "{"}, {"of": "[]"}, {"step": "three"}, {"step": ""}]
)
def test_metadata_that_make_no_sense_are_named(path, metadata):
    change(path, **metadata)
    with pytest.raises(RatingError, match=r"checkpoint.safetensors: .*delete"):
        checkpoints.restore(begin(small.llama(), SETTINGS), path, OF)


def broken(tensors, how):
    name = "model.layers.0.mlp.up_proj.weight"
    if how == "other shape":
        tensors[f"weight.{name}"] = torch.zeros(3, 2)
    elif how == "other moments":
        tensors[f"exp_avg.{name}"] = torch.zeros(3, 2)
    elif how == "nan":
        tensors[f"weight.{name}"][0, 0] = torch.nan
    else:
        del tensors[{"weight": f"weight.{name}", "moment": f"exp_avg_sq.{name}"}.get(how, how)]
    return tensors


@pytest.mark.parametrize(
    "how", ["other shape", "other moments", "nan", "weight", "moment", "losses", "held_out"]
)
def test_tensors_that_do_not_fit_are_named(path, how):
    change(path, broken(load_file(path), how))
    with pytest.raises(RatingError, match=r"checkpoint.safetensors: .*delete"):
        checkpoints.restore(begin(small.llama(), SETTINGS), path, OF)


def test_another_models_run_is_named(path):
    with pytest.raises(RatingError, match="lacks tensors of this model, or has others"):
        checkpoints.restore(begin(small.gpt2(), SETTINGS), path, OF)


def test_a_full_disk_leaves_what_was_there(done, path, monkeypatch):
    before = path.read_bytes()

    def full(tensors, temporary, metadata):
        temporary.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(RatingError, match=r"cannot be written .*No space left.*make room"):
        checkpoints.keep(done, path, OF)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_nothing_in_the_file_is_pickled(path):
    # Its header is JSON, and all behind it are the tensors that the header names.
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    assert 8 + length + max(ends) == len(content)
