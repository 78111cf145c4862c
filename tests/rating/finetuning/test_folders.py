"""The folder of a finished model: whole or not there, and never somebody else's."""

import json

import pytest
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.rating.errors import RatingError
from core.rating.finetuning.folders import checkpoint_in, finished, tuning, write_model
from core.rating.finetuning.tokens import tiny_tokenizer
from tests.rating.finetuning import small

OF = {"recipe": "En_FT", "seed": 0, "base": "0" * 64}


@pytest.fixture
def out(tmp_path):
    checkpoint_in(tmp_path / "out").parent.mkdir(parents=True)
    checkpoint_in(tmp_path / "out").write_bytes(b"a run")
    write_model(tmp_path / "out", small.llama(), tiny_tokenizer(), {"of": OF, "note": "é"})
    return tmp_path / "out"


def test_transformers_reads_what_was_written(out):
    model = AutoModelForCausalLM.from_pretrained(out, local_files_only=True)
    assert small.same(model, small.llama())
    tokenizer = AutoTokenizer.from_pretrained(out, local_files_only=True)
    assert tokenizer.chat_template == tiny_tokenizer().chat_template
    assert tokenizer("bado 1.5")["input_ids"] == tiny_tokenizer()("bado 1.5")["input_ids"]


def test_a_finished_folder_says_so_and_what_it_holds(out):
    manifest = finished(out, OF)
    assert manifest is not None
    assert (manifest["schema"], manifest["note"]) == (1, "é")
    there = {path.name for path in out.iterdir()}
    # The checkpoint is gone, and nothing half done is left.
    assert set(manifest["files"]) | {"finetune.json"} == there
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= there


@pytest.mark.parametrize("kind", ["absent", "empty", "held", "begun", "half written"])
def test_there_is_room_where_no_model_is(tmp_path, kind):
    out = tmp_path / "out"
    if kind != "absent":
        out.mkdir()
    if kind == "held":
        (out / ".lock").touch()
    if kind in ("begun", "half written"):
        checkpoint_in(out).parent.mkdir()
        checkpoint_in(out).write_bytes(b"")
    if kind == "half written":
        (out / "model.safetensors").write_bytes(b"")
    assert finished(out, OF) is None


def test_a_model_of_the_users_own_is_never_written_over(tmp_path):
    small.save(tmp_path / "own")
    with pytest.raises(RatingError, match=r"own: holds .*, which is no run's.*--out"):
        finished(tmp_path / "own", OF)


def test_a_model_that_follows_from_something_else_is_refused(out):
    with pytest.raises(RatingError, match="seed 0, not 1; name another --out"):
        finished(out, OF | {"seed": 1})
    with pytest.raises(RatingError, match=r'base "000000000000..., not "111111111111'):
        finished(out, OF | {"base": "1" * 64})
    with pytest.raises(RatingError, match="lora null, not 8"):
        finished(out, OF | {"lora": 8})


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_file_that_was_changed_or_lost_is_named(out, name, gone):
    path = out / name
    path.unlink() if gone else path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(RatingError, match=f"{name}: is missing, or no longer what was written"):
        finished(out, OF)


@pytest.mark.parametrize("text", ["{", "[]", "{}", json.dumps({"of": OF})])
def test_a_manifest_that_makes_no_sense_is_named(out, text):
    (out / "finetune.json").write_text(text)
    with pytest.raises(RatingError, match=r"finetune.json: cannot be read"):
        finished(out, OF)


def test_checkpoints_left_behind_a_finished_model_are_cleared(out):
    checkpoint_in(out).parent.mkdir()
    checkpoint_in(out).write_bytes(b"left")
    assert finished(out, OF) is not None
    assert not checkpoint_in(out).parent.exists()


@pytest.mark.parametrize("kind", [OSError, SafetensorError])
def test_without_room_the_checkpoint_stays_and_no_manifest_is_written(tmp_path, kind):
    class Full:
        def save_pretrained(self, folder):
            (folder / "model.safetensors").write_bytes(b"half")
            raise kind("No space left on device")

    out = tmp_path / "out"
    checkpoint_in(out).parent.mkdir(parents=True)
    checkpoint_in(out).write_bytes(b"a run")
    with pytest.raises(RatingError, match=r"No space left.*run it again to go on"):
        write_model(out, Full(), tiny_tokenizer(), {"of": OF})
    assert checkpoint_in(out).exists()
    assert not (out / "model.safetensors").exists()
    assert finished(out, OF) is None
    # With room, it goes through.
    write_model(out, small.llama(), tiny_tokenizer(), {"of": OF})
    assert finished(out, OF) is not None


def test_how_a_model_was_tuned_is_told_of_its_own_files_only(out):
    told = json.loads((out / "finetune.json").read_text())
    told["of"] = {"recipe": "En_FT", "scrambled": False, "base": "b", "data": "d", "seed": 3}
    (out / "finetune.json").write_text(json.dumps(told))
    expected = {"recipe": "En_FT", "scrambled": False, "base": "b", "data": "d"}
    assert tuning(out) == expected
    weights = out / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(RatingError, match=r"model\.safetensors: is no longer what finetune\.json"):
        tuning(out)


def test_a_model_of_the_users_own_tells_nothing_of_its_tuning(tmp_path, out):
    assert tuning(tmp_path) == {}
    told = json.loads((out / "finetune.json").read_text())
    told["of"] = {"recipe": "tiny"}
    (out / "finetune.json").write_text(json.dumps(told))
    assert tuning(out) == {}
    (out / "finetune.json").write_text("{}")
    with pytest.raises(RatingError, match=r"finetune\.json: cannot be read"):
        tuning(out)
