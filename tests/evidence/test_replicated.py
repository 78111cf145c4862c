"""The kept runs, read back; what is wrong with them is said, file by file."""

import hashlib
import json

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

from core.agent.evidence import write_manifest, write_variant
from core.agent.instructions import TASK_OF, TASKS
from core.evidence.bodies import body
from core.evidence.embedded import FRESH, KEPT
from core.evidence.errors import EvidenceError, HashMismatch, NoWeights
from core.evidence.replicated import AGENTS, Replicated
from tests.evidence.embeddings import vectors, write
from tests.oracles import stats

UPDATES = (0, 5, 1000)
READINGS = ((5, True), (4, True), (6, True), (5, False))


def counts(rng, episodes=30):
    """Successes as a run's file holds them; fewer within 24 steps than within 64."""
    won = rng.binomial(episodes, 0.7, 108)
    few = rng.binomial(won, 0.9)
    return {"episodes": [episodes] * 108, "64": won.tolist(), "24": few.tolist()}


def embeddings(seed, update):
    """Random E_L, so that every file differs from every other."""
    rng = np.random.default_rng((seed, update))
    return rng.normal(size=(108, 128)).astype(np.float32)


def on_the_way(seed, update):
    """Success per task at one point of the training: wins and episodes."""
    rng = np.random.default_rng((seed, update, 1))
    of = {task: 5 * int(np.equal(TASK_OF, i).sum()) for i, task in enumerate(TASKS)}
    return {task: [int(rng.integers(n + 1)), n] for task, n in of.items()}


def write_run(folder, seed, updates=UPDATES):
    """A trained agent's folder, without the training."""
    folder.mkdir(parents=True)
    for update in updates:
        told = {"success": json.dumps(on_the_way(seed, update)), "update": str(update)}
        path = folder / f"snapshot-{update:06d}.safetensors"
        path.write_bytes(save({"E_L": embeddings(seed, update)}, told))
    rng = np.random.default_rng(seed)
    result = {
        "schema": 1,
        "recipe": {"seed": seed, "updates": updates[-1], "architecture": {"pooling": "mean"}},
        "network": {"parameters": 12345},
        "updates": updates[-1],
        "losses": [1.5, 0.5],
        "success": counts(rng),
        "escapes": [
            {"distance": distance, "unseen": unseen, "episodes": 1620, "64": won, "24": won // 2}
            for (distance, unseen), won in zip(READINGS, rng.integers(0, 1620, 4), strict=True)
        ],
        "plateau": seed % 2 == 1,
    }
    (folder / "result.json").write_text(json.dumps(result, default=int))
    return folder


def write_evidence(out, plan, work):
    """A folder as `claims replicate` leaves it: variant to seeds."""
    for variant, seeds in plan.items():
        runs = [write_run(work / variant / f"seed-{seed}", seed) for seed in seeds]
        write_variant(variant, runs, out)
    data = work / "demonstrations"
    data.mkdir(parents=True)
    (data / "manifest.json").write_text('{"episodes": 216, "failures": 3}')
    floors = {"wandering": {"success": counts(np.random.default_rng(99)), "escapes": []}}
    write_manifest(out, list(plan), data, floors)
    return out


@pytest.fixture
def folder(tmp_path):
    return write_evidence(tmp_path / "agent", {"baseline": (0, 3, 1)}, tmp_path / "work")


def certify(folder, **changes):
    """Write the manifest anew, with the hashes of what now lies there."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text()) | changes
    for name in manifest["files"]:
        manifest["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def rewrite_json(folder, change, name="baseline"):
    """Change a variant's table and certify it."""
    path = folder / f"{name}.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    certify(folder)


def rewrite_tensors(folder, change, name="baseline"):
    """Change a variant's embeddings and certify them."""
    path = folder / f"{name}.safetensors"
    with safe_open(path, "numpy") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(tensors)
    path.write_bytes(save(tensors))
    certify(folder)


def refused(folder, fault, name="baseline"):
    with pytest.raises(EvidenceError, match=fault) as found:
        Replicated(folder).agents(name)
    assert str(folder) in str(found.value)
    return str(found.value)


def test_agents_are_read_as_they_were_written(folder):
    agents = Replicated(folder).agents("baseline")
    assert agents.seeds == (0, 3, 1)
    assert agents.updates == UPDATES
    assert agents.embeddings.shape == (3, 3, 108, 128)
    assert agents.embeddings.dtype == np.float64
    for i, seed in enumerate(agents.seeds):
        result = json.loads((folder / f"../work/baseline/seed-{seed}/result.json").read_text())
        for j, update in enumerate(UPDATES):
            assert np.array_equal(agents.embeddings[i, j], embeddings(seed, update))
            by_task = on_the_way(seed, update)
            assert agents.along[i, j].tolist() == [
                by_task[task][0] / by_task[task][1] for task in ("GO-TO", "PICK-UP", "ESCAPE")
            ]
        assert agents.success[i].tolist() == result["success"]["64"]
        assert agents.success_24[i].tolist() == result["success"]["24"]
        assert agents.episodes[i].tolist() == [30] * 108
        assert agents.escapes[i] == {
            reading: told["64"] / 1620
            for reading, told in zip(READINGS, result["escapes"], strict=True)
        }
    assert agents.plateau.dtype == bool
    assert agents.plateau.tolist() == [False, True, True]
    for whole in (agents.success, agents.success_24, agents.episodes):
        assert whole.dtype == np.int64
        assert whole.shape == (3, 108)


def test_success_along_the_way_goes_by_the_name_of_the_task(folder):
    expected = Replicated(folder).agents("baseline").along

    def turn_around(document):
        for run in document["runs"]:
            for point in run["points"]:
                point["success"] = dict(reversed(point["success"].items()))

    rewrite_json(folder, turn_around)
    assert np.array_equal(Replicated(folder).agents("baseline").along, expected)


def test_variants_are_read_one_by_one_and_once(tmp_path):
    plan = {"baseline": (0, 1), "blind": (5,)}
    folder = write_evidence(tmp_path / "agent", plan, tmp_path / "work")
    kept = Replicated(folder)
    (folder / "blind.json").unlink()
    first = kept.agents("baseline")
    assert kept.agents("baseline") is first
    with pytest.raises(EvidenceError, match=r"blind\.json: is missing"):
        kept.agents("blind")


def test_the_manifest_says_what_was_run(folder):
    kept = Replicated(folder)
    assert kept.demonstrations == {"episodes": 216, "failures": 3}
    assert sum(kept.floors["wandering"]["success"]["episodes"]) == 108 * 30
    kept.acquire(["baseline", "floors", "demonstrations"])


def test_the_digest_changes_with_any_file(folder):
    before = Replicated(folder).sha256
    assert before == Replicated(folder).sha256
    assert len(before) == 64
    rewrite_json(folder, lambda document: document["runs"][0].update(seconds=1))
    assert Replicated(folder).sha256 != before


@pytest.mark.parametrize("name", ["baseline.json", "baseline.safetensors"])
def test_a_changed_file_is_named_with_both_hashes(folder, name):
    path = folder / name
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    with pytest.raises(HashMismatch) as found:
        Replicated(folder).agents("baseline")
    assert found.value.name == name
    assert found.value.expected == expected
    assert found.value.found == hashlib.sha256(content).hexdigest()
    assert found.value.where == str(path)
    assert "claims replicate" in str(found.value)
    assert "version control" in str(found.value)


@pytest.mark.parametrize("name", ["baseline.json", "baseline.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert str(folder / name) in refused(folder, "is missing or not in the manifest; restore it")


def test_a_file_that_the_manifest_does_not_name_is_not_read(folder):
    for ending in ("json", "safetensors"):
        (folder / f"flatten.{ending}").write_bytes((folder / f"baseline.{ending}").read_bytes())
    refused(folder, r"flatten\.json: is missing or not in the manifest", "flatten")


def test_an_unknown_variant_is_refused(folder):
    refused(folder, r"utopia\.json: is missing or not in the manifest", "utopia")
    with pytest.raises(EvidenceError, match="utopia"):
        Replicated(folder).acquire(["baseline", "utopia"])


@pytest.mark.parametrize("content", [None, "", "{", "[1", "\x00", b"\xff\xfe\x00"])
def test_a_manifest_that_cannot_be_read_is_named(folder, content):
    path = folder / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert str(path) in refused(folder, "cannot be read.*; restore it from version control")
    with pytest.raises(EvidenceError, match="cannot be read"):
        Replicated(folder).acquire(["floors"])


@pytest.mark.parametrize(
    "content", ["[]", "3", "null", '"schema"', "{}", '{"schema": 2}', '{"schema": "1"}']
)
def test_a_manifest_of_another_schema_is_named(folder, content):
    (folder / "manifest.json").write_text(content)
    refused(folder, r"manifest\.json: is no manifest of schema 1; restore it")


@pytest.mark.parametrize("content", ['{"schema": 1}', '{"schema": 1, "files": ["baseline.json"]}'])
def test_a_manifest_without_hashes_is_named(folder, content):
    (folder / "manifest.json").write_text(content)
    refused(folder, r"manifest\.json")


@pytest.mark.parametrize("part", ["floors", "demonstrations"])
def test_a_manifest_that_lacks_a_part_is_named(folder, part):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest[part]
    path.write_text(json.dumps(manifest))
    with pytest.raises(EvidenceError, match=f"manifest.json: has no '{part}'"):
        Replicated(folder).acquire([part])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_embeddings_that_are_not_finite_are_refused(folder, value):
    def spoil(tensors):
        tensors["seed-3/update-5"][107, 127] = value

    rewrite_tensors(folder, spoil)
    refused(folder, r"baseline\.safetensors: .*NaN or infinite embeddings")


def test_embeddings_missing_for_a_seed_are_refused(folder):
    rewrite_tensors(folder, lambda tensors: tensors.pop("seed-3/update-1000"))
    refused(folder, "does not fit baseline.json.*seed-3/update-1000")


def test_embeddings_of_another_shape_are_refused(folder):
    def cut(tensors):
        tensors["seed-3/update-5"] = tensors["seed-3/update-5"][:107]

    rewrite_tensors(folder, cut)
    refused(folder, "does not fit baseline.json")


def test_embeddings_that_are_too_few_for_all_are_refused(folder):
    def cut(tensors):
        tensors.update({name: tensor[:107] for name, tensor in tensors.items()})

    rewrite_tensors(folder, cut)
    refused(folder, "does not fit baseline.json")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 something else", b"\x08\x00\x00\x00\x00"])
def test_what_holds_no_tensors_is_refused(folder, content):
    (folder / "baseline.safetensors").write_bytes(content)
    certify(folder)
    refused(folder, r"baseline\.safetensors: does not fit")


def without(key):
    def change(document):
        del document["runs"][1][key]

    return change


@pytest.mark.parametrize("key", ["seed", "points", "success", "escapes", "plateau"])
def test_a_run_that_lacks_a_part_is_refused(folder, key):
    rewrite_json(folder, without(key))
    refused(folder, f"does not fit baseline.json .*{key}")


@pytest.mark.parametrize(
    "content", ["{}", "[]", "null", "{", '{"runs": null}', '{"runs": []}', '{"runs": [3]}']
)
def test_a_table_without_runs_is_refused(folder, content):
    (folder / "baseline.json").write_text(content)
    certify(folder)
    refused(folder, r"baseline\.json")


def test_runs_of_other_lengths_are_refused(folder):
    rewrite_json(folder, lambda document: document["runs"][0]["points"].pop())
    refused(folder, "does not fit baseline.json")


def test_runs_kept_at_other_points_are_refused(folder):
    rewrite_json(folder, lambda document: document["runs"][0]["points"][1].update(update=7))
    refused(folder, "does not fit baseline.json")


def test_runs_without_episodes_are_refused(folder):
    def none_played(document):
        document["runs"][0]["points"][0]["success"]["ESCAPE"] = [0, 0]

    rewrite_json(folder, none_played)
    refused(folder, "does not fit baseline.json")


@pytest.mark.parametrize("key", ["episodes", "64", "24"])
def test_counts_that_are_no_108_are_refused(folder, key):
    def cut(document):
        for run in document["runs"]:
            run["success"][key].pop()

    rewrite_json(folder, cut)
    refused(folder, "does not fit baseline.json")


def test_by_name_it_is_the_same_body_every_time():
    assert isinstance(body("replicated", "alm"), Replicated)
    assert body("replicated", "alm") is body("replicated", "alm")
    assert body("replicated", "alm").name == "replicated"


def test_fresh_are_the_kept_agents_and_the_models_that_were_run_here():
    kept, fresh = body("replicated", "alm"), body("fresh", "alm")
    assert isinstance(kept, Replicated)
    assert isinstance(fresh, Replicated)
    assert fresh is body("fresh", "alm")
    assert (kept.name, kept.folder, kept.embedded.folder) == ("replicated", AGENTS, KEPT)
    assert (fresh.name, fresh.folder, fresh.embedded.folder) == ("fresh", AGENTS, FRESH)


LLAMA, QWEN, CLIP = "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-0.5B", "openai/clip-vit-base-patch32"


@pytest.fixture
def models(tmp_path):
    """Two models, one with two readings, and two untrained copies of a third."""
    out = tmp_path / "embeddings"
    write(out, LLAMA, 1)
    write(out, CLIP, 2, pooling="projected")
    write(out, CLIP, 3, pooling="eot", default=False)
    write(out, QWEN, 4, untrained=0)
    write(out, QWEN, 5, untrained=1)
    return out


def test_models_are_found_beside_the_agents(folder, models):
    kept = Replicated(folder, models)
    assert np.array_equal(kept.embedding("llama").values, vectors(1))
    assert np.array_equal(kept.embedding("clip").values, vectors(2))
    assert np.array_equal(kept.embedding("clip", "eot").values, vectors(3))
    copies = [one.values for one in kept.untrained("qwen")]
    assert np.array_equal(copies, [vectors(4), vectors(5)])
    kept.acquire(["baseline", "floors", "llama", "clip/eot", "qwen/untrained"])


def test_all_models_that_were_not_run_are_asked_for_in_one_command(folder, models):
    with pytest.raises(NoWeights) as missing:
        Replicated(folder, models).acquire(["qwen", "llama", "bert", "baseline", "qwen", "blip"])
    assert missing.value.models == (
        *(QWEN, "google-bert/bert-base-uncased", "Salesforce/blip-itm-base-coco"),
    )
    assert missing.value.settles == (
        "claims embed --model Qwen/Qwen2.5-0.5B --model google-bert/bert-base-uncased "
        "--model Salesforce/blip-itm-base-coco"
    )
    assert str(models) in str(missing.value)


def test_a_reading_and_copies_that_are_not_there_are_missing_too(folder, models):
    kept = Replicated(folder, models)
    for part in ("bert/cls", "llama/mean-with-bos", "llama/untrained", "clip/cls"):
        with pytest.raises(NoWeights):
            kept.acquire([part])


def test_a_gap_hides_no_fault(folder, models):
    kept = Replicated(folder, models)
    # An unknown part, a broken file and an unknown model are errors, whatever else is missing.
    for parts in (["qwen", "utopia"], ["utopia", "qwen"], ["qwen", "gpt/untrained"]):
        with pytest.raises(EvidenceError):
            kept.acquire(parts)
    (models / "meta-llama--llama-3.2-1b.mean.safetensors").write_bytes(b"")
    with pytest.raises(HashMismatch, match=r"llama-3\.2-1b\.mean\.safetensors"):
        kept.acquire(["qwen", "llama"])


def test_what_is_acquired_is_loaded_then(folder, models):
    kept = Replicated(folder, models)
    kept.acquire(["llama", "qwen/untrained"])
    for matrix in models.glob("*.safetensors"):
        matrix.unlink()
    assert kept.embedding("llama").values.shape == (108, 6)
    assert len(kept.untrained("qwen")) == 2
    with pytest.raises(EvidenceError, match="cannot be read"):
        kept.acquire(["clip"])


def test_a_folder_without_models_hinders_no_claim_on_agents(folder, tmp_path):
    kept = Replicated(folder, tmp_path / "none")
    kept.acquire(["baseline", "floors", "demonstrations"])
    assert len(kept.sha256) == 64


def test_the_digest_changes_with_the_models(folder, models):
    before = Replicated(folder, models).sha256
    write(models, QWEN, 9)
    after = Replicated(folder, models).sha256
    assert before != after
    rewrite_json(folder, lambda document: document["runs"][0].update(seconds=1))
    assert Replicated(folder, models).sha256 not in {before, after}


def test_a_column_of_the_table_is_as_printed():
    # Table 1 of the paper, CLIP and DeepSeek.
    clip, deepseek = (Replicated().table(reference) for reference in ("clip", "deepseek"))
    assert clip.k == deepseek.k == (1, 5, 10, 15)
    assert clip.means == (0.0093, 0.0515, 0.227, 0.3058)
    assert clip.sds == (0.0093, 0.0119, 0.0144, 0.0122)
    assert deepseek.means == (0.0463, 0.2433, 0.462, 0.7022)
    assert deepseek.sds == (0.0185, 0.0326, 0.0362, 0.0281)


def test_random_spaces_are_gaussian_as_wide_as_berts_and_the_same_every_time(tmp_path):
    # They need no file.
    drawn = Replicated(tmp_path, tmp_path).random(4)
    assert drawn.shape == (4, 108, 768)
    assert np.array_equal(drawn, Replicated().random(4))
    assert np.array_equal(drawn[:2], Replicated().random(2))
    assert stats.kstest(drawn.ravel(), "norm").pvalue > 0.001
    # Neither sentences nor draws have anything to do with each other.
    rows = drawn.reshape(432, 768)
    cosines = np.corrcoef(rows)[np.triu_indices(432, 1)]
    assert np.abs(cosines).max() < 6 / np.sqrt(768)
