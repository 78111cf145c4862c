"""The paper's reference models, and the checkpoints that each may be: `models.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("models.toml")
#: In the order of the paper's Table 1.
REFERENCES = ("clip", "bert", "blip", "qwen", "llama", "deepseek")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint that one of the paper's references may be.

    Attributes
    ----------
    repo : str
        Its name on the hub; of the stand-in, the name of its folder.
    reference : str
        One of `REFERENCES`; "" for the stand-in.
    family : str
        How it is read: "decoder", "bert", "clip" or "blip".
    width, layers : int
        Of the text model's hidden states; a projection may have another width.
    parameters : int
        Of the whole checkpoint.
    disk : float
        GB to be fetched.
    licence : str
    gated : bool
        Whether its licence must be accepted on the hub before it can be fetched.
    revision : str
        The commit or reference to fetch; "" for the main branch. Of the stand-in, the digest by
        which it is known, as `hub.Source` has it of a folder.
    bos : bool
        Whether its tokenizer puts a token before the sentence by itself; decoder-only models.
    built_on : str
        The model that it was trained further from, with which it is not independent; or "".
    why : str
        Why it is plausible.
    sources : tuple of str
        Where that can be read.
    shape : mapping
        The text model's architecture, in the terms of its configuration.
    """

    repo: str
    reference: str
    family: str
    width: int
    layers: int
    parameters: int
    disk: float
    licence: str
    gated: bool
    revision: str
    bos: bool
    built_on: str
    why: str
    sources: tuple[str, ...]
    shape: Mapping[str, Any]


@cache
def load_references() -> tuple[Checkpoint, ...]:
    """Return all checkpoints of the table in its order, the stand-in last."""
    entries = tomllib.loads(TABLE.read_text(encoding="utf-8"))["checkpoint"]
    return tuple(Checkpoint(**entry | {"sources": tuple(entry["sources"])}) for entry in entries)


def find(repo: str) -> Checkpoint | None:
    """Return the checkpoint of that name, whatever its capitals; None if the table has none."""
    return next((each for each in load_references() if each.repo.lower() == repo.lower()), None)


def of(reference: str) -> tuple[Checkpoint, ...]:
    """Return what a reference may be; the first that there are embeddings of is judged.

    Raises
    ------
    ValueError
        If the paper has no such reference.
    """
    if reference not in REFERENCES:
        msg = f"unknown reference {reference!r}; known: {', '.join(REFERENCES)}"
        raise ValueError(msg)
    return tuple(each for each in load_references() if each.reference == reference)
