"""What `claims replay` does."""

from __future__ import annotations

import argparse
import csv
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from core.evidence.readers import dimensions_of, models_of
from core.evidence.released import LANGUAGES, Released
from core.files import write_atomically
from core.rating.asking.comparing import KINDS, TABLES, Cell, Comparison, compare
from core.rating.asking.parsing import STATUSES
from core.rating.asking.released_people import ReleasedPeople
from core.rating.asking.replay import (
    Ingested,
    answers_of,
    evaluated,
    ingest,
    long_table,
    released_files,
)
from core.rating.asking.store import AnswerStore
from core.rating.study import add_ratings, begin_study

#: How many cells are named on the terminal; all of them stand in the study's cells.csv.
SHOWN = 20


def replay(options: argparse.Namespace) -> int:
    """Ingest the released answers, compare the tables they give, and write them as a study."""
    begun = time.monotonic()
    released = Released.from_environment()
    files, words = released_files(released), evaluated(released)
    with AnswerStore(options.store) as store:
        size = sum(file.size for file in files)
        with tqdm(total=size, desc="ingesting", unit="B", unit_scale=True, disable=None) as bar:
            done = ingest(files, words, store, bar.update)
        with tqdm(total=done.lines, desc="reading back", unit="answer", disable=None) as bar:
            answers = answers_of(files, words, store, bar.update)
    found = compare(released, answers, words)
    for line in _told(done, len(files), found, answers, time.monotonic() - begun):
        print(line)
    _write(options.out, released, answers, words, found)
    print(f"wrote {options.store} and the study {options.out}, all the cells named in cells.csv")
    print(
        f"as a check of parser and judging: pytest claims/ --evidence fresh --study {options.out}"
    )
    return 1 if found.different else 0


def _told(
    done: Ingested, files: int, found: Comparison, answers: pd.DataFrame, seconds: float
) -> list[str]:
    there = "" if done.new == done.lines else f", {done.lines - done.new:,} of them there already"
    return [
        f"{done.lines:,} answers in {files} files{there}; {seconds:.0f} s in all",
        "the requests are rebuilt from the released prompts: what was sent is not released",
        *_table(found, answers),
        *_named(found),
    ]


def _table(found: Comparison, answers: pd.DataFrame) -> list[str]:
    """Return a line per language and model: answers by status, then cells of both workbooks."""
    about = answers[["language", "model", "status"]].itertuples(index=False, name=None)
    statuses = Counter(about)
    seen = [status for status in STATUSES if any(status == each[2] for each in statuses)]
    rows = [["", "answers", *seen, *(f"cells {kind}" for kind in KINDS)]]
    for language in LANGUAGES:
        for model in models_of(language):
            counts = [statuses[language, model, status] for status in seen]
            both = [found.counts.get((language, table, model), {}) for table in TABLES]
            summed = [sum(counted.get(kind, 0) for counted in both) for kind in KINDS]
            numbers = (sum(counts), *counts, *summed)
            rows.append([f"{language} {model}", *(f"{n:,}" for n in numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]


def _named(found: Comparison) -> list[str]:
    different, blank = found.different, [cell for cell in found.cells if cell.blank]
    cells = sum(sum(counts.values()) for counts in found.counts.values())
    lines = [
        f"{cells:,} cells, as each rating stands in two released tables: {len(different)} differ"
    ]
    lines += [_line(cell) for cell in different[:SHOWN]]
    if len(different) > SHOWN:
        lines.append(f"  and {len(different) - SHOWN} more")
    # The same answer leaves its cell blank in both tables.
    once = {(cell.file, cell.word): cell for cell in blank}
    if once:
        lines.append(f"blank in the workbooks and without a good answer: {len(once)}")
        lines += [_line(cell) for cell in list(once.values())[:SHOWN]]
        if len(once) > SHOWN:
            lines.append(f"  and {len(once) - SHOWN} more")
    return lines


def _line(cell: Cell) -> str:
    where = f"{cell.file or 'no file'}: {cell.word!r} ({cell.model}, {cell.dimension})"
    return f"  {where}: {cell.why}" if cell.blank else f"  {cell.table}, {where}: {cell.why}"


def _write(
    folder: Path,
    released: Released,
    answers: pd.DataFrame,
    words: Mapping[str, Sequence[str]],
    found: Comparison,
) -> None:
    begin_study(folder, ReleasedPeople(released))
    for language in LANGUAGES:
        for model in models_of(language):
            rows = answers.loc[(answers["language"] == language) & (answers["model"] == model)]
            ids = sorted(set(rows["model_id"]) - {""})
            about = {"model": ", ".join(ids), "backend": "replay"}
            table = long_table(rows, words[language], dimensions_of(language))
            add_ratings(folder, model, language, table, about)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Cell)])
    writer.writerows(
        ["" if isinstance(x, float) and np.isnan(x) else x for x in astuple(cell)]
        for cell in found.cells
    )
    write_atomically(folder / "cells.csv", text.getvalue())
