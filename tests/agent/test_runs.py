"""Recipes and checkpoints."""

import json
from dataclasses import asdict

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.agent.errors import RecipeError
from core.agent.model import Architecture
from core.agent.runs import CheckpointError, Recipe, begin, load_run, recipe_of, save_run
from core.agent.training import Corpus, train

RECIPE = Recipe(seed=2, updates=3, batch=8, architecture=Architecture(pooling="flatten"))


@pytest.fixture(scope="module")
def trained(shown):
    corpus = Corpus.of(shown, "partial")
    return train(begin(RECIPE, "cpu"), corpus, lambda _: False, lambda *_: None)


@pytest.fixture
def path(trained, tmp_path):
    trained.losses = [1.5, 1 / 3]
    save_run(trained, "digest", tmp_path / "checkpoint.safetensors")
    return tmp_path / "checkpoint.safetensors"


def rewrite(path, tensors=None, **metadata):
    """Change a checkpoint's tensors and metadata; None takes one away."""
    with safe_open(path, "pt") as file:
        kept = {name: file.get_tensor(name) for name in file.keys()} | (tensors or {})  # noqa: SIM118
        told = file.metadata() | metadata
    save_file(
        {name: x for name, x in kept.items() if x is not None},
        path,
        {key: value for key, value in told.items() if value is not None},
    )


def refused(path, fault):
    with pytest.raises(CheckpointError, match=fault) as found:
        load_run(path)
    assert str(found.value).startswith(f"{path}: ")
    assert str(found.value).endswith("delete it and train again")


def test_a_run_is_read_as_written(path, trained):
    state, data = load_run(path)
    assert (state.recipe, state.update, data) == (RECIPE, 3, "digest")
    assert state.losses == [1.5, 1 / 3]
    for name, x in trained.agent.state_dict().items():
        assert torch.equal(state.agent.state_dict()[name], x), name
    found, expected = (run.optimiser.state_dict() for run in (state, trained))
    # The learning rate is set anew at every update.
    for group in (*found["param_groups"], *expected["param_groups"]):
        group.pop("lr")
    assert found["param_groups"] == expected["param_groups"]
    assert found["state"].keys() == expected["state"].keys()
    for number, each in expected["state"].items():
        assert each.keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert each["step"] == 3
        for name, x in each.items():
            assert torch.equal(found["state"][number][name], x)


def test_a_run_before_its_first_update_can_be_kept(tmp_path):
    save_run(begin(RECIPE, "cpu"), "digest", tmp_path / "run")
    state, _ = load_run(tmp_path / "run")
    assert (state.update, state.losses) == (0, [])


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_checkpoint_cut_short_is_refused(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(path, "cannot be read")


def test_a_missing_checkpoint_is_refused(path):
    path.unlink()
    refused(path, "cannot be read")


def test_what_is_no_checkpoint_is_refused(path):
    path.write_bytes(b"PK\x03\x04 something else entirely")
    refused(path, "cannot be read")


def test_another_schema_is_refused(path):
    rewrite(path, schema="2")
    refused(path, "is no agent of schema 1")


def test_tensors_of_something_else_are_refused(path):
    save_file({"x": torch.zeros(2)}, path)
    refused(path, "is no agent of schema 1")


@pytest.mark.parametrize(
    "architecture",
    [{"pooling": "mean"}, {"tokenisation": "phrases"}, {"vision": "resnet"}],
)
def test_tensors_of_another_architecture_are_refused(path, architecture):
    with safe_open(path, "pt") as file:
        recipe = json.loads(file.metadata()["recipe"])
    recipe["architecture"] |= architecture
    rewrite(path, recipe=json.dumps(recipe))
    refused(path, "its tensors are of another architecture")


@pytest.mark.parametrize("name", ["agent.policy.bias", "losses", "exp_avg.0", "step.3"])
def test_a_checkpoint_that_lacks_a_tensor_is_refused(path, name):
    rewrite(path, {name: None})
    refused(path, None)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("recipe", None),
        ("recipe", "{"),
        ("recipe", "{}"),
        ("recipe", '{"architecture": {"pooling": "max"}}'),
        ("update", None),
        ("update", "three"),
        ("data", None),
    ],
)
def test_a_checkpoint_whose_metadata_make_no_sense_is_refused(path, key, value):
    rewrite(path, **{key: value})
    refused(path, None)


def test_recipes_go_through_json():
    recipe = Recipe(
        seed=5,
        updates=7,
        learning_rate=2e-4,
        architecture=Architecture(initial="identical", vision="resnet", blind=True),
        vision_weights="w.safetensors",
    )
    assert recipe_of(json.loads(json.dumps(asdict(recipe)))) == recipe


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"updates": 0}, "updates"),
        ({"batch": 0}, "batch"),
        ({"batch": -1}, "batch"),
        ({"learning_rate": 0.0}, "learning rate"),
        ({"learning_rate": -1e-3}, "learning rate"),
        ({"learning_rate": float("nan")}, "learning rate"),
        ({"vision_weights": "w.safetensors"}, "ResNet"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(options, fault):
    with pytest.raises(RecipeError, match=fault):
        Recipe(**options)


@pytest.mark.parametrize(
    ("updates", "points"),
    [
        (1, (0, 1)),
        (100, (0, 100)),
        (1500, (0, 100, 300, 1000, 1500)),
        (20000, (0, 100, 300, 1000, 2500, 5000, 10000, 20000)),
        (30000, (0, 100, 300, 1000, 2500, 5000, 10000, 20000, 30000)),
    ],
)
def test_the_last_update_is_always_on_the_schedule(updates, points):
    assert Recipe(updates=updates).schedule() == points


def test_a_run_begins_the_same_whatever_was_drawn_before():
    torch.manual_seed(1)
    first = begin(RECIPE, "cpu").agent.policy.weight
    torch.rand(10)
    assert torch.equal(first, begin(RECIPE, "cpu").agent.policy.weight)


def test_the_resnet_begins_from_imagenet_weights(tmp_path):
    architecture = Architecture(vision="resnet")
    donor = begin(Recipe(seed=9, architecture=architecture), "cpu").agent.f_vis.state_dict()
    save_file(donor, tmp_path / "w.safetensors")
    recipe = Recipe(architecture=architecture, vision_weights=str(tmp_path / "w.safetensors"))
    plain, loaded = (
        begin(r, "cpu").agent.state_dict() for r in (Recipe(architecture=architecture), recipe)
    )
    changed = {name for name, x in loaded.items() if not torch.equal(x, plain[name])}
    assert "f_vis.layer2.1.conv2.weight" in changed
    assert {name.split(".")[1] for name in changed} == {"conv1", "layer1", "layer2"}
    assert torch.equal(loaded["f_vis.conv1.weight"], donor["conv1.weight"])


def test_a_run_is_read_without_the_imagenet_weights_that_it_began_from(tmp_path):
    weights = tmp_path / "w.safetensors"
    architecture = Architecture(vision="resnet")
    save_file(begin(Recipe(architecture=architecture), "cpu").agent.f_vis.state_dict(), weights)
    recipe = Recipe(seed=1, architecture=architecture, vision_weights=str(weights))
    state = begin(recipe, "cpu")
    save_run(state, "digest", tmp_path / "run")
    weights.unlink()
    found, _ = load_run(tmp_path / "run")
    assert found.recipe == recipe
    assert torch.equal(found.agent.policy.weight, state.agent.policy.weight)
