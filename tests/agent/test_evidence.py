"""What is kept of trained agents: gathered, described, and refused when it is not whole."""

import hashlib
import json
from itertools import combinations

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from core.agent.evidence import LABELS, between, space, write_manifest, write_variant
from core.agent.instructions import SENTENCES
from core.evidence.errors import EvidenceError
from core.metrics.neighbours import effective_rank, precision_at_k
from tests.evidence.test_replicated import (
    UPDATES,
    embeddings,
    on_the_way,
    write_evidence,
    write_run,
)


@pytest.fixture
def folders(tmp_path):
    return [write_run(tmp_path / f"seed-{seed}", seed) for seed in (4, 2, 7)]


def table(out, name="baseline"):
    return json.loads((out / f"{name}.json").read_text())


def test_every_sentence_carries_the_labels_that_it_says():
    for i, sentence in enumerate(SENTENCES):
        phrase, thing = sentence.split(" the ")
        told = {name: label[i] for name, label in LABELS.items()}
        assert (told["colour"], told["kind"]) == tuple(thing.split())
        for j, other in enumerate(SENTENCES):
            same = {name: label[j] == told[name] for name, label in LABELS.items()}
            assert same["phrase"] == other.startswith(f"{phrase} the")
            assert same["object"] == other.endswith(f" the {thing}")
    # GO-TO has two phrases of 18 objects, PICK-UP one, ESCAPE three.
    assert np.bincount(LABELS["task"]).tolist() == [36, 18, 54]


def test_a_variant_is_the_runs_results_with_their_points(folders, tmp_path):
    write_variant("baseline", folders, tmp_path / "out")
    document = table(tmp_path / "out")
    assert document["schema"] == 1
    assert [run["seed"] for run in document["runs"]] == [4, 2, 7]
    for run, folder in zip(document["runs"], folders, strict=True):
        result = json.loads((folder / "result.json").read_text())
        assert {key: run[key] for key in result} == result
        assert [point["update"] for point in run["points"]] == list(UPDATES)
        for point in run["points"]:
            assert point["success"] == on_the_way(run["seed"], point["update"])
    with safe_open(tmp_path / "out/baseline.safetensors", "numpy") as file:
        about = json.loads(file.metadata()["about"])
        assert about == {"variant": "baseline", "sentences": list(SENTENCES)}
        names = {f"seed-{seed}/update-{update}" for seed in (4, 2, 7) for update in UPDATES}
        assert set(file.keys()) == names
        assert np.array_equal(file.get_tensor("seed-2/update-5"), embeddings(2, 5))


def test_points_are_described_as_the_metrics_say(folders, tmp_path):
    write_variant("baseline", folders, tmp_path / "out")
    document = table(tmp_path / "out")
    for run in document["runs"]:
        for point in run["points"]:
            e_l = embeddings(run["seed"], point["update"])
            assert point["space"] == space(e_l)
            assert point["space"]["effective_rank"] == pytest.approx(effective_rank(e_l), abs=5e-3)
    for point in document["between"]:
        spaces = [embeddings(seed, point["update"]) for seed in (4, 2, 7)]
        assert point["pairs"] == 3
        for k in (1, 5, 10, 15):
            each = [precision_at_k(x, y, k) for x, y in combinations(spaces, 2)]
            assert point[f"P@{k}"] == pytest.approx(np.mean(each), abs=5e-5)
    assert [point["update"] for point in document["between"]] == list(UPDATES)


def test_a_space_is_described_by_what_its_neighbours_share():
    # Sentences of one object in one direction, nothing else: five twins, then chance.
    e_l = np.eye(18)[LABELS["object"]]
    found = space(e_l)
    # 10 more neighbours among the 102 others, of which none has the object.
    assert found["object"] == round(5 / 15, 4)
    # 17 others of the 102 have the phrase; the twins have other phrases.
    assert found["phrase"] == round(10 * 17 / 102 / 15, 4)
    # All twins share colour and kind; so do 12 and 30 of the 102 others.
    assert found["colour"] == round((5 + 10 * 12 / 102) / 15, 4)
    assert found["kind"] == round((5 + 10 * 30 / 102) / 15, 4)
    # Of 108: 36 have 1 twin of their task, 18 none, 54 two; others 34, 17 and 51 of 102.
    task = (36 * (1 + 10 * 34 / 102) + 18 * 10 * 17 / 102 + 54 * (2 + 10 * 51 / 102)) / 108 / 15
    assert found["task"] == round(task, 4)
    assert found["effective_rank"] == 17


def test_agents_that_agree_have_all_neighbours_in_common():
    e_l = embeddings(0, 0)
    runs = [{"seed": seed, "points": [{"update": 0}]} for seed in (0, 1)]
    found = between(runs, {"seed-0/update-0": e_l, "seed-1/update-0": 3 * e_l[:, ::-1]})
    assert found == [{"update": 0, "pairs": 1, "P@1": 1, "P@5": 1, "P@10": 1, "P@15": 1}]
    assert between(runs[:1], {"seed-0/update-0": e_l}) == []


def test_gathered_twice_is_the_same_to_the_byte(folders, tmp_path):
    for out in ("a", "b"):
        write_variant("baseline", folders, tmp_path / out)
    for name in ("baseline.json", "baseline.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_manifest_names_what_was_run_and_every_file(tmp_path):
    plan = {"baseline": (0, 1), "blind": (2,)}
    out = write_evidence(tmp_path / "agent", plan, tmp_path / "work")
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["schema"] == 1
    assert manifest["variants"] == ["baseline", "blind"]
    assert manifest["demonstrations"]["episodes"] == 216
    assert set(manifest["floors"]) == {"wandering"}
    assert manifest["gathered_by"]["packages"]["numpy"] == np.__version__
    files = {path.name: path for path in out.iterdir() if path.name != "manifest.json"}
    assert manifest["files"] == {
        name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()
    }


def refused(folders, out, fault):
    with pytest.raises(EvidenceError, match=fault) as found:
        write_variant("baseline", folders, out)
    # Nothing half done is left.
    assert not out.exists()
    return str(found.value)


@pytest.mark.parametrize("content", [None, "", "{", "\x00"])
def test_an_unfinished_run_is_named(folders, tmp_path, content):
    path = folders[1] / "result.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    said = refused(folders, tmp_path / "out", "cannot be read: .*; run the training again")
    assert said.startswith(str(path))


@pytest.mark.parametrize("content", ["[]", "3", "{}", '{"recipe": {}}', '{"recipe": 3}'])
def test_a_result_that_makes_no_sense_is_named(folders, tmp_path, content):
    (folders[1] / "result.json").write_text(content)
    assert str(folders[1]) in refused(folders, tmp_path / "out", "result.json")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
def test_a_snapshot_cut_short_is_named(folders, tmp_path, share):
    path = folders[2] / "snapshot-000005.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    said = refused(folders, tmp_path / "out", "cannot be read: .*; delete the run's folder")
    assert said.startswith(str(path))


E_L, TOLD = embeddings(0, 0), {"update": "5", "success": "{}"}
NAN = E_L.copy()
NAN[3, 3] = np.nan


@pytest.mark.parametrize(
    ("tensors", "told"),
    [
        ({"other": E_L}, TOLD),
        ({"E_L": E_L}, None),
        ({"E_L": E_L}, {"update": "5"}),
        ({"E_L": E_L}, {"success": "{}"}),
        ({"E_L": E_L}, TOLD | {"update": "five"}),
        ({"E_L": E_L}, TOLD | {"success": "{"}),
        ({"E_L": NAN}, TOLD),
        ({"E_L": E_L[:107]}, TOLD),
    ],
    ids=["name", "metadata", "success", "update", "number", "json", "NaN", "shape"],
)
def test_a_snapshot_that_makes_no_sense_is_named(folders, tmp_path, tensors, told):
    path = folders[2] / "snapshot-000005.safetensors"
    path.write_bytes(save(tensors, told))
    assert str(path) in refused(folders, tmp_path / "out", "snapshot-000005")


def test_a_run_that_lacks_a_snapshot_is_named(folders, tmp_path):
    (folders[2] / "snapshot-000005.safetensors").unlink()
    assert str(folders[2]) in refused(folders, tmp_path / "out", "seed-7")


def test_runs_without_any_snapshot_are_named(folders, tmp_path):
    for path in tmp_path.rglob("snapshot-*"):
        path.unlink()
    refused(folders, tmp_path / "out", "snapshot")


def test_a_manifest_without_demonstrations_is_an_error_that_names_the_file(folders, tmp_path):
    write_variant("baseline", folders, tmp_path / "out")
    with pytest.raises((OSError, EvidenceError), match=r"manifest\.json"):
        write_manifest(tmp_path / "out", ["baseline"], tmp_path / "nowhere", {})
    assert not (tmp_path / "out/manifest.json").exists()
