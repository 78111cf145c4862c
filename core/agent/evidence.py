"""What is kept of trained agents in fixtures/: embeddings, success, curves, with a manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from core.agent.instructions import INSTRUCTIONS, OBJECT_OF, PHRASE_OF, SENTENCES, TASK_OF
from core.evidence.errors import EvidenceError
from core.evidence.provenance import provenance
from core.evidence.replicated import SCHEMA
from core.files import write_atomically
from core.metrics.neighbours import effective_rank, neighbour_composition, pairwise_precision_at_k

#: What a sentence's neighbours may have in common with it.
LABELS = {
    "phrase": PHRASE_OF,
    "task": TASK_OF,
    "object": OBJECT_OF,
    "colour": np.array([instruction.colour for instruction in INSTRUCTIONS]),
    "kind": np.array([instruction.kind for instruction in INSTRUCTIONS]),
}
KS = (1, 5, 10, 15)


def write_variant(name: str, folders: Sequence[Path], out: Path) -> None:
    """Gather the runs of one variant into NAME.safetensors and NAME.json.

    Raises
    ------
    EvidenceError
        If a run is not finished, or its files are not what they should be.
    """
    runs, tensors = [], {}
    for folder in folders:
        seed, result = _result(folder)
        points = []
        for path in sorted(folder.glob("snapshot-*.safetensors")):
            e_l, point = _snapshot(path)
            tensors[f"seed-{seed}/update-{point['update']}"] = e_l
            points.append(point)
        if not points or [p["update"] for p in points] != [
            p["update"] for p in (runs[0]["points"] if runs else points)
        ]:
            msg = f"{folder}: its snapshots are not those of the first run; train it again"
            raise EvidenceError(msg)
        runs.append({"seed": seed, "points": points} | result)
    document = {"schema": SCHEMA, "runs": runs, "between": between(runs, tensors)}
    # One entry, for several would be written in a random order.
    metadata = {"about": json.dumps({"variant": name, "sentences": SENTENCES})}
    write_atomically(out / f"{name}.safetensors", save(tensors, metadata))
    write_atomically(out / f"{name}.json", json.dumps(document, indent=1) + "\n")


def space(e_l: np.ndarray) -> dict[str, Any]:
    """Describe one space: what the 15 nearest neighbours share, and its effective rank."""
    shares = {name: neighbour_composition(e_l, label, 15) for name, label in LABELS.items()}
    rounded = {name: round(share, 4) for name, share in shares.items()}
    return rounded | {"effective_rank": round(effective_rank(e_l), 2)}


def between(runs: Sequence[dict[str, Any]], tensors: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """Describe how alike the agents are at every point: mean P@k over all pairs of seeds."""
    found = []
    for point in runs[0]["points"]:
        spaces = [tensors[f"seed-{run['seed']}/update-{point['update']}"] for run in runs]
        pairs = np.triu_indices(len(spaces), 1)
        if len(pairs[0]):
            shared = {k: pairwise_precision_at_k(spaces, k)[pairs].mean() for k in KS}
            mean = {f"P@{k}": round(float(share), 4) for k, share in shared.items()}
            found.append({"update": point["update"], "pairs": len(pairs[0])} | mean)
    return found


def write_manifest(
    out: Path, variants: Sequence[str], demonstrations: Path, floors: dict[str, Any]
) -> None:
    """Write manifest.json: what was run, with what, and the hash of every file."""
    names = [f"{variant}.{ending}" for variant in variants for ending in ("json", "safetensors")]
    manifest = {
        "schema": SCHEMA,
        "command": "claims replicate",
        "variants": list(variants),
        "demonstrations": json.loads(
            (demonstrations / "manifest.json").read_text(encoding="utf-8")
        ),
        "floors": floors,
        "gathered_by": asdict(provenance()),
        "files": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names},
    }
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1) + "\n")


def _result(folder: Path) -> tuple[int, dict[str, Any]]:
    path = folder / "result.json"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return result["recipe"]["seed"], result
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read: {error}; run the training again to finish this seed"
        raise EvidenceError(msg) from error


def _snapshot(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    try:
        with safe_open(path, "numpy") as file:
            e_l, told = file.get_tensor("E_L"), file.metadata() or {}
        point = {"update": int(told["update"]), "success": json.loads(told["success"])}
        return e_l, point | {"space": space(e_l)}
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; delete the run's folder and train it again"
        raise EvidenceError(msg) from error
