"""Demonstrations: made by the demonstrators, kept in shards, checked by replaying them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from core.agent.demonstrator import DemonstrationError, demonstrate
from core.agent.geometry import ACTIONS, N_CELLS, VIEW
from core.agent.instructions import INSTRUCTIONS, SENTENCES, TASK_OF, TASKS
from core.agent.rooms import Rooms, Starts
from core.agent.tasks import RequestLevel
from core.evidence.errors import EvidenceError, HashMismatch
from core.evidence.provenance import provenance
from core.files import write_atomically

SCHEMA = 1
SHARD = 1000
_KEYS = {
    "cells": (np.uint8, (N_CELLS,)),
    "pose": (np.uint8, ()),
    "instruction": (np.uint8, ()),
    "length": (np.uint8, ()),
    "views": (np.uint8, (VIEW * VIEW,)),
    "actions": (np.uint8, ()),
}


class DatasetError(EvidenceError):
    """Demonstrations that are not what they should be: names the file, the fault, the remedy."""


@dataclass(frozen=True)
class Demonstrations:
    """Episodes, all of them successful.

    Attributes
    ----------
    starts : Starts
        Where each of the n episodes begins, and its instruction.
    length : ndarray of uint8, shape (n,)
        Steps of each.
    views : ndarray of uint8, shape (steps, 49)
        What the agent saw at every step, episode after episode; tiles as in `core.agent.rooms`.
    actions : ndarray of uint8, shape (steps,)
        What the demonstrator did.
    """

    starts: Starts
    length: np.ndarray
    views: np.ndarray
    actions: np.ndarray

    @property
    def instruction(self) -> np.ndarray:
        """The instruction of every step, int64, shape (steps,)."""
        return np.repeat(self.starts.instruction, self.length).astype(np.int64)

    def sha256(self) -> str:
        """Return a digest of all the episodes."""
        digest = hashlib.sha256()
        parts = (self.starts.cells, self.starts.pose, self.starts.instruction, self.length)
        for part in (*parts, self.actions):
            digest.update(part.tobytes())
        return digest.hexdigest()

    def full_views(self) -> np.ndarray:
        """Return the whole room at every step, uint8, shape (steps, 64)."""
        return replay(self.starts, self.length, self.actions, full=True)[0]


def instructions_digest() -> str:
    """Return the SHA-256 of the 108 sentences in order, by which data is told apart."""
    return hashlib.sha256("\n".join(SENTENCES).encode()).hexdigest()


def replay(
    starts: Starts, length: np.ndarray, actions: np.ndarray, *, full: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Take the actions from the starts on.

    Returns
    -------
    views : ndarray of uint8, shape (steps, 49), or (steps, 64) for the full view
        What was seen before each action, episode after episode.
    reached : ndarray of bool, shape (n,)
        Whether success came with the last action, and not before.
    """
    rooms = Rooms(starts)
    first = np.cumsum(length, dtype=np.intp) - length
    views = np.empty((len(actions), (VIEW + 1 if full else VIEW) ** 2), dtype=np.uint8)
    ended_well = np.zeros(len(starts), dtype=bool)
    for step in range(int(length.max(initial=0))):
        (going,) = np.nonzero(step < length)
        at = first[going] + step
        views[at] = rooms.full_views(going) if full else rooms.views(going)
        taken = np.zeros(len(starts), dtype=np.intp)
        taken[going] = actions[at]
        before = rooms.success.copy()
        rooms.step(np.where(step < length, taken, len(ACTIONS)))
        last = length == step + 1
        ended_well[last] = (rooms.success & ~before)[last]
    return views, ended_well


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


def shard_name(shard: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{shard:03d}.npz"


def write_shard(path: Path, shard: Demonstrations, failures: int = 0) -> None:
    """Write one shard, compressed, in one move; `failures` were drawn again."""
    buffer = io.BytesIO()
    arrays = {
        "cells": shard.starts.cells,
        "pose": shard.starts.pose,
        "instruction": shard.starts.instruction,
        "length": shard.length,
        "views": shard.views,
        "actions": shard.actions,
    }
    head = {"schema": SCHEMA, "sentences": instructions_digest(), "failures": failures}
    np.savez_compressed(buffer, **{key: np.array(value) for key, value in head.items()}, **arrays)
    write_atomically(path, buffer.getvalue())


def read_shard(path: Path) -> tuple[Demonstrations, int]:
    """Read one shard and check it; return also how many demonstrations had failed.

    Raises
    ------
    DatasetError
        If the file is missing, cut short, of another schema or of other instructions, if an array
        is not what it must be, or if the episodes, replayed, do not show what the file says.
    """
    remedy = "delete it and run `claims demonstrate` again with the same seed"
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: file[key] for key in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.error) as error:
        msg = f"{path}: cannot be read: {error}; {remedy}"
        raise DatasetError(msg) from error
    wrong = _fault(found)
    if wrong:
        msg = f"{path}: {wrong}; {remedy}"
        raise DatasetError(msg)
    starts = Starts(found["cells"], found["pose"], found["instruction"])
    shard = Demonstrations(starts, found["length"], found["views"], found["actions"])
    views, reached = replay(starts, shard.length, shard.actions)
    if not reached.all() or not np.array_equal(views, shard.views):
        episode = int(np.flatnonzero(~reached)[0]) if not reached.all() else -1
        told = f"episode {episode} does not end in success" if episode >= 0 else "views differ"
        msg = f"{path}: replayed, {told}; {remedy}"
        raise DatasetError(msg)
    return shard, int(found["failures"])


def _fault(found: dict[str, np.ndarray]) -> str:
    """Return what is wrong with a shard's arrays, "" if nothing is."""
    expected = {"schema", "sentences", "failures", *_KEYS}
    if set(found) != expected:
        return f"holds {sorted(found)}, not {sorted(expected)}"
    if int(found["schema"]) != SCHEMA:
        return f"schema {found['schema']}, not {SCHEMA}"
    if str(found["sentences"]) != instructions_digest():
        return "made for other instructions"
    steps = int(found["length"].sum()) if found["length"].ndim == 1 else -1
    for key, (dtype, shape) in _KEYS.items():
        n = steps if key in {"views", "actions"} else len(found["pose"])
        if found[key].dtype != dtype or found[key].shape != (n, *shape):
            return (
                f"{key} is {found[key].dtype} {found[key].shape}, not {dtype.__name__} {n, *shape}"
            )
    limits = {"pose": N_CELLS * 4, "instruction": len(INSTRUCTIONS), "actions": len(ACTIONS)}
    for key, limit in limits.items():
        if found[key].size and found[key].max() >= limit:
            return f"{key} has values of {limit} and more"
    return "" if len(found["pose"]) and found["length"].min() > 0 else "holds an empty episode"


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
            if not path.exists():
                shard, failed = demonstrations(seed, number, range(first, first + size))
                write_shard(path, shard, failed)
            shard, failed = read_shard(path)
            if len(shard.starts) != size:
                msg = f"{path}: {len(shard.starts)} episodes, not {size}; delete it and run again"
                raise DatasetError(msg)
            shards.append(shard)
            failures += failed
            bar.update(size)
    manifest = plan | _manifest(out, joined(shards), failures)
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1) + "\n")
    return manifest


def _same_plan(out: Path, plan: dict[str, int]) -> None:
    try:
        found = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except ValueError as error:
        msg = f"{out / 'plan.json'}: is not JSON: {error}; choose a new --out folder"
        raise DatasetError(msg) from error
    if found != plan:
        msg = f"{out}: holds a data set of {found}, not of {plan}; choose a new --out folder"
        raise DatasetError(msg)


def _manifest(out: Path, data: Demonstrations, failures: int) -> dict[str, Any]:
    n = len(data.starts)
    task = TASK_OF[data.starts.instruction]
    steps = {name: np.bincount(data.length[task == i]).tolist() for i, name in enumerate(TASKS)}
    taken = np.bincount(data.actions, minlength=len(ACTIONS))
    return {
        "sha256": data.sha256(),
        "success": n / (n + failures),
        "failures": failures,
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


def joined(shards: Sequence[Demonstrations]) -> Demonstrations:
    """Return the episodes of several shards as one."""

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(shard.starts, name) for shard in shards])

    return Demonstrations(
        Starts(column("cells"), column("pose"), column("instruction")),
        *(
            np.concatenate([getattr(s, name) for s in shards])
            for name in ("length", "views", "actions")
        ),
    )


def read_demonstrations(folder: Path) -> Demonstrations:
    """Read a data set and check it against its manifest.

    Raises
    ------
    DatasetError
        If the manifest is missing or broken, or a shard is missing, changed or broken.
    """
    path = folder / "manifest.json"
    remedy = "run `claims demonstrate` again with the same options"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        files, digest = manifest["files"], manifest["sha256"]
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
