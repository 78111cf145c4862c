"""Making and reading data sets of demonstrations."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from core.agent.demonstrator import demonstrate
from core.agent.errors import DemonstrationError
from core.agent.geometry import ACTIONS
from core.agent.instructions import ESCAPE, INSTRUCTIONS, TASK_OF, TASKS
from core.agent.rooms import Starts
from core.agent.shards import (
    SCHEMA,
    DatasetError,
    Demonstrations,
    joined,
    read_shard,
    replay,
    shard_name,
    write_shard,
)
from core.agent.tasks import RequestLevel
from core.evidence.errors import HashMismatch
from core.evidence.provenance import provenance
from core.files import write_atomically

#: Episodes per file.
SHARD = 1000


def demonstrations(seed: int, shard: int, episodes: Iterable[int]) -> tuple[Demonstrations, int]:
    """Make the demonstrations of one shard.

    Parameters
    ----------
    seed : int
        Of the whole data set; shards draw from streams of their own.
    shard : int
        Number of the shard.
    episodes : iterable of int
        Numbers of its episodes; episode i carries out instruction i mod 108.

    Returns
    -------
    Demonstrations
        The successful episodes.
    int
        How many further ones failed, and were drawn again.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(shard,)))
    starts: list[tuple[np.ndarray, int, int]] = []
    lengths: list[int] = []
    actions: list[int] = []
    failures = 0
    for episode in episodes:
        instruction = episode % len(INSTRUCTIONS)
        env = RequestLevel(INSTRUCTIONS[instruction])
        while True:
            start = draw_start(env, rng)
            try:
                done = demonstrate(env)
            except DemonstrationError:
                failures += 1
                continue
            break
        starts.append((*start, instruction))
        lengths.append(len(done))
        actions += done
    columns = [np.array(column, dtype=np.uint8) for column in zip(*starts, strict=True)]
    begun, length = Starts(*columns), np.array(lengths, dtype=np.uint8)
    taken = np.array(actions, dtype=np.uint8)
    return Demonstrations(begun, length, replay(begun, length, taken)[0], taken), failures


def draw_start(env: RequestLevel, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Reset an environment to a drawn state; return its cells and pose."""
    # minigrid prints what it rejects.
    with contextlib.redirect_stdout(io.StringIO()):
        env.reset(seed=int(rng.integers(2**31)))
    return env.cells, env.pose


def draw_starts(per_instruction: int, rng: np.random.Generator) -> Starts:
    """Return starts for every instruction, `per_instruction` of each in turn.

    They are drawn as those of the demonstrations are.
    """
    drawn = []
    for instruction, request in enumerate(INSTRUCTIONS):
        env = RequestLevel(request)
        drawn += [(*draw_start(env, rng), instruction) for _ in range(per_instruction)]
    return Starts(*(np.array(column, dtype=np.uint8) for column in zip(*drawn, strict=True)))


def make_demonstrations(out: Path, episodes: int, seed: int) -> dict[str, Any]:
    """Make a data set, or what is missing of it, and return its manifest.

    Shards that are there are checked and kept, so a run that was cut goes on where it was.

    Raises
    ------
    DatasetError
        If the folder holds a broken shard, or a data set of another seed or size.
    """
    plan = {"schema": SCHEMA, "episodes": episodes, "seed": seed}
    _same_plan(out, plan)
    # The plan is written first: a cut run must not be carried on with another seed.
    write_atomically(out / "plan.json", json.dumps(plan) + "\n")
    shards, failures = [], 0
    with tqdm(total=episodes, unit="episode", disable=None) as bar:
        for number, first in enumerate(range(0, episodes, SHARD)):
            path, size = out / shard_name(number), min(SHARD, episodes - first)
            if path.exists():
                bar.update(size)
            else:
                episodes_here = _ticked(range(first, first + size), bar)
                shard, failed = demonstrations(seed, number, episodes_here)
                write_shard(path, shard, failed)
            shard, failed = read_shard(path)
            if len(shard.starts) != size:
                msg = f"{path}: {len(shard.starts)} episodes, not {size}; delete it and run again"
                raise DatasetError(msg)
            shards.append(shard)
            failures += failed
    manifest = plan | _manifest(out, joined(shards), failures)
    manifest["code"] = _made_by(out, str(manifest["sha256"])) or manifest["code"]
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def _ticked(episodes: Iterable[int], bar: Any) -> Iterator[int]:
    for episode in episodes:
        yield episode
        bar.update()


def _same_plan(out: Path, plan: dict[str, int]) -> None:
    try:
        found = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        if any(out.glob("shard-*.npz")):
            msg = f"{out}: holds shards but no plan.json with their seed; choose another folder"
            raise DatasetError(msg) from None
        return
    except ValueError as error:
        msg = f"{out / 'plan.json'}: is not JSON: {error}; choose another folder"
        raise DatasetError(msg) from error
    if found != plan:
        msg = f"{out}: holds a data set of {found}, not of {plan}; choose another folder"
        raise DatasetError(msg)


def _made_by(out: Path, digest: str) -> dict[str, Any] | None:
    """Return the code version of an earlier manifest of the same data; None without one."""
    try:
        earlier = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        return earlier["code"] if earlier["sha256"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _manifest(out: Path, data: Demonstrations, failures: int) -> dict[str, Any]:
    n = len(data.starts)
    task = TASK_OF[data.starts.instruction]
    steps = {name: np.bincount(data.length[task == i]).tolist() for i, name in enumerate(TASKS)}
    taken = np.bincount(data.actions, minlength=len(ACTIONS))
    return {
        "sha256": data.sha256(),
        "success": n / (n + failures),
        "failures": failures,
        "instructions": len(np.unique(data.starts.instruction)),
        # The others are shown by a search of ours: the platform's bot has no plan for them.
        "by_bot": len(np.unique(data.starts.instruction[task != TASKS.index(ESCAPE)])),
        "training_steps": len(data.actions),
        # Position k of each list: episodes of k steps.
        "steps": steps,
        "actions": dict(zip(ACTIONS, taken.tolist(), strict=True)),
        "files": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(out.glob("shard-*.npz"))
        },
        "code": asdict(provenance()),
    }


def read_demonstrations(folder: Path) -> Demonstrations:
    """Read a data set and check it against its manifest.

    Raises
    ------
    DatasetError
        If the manifest is missing or broken, or a shard is broken.
    HashMismatch
        If a shard is missing or was changed.
    """
    path = folder / "manifest.json"
    remedy = "run `claims demonstrate` again with the same options"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files, digest = dict(manifest["files"]), manifest["sha256"]
        if not files:
            msg = "it names no files"
            raise ValueError(msg)
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read ({error!r}); {remedy}"
        raise DatasetError(msg) from error
    for name, expected in files.items():
        shard = folder / name
        found = hashlib.sha256(shard.read_bytes()).hexdigest() if shard.exists() else "no file"
        if found != expected:
            raise HashMismatch(
                name,
                expected=expected,
                found=found,
                where=str(shard),
                remedy=f"delete it and {remedy}",
            )
    data = joined([read_shard(folder / name)[0] for name in files])
    if data.sha256() != digest:
        msg = f"{path}: the shards do not hold the data set that it names; {remedy}"
        raise DatasetError(msg)
    return data
