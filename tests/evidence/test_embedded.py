"""Which of the embeddings in a folder stand for which of the paper's models."""

import copy
import hashlib
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.embedding.references import REFERENCES, load_references
from core.embedding.store import write_embedding
from core.evidence import embedded
from core.evidence.embedded import FRESH, KEPT, Embedded, checkpoints
from core.evidence.errors import EvidenceError, HashMismatch, NoWeights, Unreachable
from core.paths import ROOT
from tests.evidence.embeddings import manifest, vectors, write

LLAMAS = ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.1-8B", "meta-llama/Llama-2-7b-hf")
QWEN = "Qwen/Qwen2.5-0.5B"
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
    assert found.name == "my-llama as meta-llama/Llama-3.2-1B (mean)"
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
    expected = "claims embed --model meta-llama/Llama-3.2-1B --untrained 0 1 2"
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
    gap = NoWeights((("a/b", ""), ("c/d", "")), where="runs")
    again = copy.copy(gap)
    assert isinstance(again, NoWeights)
    assert str(again) == str(gap) == "no embeddings of a/b, c/d in runs; " + gap.settles
    assert again.settles == "claims embed --model a/b --model c/d"
    assert (again.models, again.where, again.code) == (("a/b", "c/d"), "runs", "weights")


def test_a_command_has_what_takes_the_same_options_and_folders_are_to_be_found():
    drawn = "--untrained 0 1 2"
    gap = NoWeights((("a/b", drawn), ("c/d", ""), ("a/b", ""), (STAND_IN, drawn)), where="runs")
    assert gap.models == ("a/b", "c/d", STAND_IN)
    assert gap.settles == (
        f"claims embed --model a/b --model PATH/TO/{STAND_IN} --untrained 0 1 2 "
        "&& claims embed --model c/d --model a/b"
    )


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


def spoil(folder, name, content):
    """Leave something in a folder that is no manifest."""
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_text(content)


@pytest.mark.parametrize("content", ["{", "{}", "[]", None])
def test_a_foreign_file_hides_only_what_is_not_found(tmp_path, content):
    write(tmp_path, LLAMAS[0], 1)
    before = Embedded(tmp_path).sha256
    spoil(tmp_path, "zz.json", content)
    kept = Embedded(tmp_path)
    is_space(kept.trained("llama"), 1)
    assert kept.sha256 == before
    told = rf"zz\.json: is no manifest of embeddings; move it out of {tmp_path}"
    for ask in (kept.trained, kept.untrained):
        with pytest.raises(EvidenceError, match=told):
            ask("qwen")


def test_nothing_takes_the_place_of_a_manifest_that_is_broken(tmp_path):
    first = write(tmp_path, LLAMAS[0], 1)
    write(tmp_path, LLAMAS[1], 2)
    copies = [write(tmp_path, LLAMAS[1], 3 + seed, untrained=seed) for seed in (0, 1)]
    first.write_text("{")
    kept = Embedded(tmp_path)
    with pytest.raises(EvidenceError, match=r"llama-3\.2-1b\.mean\.json: cannot be read.*again"):
        kept.trained("llama")
    assert len(kept.untrained("llama")) == 2
    write(tmp_path, LLAMAS[0], 1)
    copies[1].write_text("{")
    kept = Embedded(tmp_path)
    is_space(kept.trained("llama"), 1)
    with pytest.raises(EvidenceError, match=r"untrained-1\.mean\.json: cannot be read"):
        kept.untrained("llama")


def test_what_is_broken_of_a_later_choice_hinders_nothing(tmp_path):
    write(tmp_path, LLAMAS[0], 1)
    write(tmp_path, LLAMAS[1], 2).write_text("{")
    is_space(Embedded(tmp_path).trained("llama"), 1)


def of_words(folder, seed, space):
    """Write a copy that reads words in place of tokens."""
    told = manifest(LLAMAS[0], pooling="mean", default=True, untrained=seed)
    told["tokenizer"] = {"class": "Words", "kind": "words"}
    write_embedding(folder, space, told | {"width": space.shape[1]})


def test_copies_that_read_words_are_not_mixed_with_those_that_read_tokens(tmp_path):
    for seed in (0, 1, 2):
        of_words(tmp_path, seed, vectors(seed))
    assert len(Embedded(tmp_path).untrained("llama")) == 3
    write(tmp_path, LLAMAS[0], 10, untrained=1)
    (own,) = Embedded(tmp_path).untrained("llama")
    is_space(own, 10)


def test_copies_of_different_widths_are_not_mixed(tmp_path):
    of_words(tmp_path, 0, vectors(0))
    of_words(tmp_path, 1, vectors(1)[:, :4])
    assert len({one.values.shape for one in Embedded(tmp_path).untrained("llama")}) == 1


def write_sums(folder):
    """List the manifests in a folder, as sha256sum does."""
    rows = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("*.json"))
    ]
    (folder / "SHA256SUMS").write_text("# a comment\n" + "".join(rows))


@pytest.fixture
def listed(tmp_path):
    write(tmp_path, LLAMAS[0], 1)
    for seed in (0, 1):
        write(tmp_path, LLAMAS[0], 2 + seed, untrained=seed)
    write_sums(tmp_path)
    is_space(Embedded(tmp_path).trained("llama"), 1)
    return tmp_path


def test_a_manifest_that_is_listed_and_gone_is_an_error_for_every_model(listed):
    (listed / "meta-llama--llama-3.2-1b.untrained-1.mean.json").unlink()
    for ask in (Embedded(listed).trained, Embedded(listed).untrained):
        with pytest.raises(EvidenceError, match=r"1\.mean\.json: is missing.*version control"):
            ask("llama")


def test_a_manifest_that_is_not_listed_or_was_changed_is_an_error(listed):
    more = write(listed, QWEN, 5)
    with pytest.raises(EvidenceError, match=rf"{more.name}: is not listed in SHA256SUMS"):
        Embedded(listed).trained("llama")
    more.unlink()
    write(listed, LLAMAS[0], 6)
    with pytest.raises(HashMismatch, match="restore it from version control") as found:
        Embedded(listed).trained("llama")
    assert found.value.name == "meta-llama--llama-3.2-1b.mean.json"


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_matrix_that_is_kept_is_to_be_restored(listed, damage):
    matrix = listed / "meta-llama--llama-3.2-1b.mean.safetensors"
    if damage == "gone":
        matrix.unlink()
    else:
        matrix.write_bytes(matrix.read_bytes()[:-1] + b"?")
    with pytest.raises(EvidenceError, match=r"restore it from version control$") as found:
        Embedded(listed).trained("llama")
    assert "claims embed" not in str(found.value)
    assert isinstance(found.value, HashMismatch) == (damage == "changed")


@pytest.mark.parametrize("content", ["one\n", "a  b  c\n", b"\xff"])
def test_a_list_that_cannot_be_read_is_an_error(listed, content):
    raw = content if isinstance(content, bytes) else content.encode()
    (listed / "SHA256SUMS").write_bytes(raw)
    with pytest.raises(EvidenceError, match="SHA256SUMS: cannot be read"):
        Embedded(listed).trained("llama")


def test_the_folder_of_what_is_kept_is_never_without_its_list(tmp_path, monkeypatch):
    write(tmp_path, LLAMAS[0], 1)
    monkeypatch.setattr(embedded, "KEPT", tmp_path)
    with pytest.raises(EvidenceError, match="SHA256SUMS: cannot be read"):
        Embedded(tmp_path).trained("llama")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "embeddings").write_text("")
    with pytest.raises(EvidenceError, match="embeddings: is no folder of embeddings; move it away"):
        Embedded(tmp_path / "embeddings").trained("llama")


def test_parts_are_told_by_the_names_of_their_spaces(tmp_path):
    write(tmp_path, LLAMAS[0], 1)
    write(tmp_path, QWEN, 2, pooling="cls", default=False)
    write(tmp_path, QWEN, 3, untrained=4)
    parts = ("baseline", "llama", "floors", "qwen/cls", "qwen/untrained")
    assert Embedded(tmp_path).names(parts) == (
        f"{LLAMAS[0]} (mean)",
        f"{QWEN} (cls)",
        f"{QWEN} (mean), untrained 4",
    )


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
