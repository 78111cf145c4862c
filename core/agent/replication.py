"""Training many agents side by side, and what is kept of each as evidence."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save
from tqdm import tqdm

from core.agent.dataset import read_demonstrations
from core.agent.errors import RecipeError, TrainingError
from core.agent.escape import Escape
from core.agent.evaluation import (
    FEW_STEPS,
    Outcome,
    floors,
    greedy,
    held_out_starts,
    play,
    shared_by_synonyms,
)
from core.agent.instructions import ESCAPE, TASK_OF, TASKS
from core.agent.rooms import MAX_STEPS, Starts
from core.agent.runs import Recipe, State, begin, load_run, recipe_of
from core.agent.training import Corpus, train
from core.evidence.errors import EvidenceError
from core.evidence.provenance import provenance
from core.files import write_atomically
from core.jobs import JobsError, run, scheduler_address

SCHEMA = 1
#: Held-out starts per instruction at the end, and at the other points of the schedule.
EPISODES, QUICK_EPISODES = 30, 5
#: The stream of the held-out starts and of the floors' choices: every agent ends on starts of its
#: own, from (EVALUATION_SEED, its seed); along the training all see the same ones, and others.
EVALUATION_SEED = 2
#: Other readings of an escape, to see what the definition decides.
ESCAPES = (Escape(), Escape(4), Escape(6), Escape(5, unseen=False))
#: Below this success at PICK-UP an agent is on the plateau where verbs are learned and objects are
#: not: five objects lie in the room, so a blind choice among them is right one time in five.
PLATEAU = 0.5


@dataclass(frozen=True)
class Job:
    """One agent to train: the recipe, the demonstrations, and the folder that keeps it."""

    recipe: Recipe
    demonstrations: Path
    folder: Path
    device: str


def train_agents(jobs: Sequence[Job], workers: int) -> None:
    """Train agents in processes of one thread each; those that are done are left alone.

    On a cluster, if CLAIMS_SCHEDULER names one: its workers must see the folders of the jobs by the
    same paths. A worker that takes over from one that was killed goes on from its checkpoint.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int
        Processes at a time on this machine.

    Raises
    ------
    EvidenceError, TrainingError
        What went wrong with the first that failed; the others are kept as far as they came.
    """
    digests = {job.demonstrations: "" for job in jobs}
    digests = {folder: read_demonstrations(folder).sha256() for folder in digests}
    open_jobs = [job for job in jobs if not _is_done(job, digests[job.demonstrations])]
    if scheduler_address():
        _train_on_cluster(open_jobs, digests)
        return
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[int, float]] = context.Queue()
    total = sum(job.recipe.updates for job in open_jobs)
    with (
        ProcessPoolExecutor(workers, context, initializer=_enter, initargs=(told,)) as pool,
        tqdm(total=total, unit="update", disable=None, smoothing=0.02) as bar,
    ):
        pending: list[Future[None]] = [pool.submit(train_agent, job) for job in open_jobs]
        try:
            while pending:
                _show(told, bar)
                ended = [future for future in pending if future.done()]
                for future in ended:
                    future.result()
                    pending.remove(future)
            _show(told, bar, wait=0.0)
        except BrokenProcessPool as error:
            msg = "a training process was killed, perhaps for memory; run again to go on"
            raise TrainingError(msg) from error
        except BaseException:
            # The pool hands work out ahead, which it cannot call back; every write is atomic.
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in multiprocessing.active_children():
                worker.terminate()
            raise


def _train_on_cluster(jobs: Sequence[Job], digests: Mapping[Path, str]) -> None:
    # A worker's own folder is another than the one that relative paths start from.
    whole = [
        replace(job, demonstrations=job.demonstrations.resolve(), folder=job.folder.resolve())
        for job in jobs
    ]
    try:
        run(train_agent, whole, label="agents")
    except JobsError as error:
        raise TrainingError(str(error)) from error
    for job in jobs:
        if not _is_done(job, digests[job.demonstrations]):
            msg = f"{job.folder}: was trained, but is not seen here; workers must share the folder"
            raise TrainingError(msg)


def _is_done(job: Job, data: str) -> bool:
    path = job.folder / "result.json"
    if not path.exists():
        return False
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        recipe, learned_from = recipe_of(result["recipe"]), result["data"]
        _ = result["plateau"], [result["success"][key] for key in ("64", "24", "episodes")]
    except (ValueError, KeyError, TypeError, RecipeError) as error:
        msg = f"{path}: cannot be read: {error!r}; delete it and run again"
        raise EvidenceError(msg) from error
    if recipe != job.recipe or learned_from != data:
        other = "recipe" if recipe != job.recipe else "demonstrations"
        msg = f"{path}: was trained with another {other}; choose another folder"
        raise EvidenceError(msg)
    return True


_told: Any = None


def _enter(told: Any) -> None:
    global _told
    _told = told
    # Threads of one small network get in each other's way; processes do not.
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, or it would train on unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _show(told: Any, bar: Any, wait: float = 0.5) -> None:
    """Show what the workers told, waiting a while for the first of it."""
    while True:
        try:
            done, loss = told.get(timeout=wait) if wait else told.get_nowait()
        except queue.Empty:
            return
        wait = 0.0
        bar.update(done)
        if np.isfinite(loss):
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)


def train_agent(job: Job) -> None:
    """Train one agent, or carry it on from its checkpoint, and write what is kept of it."""
    began = time.perf_counter()
    corpus = Corpus.of(read_demonstrations(job.demonstrations), job.recipe.architecture.view)
    along = held_out_starts(corpus.starts, EPISODES, EVALUATION_SEED)
    quick = along[np.arange(len(along)) % EPISODES < QUICK_EPISODES]
    state = _resume(job, corpus)
    told = [state.update]

    def observe(state: State) -> bool:
        return _observe(state, quick, job.folder)

    def progress(update: int, loss: float) -> None:
        if _told is not None:
            _told.put((update - told[0], loss))
        told[0] = update

    if _told is not None and state.update:
        _told.put((state.update, np.nan))
    train(state, corpus, observe, progress, job.folder / "checkpoint.safetensors")
    result = _result(state, last_starts(corpus.starts, job.recipe.seed)) | {
        "data": corpus.sha256,
        "device": job.device,
        "threads": torch.get_num_threads(),
        "code": asdict(provenance()),
        "seconds": round(time.perf_counter() - began, 1),
    }
    write_atomically(job.folder / "result.json", json.dumps(result, indent=1) + "\n")


def _resume(job: Job, corpus: Corpus) -> State:
    checkpoint = job.folder / "checkpoint.safetensors"
    if not checkpoint.exists():
        return begin(job.recipe, job.device)
    state, data = load_run(checkpoint, job.device)
    if state.recipe != job.recipe or data != corpus.sha256:
        other = "recipe" if state.recipe != job.recipe else "demonstrations"
        msg = f"{checkpoint}: was trained with another {other}; choose another folder"
        raise EvidenceError(msg)
    return state


def last_starts(training: Starts, seed: int) -> Starts:
    """Return the held-out starts on which an agent is judged at the end."""
    return shared_by_synonyms(held_out_starts(training, EPISODES, (EVALUATION_SEED, seed)))


def _observe(state: State, quick: Starts, folder: Path) -> bool:
    """Keep the sentence embeddings and the success at one point of the schedule."""
    state.agent.eval()
    outcome = play(greedy(state.agent), quick)
    with torch.inference_mode():
        e_l = state.agent.sentences().float().cpu().numpy()
    state.agent.train()
    kept = {"success": json.dumps(_by_task(outcome)), "update": str(state.update)}
    path = folder / f"snapshot-{state.update:06d}.safetensors"
    write_atomically(path, save({"E_L": np.ascontiguousarray(e_l)}, kept))
    return all(success >= state.recipe.stop_at for success in outcome.by_task().values())


def _result(state: State, starts: Starts) -> dict[str, Any]:
    state.agent.eval()
    policy = greedy(state.agent)
    outcome = play(policy, starts)
    return {
        "schema": SCHEMA,
        "recipe": asdict(state.recipe),
        "network": state.agent.describe(),
        "updates": state.update,
        "losses": [round(loss, 5) for loss in state.losses],
        "success": success_counts(outcome),
        "escapes": escape_counts(policy, starts),
        "plateau": outcome.by_task()["PICK-UP"] < PLATEAU,
    }


def success_counts(outcome: Outcome) -> dict[str, list[int]]:
    """Return episodes, and successes within either limit, per instruction."""
    reached, episodes = outcome.counts()
    return {
        "episodes": episodes.tolist(),
        str(MAX_STEPS): reached.tolist(),
        str(FEW_STEPS): outcome.counts(FEW_STEPS)[0].tolist(),
    }


def escape_counts(policy: Any, starts: Starts) -> list[dict[str, Any]]:
    """Return successes at ESCAPE under other readings of it."""
    away = starts[TASK_OF[starts.instruction] == TASKS.index(ESCAPE)]
    found = []
    for escape in ESCAPES:
        outcome = play(policy, away, escape)
        few = outcome.success & (outcome.steps <= FEW_STEPS)
        counts = {"episodes": len(away), "64": int(outcome.success.sum()), "24": int(few.sum())}
        found.append(asdict(escape) | counts)
    return found


def _by_task(outcome: Outcome) -> dict[str, list[int]]:
    reached, episodes = outcome.counts()
    return {
        task: [int(reached[i == TASK_OF].sum()), int(episodes[i == TASK_OF].sum())]
        for i, task in enumerate(TASKS)
    }


def floor_results(starts: Starts) -> dict[str, dict[str, Any]]:
    """Return how often policies succeed that do not listen."""
    rng = np.random.default_rng(EVALUATION_SEED)
    return {
        name: {
            "success": success_counts(play(policy, starts)),
            "escapes": escape_counts(policy, starts),
        }
        for name, policy in floors(rng).items()
    }
