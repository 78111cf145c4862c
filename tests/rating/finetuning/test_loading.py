"""Models from folders: what is loaded, what is refused, and what a digest tells apart."""

import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from core.rating.errors import RatingError
from core.rating.finetuning.loading import digest, find, load, size
from core.rating.finetuning.tokens import tiny_tokenizer
from tests.rating.finetuning import small


@pytest.fixture
def folder(base, tmp_path):
    return shutil.copytree(base, tmp_path / "model")


def change_json(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_a_model_is_loaded_as_it_was_saved(tmp_path, kind):
    made = small.llama() if kind == "llama" else small.gpt2()
    folder = small.save(tmp_path / "model", made)
    found = load(find(str(folder)), "cpu")
    assert small.same(found.model, made)
    assert (found.name, found.revision) == ("model", "")
    assert found.weights.keys() == {"model.safetensors"}
    assert found.tokenizer("bado")["input_ids"] == tiny_tokenizer()("bado")["input_ids"]
    assert found.ends() == {2}


def test_a_model_may_be_loaded_in_half_precision(folder):
    found = load(find(str(folder)), "cpu", torch.bfloat16)
    assert {x.dtype for x in found.model.parameters()} == {torch.bfloat16}


def test_a_model_stops_wherever_its_configurations_say(folder):
    change_json(folder / "generation_config.json", eos_token_id=[2, 5])
    assert load(find(str(folder)), "cpu").ends() == {2, 5}


def test_its_size_is_that_of_its_weights(folder):
    assert size(find(str(folder))) == (folder / "model.safetensors").stat().st_size


@pytest.mark.parametrize(
    "name", ["config.json", "generation_config.json", "tokenizer.json", "model.safetensors"]
)
def test_the_digest_tells_all_that_decides_what_a_model_says(folder, name):
    before = digest(find(str(folder)))
    (folder / "README.md").write_text("other words")
    assert digest(find(str(folder))) == before
    path = folder / name
    if name == "model.safetensors":
        tensors = load_file(path)
        tensors["lm_head.weight"][0, 0] += 1
        save_file(tensors, path, {"format": "pt"})
    else:
        path.write_text(path.read_text() + "\n")
    assert digest(find(str(folder))) != before


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "~/no-such-model", ".."])
def test_a_folder_that_is_not_there_is_named(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RatingError, match=r"no such folder; `claims tiny`|has no config.json"):
        find(name)


def test_a_name_that_no_model_can_have_is_told(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(RatingError, match="is no folder here, and no name of a model"):
        find("no such/model/name")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_a_whole_model_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(RatingError, match=rf"model: .*{name}"):
        find(str(folder))


def test_pickled_weights_are_never_loaded(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(RatingError, match=r"pytorch_model.bin is pickled"):
        find(str(folder))


def test_a_folder_has_no_revisions(folder):
    with pytest.raises(RatingError, match="leave out --revision"):
        find(str(folder), "main")


def test_quantised_weights_are_refused(folder):
    change_json(folder / "config.json", quantization_config={"quant_method": "gptq"})
    with pytest.raises(RatingError, match="model: its weights are quantised"):
        load(find(str(folder)), "cpu")


def test_weights_that_are_missing_are_never_drawn(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(RatingError, match=r"lacks model.layers.1.mlp.up_proj.weight"):
        load(find(str(folder)), "cpu")


def test_weights_of_another_shape_are_refused(folder):
    change_json(folder / "config.json", hidden_size=32)
    with pytest.raises(RatingError, match="model: does not load"):
        load(find(str(folder)), "cpu")


@pytest.mark.parametrize("kind", ["unknown", "code", "cut", "no tokenizer"])
def test_what_is_no_causal_language_model_is_refused(folder, kind):
    if kind == "unknown":
        change_json(folder / "config.json", model_type="perceptron")
    elif kind == "code":
        auto = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
        change_json(folder / "config.json", model_type="own", auto_map=auto)
        (folder / "code.py").write_text("raise SystemExit('was run')")
    elif kind == "cut":
        path = folder / "model.safetensors"
        path.write_bytes(path.read_bytes()[:1000])
    else:
        for path in folder.glob("tokenizer*"):
            path.unlink()
    with pytest.raises(RatingError, match="model: does not load as a causal language model"):
        load(find(str(folder)), "cpu")


def test_a_model_of_another_kind_is_refused(tmp_path):
    shape: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    bert = BertModel(BertConfig(vocab_size=717, intermediate_size=16, **shape))
    folder = small.save(tmp_path / "bert", bert)
    with pytest.raises(RatingError, match="bert: "):
        load(find(str(folder)), "cpu")


def test_a_device_that_is_too_small_names_what_to_do(folder, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("transformers.PreTrainedModel.to", full)
    with pytest.raises(RatingError, match="does not fit into the memory of cpu; try --lora"):
        load(find(str(folder)), "cpu")
