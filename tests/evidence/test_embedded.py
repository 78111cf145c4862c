"""Which of the embeddings in a folder stand for which of the paper's models."""

import copy
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.embedding.references import REFERENCES, load_references
from core.evidence.embedded import FRESH, KEPT, Embedded, checkpoints
from core.evidence.errors import EvidenceError, HashMismatch, NoWeights, Unreachable
from core.paths import ROOT
from tests.evidence.embeddings import vectors, write

LLAMAS = ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B", "meta-llama/Llama-2-7b-hf")
STAND_IN = "tinystories-llama-260k"


def is_space(space, seed):
    assert space.values.dtype == np.float64
    assert_array_equal(space.values, vectors(seed))


def test_a_reference_is_its_checkpoints_in_the_tables_order():
    assert tuple(each.repo for each in checkpoints("llama")) == LLAMAS
    every = [each.repo for reference in REFERENCES for each in checkpoints(reference)]
    assert sorted([*every, STAND_IN]) == sorted(each.repo for each in load_references())
    assert [each.repo for each in checkpoints(STAND_IN)] == [STAND_IN]
    assert checkpoints("gpt") == ()
    assert checkpoints("") == ()


@pytest.mark.parametrize("there", [(0, 1, 2), (2, 1, 0), (1, 2), (2,)])
def test_the_first_of_the_tables_order_is_judged_whatever_the_files_order(tmp_path, there):
    for which in there:
        write(tmp_path, LLAMAS[which], which)
    files = sorted(path.name for path in tmp_path.glob("*.json"))
    # The names would have it the other way round.
    assert ("llama-2-7b" in files[0]) == (2 in there)
    found = Embedded(tmp_path).trained("llama")
    assert found.name == f"{LLAMAS[min(there)]} (mean)"
    is_space(found, min(there))


def test_the_default_reading_is_read_unless_another_is_named(tmp_path):
    bert = "google-bert/bert-base-uncased"
    write(tmp_path, bert, 1, pooling="cls", default=False)
    write(tmp_path, bert, 2, pooling="mean", default=True)
    kept = Embedded(tmp_path)
    is_space(kept.trained("bert"), 2)
    is_space(kept.trained("bert", "mean"), 2)
    is_space(kept.trained("bert", "cls"), 1)
    assert kept.trained("bert", "cls").name == f"{bert} (cls)"
    with pytest.raises(NoWeights, match=f"no embeddings of {bert} in"):
        kept.trained("bert", "projected")


def test_without_a_default_reading_nothing_is_judged_by_default(tmp_path):
    write(tmp_path, "google-bert/bert-base-uncased", pooling="cls", default=False)
    with pytest.raises(NoWeights):
        Embedded(tmp_path).trained("bert")


def test_a_folder_that_is_said_to_hold_a_checkpoint_stands_for_it(tmp_path):
    write(tmp_path, LLAMAS[0], 3, model="my-llama")
    found = Embedded(tmp_path).trained("llama")
    assert found.name == "my-llama (mean)"
    is_space(found, 3)


def test_another_model_stands_for_none(tmp_path):
    write(tmp_path, "", 3, model="meta-llama/Llama-3.2-1B-Instruct")
    with pytest.raises(NoWeights):
        Embedded(tmp_path).trained("llama")


def test_random_weights_are_not_taken_for_real_ones_nor_real_ones_for_random(tmp_path):
    for seed in (1, 0):
        write(tmp_path, LLAMAS[0], 10 + seed, untrained=seed)
    write(tmp_path, LLAMAS[0], 12, untrained=0, pooling="mean-with-bos", default=False)
    kept = Embedded(tmp_path)
    with pytest.raises(NoWeights) as missing:
        kept.trained("llama")
    assert missing.value.settles == "claims embed --model meta-llama/Llama-3.2-1B"
    copies = kept.untrained("llama")
    assert [each.name for each in copies] == [
        f"{LLAMAS[0]} (mean), untrained {seed}" for seed in (0, 1)
    ]
    is_space(copies[0], 10)
    is_space(copies[1], 11)
    write(tmp_path, LLAMAS[1], 13)
    with_real = Embedded(tmp_path)
    is_space(with_real.trained("llama"), 13)
    assert len(with_real.untrained("llama")) == 2


def test_copies_of_a_model_that_was_not_drawn_are_asked_for_by_their_command(tmp_path):
    write(tmp_path, LLAMAS[0])
    with pytest.raises(NoWeights) as missing:
        Embedded(tmp_path).untrained("llama")
    expected = "claims embed --model meta-llama/Llama-3.2-1B --untrained 0"
    assert missing.value.settles == expected


def test_an_unknown_reference_is_an_error_and_not_a_gap(tmp_path):
    kept = Embedded(tmp_path)
    for ask in (kept.trained, kept.untrained):
        with pytest.raises(EvidenceError, match="'gpt' is no reference model; see `claims models`"):
            ask("gpt")


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_that_is_empty_or_missing_holds_nothing(tmp_path, made):
    folder = tmp_path / "embeddings"
    if made:
        folder.mkdir()
    kept = Embedded(folder)
    assert kept.manifests == {}
    assert len(kept.sha256) == 64
    with pytest.raises(NoWeights, match=f"in {folder}") as missing:
        kept.trained("qwen")
    assert missing.value.settles == "claims embed --model Qwen/Qwen2.5-0.5B"
    assert missing.value.code == "weights"
    assert missing.value.models == ("Qwen/Qwen2.5-0.5B",)


def test_a_gap_is_told_from_process_to_process():
    gap = NoWeights(("a/b", "c"), where="runs")
    again = copy.copy(gap)
    assert isinstance(again, NoWeights)
    assert str(again) == str(gap) == "no embeddings of a/b, c in runs; " + gap.settles
    assert again.settles == "claims embed --model a/b --model c"
    assert (again.models, again.where, again.code) == (("a/b", "c"), "runs", "weights")


def test_other_evidence_out_of_reach_says_all_that_it_knows():
    away = Unreachable("no network", remedy="set X")
    assert (away.code, away.settles) == ("unreachable", "no network; set X")


def test_a_changed_matrix_is_named_with_both_hashes_when_it_is_read(tmp_path):
    write(tmp_path, LLAMAS[0], 1)
    path = write(tmp_path, LLAMAS[1], 2)
    matrix = path.with_name(path.name.replace(".json", ".safetensors"))
    expected = json.loads(path.read_text())["sha256"]
    content = bytearray(matrix.read_bytes())
    content[-1] ^= 1
    matrix.write_bytes(content)
    # What is not judged is not read.
    kept = Embedded(tmp_path)
    is_space(kept.trained("llama"), 1)
    (tmp_path / "meta-llama--llama-3.2-1b.mean.json").unlink()
    with pytest.raises(HashMismatch) as found:
        Embedded(tmp_path).trained("llama")
    assert found.value.name == "meta-llama--llama-3.1-8b.mean.safetensors"
    assert found.value.expected == expected
    assert found.value.where == str(matrix)


def test_a_broken_manifest_is_an_error_whatever_is_asked(tmp_path):
    write(tmp_path, LLAMAS[0])
    (tmp_path / "other.json").write_text("{")
    with pytest.raises(EvidenceError, match=r"other\.json: cannot be read"):
        Embedded(tmp_path).trained("llama")


def test_a_space_is_read_once(tmp_path):
    path = write(tmp_path, LLAMAS[0], 4)
    kept = Embedded(tmp_path)
    first = kept.trained("llama")
    path.with_name(path.name.replace(".json", ".safetensors")).unlink()
    assert kept.trained("llama") is first


def test_the_digest_changes_with_any_manifest(tmp_path):
    write(tmp_path, LLAMAS[0], 1)
    first = Embedded(tmp_path).sha256
    assert first == Embedded(tmp_path).sha256
    write(tmp_path, LLAMAS[0], 2)
    other = Embedded(tmp_path).sha256
    write(tmp_path, STAND_IN, 3)
    more = Embedded(tmp_path).sha256
    assert len({first, other, more}) == 3
    assert all(len(digest) == 64 for digest in (first, other, more))


def test_what_we_keep_and_what_is_made_here_lie_apart():
    assert KEPT == ROOT / "fixtures" / "embeddings"
    assert FRESH == ROOT / "runs" / "embeddings"


def test_the_kept_embeddings_are_the_stand_in_and_random_copies_of_the_models():
    kept = Embedded(KEPT)
    assert kept.trained(STAND_IN).values.shape == (108, 64)
    assert STAND_IN in kept.trained(STAND_IN, "mean-without-bos").name
    # Nobody's weights but the stand-in's are kept.
    trained = {m["checkpoint"] for m in kept.manifests.values() if m["untrained"] is None}
    assert trained == {STAND_IN}
    for reference in ("llama", "qwen", "bert"):
        assert kept.untrained(reference)
        with pytest.raises(NoWeights):
            kept.trained(reference)
