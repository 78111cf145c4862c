"""What is to be embedded with: a model of a folder or of the hub, or an architecture."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from core.embedding import families
from core.embedding.errors import EmbeddingError
from core.embedding.families import FAMILIES, Family
from core.embedding.hub import Source, fetch, local
from core.embedding.references import Checkpoint, find
from core.embedding.tokens import Tokenised, own_tokens, word_tokens


@dataclass(frozen=True)
class Subject:
    """A model that is to be embedded with, before its weights are touched.

    Attributes
    ----------
    model, revision : str
        As a manifest has them. Of an architecture from the table, the digest of its entry.
    source : Source or None
        None for an architecture from the table.
    family : Family
    checkpoint : Checkpoint or None
        What it is in the table of models.
    declared : bool
        Whether that was said by the user rather than follows from its name.
    layers : int
    tokenised : Tokenised
    """

    model: str
    revision: str
    source: Source | None
    family: Family
    checkpoint: Checkpoint | None
    declared: bool
    layers: int
    tokenised: Tokenised


def named(name: str, *, revision: str = "", declared: str = "") -> Subject:
    """Return the model of a folder or of the hub; its weights are not fetched yet.

    Parameters
    ----------
    name : str
        A folder, or a repository on the hub.
    revision : str
        Commit on the hub; "" for that of the table of models, or else the main branch's.
    declared : str
        The checkpoint that a folder is said to hold; "" if nothing is said.

    Raises
    ------
    EmbeddingError
        If it cannot be had, is of no known family, or is not the checkpoint that it is said to be.
    """
    folder = Path(name)
    if folder.is_dir():
        if revision:
            msg = f"{name}: is a folder, and --revision is for models on the hub"
            raise EmbeddingError(msg)
        source, known = local(folder), None
        # The stand-in is known by its folder's name, which is no name on the hub, and by what is
        # in it: any model could be called so.
        stand_in = find(source.model)
        if stand_in and "/" not in stand_in.repo and stand_in.revision == source.revision:
            known = stand_in
    elif declared:
        msg = f"--as says what a folder holds, and {name} is none"
        raise EmbeddingError(msg)
    elif "/" not in name:
        msg = f"{name}: no such folder; models on the hub have a slash in their names"
        raise EmbeddingError(msg)
    else:
        known = find(name)
        pinned = known.revision if known else ""
        source = fetch(known.repo if known else name, revision or pinned, weights=False)
    config = source.config()
    family = families.family_of(config, source.model)
    shape = families.text_shape(config, family)
    if declared:
        known = find(declared)
        if known is None:
            msg = f"--as {declared}: is not in the table of models; `claims models` shows it"
            raise EmbeddingError(msg)
    fits = known and shape == (known.shape["model_type"], known.width, known.layers)
    if known is not None and not fits:
        msg = (
            f"{name}: is a {shape[0]} of width {shape[1]} and {shape[2]} layers; {known.repo} is a "
            f"{known.shape['model_type']} of width {known.width} and {known.layers} layers"
        )
        raise EmbeddingError(msg)
    return Subject(
        source.model,
        source.revision,
        source,
        family,
        known,
        bool(declared),
        shape[2],
        own_tokens(source.folder, family.name),
    )


def of_words(name: str) -> Subject:
    """Return the architecture of a checkpoint in the table, which is to read plain words.

    Raises
    ------
    EmbeddingError
        If the table has no such checkpoint.
    """
    known = find(name)
    if known is None:
        msg = f"{name}: --words takes an architecture from the table; `claims models` shows it"
        raise EmbeddingError(msg)
    entry = json.dumps(dict(known.shape), sort_keys=True)
    return Subject(
        known.repo,
        hashlib.sha256(entry.encode()).hexdigest(),
        None,
        FAMILIES[known.family],
        known,
        False,
        known.layers,
        word_tokens(known.family, bos=known.bos),
    )
