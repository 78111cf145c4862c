"""Embeddings against the plainest way to get them: one sentence at a time, other classes, loops."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CLIPModel,
)

from core.agent.instructions import SENTENCES
from core.embedding import making, subjects
from core.embedding.errors import EmbeddingError
from core.embedding.extraction import embed, parameters, read
from core.embedding.families import FAMILIES, load
from tests.embedding import tiny

DECODERS = ("llama", "qwen2", "qwen3")


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


def loaded(folder):
    subject = subjects.named(str(folder))
    return load(folder, subject.family), subject


def spaces(folder, **options):
    """All readings of a checkpoint, by name."""
    model, subject = loaded(folder)
    return {
        each.name: embed(model, subject.family, each.cut.ids, **options)[each.pooling]
        for each in making.readings(subject)
    }


def close(found, expected):
    assert found.dtype == np.float32
    assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def word_ids(kind, start=(), end=()):
    known = tiny.vocabulary(kind)
    return [[known[token] for token in (*start, *text.split(), *end)] for text in SENTENCES]


@pytest.mark.parametrize("kind", DECODERS)
@pytest.mark.parametrize("bos", [True, False])
def test_decoders_against_the_causal_model_one_sentence_at_a_time(kind, bos, checkpoints):
    if bos and kind != "llama":
        assert "mean-with-bos" not in spaces(checkpoints[kind])
        return
    model = AutoModelForCausalLM.from_pretrained(checkpoints[kind]).eval()
    expected = []
    for ids in word_ids(kind, ("<s>",) if bos else ()):
        out = model(torch.tensor([ids]), output_hidden_states=True)
        # What the output head reads: it gives the logits that the model gives.
        hidden = out.hidden_states[-1][0]
        assert torch.allclose(hidden @ model.lm_head.weight.T, out.logits[0], atol=1e-5)
        expected.append(sum(row.numpy() for row in hidden) / len(ids))
    close(spaces(checkpoints[kind])[f"mean-{'with' if bos else 'without'}-bos"], expected)


def test_bert_against_the_masked_model_one_sentence_at_a_time(checkpoints):
    model = BertForMaskedLM.from_pretrained(checkpoints["bert"]).eval()
    cls, mean = [], []
    for ids in word_ids("bert", ("[CLS]",), ("[SEP]",)):
        hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0]
        cls.append(hidden[0].numpy())
        mean.append(sum(row.numpy() for row in hidden) / len(ids))
    found = spaces(checkpoints["bert"])
    close(found["cls"], cls)
    close(found["mean"], mean)


def test_clip_against_its_whole_model_one_sentence_at_a_time(checkpoints):
    model = CLIPModel.from_pretrained(checkpoints["clip"]).eval()
    cut, eot, projected = tiny.tokenizer("clip"), [], []
    for text in SENTENCES:
        inputs = cut(text, return_tensors="pt")
        whole: Any = model.get_text_features(**inputs)
        eot.append(whole.last_hidden_state[0, -1].numpy())
        projected.append(whole.pooler_output[0].numpy())
    found = spaces(checkpoints["clip"])
    close(found["eot"], eot)
    close(found["projected"], projected)


def test_clip_reads_the_first_end_of_text_however_its_configuration_numbers_it(copied):
    # Old checkpoints give the end of text the number 2, which is another token.
    folder = copied("clip")
    before = spaces(folder)
    config = CLIPModel.from_pretrained(folder).config.to_dict()
    tiny.change_config(folder, text_config=config["text_config"] | {"eos_token_id": 2})
    for name, space in spaces(folder).items():
        assert_array_equal(space, before[name])


def test_blip_is_a_bert_with_the_checkpoints_weights(checkpoints):
    # Its text encoder without images is BERT without token types: here from the file's tensors
    # alone, so that weights which only the loader made up could not agree.
    tensors = tiny.weights(checkpoints["blip"])
    shape = {key: value for key, value in tiny.SHAPE.items() if key != "initializer_range"}
    bert = BertModel(BertConfig(**shape, vocab_size=tiny.VOCABULARY), add_pooling_layer=False)
    state = {
        name.removeprefix("text_encoder."): tensor
        for name, tensor in tensors.items()
        if name.startswith("text_encoder.") and "crossattention" not in name
    }
    state["embeddings.token_type_embeddings.weight"] = torch.zeros(2, tiny.WIDTH)
    bert.load_state_dict(state)
    bert.eval()
    cls = []
    for ids in word_ids("blip", ("[CLS]",), ("[SEP]",)):
        cls.append(bert(torch.tensor([ids])).last_hidden_state[0, 0].numpy())
    found = spaces(checkpoints["blip"])
    close(found["cls"], cls)
    weight, bias = tensors["text_proj.weight"].numpy(), tensors["text_proj.bias"].numpy()
    close(found["projected"], np.array(cls) @ weight.T + bias)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_batches_change_nothing(kind, checkpoints):
    model, subject = loaded(checkpoints[kind])
    for cut in subject.tokenised.cuts:
        together = embed(model, subject.family, cut.ids, batch=108)
        order = np.random.default_rng(0).permutation(len(SENTENCES))
        shuffled = embed(model, subject.family, [cut.ids[i] for i in order], batch=16)
        for batch in (1, 7):
            apart = embed(model, subject.family, cut.ids, batch=batch)
            for name, space in together.items():
                assert_allclose(apart[name], space, rtol=0, atol=1e-5)
                assert_allclose(shuffled[name], space[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_which_token_pads_and_on_which_side_changes_nothing(kind, checkpoints, tmp_path):
    expected = spaces(checkpoints[kind])
    end = tiny.ROLES[kind].get("eos_token", "[SEP]")
    for roles in ({"padding_side": "left"}, {"pad_token": end}, {"pad_token": None}):
        folder = tiny.save(tmp_path / "x", kind, cut=tiny.tokenizer(kind, **roles))
        found = spaces(folder)
        assert found.keys() == expected.keys()
        for name, space in found.items():
            assert_array_equal(space, expected[name])


def test_the_mean_includes_special_tokens_and_no_padding(checkpoints):
    model, subject = loaded(checkpoints["bert"])
    short, long = [2, 5, 3], [2, 5, 6, 7, 8, 9, 3]
    hidden = model(torch.tensor([short])).last_hidden_state[0].numpy()
    found = read(model, subject.family, [short, long])["mean"][0].numpy()
    close(found, hidden.mean(axis=0))


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_results_that_are_no_numbers_are_refused(value, copied):
    folder = copied("llama")
    tensors = tiny.weights(folder)
    # Of one word only: the sentences without it are well.
    tensors["model.embed_tokens.weight"][tiny.vocabulary("llama")["purple"]] = value
    tiny.change_weights(folder, tensors)
    with pytest.raises(EmbeddingError, match="'go to the purple box'"):
        spaces(folder)


def test_a_space_of_zeros_is_refused(copied):
    folder = copied("blip")
    tensors = tiny.weights(folder)
    for part in ("weight", "bias"):
        tensors[f"text_proj.{part}"].zero_()
    tiny.change_weights(folder, tensors)
    with pytest.raises(EmbeddingError, match=r"zeros \(projected\)"):
        spaces(folder)


def test_a_space_that_is_the_same_everywhere_is_refused(copied):
    folder = copied("blip")
    tensors = tiny.weights(folder)
    tensors["text_proj.weight"].zero_()
    tensors["text_proj.bias"].fill_(1)
    tiny.change_weights(folder, tensors)
    with pytest.raises(EmbeddingError, match=r"the same \(projected\) for every sentence; its"):
        spaces(folder)
    # Equal sentences may have equal embeddings.
    model, subject = loaded(folder)
    assert embed(model, subject.family, [[2, 5, 3]] * 3)["projected"].shape == (3, 12)


@pytest.mark.parametrize(("kind", "part"), [("bert", ""), ("blip", "text_encoder")])
def test_a_model_that_does_not_heed_the_mask_is_caught(kind, part, checkpoints, monkeypatch):
    model, subject = loaded(checkpoints[kind])
    text = getattr(model, part) if part else model
    forward = text.forward
    monkeypatch.setattr(text, "forward", lambda input_ids, attention_mask: forward(input_ids))
    ids = subject.tokenised.cuts[0].ids
    with pytest.raises(EmbeddingError, match="attention mask"):
        embed(model, subject.family, ids)
    # Where no sentence is padded in its batch, the check pads one.
    with pytest.raises(EmbeddingError, match="attention mask"):
        embed(model, subject.family, ids, batch=1)


def test_a_token_that_the_model_does_not_know_is_refused(checkpoints):
    model, subject = loaded(checkpoints["llama"])
    with pytest.raises(EmbeddingError, match="gives token 64, the model knows 64"):
        embed(model, subject.family, [[1, 2], [3, tiny.VOCABULARY]])


def test_progress_counts_sentences(checkpoints):
    model, subject = loaded(checkpoints["qwen2"])
    told = []
    embed(model, subject.family, [[4, 5]] * 20, batch=16, progress=told.append)
    assert told == [16, 4]


def test_parameters_are_those_of_what_is_read(checkpoints):
    model, _ = loaded(checkpoints["llama"])
    head = tiny.VOCABULARY * tiny.WIDTH
    assert parameters(model) == sum(x.numel() for x in tiny.model("llama").parameters()) - head
    assert set(FAMILIES) == {"decoder", "bert", "clip", "blip"}
