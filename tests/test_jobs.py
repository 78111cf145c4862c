"""Jobs run on this machine and on a real cluster of two processes, some of which are killed."""

import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import core
from core import jobs
from core.evidence.errors import EvidenceError, HashMismatch
from core.jobs import ClusterError, JobsError, WorkerKilled, run, seeds
from core.paths import ROOT
from core.single import ONE_THREAD

WAYS = ("serial", "threads", "processes", "cluster")
#: The code of the suite, for workers: here, it may be edited while these tests run.
SAME_CODE = "from core import cluster; cluster._digest = lambda: 'same'"
#: How often a job may lose its worker on the cluster before Dask gives it up.
ALLOWED = 1


@pytest.fixture(autouse=True)
def alone(digest, monkeypatch):
    """No scheduler, unless a test names one, and the code as it is on all workers."""
    from core import cluster

    monkeypatch.delenv(jobs.SCHEDULER, raising=False)
    monkeypatch.setattr(cluster, "_digest", lambda: "same")
    cluster.facts.cache_clear()
    yield
    cluster.facts.cache_clear()


@pytest.fixture
def digest():
    from core import cluster

    return cluster._digest


@contextmanager
def cluster_of(workers):
    # Not above: the processes that run the functions of this module need none of it.
    import distributed
    from dask import config

    options = {
        "distributed.scheduler.allowed-failures": ALLOWED,
        "distributed.worker.preload": [SAME_CODE],
    }
    with (
        config.set(options),
        distributed.LocalCluster(
            n_workers=workers, processes=True, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
    ):
        yield str(cluster.scheduler_address)  # type: ignore[attr-defined] - it is not async


@pytest.fixture(scope="module")
def two():
    """Address of a scheduler with two worker processes of one thread, started anew if killed."""
    with cluster_of(2) as address:
        yield address


@pytest.fixture
def how(two):
    """Options that make `run` take a way."""
    return {
        "serial": {"workers": 1},
        "threads": {"workers": 2, "threads": True},
        "processes": {"workers": 2},
        "cluster": {"scheduler": two},
    }


def sample(table, offset, seed):
    """Work whose last bits depend on the draws, on products by BLAS, and on sums of floats."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, len(table)))
    product = x @ table
    return np.r_[np.linalg.svd(product, compute_uv=False), np.exp(product).sum() + offset]


def note(folder, job):
    """Leave a file for every time that a job is run."""
    (folder / f"{job}.{uuid4().hex}").touch()


def times_run(folder):
    return Counter(int(path.name.split(".")[0]) for path in folder.iterdir())


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


# --- the same everywhere


def test_results_are_the_same_to_the_bit_wherever_they_are_made(how):
    table = np.random.default_rng(0).normal(size=(500, 300))
    with threadpool_limits(1):
        plain = [sample(table, 0.1, seed) for seed in np.random.SeedSequence(7).spawn(6)]
    for way in WAYS:
        found = run(sample, seeds(7, 6), shared=(table, 0.1), **how[way])
        assert [x.tobytes() for x in found] == [x.tobytes() for x in plain], way


def test_seeds_do_not_depend_on_how_many_there_are():
    few, many = ([s.generate_state(4).tolist() for s in seeds(3, n)] for n in (2, 5))
    assert many[:2] == few
    assert len({tuple(state) for state in many}) == 5
    assert few != [s.generate_state(4).tolist() for s in seeds(4, 2)]


def slow_first(job):
    time.sleep(0.3 if job == 0 else 0.0)
    return job, os.getpid(), threading.get_ident()


@pytest.mark.parametrize("way", WAYS)
def test_results_come_in_the_order_of_the_jobs_from_where_they_should(way, how):
    found = run(slow_first, iter(range(5)), **how[way])
    assert [job for job, _, _ in found] == list(range(5))
    here = {pid == os.getpid() for _, pid, _ in found}
    assert here == {way in {"serial", "threads"}}
    main = threading.get_ident()
    if way in {"serial", "threads"}:
        assert {thread == main for _, _, thread in found} == {way == "serial"}
    else:
        pids = {pid for _, pid, _ in found}
        assert len(pids) == 2
    if way == "processes":
        # None is left.
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5.0)


def test_one_job_is_run_in_this_process_and_none_is_no_work(how, two):
    ((_, pid, thread),) = run(slow_first, [1], workers=4)
    assert (pid, thread) == (os.getpid(), threading.get_ident())
    # But on a cluster where one is asked for: the job may be too big for this machine.
    ((_, pid, _),) = run(slow_first, [1], scheduler=two)
    assert pid != os.getpid()
    assert [run(slow_first, [], **how[way]) for way in WAYS] == [[]] * 4


def test_the_environment_names_a_scheduler_and_the_argument_another(two, monkeypatch):
    monkeypatch.setenv(jobs.SCHEDULER, two)
    assert os.getpid() not in {pid for _, pid, _ in run(slow_first, [1, 2])}
    # A scheduler overrides threads.
    assert os.getpid() not in {pid for _, pid, _ in run(slow_first, [1, 2], threads=True)}
    monkeypatch.setenv(jobs.SCHEDULER, "nowhere")
    assert len(run(slow_first, [1, 2], scheduler=two)) == 2
    with pytest.raises(ClusterError, match="nowhere"):
        run(slow_first, [1, 2])
    monkeypatch.setenv(jobs.SCHEDULER, "")
    assert len(run(slow_first, [1, 2], workers=1)) == 2


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="workers is 0"):
        run(slow_first, [1, 2], workers=0)


@pytest.mark.parametrize("way", WAYS)
def test_a_job_may_be_anything_that_can_be_sent(way, how):
    # Some of these look like work of its own to Dask; and each is there twice.
    odd = 2 * [(len, "ab"), {"x": [(max, 1)]}, "x", None, [], np.arange(3).tolist(), b"bytes"]
    assert run(identity, odd, **how[way]) == odd


def identity(job):
    return job


# --- one thread each


def thread_counts(_):
    import torch

    time.sleep(0.1)
    (torch.zeros(200, 200) @ torch.zeros(200, 200)).sum()
    return {library["num_threads"] for library in threadpool_info()}, torch.get_num_threads()


@pytest.fixture
def two_threads_each():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("way", ["serial", "threads"])
def test_libraries_keep_to_one_thread_in_every_job_and_get_theirs_back(way, how, two_threads_each):
    before = thread_counts(0)
    assert before == ({2}, 2)
    assert run(thread_counts, range(4), **how[way]) == [({1}, 1)] * 4
    assert thread_counts(0) == before


def blas_threads(*_):
    return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}


def widen():
    # As if the worker had been started with more threads than one.
    threadpool_limits(2)


def test_processes_keep_to_one_thread_as_well(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert run(blas_threads, range(4), workers=2) == [{1}] * 4


def test_workers_of_a_cluster_keep_to_one_thread_and_get_theirs_back(two):
    from distributed import Client

    with Client(two, set_as_default=False) as client:
        client.run(widen)
        assert run(blas_threads, range(4), scheduler=two) == [{1}] * 4
        # Their main thread is another than that of the jobs.
        after: Any = client.run(blas_threads)
        assert list(after.values()) == [{2}, {2}]


def test_threads_come_back_with_the_job_that_ends_last(two_threads_each):
    begun, leave = threading.Event(), threading.Event()

    def first():
        with ONE_THREAD.held():
            begun.set()
            leave.wait(20)

    other = threading.Thread(target=first)
    other.start()
    begun.wait(20)
    with ONE_THREAD.held():
        assert blas_threads() == {1}
    assert blas_threads() == {1}
    leave.set()
    other.join()
    assert thread_counts(0) == ({2}, 2)


# --- what is shared


class Prepared:
    """A thing with a big array in it, which notes in a folder who unpickles it."""

    def __init__(self, folder):
        self.folder = folder
        self.values = np.arange(2e6)

    def __setstate__(self, state):
        self.__dict__ = state
        note(self.folder, os.getpid())


def look(prepared, job):
    time.sleep(0.05)
    values = prepared.values
    return os.getpid(), id(prepared), isinstance(values, np.memmap), float(values[job])


def test_a_cluster_is_sent_what_is_shared_once_per_worker(two, tmp_path):
    found = run(look, range(20), shared=(Prepared(tmp_path),), scheduler=two)
    assert [value for *_, value in found] == list(range(20))
    by_process = times_run(tmp_path)
    assert set(by_process) >= {pid for pid, *_ in found}
    assert by_process.pop(os.getpid(), 0) <= 1  # the scheduler's process, which is this one
    assert set(by_process.values()) == {1}
    assert len(by_process) == 2


def test_processes_map_arrays_and_threads_take_the_thing_itself(tmp_path):
    prepared = Prepared(tmp_path)
    found = run(look, range(4), shared=(prepared,), workers=2)
    assert all(mapped and pid != os.getpid() for pid, _, mapped, _ in found)
    assert [value for *_, value in found] == list(range(4))
    found = run(look, range(4), shared=(prepared,), workers=2, threads=True)
    assert {one for _, one, _, _ in found} == {id(prepared)}


# --- what goes wrong in a job


def odd(folder, job):
    note(folder, job)
    if job == 3:
        raise HashMismatch("x", expected="a", found="b", where="there", remedy="fetch it")
    time.sleep(0.05)
    return job


@pytest.mark.parametrize("way", WAYS)
def test_an_error_is_passed_on_with_its_job_and_the_others_are_called_off(way, how, tmp_path):
    with pytest.raises(EvidenceError, match="expected a, found b") as raised:
        run(odd, range(60), shared=(tmp_path,), **how[way])
    assert isinstance(raised.value, HashMismatch)
    assert raised.value.__notes__ == ["raised by job 3 of 60, 3"]
    told = "".join(traceback.format_exception(raised.value))
    assert 'raise HashMismatch("x"' in told
    assert ("in another process" in told) == (way in {"processes", "cluster"})
    time.sleep(0.3)
    begun = times_run(tmp_path)
    assert begun[3] == 1
    assert len(begun) < 30
    time.sleep(0.3)
    assert times_run(tmp_path) == begun


class UntoldError(Exception):
    """Cannot be unpickled: it is made from two things and remembers one."""

    def __init__(self, one, other):
        super().__init__(one)


def untold(job):
    raise UntoldError("what was wrong", job)


@pytest.mark.parametrize("way", ["processes", "cluster"])
def test_an_error_that_cannot_travel_is_told_in_words(way, how):
    with pytest.raises(RuntimeError, match="UntoldError: what was wrong"):
        run(untold, range(3), **how[way])


@pytest.mark.parametrize("way", ["processes", "cluster"])
def test_a_result_that_cannot_travel_is_an_error_not_a_wait(way, how):
    with pytest.raises(Exception, match=r"(?i)pickle|serialize") as raised:
        run(lambda job: (one for one in range(job)), range(3), **how[way])
    assert "raised by job" in raised.value.__notes__[0]


@pytest.mark.parametrize("way", ["threads", "processes", "cluster"])
def test_a_job_may_return_an_exception(way, how):
    found = run(lambda job: ValueError(job), range(3), **how[way])
    assert [error.args for error in found] == [(0,), (1,), (2,)]


# --- workers that are killed


def fragile(folder, victim, seed):
    """Draw numbers; one job stops, the first time, until its worker is killed."""
    job = seed.spawn_key[0]
    note(folder / "runs", job)
    if job == victim and not (folder / "pid").exists():
        (folder / "pid.part").write_text(str(os.getpid()))
        (folder / "pid.part").rename(folder / "pid")
        time.sleep(30)
    draws = np.random.default_rng(seed).normal(size=1000)
    return draws.sum()


def kill_when(folder, others):
    """Kill the worker that runs the job which waits for it, when others have been run."""
    wait_for(lambda: (folder / "pid").exists() and len(times_run(folder / "runs")) >= others)
    # What they returned is on its way.
    time.sleep(1.0)
    os.kill(int((folder / "pid").read_text()), signal.SIGKILL)


@pytest.mark.parametrize("way", ["processes", "cluster"])
def test_a_killed_worker_costs_what_it_was_running(way, how, tmp_path):
    n, victim = 12, 2
    (tmp_path / "runs").mkdir()
    killer = threading.Thread(target=kill_when, args=(tmp_path, n))
    killer.start()
    found = run(fragile, seeds(1, n), shared=(tmp_path, victim), **how[way])
    killer.join()
    assert found == run(fragile, seeds(1, n), shared=(tmp_path, victim), workers=1)
    # Those of the first run, and those of the second.
    assert times_run(tmp_path / "runs") == Counter(dict.fromkeys(range(n), 2) | {victim: 3})


def hasty(folder, job):
    """Kill the worker the first time, while others are at work."""
    note(folder, job)
    if job == 4 and times_run(folder)[4] == 1:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return job


def test_results_from_before_a_process_was_killed_are_kept(tmp_path):
    assert run(hasty, range(8), shared=(tmp_path,), workers=2) == list(range(8))
    times = times_run(tmp_path)
    assert times[4] == 2
    # One other process at most was at work beside it.
    assert 9 <= times.total() <= 10
    assert times.most_common()[-1][1] == 1


def poison(folder, job):
    note(folder, job)
    if job == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return job


@pytest.mark.parametrize(("way", "deaths"), [("processes", 3), ("cluster", 2 * (ALLOWED + 1))])
def test_a_job_that_kills_every_worker_is_named(way, deaths, how, tmp_path):
    with pytest.raises(WorkerKilled, match=r"^job 2 of 6, 2: its worker died every time"):
        run(poison, range(6), shared=(tmp_path,), **how[way])
    times = times_run(tmp_path)
    assert times[2] == deaths
    # All others had their turn.
    assert set(times) == set(range(6))


class Deadly:
    """Kills whoever unpickles it."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGKILL,)


def test_workers_that_die_before_they_begin_are_no_endless_wait():
    with pytest.raises(WorkerKilled, match="its worker died every time"):
        run(slow_first, [Deadly(), Deadly()], workers=2)


# --- clusters that are not there, or not fit


def nobody_listens():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("address", ["nobody", "silent", "nonsense", "localhost", "http://a:1"])
def test_a_scheduler_out_of_reach_is_one_error_that_names_it(address, monkeypatch, capfd):
    from core import cluster

    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = {
            "nobody": nobody_listens(),
            "silent": f"tcp://127.0.0.1:{silent.getsockname()[1]}",
        }.get(address) or address
        with pytest.raises(ClusterError, match="no Dask scheduler can be reached at") as raised:
            run(slow_first, [1, 2], scheduler=address)
    assert address in str(raised.value)
    assert "dask scheduler" in str(raised.value)
    assert set(threading.enumerate()) <= before
    assert capfd.readouterr() == ("", "")


def test_seconds_to_wait_for_a_scheduler_are_few():
    from core import cluster

    assert cluster.ANSWER <= cluster.PATIENCE <= 10


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, "core.cluster", raising=False)
    monkeypatch.delattr(core, "cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install -e '\.\[cluster\]'") as raised:
        run(slow_first, [1, 2], scheduler="tcp://127.0.0.1:1")
    assert "distributed is not installed" in str(raised.value)
    # Locally it is not missed.
    assert len(run(slow_first, [1, 2], workers=2)) == 2


def test_dask_is_loaded_only_when_it_is_asked_for():
    check = (
        "import sys, core.jobs\n"
        "core.jobs.run(abs, [1, 2], workers=2)\n"
        "sys.exit(f'loaded {sorted(sys.modules)}' if 'distributed' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]


@pytest.fixture(scope="module")
def none():
    """Address of a scheduler without workers."""
    with cluster_of(0) as address:
        yield address


@contextmanager
def background(module, *arguments, path=ROOT, python_path=ROOT):
    """A part of Dask as a user starts it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments, "--no-dashboard"],
        cwd=path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(path), str(python_path)])},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def worker(address, *, preload=SAME_CODE, **where):
    """A worker of one thread that nobody starts anew; it looks for packages in `path` first."""
    options = ["--no-nanny", "--nthreads", "1", "--death-timeout", "30"]
    options += ["--preload", preload] if preload else []
    return background("distributed.cli.dask_worker", address, *options, **where)


def test_a_scheduler_without_workers_is_no_endless_wait(none, monkeypatch):
    from core import cluster

    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    with pytest.raises(ClusterError, match=r"has no workers; start some with `dask worker") as no:
        run(slow_first, [1, 2], scheduler=none)
    assert none in str(no.value)


def test_a_single_worker_does_all_the_work_and_if_it_dies_that_is_told(none, tmp_path, monkeypatch):
    from core import cluster

    with worker(none) as process:
        found = run(slow_first, range(3), scheduler=none)
        assert {pid for _, pid, _ in found} == {process.pid}
        monkeypatch.setattr(cluster, "PATIENCE", 1.0)
        with pytest.raises(ClusterError, match="has no workers"):
            run(poison, range(4), shared=(tmp_path,), scheduler=none)


def test_a_scheduler_that_ends_in_the_midst_ends_the_run(tmp_path, monkeypatch):
    from core import cluster

    monkeypatch.setattr(cluster, "ANSWER", 1.0)
    with background("distributed.cli.dask_scheduler", "--port", "0", "--scheduler-file",
                    str(tmp_path / "scheduler.json")) as process:  # fmt: skip
        wait_for((tmp_path / "scheduler.json").exists)
        address = json.loads((tmp_path / "scheduler.json").read_text())["address"]
        with worker(address):
            killer = threading.Timer(3.0, process.kill)
            killer.start()
            with pytest.raises(ClusterError, match=r"the scheduler at .* is gone"):
                run(time.sleep, [60] * 3, scheduler=address)
            killer.join()


def test_a_worker_finds_the_parts_of_the_checkout_that_are_not_installed(none, tmp_path):
    from claims.alm.calibration import _both
    from core.evidence.planted import WORDS

    with worker(none, path=tmp_path, python_path=tmp_path):
        assert run(_both, [WORDS], scheduler=none) == [(WORDS, WORDS, True)]


def test_a_worker_without_the_suite_is_named(none, tmp_path):
    (tmp_path / "core.py").touch()
    with (
        worker(none, path=tmp_path, preload=""),
        pytest.raises(ClusterError, match=r"worker tcp://.* cannot load the work: .*core") as no,
    ):
        run(slow_first, [1, 2], scheduler=none)
    assert "pip install -e ." in str(no.value)


@pytest.mark.parametrize("package", ["numpy", "numba"])
def test_a_worker_with_another_version_is_named(package, none, tmp_path):
    (tmp_path / f"{package}-0.0.1.dist-info").mkdir()
    facts = f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.0.1\n"
    (tmp_path / f"{package}-0.0.1.dist-info/METADATA").write_text(facts)
    with (
        worker(none, path=tmp_path),
        pytest.raises(ClusterError, match=rf"{package} is 0\.0\.1 there and \d\S* here") as no,
    ):
        run(slow_first, [1, 2], scheduler=none)
    assert "worker tcp://" in str(no.value)


def test_a_worker_that_joins_later_is_held_to_the_same(two, monkeypatch):
    from core import cluster

    # As if the first look had missed it.
    monkeypatch.setattr(cluster, "_check", lambda *_: None)
    monkeypatch.setattr(cluster, "_digest", lambda: "other")
    with pytest.raises(ClusterError, match=r"code of the suite is same there and other here"):
        run(slow_first, [1, 2], scheduler=two)


def test_another_code_of_the_suite_is_other_facts(digest, tmp_path, monkeypatch):
    from core import cluster

    for name in ("core", "claims"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("1")
    monkeypatch.setattr(cluster, "ROOT", tmp_path)
    before = digest()
    assert digest() == before
    (tmp_path / "core/notes.txt").write_text("of no weight")
    assert digest() == before
    (tmp_path / "claims/a.py").write_text("2")
    assert digest() != before


def test_what_goes_wrong_can_be_told_to_another_process():
    for kind in (ClusterError, WorkerKilled):
        error = pickle.loads(pickle.dumps(kind("why")))
        assert (type(error), str(error)) == (kind, "why")
        assert issubclass(kind, JobsError)


# --- agents, as the command trains them


def few_episodes():
    from core.agent import replication

    replication.EPISODES = replication.QUICK_EPISODES = 1


@pytest.mark.nightly
def test_agents_are_trained_on_a_cluster_as_here_and_left_when_done(two, tmp_path, monkeypatch):
    from distributed import Client
    from safetensors.numpy import load_file

    from core.agent import replication
    from core.agent.dataset import make_demonstrations
    from core.agent.runs import Recipe

    monkeypatch.setattr(replication, "EPISODES", 1)
    monkeypatch.setattr(replication, "QUICK_EPISODES", 1)
    make_demonstrations(tmp_path / "data", 108, seed=0)
    # Relative, and from a folder that the workers are not in.
    monkeypatch.chdir(tmp_path)
    wanted = [
        replication.Job(Recipe(seed=seed, updates=2, batch=8), Path("data"), Path(str(seed)), "cpu")
        for seed in range(2)
    ]
    with Client(two, set_as_default=False) as client:
        client.run(few_episodes)
        monkeypatch.setenv(jobs.SCHEDULER, two)
        replication.train_agents(wanted, 1)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.glob("[01]/*")}
    replication.train_agents(wanted, 1)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("[01]/*")} == made
    monkeypatch.delenv(jobs.SCHEDULER)
    assert run(replication.train_agent, [replace(wanted[1], folder=tmp_path / "here")]) == [None]
    results = [json.loads((tmp_path / name / "result.json").read_text()) for name in ("1", "here")]
    assert results[0]["losses"] == results[1]["losses"]
    assert [result["threads"] for result in results] == [1, 1]
    # Not the files: safetensors puts what it is told of a file in any order.
    there, here = (load_file(Path(name, "snapshot-000002.safetensors")) for name in ("1", "here"))
    assert there["E_L"].tobytes() == here["E_L"].tobytes()


def test_agents_for_a_cluster_have_whole_paths_and_must_be_seen_here(tmp_path, monkeypatch):
    from core.agent import replication
    from core.agent.errors import TrainingError
    from core.agent.runs import Recipe

    given = []
    monkeypatch.setattr(replication, "run", lambda *arguments, **_: given.append(arguments))
    monkeypatch.chdir(tmp_path)
    job = replication.Job(Recipe(), Path("data"), Path("agent"), "cpu")
    with pytest.raises(TrainingError, match=r"agent: was trained, .*workers must share the folder"):
        replication._train_on_cluster([job], {job.demonstrations: ""})
    assert given == [
        (
            replication.train_agent,
            [replace(job, demonstrations=tmp_path / "data", folder=tmp_path / "agent")],
        )
    ]
    monkeypatch.setattr(replication, "run", run)
    monkeypatch.setenv(jobs.SCHEDULER, "nowhere")
    with pytest.raises(TrainingError, match="no Dask scheduler can be reached at nowhere"):
        replication._train_on_cluster([job], {job.demonstrations: ""})


def test_replicate_hands_its_scheduler_on(tmp_path, monkeypatch, capsys):
    from core import cli
    from core.agent import commands
    from core.agent.errors import TrainingError

    def train(*_):
        raise TrainingError(f"asked for {jobs.scheduler_address()}")

    monkeypatch.setenv(jobs.SCHEDULER, "one")
    monkeypatch.setattr(commands, "make_demonstrations", lambda *_, **__: None)
    monkeypatch.setattr(commands, "train_agents", train)
    for options, address in (((), "one"), (("--scheduler", "other"), "other")):
        assert cli.main(["replicate", "--work", str(tmp_path), "--device", "cpu", *options]) == 1
        assert capsys.readouterr().err == f"claims: asked for {address}\n"


# --- the bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, stream, **options):
    monkeypatch.setattr("sys.stderr", stream)
    run(identity, range(4), **options)
    return stream.getvalue()


@pytest.mark.parametrize("way", WAYS)
def test_a_bar_counts_jobs(way, how, monkeypatch):
    text = shown(monkeypatch, Terminal(), label="worlds", **how[way])
    assert "worlds: 100%" in text
    assert "4/4" in text


def test_there_is_no_bar_without_a_label_or_a_terminal(monkeypatch):
    assert shown(monkeypatch, io.StringIO(), label="worlds", workers=1) == ""
    assert shown(monkeypatch, Terminal(), workers=1) == ""
