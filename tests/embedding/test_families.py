"""Weights that are not the model's are refused, with the reason; random ones follow a seed."""

import json
import re
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BlipConfig,
    BlipForConditionalGeneration,
    LlamaForCausalLM,
    LlamaModel,
)

from core.embedding.errors import EmbeddingError, WeightsError
from core.embedding.families import (
    FAMILIES,
    config_in,
    config_of_shape,
    draw,
    family_of,
    load,
    text_shape,
)
from core.embedding.references import load_references
from core.embedding.tokens import word_tokens
from tests.embedding import tiny

FAMILY = {kind: FAMILIES.get(kind, FAMILIES["decoder"]) for kind in tiny.KINDS}
#: A weight of the text model in every kind of checkpoint, as the file names it.
TEXT_WEIGHT = {
    "llama": "model.layers.1.mlp.up_proj.weight",
    "qwen2": "model.layers.1.self_attn.q_proj.bias",
    "qwen3": "model.norm.weight",
    "bert": "bert.encoder.layer.1.output.dense.weight",
    "blip": "text_encoder.encoder.layer.0.attention.self.query.weight",
    "clip": "text_model.encoder.layers.0.layer_norm1.weight",
}


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_missing_weight_is_refused(kind, copied):
    folder = copied(kind)
    tensors = tiny.weights(folder)
    del tensors[TEXT_WEIGHT[kind]]
    tiny.change_weights(folder, tensors)
    last = TEXT_WEIGHT[kind].split(".", 2)[2]
    with pytest.raises(WeightsError, match=f"lacks .*{last}, which would be drawn at random"):
        load(folder, FAMILY[kind])


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("clip", "text_projection.weight"),
        ("blip", "text_proj.bias"),
        ("blip", "vision_proj.weight"),
    ],
)
def test_a_missing_projection_is_refused(kind, name, copied):
    folder = copied(kind)
    tensors = tiny.weights(folder)
    del tensors[name]
    tiny.change_weights(folder, tensors)
    with pytest.raises(WeightsError, match=name):
        load(folder, FAMILY[kind])


@pytest.mark.parametrize("kind", tiny.KINDS)
@pytest.mark.parametrize("extra", ["model.layers.7.extra.weight", "head.weight"])
def test_a_weight_without_a_place_is_refused(kind, extra, copied):
    folder = copied(kind)
    tiny.change_weights(folder, tiny.weights(folder) | {extra: torch.ones(2)})
    with pytest.raises(WeightsError, match=r"no place for: .*weight.*") as raised:
        load(folder, FAMILY[kind])
    # Nothing is missing, so nothing would be made up.
    assert "drawn at random" not in str(raised.value)
    assert "name the checkpoint it was saved from" in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("llama", "model.layers.0.self_attn.rotary_emb.inv_freq"),
        ("bert", "bert.embeddings.position_ids"),
        ("clip", "text_model.embeddings.position_ids"),
        ("clip", "vision_model.embeddings.position_ids"),
        ("blip", "text_encoder.embeddings.position_ids"),
    ],
)
def test_what_older_checkpoints_hold_besides_weights_is_left(kind, name, copied):
    folder = copied(kind)
    expected = load(folder, FAMILY[kind]).state_dict()
    tiny.change_weights(folder, tiny.weights(folder) | {name: torch.ones(1, 40)})
    found = load(folder, FAMILY[kind]).state_dict()
    assert all(torch.equal(found[each], expected[each]) for each in expected)


def test_berts_own_checkpoint_names_its_norms_otherwise(copied):
    # As Google's, converted from TensorFlow.
    folder = copied("bert")
    tensors = tiny.weights(folder)
    generator = torch.Generator().manual_seed(0)
    for name, each in tensors.items():
        if "LayerNorm" in name:
            each.copy_(torch.rand(each.shape, generator=generator))
    tiny.change_weights(folder, tensors)
    expected = load(folder, FAMILIES["bert"]).state_dict()
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, other in old.items():
        tensors = {name.replace(new, other): each for name, each in tensors.items()}
    assert any(name.endswith("gamma") for name in tensors)
    tiny.change_weights(folder, tensors)
    found = load(folder, FAMILIES["bert"]).state_dict()
    assert all(torch.equal(found[each], expected[each]) for each in expected)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_weight_of_another_shape_is_refused(kind, copied):
    folder = copied(kind)
    tensors = tiny.weights(folder)
    tensors[TEXT_WEIGHT[kind]] = torch.ones(3)
    tiny.change_weights(folder, tensors)
    key = re.escape(TEXT_WEIGHT[kind].split(".", 2)[2])
    with pytest.raises(WeightsError, match=f"another shape for [^ ]*{key}, than config"):
        load(folder, FAMILY[kind])


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_a_file_cut_short_is_refused(kind, copied):
    folder = copied(kind)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WeightsError, match="do not load"):
        load(folder, FAMILY[kind])


def test_a_bert_is_not_loaded_as_a_qwen(checkpoints):
    with pytest.raises(WeightsError, match=r"config\.json says 'bert', and decoder models are"):
        load(checkpoints["bert"], FAMILIES["decoder"])


@pytest.mark.parametrize(
    ("says", "holds"), [("bert", "qwen2"), ("qwen2", "bert"), ("blip", "clip"), ("clip", "llama")]
)
def test_a_configuration_beside_another_models_weights_is_refused(says, holds, copied, checkpoints):
    folder = copied(says)
    shutil.copy(checkpoints[holds] / "model.safetensors", folder)
    with pytest.raises(WeightsError, match=r"lacks|another shape|do not load"):
        load(folder, FAMILY[says])


def test_a_layer_too_few_is_refused(copied):
    # The file has weights for a third layer that the configuration does not know, and the other
    # way round.
    folder = copied("llama")
    tiny.change_config(folder, num_hidden_layers=1)
    with pytest.raises(WeightsError, match="no place for"):
        load(folder, FAMILIES["decoder"])
    tiny.change_config(folder, num_hidden_layers=3)
    with pytest.raises(WeightsError, match=r"lacks .*layers\.2"):
        load(folder, FAMILIES["decoder"])


def test_a_captioning_blip_is_refused(copied):
    # Its text model is a decoder under another name; the retrieval class would make one up.
    folder = copied("blip")
    BlipForConditionalGeneration(BlipConfig.from_pretrained(folder)).save_pretrained(folder)
    with pytest.raises(WeightsError, match="a retrieval checkpoint is needed"):
        load(folder, FAMILIES["blip"])


def test_a_bert_with_a_head_of_another_use_is_refused(copied):
    folder = copied("bert")
    BertForSequenceClassification(BertConfig.from_pretrained(folder)).save_pretrained(folder)
    with pytest.raises(WeightsError, match=r"classifier\.(bias|weight)"):
        load(folder, FAMILIES["bert"])


def test_a_base_model_and_one_with_its_head_are_the_same(copied):
    folder = copied("llama")
    whole = load(folder, FAMILIES["decoder"]).state_dict()
    LlamaModel.from_pretrained(folder).save_pretrained(folder)
    assert "lm_head.weight" not in tiny.weights(folder)
    base = load(folder, FAMILIES["decoder"]).state_dict()
    assert all(torch.equal(base[name], whole[name]) for name in whole)


def test_half_precision_is_read_in_full(copied):
    folder = copied("llama")
    LlamaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    assert tiny.weights(folder)["model.norm.weight"].dtype == torch.bfloat16
    model = load(folder, FAMILIES["decoder"])
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert not model.training
    assert not any(each.requires_grad for each in model.parameters())


def test_pickled_weights_are_never_read(copied):
    folder = copied("bert")
    torch.save(tiny.weights(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="safetensors"):
        load(folder, FAMILIES["bert"])


def test_a_checkpoints_code_is_never_run(copied):
    folder, ran = copied("llama"), "raise SystemExit('ran')"
    (folder / "modeling.py").write_text(ran)
    tiny.change_config(folder, auto_map={"AutoModel": "modeling.Model"})
    load(folder, FAMILIES["decoder"])
    tiny.change_config(folder, model_type="qwen")
    config = json.loads((folder / "config.json").read_text())
    with pytest.raises(EmbeddingError, match=r"'qwen', known are .*never run"):
        family_of(config, "Qwen/Qwen-7B")


def test_quantised_weights_are_refused():
    config = {"model_type": "llama", "quantization_config": {"bits": 4}}
    with pytest.raises(WeightsError, match="quantised"):
        family_of(config, "x")


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_family_and_shape_follow_from_the_configuration(kind, checkpoints):
    config = json.loads((checkpoints[kind] / "config.json").read_text())
    family = family_of(config, kind)
    assert family is FAMILY[kind]
    name = {"clip": "clip_text_model", "blip": "blip_text_model"}.get(kind, kind)
    assert text_shape(config, family) == (name, tiny.WIDTH, tiny.LAYERS)


def test_a_part_that_leaves_out_its_class_default():
    # As OpenAI's smallest CLIP, whose configuration of the text is nearly empty.
    config = {"model_type": "clip", "text_config": {"model_type": "clip_text_model"}}
    assert text_shape(config, FAMILIES["clip"]) == ("clip_text_model", 512, 12)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_random_weights_follow_the_seed_and_leave_the_generator(kind, checkpoints):
    config = config_in(checkpoints[kind], FAMILY[kind])
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = draw(config, FAMILY[kind], 1).state_dict()
    assert torch.equal(torch.rand(3), expected)
    again = draw(config, FAMILY[kind], 1).state_dict()
    other = draw(config, FAMILY[kind], 2).state_dict()
    trained = load(checkpoints[kind], FAMILY[kind]).state_dict()
    assert first.keys() == trained.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    # The largest of them are no constants, as biases and norms are.
    name = max(first, key=lambda each: first[each].numel())
    assert not torch.equal(first[name], other[name])
    assert not torch.equal(first[name], trained[name])


def test_random_weights_have_the_spread_that_the_configuration_says(checkpoints):
    config = config_in(checkpoints["llama"], FAMILIES["decoder"])
    # A checkpoint in half precision: its random weights are drawn in full all the same.
    config.dtype = torch.bfloat16
    weights = draw(config, FAMILIES["decoder"], 0).state_dict()["embed_tokens.weight"]
    assert weights.dtype == torch.float32
    assert not torch.equal(weights, weights.bfloat16().float())
    expected = tiny.SHAPE["initializer_range"]
    np.testing.assert_allclose(weights.std(), expected, rtol=0.1)


@pytest.mark.parametrize("entry", load_references(), ids=lambda entry: entry.repo)
def test_every_shape_of_the_table_is_built_with_the_words_for_vocabulary(entry):
    words = word_tokens(entry.family, bos=entry.bos)
    config = config_of_shape(entry.shape, words.vocabulary, words.special)
    with torch.device("meta"):
        model: Any = draw(config, FAMILIES[entry.family], 0)
    embeddings = model.get_input_embeddings().weight
    assert embeddings.shape == (words.vocabulary, entry.width)
    layers = {"clip": "text_model.encoder.layers", "blip": "text_encoder.encoder.layer"}
    named = layers.get(entry.family, "encoder.layer" if entry.family == "bert" else "layers")
    assert len(model.get_submodule(named)) == entry.layers
