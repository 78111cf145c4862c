"""A causal language model and its tokenizer, from a folder or the hub, as they are trained."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.embedding import hub
from core.embedding.errors import EmbeddingError
from core.embedding.families import quietly
from core.rating.errors import RatingError

#: What decides what a model says, besides its weights.
BESIDE = (
    *("config.json", "generation_config.json", "tokenizer*.json", "vocab.json"),
    *("special_tokens*.json", "added_tokens.json", "*.model", "*.txt", "*.jinja"),
)


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model to be trained.

    Attributes
    ----------
    name : str
        Its repository on the hub, or its folder's name.
    revision : str
        The hub's commit; "" of a folder.
    weights : mapping of str to str
        SHA-256 of every file of weights, by its name.
    digest : str
        SHA-256 over all that decides what it says.
    model, tokenizer : Any
    """

    name: str
    revision: str
    weights: Mapping[str, str]
    digest: str
    model: Any
    tokenizer: Any

    def ends(self) -> frozenset[int]:
        """Return the tokens at which the model stops."""
        found = {self.tokenizer.eos_token_id}
        for config in (self.model.generation_config, self.model.config):
            ids = getattr(config, "eos_token_id", None)
            found |= set(ids) if isinstance(ids, (list, tuple)) else {ids}
        return frozenset(found - {None})


def find(name: str, revision: str = "") -> hub.Source:
    """Return where a model's files are, fetched if they are on the hub.

    Parameters
    ----------
    name : str
        A folder, or a repository on the hub such as "Qwen/Qwen2.5-0.5B-Instruct".
    revision : str
        A commit or reference on the hub; "" for its main branch.

    Raises
    ------
    RatingError
        If there is no such model, or no safetensors of it.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and (folder.is_absolute() or name.startswith((".", "~"))):
        msg = f"{name}: no such folder; `claims tiny` makes a small model from nothing"
        raise RatingError(msg)
    try:
        if not folder.is_dir():
            return hub.fetch(name, revision)
        if revision:
            msg = f"{name}: is a folder, and only the hub has revisions; leave out --revision"
            raise RatingError(msg)
        source = hub.local(folder)
        hub.weight_files(source.folder, str(folder))
    except EmbeddingError as error:
        raise RatingError(str(error)) from error
    return source


def device(name: str | None) -> str:
    """Return a device that is there.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"} or None
        "auto" and None for cuda if there is one.

    Raises
    ------
    RatingError
        If there is none of that name.
    """
    there = torch.cuda.is_available()
    if name not in (None, "auto", "cpu", "cuda"):
        msg = f"--device {name}: is not known; name cpu or cuda"
        raise RatingError(msg)
    if name == "cuda" and not there:
        msg = "--device cuda: torch sees no GPU here; install a build of it for yours, or use cpu"
        raise RatingError(msg)
    if name == "cpu" or not there:
        return "cpu"
    # What cuBLAS needs to add in one order; read when it is first used.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return "cuda"


def size(source: hub.Source) -> int:
    """Return the bytes that a model's weights take as files."""
    return sum(path.stat().st_size for path in hub.weight_files(source.folder, source.model))


def digest(source: hub.Source) -> str:
    """Return the SHA-256 over all that decides what a model says."""
    beside = {path.name for pattern in BESIDE for path in source.folder.glob(pattern)}
    names = beside | set(source.weights())
    lines = "".join(f"{hub.sha256(source.folder / name)}  {name}\n" for name in sorted(names))
    return hashlib.sha256(lines.encode()).hexdigest()


def load(source: hub.Source, device: str, dtype: torch.dtype = torch.float32) -> Loaded:
    """Load a model and its tokenizer, from safetensors and without running code of theirs.

    Raises
    ------
    RatingError
        If it is no causal language model of a known kind, lacks weights, has quantised ones, or
        does not fit into the device's memory.
    """
    folder, name = source.folder, source.model
    if "quantization_config" in source.config():
        msg = f"{name}: its weights are quantised, and cannot be trained; name the unquantised ones"
        raise RatingError(msg)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        with quietly():
            tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
            model, found = loaded
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        why = " ".join(str(error).split())[:300]
        msg = f"{name}: does not load as a causal language model: {why}"
        raise RatingError(msg) from error
    if missing := sorted(found["missing_keys"]):
        msg = f"{name}: lacks {missing[0]}, which would be drawn at random; fetch the model again"
        raise RatingError(msg)
    try:
        model = model.to(device)
    except torch.OutOfMemoryError:
        model = None
    if model is None:
        msg = f"{name}: does not fit into the memory of {device}; try --lora 16, or a smaller model"
        raise RatingError(msg)
    revision = source.revision if source.fetched else ""
    return Loaded(name, revision, source.weights(), digest(source), model, tokenizer)
