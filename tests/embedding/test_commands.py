"""`claims embed` from a model's name to its files, in small."""

import argparse
import functools
import json
import re
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from core.agent.instructions import SENTENCES
from core.embedding import commands, extraction, making, store, subjects
from core.embedding.errors import EmbeddingError
from core.embedding.hub import fetch, local, sha256
from core.embedding.options import add_commands
from core.embedding.references import of
from tests.embedding import tiny
from tests.embedding.hub_server import COMMIT, OTHER, REPO

READINGS = {
    "llama": ["mean-with-bos", "mean-without-bos"],
    "qwen2": ["mean-without-bos"],
    "qwen3": ["mean-without-bos"],
    "bert": ["cls", "mean"],
    "blip": ["projected", "cls"],
    "clip": ["projected", "eot"],
}


@pytest.fixture
def embed(tmp_path, capsys):
    """Run the command; return its lines. Files go to `tmp_path / "out"`."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())

    def run(*models, options=""):
        named = [word for model in models for word in ("--model", str(model))]
        out = ("--out", str(tmp_path / "out"))
        parsed = parser.parse_args(["embed", *named, *options.split(), *out])
        assert parsed.command(parsed) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def entry(monkeypatch):
    """A function that puts a checkpoint with a tiny model's shape into the table of models."""

    def add(kind, repo="Some/Checkpoint", **changes):
        name = {"clip": "clip_text_model", "blip": "blip_text_model"}.get(kind, kind)
        facts = {"repo": repo, "width": tiny.WIDTH, "layers": tiny.LAYERS}
        made = replace(of("llama")[0], **facts | {"shape": {"model_type": name}} | changes)
        table = {repo.lower(): made}
        monkeypatch.setattr(subjects, "find", lambda each: table.get(each.lower()))
        return made

    return add


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def listed(folder):
    return [store.read_manifest(path) for path in sorted(folder.glob("*.json"))]


def manifests(folder):
    return {each["pooling"]: each for each in listed(folder)}


def embeddings(folder):
    return [store.read_embedding(path) for path in sorted(folder.glob("*.json"))]


def at(monkeypatch, hub):
    for module in (subjects, making):
        monkeypatch.setattr(module, "fetch", functools.partial(fetch, endpoint=hub.address))


def refused(embed, told, *models, options=""):
    with pytest.raises(EmbeddingError, match=told) as raised:
        embed(*models, options=options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_every_family_from_a_folder_to_files(kind, checkpoints, embed, out):
    lines = embed(checkpoints[kind])
    expected = [f"tiny-{kind}.{name}" for name in READINGS[kind]]
    assert [line.split()[0] for line in lines[1:-1]] == expected
    assert names(out) == sorted(f"{name}.{x}" for name in expected for x in ("json", "safetensors"))
    found = {each.manifest["pooling"]: each for each in embeddings(out)}
    assert [name for name, each in found.items() if each.manifest["default"]] == READINGS[kind][:1]
    for each in found.values():
        manifest = each.manifest
        assert manifest["model"] == f"tiny-{kind}"
        assert (manifest["reference"], manifest["checkpoint"]) == ("", "")
        assert manifest["family"] == {"bert": "bert", "blip": "blip", "clip": "clip"}.get(
            kind, "decoder"
        )
        assert manifest["layers"] == tiny.LAYERS
        assert manifest["width"] == each.space.shape[1]
        assert (manifest["untrained"], manifest["declared"]) == (None, False)
        weights = sha256(checkpoints[kind] / "model.safetensors")
        assert manifest["weights"] == {"model.safetensors": weights}
        assert manifest["produced_by"]["packages"]["torch"] == torch.__version__
        text = [" ".join(tokens) for tokens in manifest["tokens"]]
        if kind != "clip":
            assert all(sentence in cut for sentence, cut in zip(SENTENCES, text, strict=True))


def test_what_is_written_is_what_was_computed(checkpoints, embed, out):
    embed(checkpoints["bert"])
    subject = subjects.named(str(checkpoints["bert"]))
    model = making.families.load(checkpoints["bert"], subject.family)
    expected = extraction.embed(model, subject.family, subject.tokenised.cuts[0].ids)
    for each in embeddings(out):
        pooling = each.manifest["pooling"]
        np.testing.assert_array_equal(each.space.astype(np.float32), expected[pooling])


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        ("bert", "--pooling mean", ["mean"]),
        ("bert", "--pooling mean cls", ["cls", "mean"]),
        ("llama", "--bos without", ["mean-without-bos"]),
        ("llama", "--pooling mean --bos with", ["mean-with-bos"]),
        ("clip", "--pooling eot", ["eot"]),
    ],
)
def test_only_some_readings(kind, options, expected, checkpoints, embed, out):
    embed(checkpoints[kind], options=options)
    assert set(manifests(out)) == set(expected)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("llama", "--pooling cls", "tiny-llama: has none .* it has mean-with-bos, mean-without"),
        ("qwen2", "--bos with", "tiny-qwen2: has none .* it has mean-without-bos"),
        ("bert", "--pooling projected eot", "it has cls, mean"),
        ("bert", "--bos with", "tiny-bert: is no decoder-only model, and --bos is for those"),
        ("clip", "--pooling eot --bos without", "tiny-clip: is no decoder-only model"),
    ],
)
def test_readings_that_a_model_has_not(kind, options, told, checkpoints, embed, out):
    refused(embed, told, checkpoints[kind], options=options)
    assert not out.exists()


def test_the_table_says_width_and_tokens(checkpoints, embed):
    header, first, second, last = embed(checkpoints["llama"])
    assert header.split() == ["file", "width", "tokens", "default"]
    assert first.split() == ["tiny-llama.mean-with-bos", "16", "5", "to", "6", "yes"]
    assert second.split() == ["tiny-llama.mean-without-bos", "16", "4", "to", "5"]
    assert last.startswith("in ")


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_what_is_there_is_not_made_again(checkpoints, embed, out, monkeypatch):
    embed(checkpoints["llama"])
    before = times(out)
    # Nor are its weights read.
    monkeypatch.delattr(making.families, "load")
    lines = embed(checkpoints["llama"])
    assert re.match("tiny-llama: there already, intact, of revision [0-9a-f]{12}$", lines[0])
    assert lines[1].startswith("file")
    assert times(out) == before


@pytest.mark.parametrize(
    ("kind", "kept"), [("llama", "mean-with-bos"), ("bert", "mean"), ("bert", "cls")]
)
def test_only_missing_readings_are_made(kind, kept, checkpoints, embed, out):
    lines = embed(checkpoints[kind])
    for name in names(out):
        if f".{kept}." not in name and name.endswith("json"):
            (out / name).unlink()
    before = {name: time for name, time in times(out).items() if f".{kept}." in name}
    assert len(before) == 2
    assert embed(checkpoints[kind]) == lines
    assert times(out).items() >= before.items()
    assert set(manifests(out)) == set(READINGS[kind])


def test_a_damaged_file_is_named_and_left(checkpoints, embed, out):
    embed(checkpoints["qwen2"])
    path = out / "tiny-qwen2.mean-without-bos.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    told = f"SHA-256 at {re.escape(str(path))}: .*delete it and run `claims embed` again"
    refused(embed, told, checkpoints["qwen2"])
    assert path.read_bytes() == whole[:-1]
    # What it says helps.
    path.unlink()
    embed(checkpoints["qwen2"])
    assert path.read_bytes() == whole


def test_a_damaged_manifest_is_named_and_left(checkpoints, embed, out):
    embed(checkpoints["qwen2"])
    path = out / "tiny-qwen2.mean-without-bos.json"
    path.write_text("{")
    refused(embed, rf"{re.escape(str(path))}: .*delete it", checkpoints["qwen2"])
    assert path.read_text() == "{"
    path.unlink()
    embed(checkpoints["qwen2"])
    assert len(embeddings(out)) == 1


def kept(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_of_the_same_name_overwrites_nothing(checkpoints, embed, out, tmp_path):
    embed(checkpoints["qwen2"])
    before = kept(out)
    other = tiny.save(tmp_path / "b" / "tiny-qwen2", "qwen2", seed=1)
    told = "tiny-qwen2.mean.*json: is there already, of another revision; rename the folder, or use"
    refused(embed, told, other)
    # Of the other model that is named, nothing is made either.
    refused(embed, told, checkpoints["llama"], other)
    # Nor if only the manifest is left of the first.
    (out / "tiny-qwen2.mean-without-bos.safetensors").unlink()
    refused(embed, told, other)
    embed(checkpoints["qwen2"])
    assert kept(out) == before
    embed(other.rename(tmp_path / "b" / "another"))
    assert kept(out).items() > before.items()


def test_another_tokeniser_overwrites_nothing(copied, embed, out):
    folder = copied("qwen2")
    embed(folder)
    before = kept(out)
    known = tiny.vocabulary("qwen2")
    known["red"], known["blue"] = known["blue"], known["red"]
    tiny.tokenizer("qwen2", known=known, template="$A").save_pretrained(folder)
    assert "there already" in embed(folder)[0]
    tiny.tokenizer("llama").save_pretrained(folder)
    refused(embed, "of another default; rename the folder", folder)
    assert kept(out) == before


@pytest.mark.parametrize("stage", ["embed", "write_embedding"])
def test_stopped_it_leaves_nothing_half_done(stage, checkpoints, embed, out, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    module = extraction if stage == "embed" else store
    with monkeypatch.context() as patch:
        patch.setattr(module, stage, stop)
        with pytest.raises(KeyboardInterrupt):
            embed(checkpoints["bert"])
    assert embeddings(out) == []
    embed(checkpoints["bert"])
    assert len(embeddings(out)) == 2


def test_random_weights_follow_their_seed(checkpoints, embed, out):
    embed(checkpoints["llama"], options="--untrained 5 6 --bos with")
    embed(checkpoints["llama"], options="--bos with")
    found = {each.manifest["untrained"]: each for each in embeddings(out)}
    assert set(found) == {None, 5, 6}
    spaces = [each.space for each in found.values()]
    assert not any(np.allclose(a, b) for a, b in pairwise(spaces))
    assert found[5].manifest["weights"] == {}
    assert found[5].manifest["revision"] == found[None].manifest["revision"]
    first = found[5].space
    shutil.rmtree(out)
    embed(checkpoints["llama"], options="--untrained 5 --bos with")
    np.testing.assert_array_equal(embeddings(out)[0].space, first)


@pytest.mark.parametrize("kind", tiny.KINDS)
def test_random_weights_need_no_trained_ones(kind, copied, embed, out):
    folder = copied(kind)
    (folder / "model.safetensors").unlink()
    embed(folder, options="--untrained 0")
    assert set(manifests(out)) == set(READINGS[kind])
    refused(embed, r"tiny-.*: holds no model\.safetensors", folder)


def test_words_take_an_architecture_from_the_table_and_nothing_else(embed, out, monkeypatch):
    monkeypatch.delattr(making, "fetch")
    monkeypatch.delattr(subjects, "fetch")
    embed("tinystories-llama-260k", options="--untrained 3 --words")
    found = manifests(out)
    assert set(found) == {"mean-with-bos", "mean-without-bos"}
    for each in found.values():
        assert each["tokenizer"] == {"class": "words", "kind": "words"}
        assert (each["untrained"], each["width"], each["layers"]) == (3, 64, 5)
        assert each["checkpoint"] == "tinystories-llama-260k"
        # All but the embeddings, of which there are only the words'.
        words = len(tiny.WORDS) + 2
        assert each["parameters"] == 260_032 - (512 - words) * 64
    assert found["mean-with-bos"]["tokens"][0] == ["<s>", "go", "to", "the", "red", "box"]
    assert len(embed("tinystories-llama-260k", options="--untrained 3 --words")) == 5


def test_words_of_a_model_with_two_towers(embed, out, entry):
    shape = dict(of("blip")[0].shape) | tiny.SHAPE
    entry("blip", family="blip", shape=shape)
    embed("some/checkpoint", options="--untrained 0 --words --pooling projected")
    (manifest,) = manifests(out).values()
    assert manifest["width"] == 256
    assert manifest["model"] == "Some/Checkpoint"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--words", "add --untrained SEED"),
        ("--words --untrained 0 --as x", "leave out --revision and --as"),
        (f"--words --untrained 0 --revision {COMMIT}", "leave out --revision and --as"),
        ("--words --untrained 0", "takes an architecture from the table; `claims models`"),
        ("--as Qwen/Qwen2.5-0.5B", "says what a folder holds, and no-such-model is none"),
        ("--untrained 0 1 0", "--untrained names the seed 0 twice"),
        ("", "no-such-model: no such folder; models on the hub have a slash in their names"),
    ],
)
def test_options_that_do_not_go_together(options, told, embed):
    refused(embed, told, "no-such-model", options=options)


def test_a_revision_is_of_one_model_on_the_hub(embed, checkpoints):
    llama, bert = checkpoints["llama"], checkpoints["bert"]
    refused(embed, "of one model", llama, bert, options=f"--revision {COMMIT}")
    refused(embed, "of one model", llama, bert, options="--as Qwen/Qwen2.5-0.5B")
    refused(embed, "is a folder", llama, options=f"--revision {COMMIT}")


def test_a_folder_can_be_declared_to_be_a_checkpoint(checkpoints, embed, out, entry):
    entry("llama")
    embed(checkpoints["llama"], options="--as some/CHECKPOINT")
    for each in manifests(out).values():
        assert each["declared"] is True
        assert (each["reference"], each["checkpoint"]) == ("llama", "Some/Checkpoint")
        assert each["model"] == "tiny-llama"
    # Undeclared it is another thing; another name would not make it one.
    told = "of another checkpoint; delete it, or use another --out"
    refused(embed, told, checkpoints["llama"])


@pytest.mark.parametrize(
    "changes", [{"width": 32}, {"layers": 3}, {"shape": {"model_type": "qwen2"}}]
)
def test_a_declaration_must_fit(changes, checkpoints, embed, entry, out):
    entry("llama", **changes)
    told = "is a llama of width 16 and 2 layers; Some/Checkpoint is a"
    refused(embed, told, checkpoints["llama"], options="--as Some/Checkpoint")
    assert not out.exists()


def test_a_declaration_must_be_in_the_table(checkpoints, embed):
    refused(embed, "`claims models` shows it", checkpoints["llama"], options="--as gpt2")


def test_the_stand_in_is_known_by_its_folder_and_contents(copied, embed, out, entry):
    folder = copied("llama")
    entry("llama", repo="tiny-llama", reference="", revision=local(folder).revision)
    embed(folder)
    embed(folder, options="--untrained 0")
    for each in manifests(out).values():
        assert (each["reference"], each["checkpoint"]) == ("", "tiny-llama")
        assert each["declared"] is False


def test_noise_of_the_stand_ins_name_and_shape_is_not_the_stand_in(copied, embed, out, entry):
    folder = copied("llama")
    entry("llama", repo="tiny-llama", reference="", revision=local(folder).revision)
    generator = torch.Generator().manual_seed(0)
    noise = {
        name: torch.randn(each.shape, generator=generator)
        for name, each in tiny.weights(folder).items()
    }
    tiny.change_weights(folder, noise)
    embed(folder)
    embed(folder, options="--untrained 0")
    found = listed(out)
    assert len(found) == 4
    assert {each["checkpoint"] for each in found} == {""}


def test_a_model_from_the_hub(hub, embed, out, entry, monkeypatch):
    at(monkeypatch, hub)
    entry("llama", repo=REPO)
    embed(REPO.lower())
    for each in manifests(out).values():
        assert (each["model"], each["revision"]) == (REPO, COMMIT)
        assert (each["reference"], each["checkpoint"]) == ("llama", REPO)
        assert list(each["weights"]) == ["model.safetensors"]
    assert json.dumps(list(manifests(out).values())).count("hf_secret") == 0
    # What is there needs no weights, also where they are no longer in the cache.
    hub.asked.clear()
    shutil.rmtree(hub.cache)
    assert "there already" in embed(REPO)[0]
    assert not any("model.safetensors" in asked for asked in hub.asked)


def test_the_tables_revision_is_taken_unless_another_is_named(hub, embed, out, entry, monkeypatch):
    at(monkeypatch, hub)
    entry("llama", repo=REPO, revision=OTHER)
    embed(REPO)
    assert {each["revision"] for each in manifests(out).values()} == {OTHER}
    told = "of another revision; delete it, or use another --out"
    refused(embed, told, REPO, options=f"--revision {COMMIT}")
    assert {each["revision"] for each in manifests(out).values()} == {OTHER}
    shutil.rmtree(out)
    embed(REPO, options=f"--revision {COMMIT}")
    assert {each["revision"] for each in manifests(out).values()} == {COMMIT}


def test_the_hubs_model_must_be_what_the_table_says(hub, embed, entry, monkeypatch):
    at(monkeypatch, hub)
    entry("llama", repo=REPO, width=32)
    refused(embed, "of width 16 and 2 layers; .* of width 32", REPO)
    assert not any("model.safetensors" in asked for asked in hub.asked)


@pytest.mark.parametrize("name", ["tinystories-llama-260k", "gpt2"])
def test_a_name_without_a_slash_is_never_looked_up(name, embed, monkeypatch):
    monkeypatch.delattr(subjects, "fetch")
    refused(embed, f"{name}: no such folder", name)


def test_weights_that_give_no_numbers_are_named_by_their_folder(copied, embed, out):
    folder = copied("llama")
    tensors = tiny.weights(folder)
    tensors["model.norm.weight"].fill_(torch.nan)
    tiny.change_weights(folder, tensors)
    refused(embed, f"^{re.escape(str(folder))}: gives NaN.*fetch or copy them again", folder)
    assert not out.exists()


def test_a_misspelt_model_shows_before_any_is_loaded(checkpoints, embed, out, tmp_path):
    refused(embed, "is no folder here", checkpoints["llama"], "./misspelt")
    assert not out.exists()


def test_two_models_of_one_name_are_refused(checkpoints, embed, tmp_path, out):
    other = shutil.copytree(checkpoints["bert"], tmp_path / "x" / "Tiny-Llama")
    refused(embed, "two models would be written as 'tiny-llama'", checkpoints["llama"], other)
    assert not out.exists()


def test_progress_runs_to_its_end(checkpoints, embed, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, **options):
            self.total, self.n = options["total"], 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, n):
            self.n += n

    monkeypatch.setattr(commands, "tqdm", Bar)
    embed(checkpoints["llama"], checkpoints["clip"])
    assert [bar.total for bar in bars] == [216, 108]
    assert all(bar.n == bar.total for bar in bars)
