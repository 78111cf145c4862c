"""What `claims embed` does."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from tqdm import tqdm

from core.agent.instructions import SENTENCES
from core.embedding import making, store
from core.embedding.errors import EmbeddingError
from core.embedding.making import Subject


def embed(options: argparse.Namespace) -> int:
    """Embed the sentences with every model that is named, and print what was written."""
    _check(options)
    # All of them first: what is gated or misspelt should not show after hours of work.
    subjects = [_subject(name, options) for name in options.model]
    twice = [name for name, n in Counter(store.slug(s.model) for s in subjects).items() if n > 1]
    if twice:
        msg = f"two models would be written as {twice[0]!r}; rename a folder, or run them apart"
        raise EmbeddingError(msg)
    paths = []
    for subject in subjects:
        for seed in options.untrained or [None]:
            paths += _made(subject, seed, options)
    for line in table(paths):
        print(line)
    return 0


def table(paths: list[Path]) -> list[str]:
    """Return a line per file: its width, tokens per sentence, and whether it is the default."""
    rows = [("file", "width", "tokens", "default")]
    for path in paths:
        manifest = store.read_manifest(path)
        lengths = [len(tokens) for tokens in manifest["tokens"]]
        span = f"{min(lengths)} to {max(lengths)}"
        mark = "yes" if manifest["default"] else ""
        rows.append((path.name.removesuffix(".json"), str(manifest["width"]), span, mark))
    first = max(len(row[0]) for row in rows)
    lines = [f"{row[0]:<{first}}  {row[1]:>5}  {row[2]:<8}  {row[3]}".rstrip() for row in rows]
    return [*lines, *(f"in {folder}" for folder in sorted({path.parent for path in paths}))]


def _check(options: argparse.Namespace) -> None:
    fault = ""
    if options.words and not options.untrained:
        fault = "--words is for random weights; add --untrained SEED"
    elif options.words and (options.revision or options.declared):
        fault = "--words takes nothing but an architecture; leave out --revision and --as"
    elif len(options.model) > 1 and (options.revision or options.declared):
        fault = "--revision and --as are of one model; run the others apart"
    if fault:
        raise EmbeddingError(fault)


def _subject(name: str, options: argparse.Namespace) -> Subject:
    if options.words:
        return making.of_words(name)
    return making.named(name, revision=options.revision or "", declared=options.declared or "")


def _made(subject: Subject, seed: int | None, options: argparse.Namespace) -> list[Path]:
    wanted = making.readings(subject, options.pooling or (), options.bos or "")
    states = [making.standing(subject, each, seed, options.out) for each in wanted]
    if all(state is None for state in states):
        print(f"{subject.model}: there already, intact, of revision {subject.revision[:12]}")
        return [making.path_of(subject, each, seed, options.out) for each in wanted]
    for state in filter(None, states):
        print(f"made anew: {state}")
    total = len(SENTENCES) * len({each.cut.bos for each in wanted})
    with tqdm(total=total, desc=subject.model, unit="sentence", disable=None) as bar:
        return making.make(
            subject, wanted, seed, options.out, batch=options.batch, progress=bar.update
        )
