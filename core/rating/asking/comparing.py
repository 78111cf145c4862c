"""Tables rebuilt from answers against the released workbooks: every cell that differs, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.evidence.completions import faults
from core.evidence.mapping import ratings_table, rebuild_ratings
from core.evidence.released import LANGUAGES, Released

#: The two released tables that hold every rating, and how a cell of one and our own can go.
TABLES = ("outputs", "ratings")
KINDS = ("equal", "blank", "different")
_WHY = {
    "missing": "the file has no answer to it",
    "duplicate": "the file answers it more than once, so that none counts",
    "refusal": "refused",
    "non_numeric": "no plain number",
    "out_of_range": "off the scale",
    "truncated": "cut at the length limit",
    "error": "failed",
}


@dataclass(frozen=True)
class Cell:
    """A cell that is not one number on both sides.

    Attributes
    ----------
    language, table, model, dimension, word : str
        The table is "outputs", the workbooks of one dimension each, or "ratings", the one that the
        analysis reads.
    workbook, answer : float
        What the workbook holds and what the answers give; NaN where blank.
    file : str
        The file of answers; "" if there is none for this model and dimension.
    why : str
        What the answer was.
    """

    language: str
    table: str
    model: str
    dimension: str
    word: str
    workbook: float
    answer: float
    file: str
    why: str

    @property
    def blank(self) -> bool:
        """Whether neither side has a number, so that they agree."""
        return bool(np.isnan(self.workbook) and np.isnan(self.answer))


@dataclass(frozen=True)
class Comparison:
    """Rebuilt tables beside the released ones.

    Attributes
    ----------
    counts : mapping of (language, table, model) to mapping of str to int
        Of the cells, how many hold the same number ("equal"), nothing on either side ("blank"), or
        differ ("different").
    cells : tuple of Cell
        Every one that is blank or different.
    """

    counts: Mapping[tuple[str, str, str], Mapping[str, int]]
    cells: tuple[Cell, ...]

    @property
    def different(self) -> tuple[Cell, ...]:
        """The cells in which the two sides differ."""
        return tuple(cell for cell in self.cells if not cell.blank)


def compare(
    released: Released, answers: pd.DataFrame, words: Mapping[str, Sequence[str]]
) -> Comparison:
    """Compare what answers give with the released workbooks, cell by cell.

    Parameters
    ----------
    released : Released
        Its workbooks of one dimension each and its analysis workbooks are compared.
    answers : DataFrame
        Columns of `core.evidence.completions.read_completions`.
    words : mapping of str to sequence of str
        The evaluation order of each language.
    """
    about = ["language", "model", "dimension"]
    files = {
        tuple(map(str, row[:3])): str(row[3])
        for row in answers.drop_duplicates("file")[[*about, "file"]].to_numpy()
    }
    why = _reasons(answers, words)
    counts: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    cells = []
    for language in LANGUAGES:
        rebuilt = rebuild_ratings(answers, language, list(words[language]))
        workbooks = released.outputs(language), ratings_table(released.ratings(language))
        for table, workbook in zip(TABLES, workbooks, strict=True):
            for model, dimension, word, left, right in _aligned(workbook, rebuilt):
                kind = _kind(left, right)
                counts[language, table, model][kind] += 1
                if kind == "equal":
                    continue
                file = files.get((language, model, dimension), "")
                said = why.get((file, word)) or _unexplained(left, right)
                cells.append(Cell(language, table, model, dimension, word, left, right, file, said))
    return Comparison(dict(counts), tuple(cells))


def _aligned(left: pd.DataFrame, right: pd.DataFrame):
    """Yield model, dimension, word and both numbers of every cell that either table has."""
    index = [*left.index, *(word for word in right.index if word not in left.index)]
    columns = [*left.columns, *(name for name in right.columns if name not in left.columns)]
    for name in columns:
        model, dimension = map(str, name)
        sides = (
            table[name].reindex(index).tolist() if name in table else [np.nan] * len(index)
            for table in (left, right)
        )
        for word, *pair in zip(index, *sides, strict=True):
            yield model, dimension, str(word), *pair


def _kind(left: float, right: float) -> str:
    if np.isnan(left) and np.isnan(right):
        return "blank"
    return "equal" if left == right else "different"


def _reasons(
    answers: pd.DataFrame, words: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], str]:
    """Return what was wrong with the answer to a word, by file and word."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    table = faults(answers, words)
    for file, word, fault, content in table[["file", "word", "fault", "content"]].to_numpy():
        said = _WHY.get(fault) or str(fault)
        found[file, word].append(f"{said}: {content!r}" if content else said)
    return {cell: "; ".join(dict.fromkeys(said)) for cell, said in found.items()}


def _unexplained(workbook: float, answer: float) -> str:
    if np.isnan(workbook):
        return f"the workbook is blank, the answer is a good {answer:g}"
    if np.isnan(answer):
        return f"the workbook has {workbook:g}, and no file holds an answer"
    return f"the workbook has {workbook:g}, the answer says {answer:g}"
