"""Reading the authors' workbooks strictly: text stays text, a blank number is NaN, no guessing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from python_calamine import CalamineError

from core.evidence.errors import EvidenceError

# The same dimension is spelled several ways across the released files.
_SPELLINGS = {"foot_leg": "foot", "hand_arm": "hand"}


def read_sheet(path: Path, sheet: str | int = 0) -> pd.DataFrame:
    """Return one sheet with every cell as stored: a blank one is "", the word NA is "NA".

    Raises
    ------
    EvidenceError
        When the file is no workbook, or has no such sheet.
    """
    try:
        frame = pd.read_excel(
            path,
            sheet_name=sheet,
            dtype=object,
            keep_default_na=False,
            na_filter=False,
            engine="calamine",
        )
    except (ValueError, KeyError, OSError, zipfile.BadZipFile, CalamineError) as error:
        raise EvidenceError(f"{path.name}, sheet {sheet!r}: cannot be read: {error}") from error
    if frame.empty:
        raise EvidenceError(f"{path.name}, sheet {sheet!r}: no rows")
    return frame


def column(frame: pd.DataFrame, wanted: str, file: str) -> pd.Series:
    """Return the one column of that name, whatever its case and however its limb is spelled.

    Raises
    ------
    EvidenceError
        When no column, or more than one, goes by that name.
    """
    found = [name for name in frame.columns if _plain(str(name)) == _plain(wanted)]
    if len(found) != 1:
        fault = "is missing" if not found else f"is there {len(found)} times"
        raise EvidenceError(f"{file}: column {wanted} {fault}")
    return pd.Series(frame[found[0]])


def texts(frame: pd.DataFrame, wanted: str, file: str, *, blank: bool = False) -> tuple[str, ...]:
    """Return a column of text; a cell that is not text (or is blank, unless allowed) is an error.

    Raises
    ------
    EvidenceError
        Naming the file, the column and the row (counted from 2, as the sheet shows it).
    """
    values = column(frame, wanted, file).tolist()
    for row, value in enumerate(values, start=2):
        if not isinstance(value, str) or not (blank or value.strip()):
            raise EvidenceError(f"{file}: column {wanted}, row {row}: {value!r} is not a word")
    return tuple(values)


def numbers(frame: pd.DataFrame, wanted: str, file: str) -> np.ndarray:
    """Return a column of numbers as float64, shape (rows,); a blank cell is NaN.

    Raises
    ------
    EvidenceError
        On any other cell that is not a finite number; names the file, the column and the row.
    """
    values = column(frame, wanted, file).tolist()
    for row, value in enumerate(values, start=2):
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (value == "" or (number and np.isfinite(value))):
            raise EvidenceError(f"{file}: column {wanted}, row {row}: {value!r} is not a number")
    return np.array([np.nan if value == "" else value for value in values], dtype=np.float64)


def _plain(name: str) -> str:
    name = name.strip().lower()
    for spelling, plain in _SPELLINGS.items():
        if name.startswith(spelling):
            return plain + name[len(spelling) :]
    return name
