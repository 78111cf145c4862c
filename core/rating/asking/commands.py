"""What `claims rate` does."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from core.evidence.errors import EvidenceError
from core.evidence.readers import models_of
from core.evidence.studies import Study, read_study, registered
from core.files import write_atomically
from core.rating.asking import backends, tables
from core.rating.asking.backend import Backend
from core.rating.asking.run import Run, ask, plan, reconcile
from core.rating.asking.scrub import is_openai
from core.rating.asking.store import AnswerStore
from core.rating.asking.wanted import LANGUAGES, Wanted, wanted
from core.rating.study import add_ratings, begin_study, register

#: Exit code where some ratings asked for have no answer yet.
INCOMPLETE = 3


def rate(options: argparse.Namespace) -> int:
    """Ask a model for ratings and print what came of it; returns 0, or 3 if some are missing."""
    backends.kind(options)
    want = wanted(options)
    backend = backends.make(options, tqdm.write)
    print(_asked(options, want, backend))
    if options.dry_run:
        return _dry_run(options, want, backend)
    if want.dataset is not None:
        # Before anything is asked: that the folder is another data set's should show at once.
        begin_study(options.out, want.dataset)
    items = plan(want.words, want.language, want.dimensions)
    with AnswerStore(options.store) as store:
        with tqdm(total=len(items), desc=options.role, unit="rating", disable=None) as bar:
            run = ask(backend, items, store, partial(_on, bar), partial(_there, bar))
        answers = tables.long_table(run.now.answered, store)
        keep = _unjudged if want.dataset is None else _judged
        path, following = keep(options, want, backend, store)
    for line in [*_came(run, answers, path), *_remarks(options, run), *following]:
        print(line)
    return 0 if run.complete else INCOMPLETE


def _on(bar: tqdm[Any], n: int) -> None:
    bar.update(n)


def _there(bar: tqdm[Any], n: int) -> None:
    # Not counted as progress: what was there tells nothing of how fast the rest will come.
    bar.initial = bar.n = n
    bar.refresh()


def _asked(options: argparse.Namespace, want: Wanted, backend: Backend) -> str:
    n, words, dimensions = len(want.words) * len(want.dimensions), want.words, want.dimensions
    return (
        f"{options.role} in {LANGUAGES[want.language]}: {n:,} ratings, {len(words):,} words on "
        f"{len(dimensions)} dimensions, of {backend.model} ({backend.name})"
    )


def _dry_run(options: argparse.Namespace, want: Wanted, backend: Backend) -> int:
    items = plan(want.words, want.language, want.dimensions)
    requests = missing = tuple(map(backend.request, items))
    if options.store.exists():
        with AnswerStore(options.store) as store:
            missing = reconcile(requests, store).missing
    print(f"answered already: {len(requests) - len(missing):,}; to be asked: {len(missing):,}")
    for line in backends.foreseen(options, backend, missing):
        print(line)
    return 0


def _judged(
    options: argparse.Namespace, want: Wanted, backend: Backend, store: AnswerStore
) -> tuple[Path, list[str]]:
    """Write all that the model ever answered about the test words into the study.

    Not only what was asked now: a few words asked anew must not take the others' place.
    """
    items = plan(want.all_words, want.language, want.all_dimensions)
    requests = list(map(backend.request, items))
    answers = tables.long_table(requests, store)
    path = options.out / f"{want.language}.{options.role}.answers.csv"
    if answers.empty:
        return path, []
    about = {"model": backend.model, "backend": backend.name, "seed": options.seed}
    about |= backend.about
    missing = len(requests) - len(answers)
    there = read_study(options.out).manifest["ratings"].get(f"{want.language}/{options.role}")
    if there and there["missing"] < missing:
        # Those of another model, or from another store; what was answered now is kept in ours.
        said = f"{options.out} keeps the ratings of {there['model']}, of which {there['missing']:,}"
        return path, [f"{said} are missing: of {backend.model} {missing:,} are still to be asked"]
    study = add_ratings(options.out, options.role, want.language, answers, about)
    lines = [f"wrote {options.role} in {LANGUAGES[want.language]} into {options.out}"]
    if missing:
        return path, [*lines, f"{missing:,} of the {len(requests):,} ratings are still to be asked"]
    judge = "pytest claims/ --evidence fresh"
    if study.people == "simulated" and (there := _of_people()):
        judge += f" --study {options.out}"
        lines.append(f"people are made up here: the study {there} stays the registered one")
    else:
        register(options.out)
    return path, [*lines, *_next(study, options, want.language, judge)]


def _of_people() -> Path | None:
    """Return the registered study if it is on real people."""
    try:
        there = registered()
        return there if there and read_study(there).people != "simulated" else None
    except EvidenceError:
        # What cannot be read, or is gone, is not kept.
        return None


def _unjudged(
    options: argparse.Namespace, want: Wanted, backend: Backend, store: AnswerStore
) -> tuple[Path, list[str]]:
    """Write answers about other words beside the study, as tables of their own."""
    items = plan(want.words, want.language, want.dimensions)
    answers = tables.long_table(list(map(backend.request, items)), store)
    wide = tables.wide_table(answers, want.words, want.dimensions)
    name = f"{want.language}.{options.role}.{Path(options.words).stem}"
    paths = [options.out / "unjudged" / f"{name}{end}.csv" for end in ("", ".answers")]
    for path, table in zip(paths, (wide, answers), strict=True):
        text = table.to_csv(index=False, lineterminator="\n")
        # A model can answer anything, halves of characters too.
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    lines = [f"wrote {paths[0]} and {paths[1].name}: not the data's test words, so not judged"]
    return paths[1], lines


def _next(study: Study, options: argparse.Namespace, language: str, judge: str) -> list[str]:
    roles = models_of(language)
    if options.role not in roles:
        return [f"{options.role} in {LANGUAGES[language]} is none of the paper's: kept, not judged"]
    missing = [one for one in roles if one not in study.roles(language)]
    if missing:
        names = ", ".join(missing)
        return [f"next: claims rate --language {language} --as each of {names}, then judge"]
    return [f"next: {judge}"]


def _came(run: Run, answers: pd.DataFrame, path: Path) -> list[str]:
    """Return what came of a run: counts, and what is no rating or has no answer by name."""
    counts = ", ".join(f"{status} {n:,}" for status, n in tables.counts(answers).items())
    before, now, without = run.before, run.outcome.answered, len(run.now.missing)
    lines = [
        f"answered before: {before:,}; now: {now:,}; without an answer: {without:,}",
        f"answers: {counts}",
    ]
    bad = tables.bad_answers(answers)
    lines += [f"no rating: {line}" for line in tables.first_few(bad, str(path))]
    tried = [one for one in run.now.missing if one.key in run.outcome.failed]
    named = tables.unanswered(tried, run.outcome.failed)
    lines += [f"no answer: {line}" for line in tables.first_few(named)]
    if untried := len(run.now.missing) - len(tried):
        lines.append(f"not asked: {untried:,}")
    return lines


def _remarks(options: argparse.Namespace, run: Run) -> list[str]:
    notes = [f"note: {note}" for note in run.outcome.notes]
    if run.now.repeated:
        notes.append(f"note: {len(run.now.repeated):,} ratings wanted twice are asked for once")
    if options.seed is not None and backends.kind(options) == "local":
        notes.append("note: --seed changes nothing, a model here answers greedily")
    elsewhere = options.base_url is not None and not is_openai(options.base_url)
    if run.before and elsewhere:
        notes.append(
            f"note: {run.before:,} answers of a model called {options.model} were there before; "
            "if it is another one now, name another --store"
        )
    if run.outcome.stopped:
        notes.append(f"stopped: {run.outcome.stopped}")
    elif not run.complete:
        notes.append("not all were answered; run it again to ask for those alone")
    return notes
