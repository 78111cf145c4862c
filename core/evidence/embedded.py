"""Which embeddings stand for which of the paper's reference models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.embedding.references import REFERENCES, Checkpoint, find, of
from core.embedding.store import EMBEDDINGS, REMEDY, read_embedding, read_manifest, slug
from core.evidence.errors import EvidenceError, HashMismatch, NoWeights
from core.paths import FIXTURES

#: Embeddings of our own runs, and those that `claims embed` makes on this machine.
KEPT, FRESH = FIXTURES / "embeddings", EMBEDDINGS
#: The list of all manifests that a folder must hold, and what to do where it does not.
SUMS = "SHA256SUMS"
RESTORE = "restore it from version control"
#: The seeds of the untrained copies that are asked for where there are none.
SEEDS = "--untrained 0 1 2"


@dataclass(frozen=True, eq=False)
class Space:
    """The 108 sentences as one model has them.

    Attributes
    ----------
    name : str
        Which model, and how a sentence's vector is read off it.
    values : ndarray of float64, shape (108, width)
    """

    name: str
    values: np.ndarray


@dataclass(frozen=True)
class Table:
    """A column of Table 1.

    Attributes
    ----------
    k : tuple of int
    means, sds : tuple of float
        P@k over ten runs of the agent.
    """

    k: tuple[int, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]


def checkpoints(name: str) -> tuple[Checkpoint, ...]:
    """Return the checkpoints that may be a reference, or the one of that name; else none."""
    if name in REFERENCES:
        return of(name)
    one = find(name)
    return (one,) if one else ()


class Embedded:
    """The embeddings in a folder, each checked against its manifest when it is read.

    A folder may hold the list ``SHA256SUMS`` of its manifests, which in turn hold the hashes of the
    matrices; ``sha256sum *.json`` makes it. Such a folder is whole, or nothing in it is judged. One
    without a list holds what it holds, and a file in it that is no manifest of ours concerns only
    models that it may be about.

    Parameters
    ----------
    folder : Path
        As `claims embed` writes it; one that is missing holds nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._spaces: dict[Path, Space] = {}

    @property
    def manifests(self) -> Mapping[Path, Mapping[str, Any]]:
        """What is there, by the manifests' files; those that are broken are left out."""
        return self._parsed[0]

    @cached_property
    def _parsed(self) -> tuple[dict[Path, Mapping[str, Any]], dict[Path, str]]:
        """The manifests, and what is wrong with those that cannot be read."""
        intact: dict[Path, Mapping[str, Any]] = {}
        faults: dict[Path, str] = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                intact[path] = read_manifest(path)
            except EvidenceError as error:
                ours = path.with_suffix(".safetensors").exists()
                foreign = f"{path}: is no manifest of embeddings; move it out of {self.folder}"
                faults[path] = str(error) if ours else foreign
        return intact, faults

    @property
    def _listed(self) -> bool:
        """Whether the folder must be whole."""
        return (self.folder / SUMS).exists() or (self.folder == KEPT and KEPT.exists())

    def _check_whole(self) -> None:
        """Hold the folder against its list, where it has one."""
        if self.folder.exists() and not self.folder.is_dir():
            msg = f"{self.folder}: is no folder of embeddings; move it away"
            raise EvidenceError(msg)
        if not self._listed:
            return
        path = self.folder / SUMS
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            rows = [line.split("  ") for line in lines if not line.startswith("#")]
            expected = {name: digest for digest, name in rows}
        except (OSError, ValueError) as error:
            msg = f"{path}: cannot be read: {error}; {RESTORE}"
            raise EvidenceError(msg) from error
        there = {one.name: one for one in self.folder.glob("*.json")}
        if missing := sorted(set(expected) - set(there)):
            msg = f"{self.folder / missing[0]}: is missing, but listed in {SUMS}; {RESTORE}"
            raise EvidenceError(msg)
        if more := sorted(set(there) - set(expected)):
            msg = f"{there[more[0]]}: is not listed in {SUMS}; move it out of {self.folder}"
            raise EvidenceError(msg)
        for name, one in there.items():
            found = hashlib.sha256(one.read_bytes()).hexdigest()
            if found != expected[name]:
                told = {"expected": expected[name], "found": found, "where": str(one)}
                raise HashMismatch(name, **told, remedy=RESTORE)

    @property
    def sha256(self) -> str:
        """Digest of all manifests, which hold those of the matrices."""
        content = json.dumps(list(self.manifests.values()), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()

    def trained(self, reference: str, pooling: str = "") -> Space:
        """Return the space of a reference's real weights.

        Where several of its plausible checkpoints were run, it is the first in the order of
        models.toml.

        Parameters
        ----------
        reference : str
            One of the paper's six, or a stand-in of models.toml.
        pooling : str
            Which reading of a sentence; "" is the one that the manifest calls the default.

        Raises
        ------
        NoWeights
            If none was run, or not with this pooling.
        EvidenceError
            If a file is not what it should be, or there is no such reference.
        """
        found = [(p, m) for p, m in self._of(reference) if m["untrained"] is None]
        order = _repos(reference)
        first = found[0][1]["checkpoint"] if found else order[0]
        for path, manifest in found:
            reading = manifest["pooling"] == pooling if pooling else manifest["default"]
            if reading and manifest["checkpoint"] == first:
                self._refuse(order[: order.index(first)], copies=False)
                return self._read(path)
        raise self._gap(first, "")

    def untrained(self, reference: str) -> tuple[Space, ...]:
        """Return the spaces of copies of a reference with random weights, seed by seed.

        They differ by their seed alone. Of several checkpoints, it is the first, as in `trained`;
        copies that read the model's own tokens go before those that read words.

        Raises
        ------
        NoWeights
            If there is none.
        EvidenceError
            As `trained`.
        """
        copies: dict[tuple[Any, ...], list[tuple[int, Path]]] = {}
        order = _repos(reference)
        for path, manifest in self._of(reference):
            if manifest["untrained"] is not None and manifest["default"]:
                words = manifest["tokenizer"].get("kind") == "words"
                what = (manifest[key] for key in ("model", "pooling", "width"))
                which = (order.index(manifest["checkpoint"]), words, *what)
                copies.setdefault(which, []).append((manifest["untrained"], path))
        if not copies:
            raise self._gap(order[0], SEEDS)
        self._refuse(order[: min(copies)[0] + 1], copies=True)
        return tuple(self._read(path) for _, path in sorted(copies[min(copies)]))

    def names(self, parts: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the spaces that parts of `Replicated.acquire` stand for.

        Raises
        ------
        NoWeights, EvidenceError
            As `trained` and `untrained`.
        """
        found: list[str] = []
        for part in parts:
            reference, _, reading = part.partition("/")
            if not checkpoints(reference):
                continue
            copies = reading == "untrained"
            spaces = self.untrained(reference) if copies else [self.trained(reference, reading)]
            found += [space.name for space in spaces]
        return tuple(found)

    def _gap(self, model: str, options: str) -> EvidenceError | NoWeights:
        """Return what to raise where a model is not found: it may be in a file that is broken."""
        for fault in self._parsed[1].values():
            return EvidenceError(fault)
        return NoWeights(((model, options),), where=str(self.folder))

    def _refuse(self, repos: Iterable[str], *, copies: bool) -> None:
        """Raise if a file is broken that is named for one of these: nothing takes its place."""
        for path, fault in self._parsed[1].items():
            for start in (slug(repo) for repo in repos):
                drawn = path.name.startswith(f"{start}.untrained-")
                if drawn if copies else path.name.startswith(f"{start}.") and not drawn:
                    raise EvidenceError(fault)

    def _of(self, reference: str) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return the manifests of a reference's checkpoints, in the table's order."""
        order = _repos(reference)
        if not order:
            msg = f"{reference!r} is no reference model; see `claims models`"
            raise EvidenceError(msg)
        self._check_whole()
        known = [(p, m) for p, m in self.manifests.items() if m["checkpoint"] in order]
        return sorted(known, key=lambda one: (order.index(one[1]["checkpoint"]), one[0].name))

    def _read(self, path: Path) -> Space:
        if path not in self._spaces:
            try:
                one = read_embedding(path)
            except EvidenceError as error:
                if not self._listed:
                    raise
                raise _to_restore(error) from error
            manifest, seed = one.manifest, one.manifest["untrained"]
            declared = f" as {manifest['checkpoint']}" if manifest["declared"] else ""
            untrained = "" if seed is None else f", untrained {seed}"
            name = f"{manifest['model']}{declared} ({manifest['pooling']}){untrained}"
            self._spaces[path] = Space(name, one.space)
        return self._spaces[path]


def _repos(reference: str) -> list[str]:
    return [checkpoint.repo for checkpoint in checkpoints(reference)]


def _to_restore(error: EvidenceError) -> EvidenceError:
    """Return an error of a file that is kept: `claims embed` would make another one elsewhere."""
    if isinstance(error, HashMismatch):
        told = {"expected": error.expected, "found": error.found, "where": error.where}
        return HashMismatch(error.name, **told, remedy=RESTORE)
    return EvidenceError(f"{str(error).partition(f'; {REMEDY}')[0]}; {RESTORE}")
