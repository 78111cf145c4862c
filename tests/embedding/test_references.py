"""The table of models says what it must, and agrees with itself and with the paper."""

import re
import subprocess
import sys

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    BertConfig,
    BertForPreTraining,
    BlipConfig,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPModel,
)

from core.embedding.listing import lines
from core.embedding.references import REFERENCES, find, load_references, of
from core.embedding.store import read_manifest
from core.paths import FIXTURES, ROOT

TABLE = load_references()
KEPT = FIXTURES / "embeddings"
#: Image towers of the CLIP models, from table 19 and 20 of Radford et al. (2021).
TOWERS = {
    512: {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12}
    | {"intermediate_size": 3072, "patch_size": 32, "projection_dim": 512},
    768: {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
    | {"intermediate_size": 4096, "patch_size": 14, "projection_dim": 768},
}


def test_every_reference_of_the_paper_has_a_checkpoint_and_only_one_is_a_stand_in():
    assert REFERENCES == ("clip", "bert", "blip", "qwen", "llama", "deepseek")
    assert {each.reference for each in TABLE} == {*REFERENCES, ""}
    assert [each.repo for each in TABLE if not each.reference] == ["tinystories-llama-260k"]
    for reference in REFERENCES:
        assert of(reference)
        assert all(each.reference == reference for each in of(reference))


def test_no_reference_but_the_papers():
    with pytest.raises(ValueError, match="known: clip, bert"):
        of("gpt")


def test_the_first_of_each_can_be_run_in_16_gb():
    for reference in REFERENCES:
        assert of(reference)[0].parameters * 4 < 8e9


def test_names_are_unique_also_as_files():
    names = [each.repo.lower() for each in TABLE]
    assert len(set(names)) == len(names)
    assert len({name.replace("/", "--") for name in names}) == len(names)


def test_a_checkpoint_is_found_whatever_its_capitals():
    assert find("qwen/QWEN2.5-0.5b") is find("Qwen/Qwen2.5-0.5B")
    assert find("gpt2") is None


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.repo)
def test_an_entry_is_whole(entry):
    assert entry.why.endswith(".")
    assert entry.licence
    assert entry.sources
    assert all(each.startswith("https://") for each in entry.sources)
    assert entry.width == entry.shape["hidden_size"]
    assert entry.layers == entry.shape["num_hidden_layers"]
    assert entry.shape["hidden_size"] % entry.shape["num_attention_heads"] == 0
    family = {"clip_text_model": "clip", "blip_text_model": "blip", "bert": "bert"}
    assert entry.family == family.get(entry.shape["model_type"], "decoder")
    # The main branch, a commit, or a proposed change; of a folder, a digest of what is in it.
    on_hub = r"|[0-9a-f]{40}|refs/pr/\d+"
    assert re.fullmatch(on_hub if "/" in entry.repo else "[0-9a-f]{64}", entry.revision)
    # Two bytes a parameter, or four.
    assert entry.disk >= 0.001
    assert round(entry.disk * 1e9 / entry.parameters) in {2, 4}


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry.repo)
def test_a_model_of_that_shape_has_so_many_parameters(entry):
    # The numbers are those of the published weights, as commonly given.
    shape = dict(entry.shape)
    kind = shape.pop("model_type")
    with torch.device("meta"):
        if entry.family == "decoder":
            model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **shape))
        elif entry.family == "bert":
            model = BertForPreTraining(BertConfig(**shape))
        elif entry.family == "clip":
            size = shape["projection_dim"]
            towers = {"text_config": shape, "vision_config": TOWERS[size]}
            model = CLIPModel(CLIPConfig(**towers, projection_dim=size))
        else:
            projected = shape.pop("image_text_hidden_size")
            config = BlipConfig(text_config=shape, image_text_hidden_size=projected)
            model = BlipForImageTextRetrieval(config)
    assert sum(each.numel() for each in model.parameters()) == entry.parameters


def test_blip_has_as_many_parameters_as_its_file_has_room_for():
    # Its weights on the main branch are one file of 895,139,697 bytes, in float32.
    spare = 895_139_697 - 4 * of("blip")[0].parameters
    assert 0 < spare < 1_000_000


def test_a_model_that_was_trained_further_says_from_what():
    for entry in of("deepseek"):
        assert re.match("Qwen/|meta-llama/", entry.built_on)
        assert "no agreement of independent models" in entry.why or "like it" in entry.why
    for entry in TABLE:
        base = find(entry.built_on) if entry.built_on else None
        if base and base.family == entry.family == "decoder":
            assert base.shape["model_type"] == entry.shape["model_type"]


def test_the_stand_in_is_what_the_embeddings_that_are_kept_were_made_of():
    (entry,) = (each for each in TABLE if not each.reference)
    manifests = map(read_manifest, sorted(KEPT.glob("*.json")))
    found = [each for each in manifests if each["checkpoint"] == entry.repo]
    assert found
    assert {each["revision"] for each in found} == {entry.revision}


def test_only_metas_are_gated():
    assert {each.repo.split("/")[0] for each in TABLE if each.gated} == {"meta-llama"}


def test_the_list_names_every_checkpoint_and_why():
    told = list(lines())
    text = " ".join(" ".join(told).split())
    for entry in TABLE:
        assert f"{entry.repo} " in text
        assert entry.why in text
    gated = [line for line in told if "gated: accept it first" in line]
    assert len(gated) == sum(each.gated for each in TABLE)
    assert max(map(len, told)) <= 110


def test_the_table_and_the_reader_need_no_torch():
    check = (
        "import sys, core.embedding.references, core.embedding.store, core.embedding.options\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
