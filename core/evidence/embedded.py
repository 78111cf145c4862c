"""Which embeddings stand for which of the paper's reference models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from core.embedding.references import REFERENCES, Checkpoint, find, of
from core.embedding.store import EMBEDDINGS, list_manifests, read_embedding
from core.evidence.errors import EvidenceError, NoWeights
from core.paths import FIXTURES

#: Embeddings of our own runs, and those that `claims embed` makes on this machine.
KEPT, FRESH = FIXTURES / "embeddings", EMBEDDINGS


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

    Parameters
    ----------
    folder : Path
        As `claims embed` writes it; one that is missing holds nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._spaces: dict[Path, Space] = {}

    @cached_property
    def manifests(self) -> Mapping[Path, Mapping[str, Any]]:
        """What is there, by the manifests' files."""
        return list_manifests(self.folder)

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
        for path, manifest in found:
            reading = manifest["pooling"] == pooling if pooling else manifest["default"]
            if reading and manifest["checkpoint"] == found[0][1]["checkpoint"]:
                return self._read(path)
        first = found[0][1]["checkpoint"] if found else checkpoints(reference)[0].repo
        raise NoWeights((first,), where=str(self.folder))

    def untrained(self, reference: str) -> tuple[Space, ...]:
        """Return the spaces of copies of a reference with random weights, seed by seed.

        Of several checkpoints, it is the first, as in `trained`.

        Raises
        ------
        NoWeights
            If there is none.
        """
        copies = [(p, m) for p, m in self._of(reference) if m["untrained"] is not None]
        by_seed = sorted(
            (manifest["untrained"], path)
            for path, manifest in copies
            if manifest["default"] and manifest["checkpoint"] == copies[0][1]["checkpoint"]
        )
        found = [self._read(path) for _, path in by_seed]
        if not found:
            model = f"{checkpoints(reference)[0].repo} --untrained 0"
            raise NoWeights((model,), where=str(self.folder))
        return tuple(found)

    def _of(self, reference: str) -> list[tuple[Path, Mapping[str, Any]]]:
        """Return the manifests of a reference's checkpoints, in the table's order."""
        order = [checkpoint.repo for checkpoint in checkpoints(reference)]
        if not order:
            msg = f"{reference!r} is no reference model; see `claims models`"
            raise EvidenceError(msg)
        known = [(p, m) for p, m in self.manifests.items() if m["checkpoint"] in order]
        return sorted(known, key=lambda one: (order.index(one[1]["checkpoint"]), one[0].name))

    def _read(self, path: Path) -> Space:
        if path not in self._spaces:
            one = read_embedding(path)
            seed = one.manifest["untrained"]
            untrained = "" if seed is None else f", untrained {seed}"
            name = f"{one.manifest['model']} ({one.manifest['pooling']}){untrained}"
            self._spaces[path] = Space(name, one.space)
        return self._spaces[path]
