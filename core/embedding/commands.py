"""What `claims embed` does."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from core.agent.instructions import SENTENCES
from core.embedding import making, store, subjects
from core.embedding.errors import EmbeddingError
from core.embedding.making import Reading
from core.embedding.subjects import Subject


@dataclass(frozen=True)
class Plan:
    """One model with one set of weights.

    Attributes
    ----------
    subject : Subject
    seed : int or None
        Of random weights; None for the model's own.
    missing : list of Reading
        What is not there yet.
    paths : list of Path
        The manifests of all that is wanted.
    """

    subject: Subject
    seed: int | None
    missing: list[Reading]
    paths: list[Path]


def embed(options: argparse.Namespace) -> int:
    """Embed the sentences with every model that is named, and print what was written."""
    _check(options)
    # All of them first: what is gated, misspelt or in the way should not show after hours of work.
    found = [_subject(name, options) for name in options.model]
    twice = _twice(store.slug(subject.model) for subject in found)
    if twice:
        msg = f"two models would be written as {twice[0]!r}; rename a folder, or run them apart"
        raise EmbeddingError(msg)
    plan = [
        _planned(subject, seed, options)
        for subject in found
        for seed in options.untrained or [None]
    ]
    for each in plan:
        _make(each, options)
    for line in table([path for each in plan for path in each.paths]):
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
    elif twice := _twice(options.untrained or ()):
        fault = f"--untrained names the seed {twice[0]} twice; leave one out"
    if fault:
        raise EmbeddingError(fault)


def _subject(name: str, options: argparse.Namespace) -> Subject:
    if options.words:
        return subjects.of_words(name)
    return subjects.named(name, revision=options.revision or "", declared=options.declared or "")


def _twice(names: Iterable[Any]) -> list[Any]:
    return [name for name, n in Counter(names).items() if n > 1]


def _planned(subject: Subject, seed: int | None, options: argparse.Namespace) -> Plan:
    wanted = making.readings(subject, options.pooling or (), options.bos or "")
    missing = [each for each in wanted if not making.is_made(subject, each, seed, options.out)]
    paths = [making.path_of(subject, each, seed, options.out) for each in wanted]
    return Plan(subject, seed, missing, paths)


def _make(plan: Plan, options: argparse.Namespace) -> None:
    subject, missing = plan.subject, plan.missing
    if not missing:
        print(f"{subject.model}: there already, intact, of revision {subject.revision[:12]}")
        return
    total = len(SENTENCES) * len({each.cut.bos for each in missing})
    with tqdm(total=total, desc=subject.model, unit="sentence", disable=None) as bar:
        making.make(
            subject, missing, plan.seed, options.out, batch=options.batch, progress=bar.update
        )
