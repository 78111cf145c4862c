"""The agent's commands, from demonstrations to evidence, in small."""

import contextlib
import errno
import io
import json
import multiprocessing
import shutil

import numpy as np
import pytest
from safetensors import safe_open

from core import cli
from core.agent import commands, replication
from core.agent.dataset import read_demonstrations
from core.agent.evidence import write_variant
from core.agent.replication import ESCAPES
from core.agent.runs import begin, save_run
from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.evidence.replicated import Replicated
from tests.evidence.test_replicated import certify, write_run


def claims(*arguments):
    """Run the command; return its exit code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([str(argument) for argument in arguments])
    return code, out.getvalue(), err.getvalue()


def refused(found, fault):
    """One line that begins with the command's name, exit code 1, and nothing else."""
    code, out, err = found
    assert code == 1
    assert out == ""
    assert err.startswith("claims: ")
    assert err.count("\n") == 1
    assert fault in err


@pytest.fixture(scope="module")
def demonstrated(tmp_path_factory):
    """Two demonstrations of every instruction, and what was said of them."""
    folder = tmp_path_factory.mktemp("runs") / "demonstrations"
    return folder, claims("demonstrate", "--episodes", 216, "--out", folder)


@pytest.fixture(scope="module")
def data(demonstrated):
    return demonstrated[0]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Other demonstrations."""
    folder = tmp_path_factory.mktemp("others")
    assert claims("demonstrate", "--episodes", 108, "--seed", 1, "--out", folder)[0] == 0
    return folder


ENTER = replication._enter


def enter(told):
    """Begin a process that plays few episodes: playing takes longer than so little training."""
    replication.EPISODES, replication.QUICK_EPISODES = 2, 1
    ENTER(told)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replication, "_enter", enter)
        yield


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """One agent of a few updates, trained in a process of its own."""
    folder = tmp_path_factory.mktemp("agents")
    arguments = ("--seeds", 1, "--updates", 20, "--jobs", 1, "--device", "cpu")
    found = claims("train", *arguments, "--demonstrations", data, "--out", folder)
    return folder, arguments, found


def test_demonstrate_says_what_was_made(demonstrated):
    folder, (code, out, err) = demonstrated
    assert (code, err) == (0, "")
    data = read_demonstrations(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    lines = out.splitlines()
    assert len(data.starts) == 216
    share = 100 * 216 / (216 + manifest["failures"])
    assert lines[0] == (
        f"216 demonstrations, {len(data.actions)} steps, {share:.1f} % of those tried succeeded, "
        f"in {folder}"
    )
    # 108 instructions twice: 36, 18 and 54 of the three tasks.
    for line, task, n, first in zip(
        lines[1:4], ("GO-TO", "PICK-UP", "ESCAPE"), (72, 36, 108), (0, 36, 54), strict=True
    ):
        which = (data.starts.instruction >= first) & (data.starts.instruction < first + n // 2)
        steps = data.length[which]
        assert (
            line.split()
            == (
                f"{task} {n} episodes, {steps.mean():.1f} steps on average, at most {steps.max()}"
            ).split()
        )
    assert lines[4] == "  never done: drop, toggle"
    assert len(lines) == 5


def test_demonstrate_again_makes_nothing_anew(demonstrated):
    folder, first = demonstrated
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")}
    assert before
    assert claims("demonstrate", "--episodes", 216, "--out", folder) == first
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("shard-*")} == before


@pytest.mark.parametrize("other", [("--seed", 1), ("--episodes", 215)])
def test_demonstrate_leaves_another_data_set_alone(data, other):
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    options = dict([("--episodes", 216), other])
    arguments = [argument for option in options.items() for argument in option]
    refused(claims("demonstrate", *arguments, "--out", data), "choose another folder")
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before


def test_demonstrate_stopped_says_how_to_go_on(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "make_demonstrations", stop)
    code, out, err = claims("demonstrate", "--out", tmp_path)
    assert (code, out, err) == (130, "", "claims: stopped; run it again to go on\n")


def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    def full(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("core.agent.dataset.write_atomically", full)
    refused(claims("demonstrate", "--out", tmp_path), f"No space left on device: '{tmp_path}")


def test_train_says_how_often_the_agent_succeeds(trained):
    folder, _, (code, out, err) = trained
    assert (code, err) == (0, "")
    result = json.loads((folder / "seed-0/result.json").read_text())
    assert result["updates"] == 20
    assert result["success"]["episodes"] == [2] * 108
    lines = out.splitlines()
    share = sum(result["success"]["64"][:36]) / (36 * 2)
    assert lines[1].split()[:3] == ["*", "seed-0", f"{share:.3f}"]
    assert lines[-2].startswith("* on the plateau")
    assert lines[-1] == f"in {folder}; `claims evaluate {folder}` plays other episodes"


def test_train_again_leaves_what_is_done(trained, data):
    folder, arguments, first = trained
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert claims("train", *arguments, "--demonstrations", data, "--out", folder) == first
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_train_on_other_demonstrations_in_the_same_folder_is_refused(trained, others):
    folder, arguments, _ = trained
    found = claims("train", *arguments, "--demonstrations", others, "--out", folder)
    refused(found, "demonstrations")


def test_train_by_another_recipe_in_the_same_folder_is_refused(trained, data):
    folder, arguments, _ = trained
    found = claims("train", *arguments, "--blind", "--demonstrations", data, "--out", folder)
    refused(found, "another recipe")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--learning-rate", 0), "learning rate"),
        (("--learning-rate", "nan"), "learning rate"),
        (("--vision-weights", "w.safetensors"), "--vision resnet"),
    ],
)
def test_train_by_a_recipe_that_makes_no_sense_is_refused(data, tmp_path, arguments, fault):
    found = claims("train", *arguments, "--demonstrations", data, "--out", tmp_path)
    refused(found, fault)


def test_train_on_changed_demonstrations_is_refused(data, tmp_path):
    # It is in the other process that they are read.
    shutil.copytree(data, tmp_path / "changed")
    with (tmp_path / "changed/shard-000.npz").open("ab") as file:
        file.write(b"x")
    found = claims(
        *("train", "--seeds", 1, "--updates", 20, "--jobs", 1),
        *("--demonstrations", tmp_path / "changed", "--out", tmp_path / "agents"),
    )
    refused(found, "shard-000.npz: wrong SHA-256")


def test_what_train_keeps_can_be_gathered_and_read_back(trained, tmp_path):
    folder, _, _ = trained
    write_variant("baseline", [folder / "seed-0"], tmp_path)
    (tmp_path / "manifest.json").write_text(
        '{"schema": 1, "files": {"baseline.json": "", "baseline.safetensors": ""}, '
        '"variants": ["baseline"], "floors": {}, "demonstrations": {}}'
    )
    certify(tmp_path)
    agents = Replicated(tmp_path).agents("baseline")
    result = json.loads((folder / "seed-0/result.json").read_text())
    assert agents.updates == (0, 20)
    assert agents.embeddings.shape == (1, 2, 108, 128)
    assert agents.success[0].tolist() == result["success"]["64"]
    assert agents.success_24[0].tolist() == result["success"]["24"]
    assert agents.plateau.tolist() == [True]
    assert list(agents.escapes[0]) == [(e.distance, e.unseen) for e in ESCAPES]
    with safe_open(folder / "seed-0/snapshot-000020.safetensors", "numpy") as file:
        assert np.array_equal(agents.embeddings[0, 1], file.get_tensor("E_L"))


def test_evaluate_plays_agents_and_floors(trained, data):
    folder, _, _ = trained
    code, out, err = claims("evaluate", folder, "--episodes", 1, "--demonstrations", data)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    names = ["seed-0", "uniform over six actions", "uniform over three moves", "wandering"]
    for half in (lines[1:5], lines[6:10]):
        assert [name in line for name, line in zip(names, half, strict=True)] == [True] * 4
    assert len(lines) == 10
    # Turning and walking never picks anything up.
    assert lines[3].split("]")[1].split()[0] == "0.000"
    one = claims(
        "evaluate", folder / "seed-0/checkpoint.safetensors", "--episodes", 1,
        "--demonstrations", data,
    )  # fmt: skip
    assert one == (0, out, "")


def test_evaluate_shows_every_agent_of_a_folder(trained, data, tmp_path, monkeypatch):
    # As `claims replicate` lays them out: variants, each with its seeds.
    for variant in ("baseline", "identical"):
        (tmp_path / variant / "seed-0").mkdir(parents=True)
        shutil.copy(trained[0] / "seed-0/checkpoint.safetensors", tmp_path / variant / "seed-0")
    monkeypatch.setattr(commands, "floors", lambda _: {})
    code, out, _ = claims("evaluate", tmp_path, "--episodes", 1, "--demonstrations", data)
    assert code == 0
    assert len(out.splitlines()) == 2 * (1 + 2)
    for variant in ("baseline", "identical"):
        assert variant in out


def test_evaluate_refuses_other_demonstrations(trained, others):
    found = claims("evaluate", trained[0], "--episodes", 1, "--demonstrations", others)
    refused(found, "was trained on other demonstrations")
    assert str(trained[0] / "seed-0/checkpoint.safetensors") in found[2]


def test_evaluate_without_a_checkpoint_says_how_to_get_one(data, tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        found = claims("evaluate", path, "--demonstrations", data)
        refused(found, f"{path}: holds no checkpoint.safetensors; train an agent with `claims")


def test_evaluate_without_demonstrations_says_how_to_get_them(trained, tmp_path):
    refused(
        claims("evaluate", trained[0], "--demonstrations", tmp_path), "run `claims demonstrate`"
    )


def test_evaluate_refuses_a_broken_checkpoint(data, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"something else")
    refused(claims("evaluate", tmp_path, "--demonstrations", data), "cannot be read")


@pytest.fixture
def untrained(monkeypatch):
    """Training that only writes what it would leave; the jobs that it was given."""
    given = []

    def train_agents(jobs, workers):
        given.append((jobs, workers))
        for job in jobs:
            write_run(job.folder, job.recipe.seed, (0, job.recipe.updates))

    monkeypatch.setattr(commands, "train_agents", train_agents)
    return given


def test_every_option_of_train_goes_where_it_belongs(untrained, tmp_path):
    code, out, _ = claims(
        *("train", "--seeds", 2, "--first-seed", 7, "--updates", 11, "--batch", 5),
        *("--learning-rate", 0.5, "--stop-at", 0.9, "--initial", "identical"),
        *("--pooling", "flatten", "--tokenisation", "phrases", "--view", "full"),
        *("--vision", "resnet", "--vision-weights", "w", "--blind", "--jobs", 3),
        *("--device", "cpu:0", "--demonstrations", tmp_path / "d", "--out", tmp_path / "o"),
    )
    assert code == 0
    ((jobs, workers),) = untrained
    assert workers == 3
    assert [job.recipe.seed for job in jobs] == [7, 8]
    assert [job.folder for job in jobs] == [tmp_path / "o/seed-7", tmp_path / "o/seed-8"]
    for job in jobs:
        recipe, network = job.recipe, job.recipe.architecture
        assert (recipe.updates, recipe.batch, recipe.learning_rate) == (11, 5, 0.5)
        assert (recipe.stop_at, recipe.vision_weights) == (0.9, "w")
        assert (network.initial, network.pooling) == ("identical", "flatten")
        assert (network.tokenisation, network.view) == ("phrases", "full")
        assert (network.vision, network.blind) == ("resnet", True)
        assert (job.device, job.demonstrations) == ("cpu:0", tmp_path / "d")
    # Of the two only the seed of an odd number is on the plateau.
    assert [line[:9].strip() for line in out.splitlines()[1:3]] == ["* seed-7", "seed-8"]


def test_by_default_train_keeps_every_core_busy_and_takes_a_gpu_if_there_is_one(
    untrained, tmp_path, monkeypatch
):
    monkeypatch.setattr("os.cpu_count", lambda: 6)
    monkeypatch.setattr(commands, "_usable", lambda device: device)
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert claims("train", "--seeds", 1, "--out", tmp_path / device)[0] == 0
        (job,), workers = untrained.pop()
        assert (job.device, workers) == (device, 6)


def test_replicate_writes_what_the_claims_read(untrained, tmp_path, monkeypatch):
    monkeypatch.setattr(replication, "EPISODES", 1)
    work, out = tmp_path / "work", tmp_path / "agent"
    arguments = ("--episodes", 108, "--updates", 2, "--jobs", 1, "--work", work, "--out", out)
    code, said, err = claims("replicate", *arguments)
    assert (code, err) == (0, "")
    assert said == f"wrote {out}: read the diff, then `pytest claims/alm --update-lock`\n"
    plan = {"baseline": 10, "identical": 5, "flatten": 3, "blind": 4}
    jobs = untrained[0][0]
    assert len(jobs) == sum(plan.values())
    assert all(job.recipe.updates == 2 and job.demonstrations.parent == work for job in jobs)
    for job in jobs:
        variant, network = job.folder.parent.name, job.recipe.architecture
        assert job.folder == work / variant / f"seed-{job.recipe.seed}"
        assert (network.initial == "identical") == (variant == "identical")
        assert (network.pooling == "flatten") == (variant == "flatten")
        assert network.blind == (variant == "blind")
    kept = Replicated(out)
    for variant, seeds in plan.items():
        assert kept.agents(variant).seeds == tuple(range(seeds))
    assert kept.demonstrations["episodes"] == 108
    assert set(kept.floors) == {
        "uniform over six actions",
        "uniform over three moves",
        "wandering",
    }
    for floor in kept.floors.values():
        assert floor["success"]["episodes"] == [1] * 108
    code, table, _ = claims("agents", out)
    assert code == 0
    assert "* baseline 1 " in table
    assert "  blind, mean " in table


@pytest.mark.parametrize("device", ["nonsense", "meta"])
def test_a_device_that_is_not_there_is_one_line(untrained, trained, data, tmp_path, device):
    refused(claims("train", "--device", device, "--out", tmp_path), f"--device {device}")
    found = claims("evaluate", trained[0], "--device", device, "--demonstrations", data)
    refused(found, f"--device {device}")


def test_an_agent_that_was_not_finished_stops_replicate(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "train_agents", lambda *_: None)
    out = tmp_path / "agent"
    found = claims("replicate", "--episodes", 108, "--work", tmp_path / "work", "--out", out)
    refused(found, "run the training again to finish this seed")
    assert not out.exists()


@pytest.mark.parametrize(
    "error",
    [
        EvidenceError("table.csv: broken"),
        HashMismatch("x", expected="a", found="b", where="there", remedy="fetch it"),
        Unreachable("no network", remedy="connect"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_goes_wrong_in_one_process_is_told_in_another(error):
    # Agents are trained in processes of their own, and errors come back through a pipe.
    here, there = multiprocessing.Pipe()
    here.send(error)
    told = there.recv()
    assert type(told) is type(error)
    assert str(told) == str(error)
    assert vars(told) == vars(error)


def test_an_agent_before_its_first_update_can_be_evaluated(data, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "floors", lambda _: {})
    digest = read_demonstrations(data).sha256()
    save_run(begin(replication.Recipe(), "cpu"), digest, tmp_path / "checkpoint.safetensors")
    code, out, _ = claims("evaluate", tmp_path, "--episodes", 1, "--demonstrations", data)
    assert code == 0
    assert tmp_path.name in out.splitlines()[1]
