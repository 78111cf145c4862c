"""Demonstrations in files: episodes that are checked by replaying them."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.agent.geometry import ACTIONS, N_CELLS, VIEW
from core.agent.instructions import INSTRUCTIONS, OBJECTS, SENTENCES
from core.agent.rooms import Rooms, Starts
from core.evidence.errors import EvidenceError
from core.files import write_atomically

SCHEMA = 1
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
    every = {key: np.array(value) for key, value in head.items()} | arrays
    np.savez_compressed(buffer, allow_pickle=False, **every)
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
        # From memory, for NumPy leaves a file open that is no archive.
        file = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        found = {key: file[key] for key in file.files}
    except (
        *(OSError, ValueError, EOFError, KeyError, AttributeError, RuntimeError),
        *(struct.error, zipfile.BadZipFile, zlib.error),
    ) as error:
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
    if str(found["schema"]) != str(SCHEMA):
        return f"schema {found['schema']}, not {SCHEMA}"
    if str(found["sentences"]) != instructions_digest():
        return "made for other instructions"
    if found["failures"].shape != () or found["failures"].dtype.kind not in "iu":
        return "failures is not a whole number"
    for key in ("pose", "length"):
        if found[key].ndim != 1 or found[key].dtype != np.uint8:
            return f"{key} is {found[key].dtype} {found[key].shape}, not uint8 (n,)"
    steps = int(found["length"].sum())
    for key, (dtype, shape) in _KEYS.items():
        n = steps if key in {"views", "actions"} else len(found["pose"])
        if found[key].dtype != dtype or found[key].shape != (n, *shape):
            return (
                f"{key} is {found[key].dtype} {found[key].shape}, not {dtype.__name__} {n, *shape}"
            )
    limits = {
        "cells": len(OBJECTS) + 1,
        "pose": N_CELLS * 4,
        "instruction": len(INSTRUCTIONS),
        "actions": len(ACTIONS),
    }
    for key, limit in limits.items():
        if found[key].size and found[key].max() >= limit:
            return f"{key} has values of {limit} and more"
    return "" if len(found["pose"]) and found["length"].min() > 0 else "holds an empty episode"


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
