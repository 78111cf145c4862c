"""Runs of agents and models for the ALM paper: those kept in fixtures/, or made here today."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from core.agent.instructions import INSTRUCTIONS, TASKS
from core.embedding.nulls import gaussian
from core.evidence.embedded import KEPT, Embedded, Space, Table, checkpoints
from core.evidence.errors import EvidenceError, HashMismatch, NoWeights
from core.evidence.reported import load_reported
from core.paths import FIXTURES

SCHEMA = 1
AGENTS = FIXTURES / "agent"
#: What a manifest holds besides its schema, and as what.
PARTS = {"variants": list, "files": dict, "floors": dict, "demonstrations": dict}


@dataclass(frozen=True, eq=False)
class Agents:
    """Agents that were trained in one way, each from a seed of its own.

    Attributes
    ----------
    seeds : tuple of int
    updates : tuple of int
        The points of the training at which the embeddings were kept.
    embeddings : ndarray of float64, shape (seeds, points, 108, 128)
        E_L of every instruction, equation (2).
    along : ndarray of float64, shape (seeds, points, 3)
        Success per task at these points, over few episodes.
    episodes : ndarray of int64, shape (seeds, 108)
        Held-out episodes per instruction at the end.
    success, success_24 : ndarray of int64, shape (seeds, 108)
        Episodes that succeeded within 64 and within 24 steps.
    escapes : tuple of mapping
        Per seed, reading of an escape (distance, unseen) to its success.
    plateau : ndarray of bool, shape (seeds,)
        Whether a run stayed where verbs are learned and objects are not.
    """

    seeds: tuple[int, ...]
    updates: tuple[int, ...]
    embeddings: np.ndarray
    along: np.ndarray
    episodes: np.ndarray
    success: np.ndarray
    success_24: np.ndarray
    escapes: tuple[Mapping[tuple[int, bool], float], ...]
    plateau: np.ndarray


class Replicated:
    """Agents and the models to hold them against, every file checked before it is read.

    Parameters
    ----------
    folder : Path
        Agents, as `claims replicate` writes them.
    embeddings : Path
        Models, as `claims embed` writes them.
    name : str
        "replicated", or "fresh" where the models were run on this machine; the agents are the ones
        kept in either case.
    """

    def __init__(
        self, folder: Path = AGENTS, embeddings: Path = KEPT, name: str = "replicated"
    ) -> None:
        self.name = name
        self.folder = folder
        self.embedded = Embedded(embeddings)
        self._agents: dict[str, Agents] = {}

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """What was run, with what, and the hash of every file.

        Raises
        ------
        EvidenceError
            If it is missing, or is not what it should be.
        """
        path = self.folder / "manifest.json"
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{path}: cannot be read: {error}; restore it from version control"
            raise EvidenceError(msg) from error
        if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
            msg = f"{path}: is no manifest of schema {SCHEMA}; restore it from version control"
            raise EvidenceError(msg)
        for part, kind in PARTS.items():
            if not isinstance(manifest.get(part), kind):
                msg = f"{path}: has no {part!r}; restore it from version control"
                raise EvidenceError(msg)
        return manifest

    @property
    def sha256(self) -> str:
        """Digest of the manifests, which hold that of every file."""
        content = json.dumps(self.manifest, sort_keys=True) + self.embedded.sha256
        return hashlib.sha256(content.encode()).hexdigest()

    def acquire(self, parts: Iterable[str]) -> None:
        """Load the named parts now.

        Parameters
        ----------
        parts : iterable of str
            Variants of the agents; "floors" and "demonstrations", which stand in the manifest;
            reference models, such as "llama", "bert/mean" for a certain pooling, and
            "qwen/untrained".

        Raises
        ------
        NoWeights
            If models were not run; it names all of them.
        EvidenceError
            If a file is missing, or is not what it should be.
        """
        # Reading the manifest checks that all its parts are there.
        known = {*self.manifest["variants"], "floors", "demonstrations"}
        missing: dict[tuple[str, str], None] = {}
        for part in parts:
            try:
                self._load(part, known)
            except NoWeights as error:
                missing |= dict.fromkeys(error.wanted)
        if missing:
            raise NoWeights(tuple(missing), where=str(self.embedded.folder))

    def _load(self, part: str, known: set[str]) -> None:
        reference, _, reading = part.partition("/")
        if reading == "untrained":
            self.untrained(reference)
        elif part not in known and checkpoints(reference):
            self.embedding(reference, reading)
        elif part not in {"floors", "demonstrations"}:
            self.agents(part)

    def embedding(self, reference: str, pooling: str = "") -> Space:
        """Return the space of a reference model's real weights, see `Embedded.trained`."""
        return self.embedded.trained(reference, pooling)

    def untrained(self, reference: str) -> tuple[Space, ...]:
        """Return the spaces of untrained copies of a reference, see `Embedded.untrained`."""
        return self.embedded.untrained(reference)

    def random(self, draws: int) -> np.ndarray:
        """Return Gaussian spaces as wide as BERT's, shape (draws, 108, 768)."""
        return gaussian(np.random.default_rng(108), 768, draws)

    def table(self, reference: str) -> Table:
        """Return a reference's column of Table 1, as printed."""
        reported = load_reported("alm")
        facts = ("table_k", reference, f"{reference}_sd")
        k, means, sds = (reported.figures(fact) for fact in facts)
        return Table(tuple(map(int, k)), means, sds)

    def agents(self, variant: str) -> Agents:
        """Return the agents of a variant of the plan ("baseline", "identical" and so on).

        Raises
        ------
        EvidenceError
            If a file is missing, was changed (`HashMismatch`), or is not what it should be.
        """
        if variant not in self._agents:
            table = self._checked(f"{variant}.json")
            self._checked(f"{variant}.safetensors")
            path = self.folder / f"{variant}.safetensors"
            try:
                self._agents[variant] = _agents(path, json.loads(table)["runs"])
            except (
                *(SafetensorError, LookupError, TypeError, ValueError),
                *(AttributeError, ZeroDivisionError),
            ) as error:
                msg = f"{path}: does not fit {variant}.json ({error!r})"
                raise EvidenceError(msg) from error
        return self._agents[variant]

    @property
    def floors(self) -> Mapping[str, Mapping[str, Any]]:
        """How often policies succeed that do not listen; counts as in a variant's file."""
        return self.manifest["floors"]

    @property
    def demonstrations(self) -> Mapping[str, Any]:
        """The manifest of the demonstrations."""
        return self.manifest["demonstrations"]

    def _checked(self, name: str) -> bytes:
        path, expected = self.folder / name, self.manifest["files"].get(name)
        remedy = "restore it from version control, or run `claims replicate`"
        if expected is None or not path.exists():
            msg = f"{path}: is missing or not in the manifest; {remedy}"
            raise EvidenceError(msg)
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != expected:
            raise HashMismatch(name, expected=expected, found=found, where=str(path), remedy=remedy)
        return content


def _agents(path: Path, runs: list[dict[str, Any]]) -> Agents:
    with safe_open(path, "numpy") as file:
        updates = tuple(point["update"] for point in runs[0]["points"])
        spaces = [
            [file.get_tensor(f"seed-{run['seed']}/update-{update}") for update in updates]
            for run in runs
        ]
    along = [
        [[won / of for won, of in map(point["success"].get, TASKS)] for point in run["points"]]
        for run in runs
    ]
    embeddings = np.array(spaces, dtype=np.float64)
    if not np.isfinite(embeddings).all():
        msg = "NaN or infinite embeddings"
        raise ValueError(msg)
    counts = [[run["success"][key] for run in runs] for key in ("episodes", "64", "24")]
    episodes, success, success_24 = (np.array(each) for each in counts)
    n = len(INSTRUCTIONS)
    for each in (*embeddings[:, 0, :, 0], *episodes, *success, *success_24):
        if each.shape != (n,):
            msg = f"{each.shape} values for {n} instructions"
            raise ValueError(msg)
    return Agents(
        seeds=tuple(run["seed"] for run in runs),
        updates=updates,
        embeddings=embeddings,
        along=np.array(along),
        episodes=episodes,
        success=success,
        success_24=success_24,
        escapes=tuple(
            {(e["distance"], e["unseen"]): e["64"] / e["episodes"] for e in run["escapes"]}
            for run in runs
        ),
        plateau=np.array([run["plateau"] for run in runs], dtype=bool),
    )
