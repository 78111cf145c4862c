"""Embeddings as files: what is written is read again, and nothing else is taken for it."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors import safe_open
from safetensors.numpy import save

from core.agent.instructions import SENTENCES
from core.embedding import store
from core.embedding.store import (
    read_embedding,
    read_manifest,
    slug,
    write_embedding,
)
from core.evidence.errors import EvidenceError, HashMismatch

WIDTH = 5


def manifest(**changes):
    return {
        "model": "Qwen/Qwen2.5-0.5B",
        "revision": "a" * 40,
        "reference": "qwen",
        "checkpoint": "Qwen/Qwen2.5-0.5B",
        "declared": False,
        "family": "decoder",
        "class": "Qwen2Model",
        "pooling": "mean-without-bos",
        "default": True,
        "untrained": None,
        "tokenizer": {"class": "TokenizersBackend", "kind": "own"},
        "tokens": [sentence.split() for sentence in SENTENCES],
        "width": WIDTH,
        "layers": 24,
        "parameters": 494_032_768,
        "weights": {"model.safetensors": "b" * 64},
        "sentences": list(SENTENCES),
        "dtype": "float32",
        "batch": 16,
        "produced_by": {},
    } | changes


def space(seed=0):
    return np.random.default_rng(seed).normal(size=(len(SENTENCES), WIDTH)).astype(np.float32)


def rewrite(path, **changes):
    entries = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in entries.items() if v is not ...}))


def replace_matrix(path, x, about=None):
    """Put another matrix beside a manifest, with the hash set right."""
    entries = json.loads(path.read_text())
    about = about or {k: entries[k] for k in ("sentences", "model", "revision", "pooling")}
    content = save({"embeddings": x}, {"about": json.dumps(about)})
    path.with_suffix(".safetensors").write_bytes(content)
    rewrite(path, sha256=hashlib.sha256(content).hexdigest())


def test_what_is_written_is_read(tmp_path):
    x = space()
    path = write_embedding(tmp_path, x, manifest())
    assert path == tmp_path / "qwen--qwen2.5-0.5b.mean-without-bos.json"
    found = read_embedding(path)
    assert_array_equal(found.space, x.astype(np.float64))
    assert found.space.dtype == np.float64
    assert found.path == path
    kept = dict(found.manifest)
    content = path.with_name("qwen--qwen2.5-0.5b.mean-without-bos.safetensors").read_bytes()
    assert kept.pop("sha256") == hashlib.sha256(content).hexdigest()
    assert kept.pop("schema") == 1
    assert kept == manifest()
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.path = tmp_path  # type: ignore[misc]


def test_the_matrix_says_itself_what_it_is(tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    with safe_open(path.with_suffix(".safetensors"), "numpy") as file:
        assert list(file.keys()) == ["embeddings"]
        assert list(file.metadata()) == ["about"]
        about = json.loads(file.metadata()["about"])
    assert about["sentences"] == list(SENTENCES)
    del about["sentences"]
    assert about == {
        "model": "Qwen/Qwen2.5-0.5B",
        "revision": "a" * 40,
        "pooling": "mean-without-bos",
    }


def test_the_same_twice_is_the_same_to_the_byte(tmp_path):
    paths = [write_embedding(tmp_path / name, space(), manifest()) for name in ("a", "b")]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_names():
    assert slug("Qwen/Qwen2.5-0.5B") == "qwen--qwen2.5-0.5b"
    assert slug("My Model") == "my model"
    assert slug("a/B", 0) == "a--b.untrained-0"
    assert slug("a/B", 7, words=True) == "a--b.untrained-7-words"


def test_random_weights_and_words_have_files_of_their_own(tmp_path):
    words = {"class": "words", "kind": "words"}
    for changes in ({}, {"untrained": 0}, {"untrained": 1}, {"untrained": 0, "tokenizer": words}):
        write_embedding(tmp_path, space(), manifest(**changes))
    assert sorted(path.name for path in tmp_path.glob("*.json")) == [
        "qwen--qwen2.5-0.5b.mean-without-bos.json",
        "qwen--qwen2.5-0.5b.untrained-0-words.mean-without-bos.json",
        "qwen--qwen2.5-0.5b.untrained-0.mean-without-bos.json",
        "qwen--qwen2.5-0.5b.untrained-1.mean-without-bos.json",
    ]


def test_a_manifest_is_read_without_its_matrix(tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    path.with_suffix(".safetensors").unlink()
    assert read_manifest(path)["model"] == "Qwen/Qwen2.5-0.5B"
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_embedding(path)


def test_stopped_between_the_two_files_leaves_no_manifest(tmp_path, monkeypatch):
    path = write_embedding(tmp_path, space(), manifest())
    written = []

    def stop(target, content):
        written.append(target.suffix)
        if target.suffix == ".json":
            raise KeyboardInterrupt
        target.write_bytes(content)

    monkeypatch.setattr(store, "write_atomically", stop)
    with pytest.raises(KeyboardInterrupt):
        write_embedding(tmp_path, space(1), manifest())
    assert written == [".safetensors", ".json"]
    assert not path.exists()


def test_a_changed_matrix_is_named(tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    matrix = path.with_suffix(".safetensors")
    content = bytearray(matrix.read_bytes())
    content[-1] ^= 1
    matrix.write_bytes(content)
    with pytest.raises(HashMismatch, match="claims embed") as raised:
        read_embedding(path)
    assert raised.value.where == str(matrix)


@pytest.mark.parametrize(
    ("x", "fault"),
    [
        (space()[:-1], "shape"),
        (space()[:, :-1], "shape"),
        (space().astype(np.float64), "float64"),
        (np.where(np.arange(108)[:, None] == 3, np.nan, space()), "NaN .*'go to the green box'"),
        (np.where(np.arange(108)[:, None] == 3, np.inf, space()), "infinite"),
        (np.where(np.arange(108)[:, None] == 4, 0, space()), "zero .*'go to the green key'"),
        (np.tile(space()[0], (108, 1)), "the same for every sentence"),
    ],
)
def test_a_matrix_that_is_none_is_refused(x, fault, tmp_path):
    x = x.astype(np.float32) if "float64" not in fault else x
    path = write_embedding(tmp_path, space(), manifest())
    replace_matrix(path, x)
    with pytest.raises(EvidenceError, match=fault) as raised:
        read_embedding(path)
    assert str(path.with_suffix(".safetensors")) in str(raised.value)
    assert "run `claims embed` again" in str(raised.value)


def test_a_matrix_of_another_model_is_refused(tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    about = {k: manifest()[k] for k in ("sentences", "model", "revision", "pooling")}
    replace_matrix(path, space(), about | {"model": "a/a"})
    with pytest.raises(EvidenceError, match="another model"):
        read_embedding(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    for content in (b"", b"{}", save({"x": space()}, {"about": "{}"})):
        path.with_suffix(".safetensors").write_bytes(content)
        rewrite(path, sha256=hashlib.sha256(content).hexdigest())
        with pytest.raises(EvidenceError, match="holds no embeddings"):
            read_embedding(path)


@pytest.mark.parametrize("field", sorted(store.FIELDS))
@pytest.mark.parametrize("value", [..., 1.5])
def test_every_part_of_a_manifest_is_needed(field, value, tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    rewrite(path, **{field: value})
    for read in (read_embedding, store.read_manifest):
        with pytest.raises(EvidenceError, match=f"has no '{field}'"):
            read(path)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"schema": 2}, "schema 1"),
        ({"untrained": True}, "untrained"),
        ({"width": True}, "width"),
        ({"default": 1}, "default"),
        ({"sentences": list(SENTENCES[::-1])}, "in their order"),
        ({"tokens": [["go"]]}, "tokens of 1 sentences"),
        ({"pooling": "max"}, "unknown pooling 'max'"),
        ({"pooling": "cls"}, r"what belongs into qwen--qwen2.5-0.5b\.cls\.json"),
        ({"model": "a/a"}, r"what belongs into a--a\.mean"),
        ({"untrained": 3}, r"what belongs into .*untrained-3"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(changes, fault, tmp_path):
    path = write_embedding(tmp_path, space(), manifest())
    rewrite(path, **changes)
    with pytest.raises(EvidenceError, match=fault) as raised:
        read_manifest(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("content", ["", "[]", "{", "null"])
def test_a_manifest_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "a.cls.json").write_text(content)
    with pytest.raises(EvidenceError, match=r"a\.cls\.json"):
        read_manifest(tmp_path / "a.cls.json")


@pytest.mark.parametrize(
    ("x", "changes"),
    [
        (space()[:-1], {}),
        (space() * np.nan, {}),
        (np.tile(space()[0], (108, 1)), {}),
        (space(), {"width": 4}),
        (space(), {"pooling": "max"}),
        (space(), {"sentences": []}),
    ],
)
def test_nothing_is_written_that_would_not_be_read(x, changes, tmp_path):
    with pytest.raises(EvidenceError):
        write_embedding(tmp_path, x, manifest(**changes))
    assert list(tmp_path.iterdir()) == []
