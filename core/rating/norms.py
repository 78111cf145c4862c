"""People's ratings as published: the Lancaster norms and the Dutch sensory norms.

Paper: Methods, "Psycholinguistic Norms". References in `sources.toml`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.readers import COUNTS, DUTCH_NAME, LARGEST_COUNT
from core.evidence.tables import ALL, HIGHEST, LOWEST, MOTOR, SENSORY
from core.evidence.workbooks import column, numbers, read_sheet, texts
from core.rating.sources import sources

#: Where the Dutch norms stand in their workbook.
_SHEETS: tuple[str | int, ...] = (0, "SensoryRatings")


@dataclass(frozen=True, eq=False)
class Norms:
    """Words with people's ratings: column word, then numbers; and what was set aside, by line."""

    table: pd.DataFrame
    notes: tuple[str, ...]


def read_lancaster(path: Path) -> Norms:
    """Read the Lancaster norms, a CSV with a row per word.

    Returns
    -------
    Norms
        Columns word (as written, in capitals), the eleven means in [0, 5], ``<dimension>.SD`` and
        ``<dimension>.N``. The words NA and NULL are words. A count of raters above 1000 has lost
        its decimal point: it is set aside as NaN and named. So is a word without all its means.

    Raises
    ------
    EvidenceError
        When a column is missing, a cell is no number, a mean is off the scale, or a word stands
        twice; names the column and the word.
    """
    frame, file = _read_csv(path), path.name
    words = texts(frame, "Word", file)
    means = {d: _numbers(frame, f"{d}.mean", file) for d in ALL}
    deviations = {f"{d}.SD": _numbers(frame, f"{d}.SD", file) for d in ALL}
    counts: dict[str, np.ndarray] = {}
    notes: list[str] = []
    for name, dimensions in zip(COUNTS, (SENSORY, MOTOR), strict=True):
        count = _numbers(frame, name, file)
        wrong = count > LARGEST_COUNT
        notes += [
            f"{file}: {name} of {words[row]} is {count[row]:g}: set aside"
            for row in np.flatnonzero(wrong)
        ]
        counts |= {f"{d}.N": np.where(wrong, np.nan, count) for d in dimensions}
    return _norms("lancaster", file, words, means, deviations | counts, notes)


def read_dutch(path: Path) -> Norms:
    """Read the Dutch norms, a workbook or CSV with columns Woord, Horen, Zien, Ruiken and so on.

    Returns
    -------
    Norms
        Columns word and the six senses under their English names; otherwise as `read_lancaster`.
    """
    frame = _read_book(path) if path.suffix.lower() == ".xlsx" else _read_csv(path)
    file = path.name
    means = {d: _numbers(frame, DUTCH_NAME[d], file) for d in SENSORY}
    return _norms("dutch", file, texts(frame, "Woord", file), means, {}, [])


def _norms(
    name: str,
    file: str,
    words: tuple[str, ...],
    means: dict[str, np.ndarray],
    more: dict[str, np.ndarray],
    notes: Iterable[str],
) -> Norms:
    table, told = pd.DataFrame({"word": list(words)} | means | more), list(notes)
    seen: set[str] = set()
    for word in words:
        if word in seen:
            raise EvidenceError(f"{file}: {word!r} stands twice")
        seen.add(word)
    for dimension, values in means.items():
        off = np.flatnonzero((values < LOWEST) | (values > HIGHEST))
        if len(off):
            raise EvidenceError(
                f"{file}: {dimension} of {words[off[0]]!r} is {values[off[0]]:g}, "
                f"outside [{LOWEST:g}, {HIGHEST:g}]"
            )
    lacking = np.isnan(np.column_stack(list(means.values()))).any(axis=1)
    told += [f"{file}: {words[row]} has no full row of means" for row in np.flatnonzero(lacking)]
    expected = sources()[name].words
    if len(words) != expected:
        told.append(f"{file}: {len(words):,} words, where the published norms have {expected:,}")
    return Norms(pd.DataFrame(table.loc[~lacking]).reset_index(drop=True), tuple(told))


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        # A sheet saved as CSV has semicolons where the decimal sign is a comma.
        with path.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        marks = {mark: header.count(mark) for mark in (",", ";", "\t")}
        mark = max(marks, key=lambda sign: marks[sign])
        frame = pd.read_csv(path, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise EvidenceError(f"{path}: cannot be read: {error}") from error
    return frame.map(lambda cell: cell.replace(",", ".")) if mark == ";" else frame


def _read_book(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise EvidenceError(f"{path}: no such file")
    first = read_sheet(path, _SHEETS[0])
    if "woord" in {str(name).strip().lower() for name in first.columns}:
        return first
    return read_sheet(path, _SHEETS[1])


def _numbers(frame: pd.DataFrame, wanted: str, file: str) -> np.ndarray:
    # A cell of a CSV is text; what is no number is left for `numbers` to name, with its row.
    cells = column(frame, wanted, file).map(_decimal)
    return numbers(pd.DataFrame({wanted: cells.astype(object)}), wanted, file)


def _decimal(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return float(cell)
    except ValueError:
        return cell.strip()
