"""Embeddings of the 108 sentences as files: a matrix, and a manifest that says what it is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from core.agent.instructions import SENTENCES
from core.evidence.errors import EvidenceError, HashMismatch
from core.files import write_atomically
from core.paths import ROOT

SCHEMA = 1
#: Where `claims embed` writes.
EMBEDDINGS = ROOT / "runs" / "embeddings"
#: The readings of a sentence that a file may hold.
POOLINGS = ("mean", "mean-with-bos", "mean-without-bos", "cls", "eot", "projected")
#: What a manifest holds besides its schema, and as what.
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("model", "revision", "reference", "checkpoint", "family", "class"), str),
    **dict.fromkeys(("pooling", "dtype", "sha256"), str),
    **dict.fromkeys(("declared", "default"), bool),
    **dict.fromkeys(("width", "layers", "parameters", "batch"), int),
    **dict.fromkeys(("tokenizer", "weights", "produced_by"), dict),
    **dict.fromkeys(("tokens", "sentences"), list),
    "untrained": (int, type(None)),
}
REMEDY = "delete it and run `claims embed` again"


@dataclass(frozen=True, eq=False)
class Embedding:
    """The 108 sentences in one model's space.

    Attributes
    ----------
    manifest : mapping
        As `write_embedding` takes it, with the hash of the matrix's file.
    space : ndarray of float64, shape (108, width)
        Finite, no row all zero, not all rows the same; in the order of
        `core.agent.instructions.SENTENCES`.
    path : Path
        The manifest's file.
    """

    manifest: Mapping[str, Any]
    space: npt.NDArray[np.float64]
    path: Path


def slug(model: str, untrained: int | None = None, *, words: bool = False) -> str:
    """Return the start of the names of a model's files.

    Parameters
    ----------
    model : str
        A repository, such as "Qwen/Qwen2.5-0.5B", or the name of a local folder.
    untrained : int or None
        The seed of its random weights, if it has such.
    words : bool
        Whether it reads words in place of its tokeniser's tokens.
    """
    name = model.lower().replace("/", "--")
    if untrained is not None:
        name += f".untrained-{untrained}"
    return f"{name}-words" if words else name


def file_of(folder: Path, manifest: Mapping[str, Any]) -> Path:
    """Return the file of a manifest."""
    words = manifest["tokenizer"].get("kind") == "words"
    name = slug(manifest["model"], manifest["untrained"], words=words)
    return folder / f"{name}.{manifest['pooling']}.json"


def write_embedding(
    folder: Path, space: npt.NDArray[np.float32], manifest: Mapping[str, Any]
) -> Path:
    """Write a matrix and then its manifest, whose presence says that both are done.

    Parameters
    ----------
    folder : Path
        Made as needed.
    space : ndarray of float32, shape (108, width)
        A sentence per row, in the order of `SENTENCES`.
    manifest : mapping
        All of `FIELDS` but `sha256`.

    Returns
    -------
    Path
        The manifest's file.

    Raises
    ------
    EvidenceError
        If the matrix or the manifest would be refused by `read_embedding`.
    """
    path = file_of(folder, manifest)
    kept = np.ascontiguousarray(space, dtype=np.float32)
    about = {"about": json.dumps(_about(manifest))}
    content = save({"embeddings": kept}, about)
    entries = {"schema": SCHEMA} | dict(manifest)
    entries["sha256"] = hashlib.sha256(content).hexdigest()
    _check(path, entries)
    _check_space(path, entries, kept)
    # A manifest of what was there before must never stand beside a new matrix.
    path.unlink(missing_ok=True)
    write_atomically(matrix_of(path), content)
    lines = (
        f" {json.dumps(key)}: {json.dumps(entries[key], ensure_ascii=False)}" for key in entries
    )
    write_atomically(path, "{\n" + ",\n".join(lines) + "\n}\n")
    return path


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Return a manifest; its matrix is not read.

    Raises
    ------
    EvidenceError
        If it is not what it should be.
    """
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; {REMEDY}"
        raise EvidenceError(msg) from error
    if not isinstance(manifest, dict) or manifest.get("schema") != SCHEMA:
        msg = f"{path}: is no manifest of schema {SCHEMA}; {REMEDY}"
        raise EvidenceError(msg)
    _check(path, manifest)
    return manifest


def read_embedding(path: Path) -> Embedding:
    """Read the embedding that a manifest describes, checking all that can be checked.

    Parameters
    ----------
    path : Path
        The manifest's file.

    Raises
    ------
    EvidenceError
        If the manifest or the matrix is missing, was changed (`HashMismatch`), or is not what it
        should be: other sentences, another shape, NaN, infinite, a row of zeros, or the same for
        every sentence.
    """
    manifest, matrix = read_manifest(path), matrix_of(path)
    try:
        content = matrix.read_bytes()
    except OSError as error:
        msg = f"{matrix}: cannot be read: {error}; {REMEDY}, or delete {path.name}"
        raise EvidenceError(msg) from error
    found = hashlib.sha256(content).hexdigest()
    if found != manifest["sha256"]:
        raise HashMismatch(
            matrix.name,
            expected=manifest["sha256"],
            found=found,
            where=str(matrix),
            remedy=REMEDY,
        )
    try:
        space = load(content)["embeddings"]
        # Its header's length comes first, in eight bytes.
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        about = json.loads(header["__metadata__"]["about"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{matrix}: holds no embeddings: {error!r}; {REMEDY}"
        raise EvidenceError(msg) from error
    if about != _about(manifest):
        msg = f"{matrix}: says that it is of another model or reading than {path.name}; {REMEDY}"
        raise EvidenceError(msg)
    _check_space(matrix, manifest, space)
    return Embedding(manifest, space.astype(np.float64), path)


def matrix_of(manifest: Path) -> Path:
    """Return the matrix's file beside a manifest's."""
    return manifest.with_name(f"{manifest.name.removesuffix('.json')}.safetensors")


def _about(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: manifest[key] for key in ("sentences", "model", "revision", "pooling")}


def _check(path: Path, manifest: Mapping[str, Any]) -> None:
    fault = ""
    for name, kind in FIELDS.items():
        # True counts as a whole number elsewhere; here it is none.
        wrong = name not in manifest or not isinstance(manifest[name], kind)
        if wrong or (kind is not bool and isinstance(manifest[name], bool)):
            fault = f"has no {name!r}, or one of the wrong kind"
            break
    else:
        if manifest["sentences"] != list(SENTENCES):
            fault = f"is not of the {len(SENTENCES)} sentences in their order"
        elif len(manifest["tokens"]) != len(SENTENCES):
            fault = f"has the tokens of {len(manifest['tokens'])} sentences"
        elif manifest["pooling"] not in POOLINGS:
            fault = f"has the unknown pooling {manifest['pooling']!r}"
        elif path != file_of(path.parent, manifest):
            fault = f"holds what belongs into {file_of(path.parent, manifest).name}"
    if fault:
        msg = f"{path}: {fault}; {REMEDY}"
        raise EvidenceError(msg)


def _check_space(path: Path, manifest: Mapping[str, Any], space: npt.NDArray[np.float32]) -> None:
    fault, expected = "", (len(SENTENCES), manifest["width"])
    if space.shape != expected or space.dtype != np.float32:
        fault = f"is {space.dtype} of shape {space.shape}, not float32 of {expected}"
    elif not np.isfinite(space).all():
        row = int(np.flatnonzero(~np.isfinite(space).all(axis=1))[0])
        fault = f"is NaN or infinite where it embeds {SENTENCES[row]!r}"
    elif not space.any(axis=1).all():
        row = int(np.flatnonzero(~space.any(axis=1))[0])
        fault = f"is zero where it embeds {SENTENCES[row]!r}"
    elif (space == space[0]).all():
        fault = "is the same for every sentence"
    if fault:
        msg = f"{path}: {fault}; {REMEDY}"
        raise EvidenceError(msg)
