"""What `claims data` does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from core.evidence.errors import EvidenceError
from core.evidence.readers import dimensions_of
from core.evidence.released import Released
from core.rating.bilingual import PAPER, STEPS, Construction
from core.rating.dataset import MANIFEST, Dataset, read_dataset, read_manifest, write_dataset
from core.rating.errors import RatingError
from core.rating.examples import RECIPES, examples
from core.rating.making import Files, Made, from_norms, from_rehearsal, from_release

WORDS = 400
SHOWN = 10
#: Methods, "Fine-tuned Models" and "Question-Answering (QA) Task Data".
PAPER_EXAMPLES = {"En_FT": 25938, "Nl_FT": 14148, "QA_FT": 800}
_TITLES = {
    "listed": "Dutch words translated",
    "kept": "came back unchanged, not alike",
    "in_norms": "rated in both languages",
    "sampled": "sampled",
    "train": "to train on",
    "test": "to test on",
}


def make(options: argparse.Namespace) -> int:
    """Make a data set, print what is in it, and write it."""
    files = Files(
        options.lancaster,
        options.dutch,
        options.translations,
        options.questions,
        options.train_questions,
    )
    if options.origin == "rehearsal":
        made = from_rehearsal(options.seed, options.words or WORDS)
    elif options.origin == "release":
        made = from_release(Released.from_environment(), files, options.seed)
    else:
        way = options.pairs or "grouped"
        made = from_norms(Released.from_environment(), files, way, options.seed)
    there = _there(options.out, made.dataset, force=options.force)
    for line in report(made):
        print(line)
    if there:
        print(f"{options.out} holds this data set already; nothing was written")
        return 0
    write_dataset(options.out, made.dataset)
    print(f"wrote {options.out}: en.csv, nl.csv, questions.json, {MANIFEST}")
    return 0


def report(made: Made) -> Iterator[str]:
    """Yield what there is to say of a data set, line by line."""
    dataset = made.dataset
    train, test = (len(dataset.words("en", split)) for split in ("train", "test"))
    asked = dataset.questions["split"].tolist()
    yield (
        f"data set {dataset.digest[:12]}, people: {dataset.people}. "
        f"{train + test:,} pairs of words, {train:,} to train on and {test:,} to test on; "
        f"{len(asked):,} questions, {asked.count('train'):,} to train on"
    )
    for recipe in RECIPES:
        yield f"  {recipe:<6} {_examples(dataset, recipe)}"
    yield from _table(made.constructions)
    if made.leaks:
        yield f"{len(made.leaks):,} words stand in both train and test, in one form or another:"
        yield from _some(made.leaks)
    else:
        yield "no word stands in both train and test, in whatever form"
    if made.notes:
        yield "set aside, or worth knowing:"
        yield from _some(made.notes)


def _examples(dataset: Dataset, recipe: str) -> str:
    language = {"En_FT": "en", "Nl_FT": "nl"}.get(recipe)
    try:
        n = len(examples(dataset, recipe))
    except RatingError as error:
        return f"no examples: {error}"
    paper = "" if dataset.people == "simulated" else f"; the paper has {PAPER_EXAMPLES[recipe]:,}"
    if language is None:
        return f"{n:>7,} examples{paper}"
    words, dimensions = len(dataset.words(language, "train")), len(dimensions_of(language))
    return f"{n:>7,} examples ({words:,} words x {dimensions} dimensions){paper}"


def _table(constructions: Sequence[tuple[Construction, int | None]]) -> Iterator[str]:
    """Yield the counts of every step, a column for the paper and for each way."""
    if not constructions:
        return
    columns = [PAPER, *(construction for construction, _ in constructions)]
    yield f"{'pairs':<32}" + "".join(f"{column.way:>11}" for column in columns)
    for step in STEPS:
        cells = [getattr(column, step) for column in columns]
        shown = ["" if cell is None else f"{cell:,}" for cell in cells]
        if step == "listed":
            shown[0] = ">24,000"
        yield f"  {_TITLES[step]:<30}" + "".join(f"{cell:>11}" for cell in shown)
    leaks = [leak for _, leak in constructions]
    if any(leak is not None for leak in leaks):
        cells = "".join(f"{'' if leak is None else f'{leak:,}':>11}" for leak in leaks)
        yield f"  {'words in both train and test':<30}{'':>11}{cells}"


def _some(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:SHOWN]:
        yield f"  {line}"
    if len(lines) > SHOWN:
        yield f"  and {len(lines) - SHOWN:,} more"


def _there(folder: Path, dataset: Dataset, *, force: bool) -> bool:
    """Return whether the folder holds this data set, whole; another is refused unless forced."""
    if force or not (folder / MANIFEST).exists():
        return False
    try:
        manifest = read_manifest(folder)
    except EvidenceError as error:
        msg = f"{error}; what {folder} holds is not known: give another --out, or --force to do so"
        raise RatingError(msg) from error
    if manifest.get("digest") != dataset.digest or manifest.get("people") != dataset.people:
        msg = (
            f"{folder} holds another data set ({manifest.get('people')}, "
            f"{str(manifest.get('digest'))[:12]}): give another --out, or --force to replace it"
        )
        raise RatingError(msg)
    try:
        return read_dataset(folder).digest == dataset.digest
    except EvidenceError as error:
        print(f"{error}: made again")
        return False
