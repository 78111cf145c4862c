"""One model's embeddings: which readings it has, which are there, and making the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from core.agent.instructions import SENTENCES
from core.embedding import extraction, families, store
from core.embedding.errors import EmbeddingError
from core.embedding.hub import fetch
from core.embedding.subjects import Subject
from core.embedding.tokens import Cut
from core.evidence.errors import EvidenceError
from core.evidence.provenance import provenance

#: What must be the same for a file to count as made already.
SAME = ("revision", "checkpoint", "declared", "family", "tokenizer", "tokens", "default")


@dataclass(frozen=True)
class Reading:
    """One way to embed the sentences: which tokens, and what is taken of the hidden states."""

    name: str
    cut: Cut
    pooling: str
    default: bool


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
        If the model has none of what is wanted, or `bos` is named where it leaves no choice.
    """
    if bos and subject.family.name != "decoder":
        msg = f"{subject.model}: is no decoder-only model, and --bos is for those; leave it out"
        raise EmbeddingError(msg)
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


def is_made(subject: Subject, reading: Reading, seed: int | None, folder: Path) -> bool:
    """Return whether a reading is there, intact, of the same weights, tokens and checkpoint.

    A matrix without its manifest, or a manifest without its matrix, is not: neither is of use.

    Raises
    ------
    EmbeddingError
        If what is there under its name is damaged or something else: it might be wanted, so it is
        not for this run to replace it.
    """
    expected = _facts(subject, reading, seed)
    path = store.file_of(folder, expected)
    if not path.exists():
        return False
    try:
        manifest = store.read_manifest(path)
        differs = [key for key in SAME if manifest[key] != expected[key]]
        if not differs and store.matrix_of(path).exists():
            store.read_embedding(path)
            return True
    except EvidenceError as error:
        raise EmbeddingError(str(error)) from error
    if not differs:
        return False
    other = subject.source is not None and not subject.source.fetched
    # Of the same contents under another declaration, another name would not help.
    other = other and differs[0] not in ("checkpoint", "declared")
    remedy = "rename the folder, or use --out" if other else "delete it, or use another --out"
    msg = f"{path}: is there already, of another {differs[0]}; {remedy}"
    raise EmbeddingError(msg)


def make(
    subject: Subject,
    wanted: Sequence[Reading],
    seed: int | None,
    folder: Path,
    *,
    batch: int = 16,
    progress: Callable[[int], Any] | None = None,
) -> list[Path]:
    """Embed the sentences and write the files, over any that are there; return the manifests.

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
    where = str(subject.source.folder) if subject.source else subject.model
    options: dict[str, Any] = {"batch": batch, "progress": progress, "where": where}
    found = {
        cut: extraction.embed(model, subject.family, cut.ids, **options)
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
