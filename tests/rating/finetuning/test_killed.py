"""Killed at random points and run again, a fine-tune ends in the same bytes."""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path

import pytest
from safetensors import safe_open

from core.rating.finetuning.folders import checkpoint_in
from tests.rating.finetuning import small

KILLS = 5


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported, and none of this one's threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["core.cli", "core.rating.finetuning.commands"])
    return context


def arguments(base: Path, data: Path, out: Path) -> list[str]:
    options = "--epochs 4 --batch 4 --accumulate 2 --rate 1e-3 --save-every 2 --threads 1"
    named = ["--recipe", "En_FT", "--model", str(base), "--data", str(data), "--out", str(out)]
    return ["finetune", *named, *options.split()]


def steps_done(checkpoint: Path) -> int:
    try:
        with safe_open(checkpoint, "pt") as file:
            return int((file.metadata() or {})["step"])
    except FileNotFoundError:
        return 0


def started(processes, given):
    process = processes.Process(target=small.claims, args=(given,))
    process.start()
    return process


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(processes, base, data, tmp_path):
    whole = started(processes, arguments(base, data, tmp_path / "whole"))
    out, rng = tmp_path / "killed", random.Random(0)
    given, checkpoint = arguments(base, data, out), checkpoint_in(out)
    reached = []
    for _ in range(KILLS):
        process = started(processes, given)
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        # Killed once it got further, at any point of the steps, of a checkpoint or of the end.
        deadline = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.15))
        if process.is_alive():
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
        process.join()
        reached.append(steps_done(checkpoint))
        if (out / "finetune.json").exists():
            break
    # It was stopped on the way, and never thrown back.
    assert sum(step > 0 for step in reached) >= 2
    assert reached == sorted(reached) or (out / "finetune.json").exists()
    last = started(processes, given)
    for process in (last, whole):
        process.join(60)
        assert process.exitcode == 0
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert not checkpoint.parent.exists()
