"""One model's embeddings, from its name to its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from core.agent.instructions import SENTENCES
from core.embedding import extraction, families, store
from core.embedding.errors import EmbeddingError
from core.embedding.families import FAMILIES, Family
from core.embedding.hub import Source, fetch, local
from core.embedding.references import Checkpoint, find
from core.embedding.tokens import Cut, Tokenised, own_tokens, word_tokens
from core.evidence.errors import EvidenceError
from core.evidence.provenance import provenance

#: What must be the same for a file to be kept.
SAME = ("revision", "checkpoint", "declared", "family", "tokenizer", "tokens", "default")


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


@dataclass(frozen=True)
class Reading:
    """One way to embed the sentences: which tokens, and what is taken of the hidden states."""

    name: str
    cut: Cut
    pooling: str
    default: bool


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
        # The stand-in is known by its folder's name, which is no name on the hub.
        if not declared and (stand_in := find(source.model)) and "/" not in stand_in.repo:
            known = stand_in
    elif declared:
        msg = f"--as says what a folder holds, and {name} is none"
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
    if known is not None and not fits and (declared or source.fetched):
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
        known if fits else None,
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


def readings(subject: Subject, poolings: Sequence[str] = (), bos: str = "") -> list[Reading]:
    """Return the ways to embed with a model, the default first.

    Parameters
    ----------
    subject : Subject
    poolings : sequence of str
        Those that are wanted; none for all.
    bos : str
        "with" or "without" for only one of a decoder-only model's two ways; "" for both.

    Raises
    ------
    EmbeddingError
        If the model has none of what is wanted.
    """
    every = [
        Reading(
            f"{pooling}-{cut.bos}-bos" if cut.bos else pooling,
            cut,
            pooling,
            cut.default and pooling == subject.family.poolings[0],
        )
        for cut in subject.tokenised.cuts
        for pooling in subject.family.poolings
    ]
    wanted = [
        each
        for each in every
        if (not poolings or each.pooling in poolings) and (not bos or each.cut.bos in ("", bos))
    ]
    if not wanted:
        has = ", ".join(each.name for each in every)
        msg = f"{subject.model}: has none of the readings that are asked for; it has {has}"
        raise EmbeddingError(msg)
    return sorted(wanted, key=lambda each: not each.default)


def path_of(subject: Subject, reading: Reading, seed: int | None, folder: Path) -> Path:
    """Return the manifest's file of a reading."""
    return store.file_of(folder, _facts(subject, reading, seed))


def standing(subject: Subject, reading: Reading, seed: int | None, folder: Path) -> str | None:
    """Return why a reading must be made: "" if nothing is there, None if all is well.

    A file counts that is intact and of the same weights, tokens and checkpoint.
    """
    expected = _facts(subject, reading, seed)
    path = store.file_of(folder, expected)
    if not path.exists():
        return ""
    try:
        manifest = store.read_embedding(path).manifest
    except EvidenceError as error:
        return str(error)
    differs = [key for key in SAME if manifest[key] != expected[key]]
    return f"{path}: is of another {differs[0]}" if differs else None


def make(
    subject: Subject,
    wanted: Sequence[Reading],
    seed: int | None,
    folder: Path,
    *,
    batch: int = 16,
    progress: Callable[[int], Any] | None = None,
) -> list[Path]:
    """Embed the sentences and write the files; return the manifests.

    Parameters
    ----------
    subject : Subject
    wanted : sequence of Reading
    seed : int or None
        Of random weights; None for the model's own.
    folder : Path
    batch : int
        Sentences read at a time.
    progress : callable, optional
        Told the number of sentences after every batch; each counts once per way to cut it.

    Raises
    ------
    EmbeddingError
        If the weights cannot be had or are not the model's, or the result makes no sense.
    """
    weights: Mapping[str, str] = {}
    if seed is None:
        source = subject.source
        if source is None:
            msg = f"{subject.model}: --words is for random weights; add --untrained SEED"
            raise EmbeddingError(msg)
        if source.fetched:
            source = fetch(source.model, source.revision)
        weights = source.weights()
        model = families.load(source.folder, subject.family)
    else:
        model = _drawn(subject, seed)
    found = {
        cut: extraction.embed(model, subject.family, cut.ids, batch=batch, progress=progress)
        for cut in dict.fromkeys(each.cut for each in wanted)
    }
    about = {
        "class": type(model).__name__,
        "layers": subject.layers,
        "parameters": extraction.parameters(model),
        "weights": dict(weights),
        "dtype": "float32",
        "batch": batch,
        "produced_by": asdict(provenance()),
    }
    written = []
    for each in wanted:
        space = found[each.cut][each.pooling]
        facts = _facts(subject, each, seed) | about | {"width": space.shape[1]}
        written.append(store.write_embedding(folder, space, facts))
    return written


def _drawn(subject: Subject, seed: int) -> nn.Module:
    if subject.source is not None:
        config = families.config_in(subject.source.folder, subject.family)
    else:
        assert subject.checkpoint is not None
        words = subject.tokenised
        config = families.config_of_shape(subject.checkpoint.shape, words.vocabulary, words.special)
    return families.draw(config, subject.family, seed)


def _facts(subject: Subject, reading: Reading, seed: int | None) -> dict[str, Any]:
    """Return what a manifest says before anything is computed."""
    known = subject.checkpoint
    return {
        "model": subject.model,
        "revision": subject.revision,
        "reference": known.reference if known else "",
        "checkpoint": known.repo if known else "",
        "declared": subject.declared,
        "family": subject.family.name,
        "pooling": reading.name,
        "default": reading.default,
        "untrained": seed,
        "tokenizer": {"class": subject.tokenised.name, "kind": subject.tokenised.kind},
        "tokens": [list(sentence) for sentence in reading.cut.tokens],
        "sentences": list(SENTENCES),
    }
