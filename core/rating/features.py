"""Tables of words and what is known of each: ratings, norms, embeddings, one row per word."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.evidence.errors import EvidenceError


@dataclass(frozen=True, eq=False)
class Features:
    """What two tables say about the words that both describe in full.

    Attributes
    ----------
    words : tuple of str, length n
        In the first table's order.
    first, second : ndarray, shapes (n, d) and (n, e)
        Finite.
    unpaired, incomplete : int
        Words that stand in one table only, and words with a gap in either, both left out.
    """

    words: tuple[str, ...]
    first: npt.NDArray[np.float64]
    second: npt.NDArray[np.float64]
    unpaired: int
    incomplete: int


def read_features(path: Path) -> pd.DataFrame:
    """Read a CSV table: a row per word, its first column the word, all others numbers.

    Parameters
    ----------
    path : Path
        UTF-8, with a header; an empty cell is a gap. Blanks around a word do not count, nor does
        the way in which Unicode composes its letters (NFC).

    Returns
    -------
    DataFrame
        Floats, indexed by word; gaps are NaN.

    Raises
    ------
    EvidenceError
        When the file is missing, a folder or no such table, has a row longer than the header,
        repeats a word or a column, or holds a cell that is no number, as True and False are none;
        the message names the file and the place.
    """
    try:
        # "null" and "nan" are words, too.
        options: Any = {"keep_default_na": False, "na_values": [""], "encoding": "utf-8"}
        options["skipinitialspace"] = True
        names = pd.read_csv(path, dtype=str, header=None, nrows=1, **options).iloc[0]
        table = pd.read_csv(path, dtype={0: str}, **options)
    except FileNotFoundError as error:
        raise EvidenceError(f"{path}: no such file") from error
    except IsADirectoryError as error:
        raise EvidenceError(f"{path}: a folder, not a file") from error
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{path}: not a CSV table in UTF-8: {error}") from error
    if len(names) < 2 or table.empty:
        msg = f"{path}: expected a header, a column of words, columns of numbers, and rows"
        raise EvidenceError(msg)
    # Cells beyond the header would make an index of the first columns, and shift all others.
    if len(table.columns) != len(names) or not isinstance(table.index, pd.RangeIndex):
        msg = f"{path}: row 1 has more cells than the header, which has {len(names)}; mend it"
        raise EvidenceError(msg)
    column = _plain(table.iloc[:, 0])
    for each in (_plain(names), column):
        _each_once(path, each)
    words = column.to_numpy()
    columns = {name: _numbers(path, words, table[name]) for name in table.columns[1:]}
    return pd.DataFrame(columns, index=pd.Index(words))


def paired(first: pd.DataFrame, second: pd.DataFrame) -> Features:
    """Return the rows of the words that both tables describe in full.

    Parameters
    ----------
    first, second : DataFrame
        As `read_features` returns them; their columns need not be the same.

    Returns
    -------
    Features

    Raises
    ------
    EvidenceError
        When fewer than three words are left.
    """
    words: Any = first.index[first.index.isin(second.index)]
    x, y = (np.asarray(table.loc[words], np.float64) for table in (first, second))
    complete = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    if complete.sum() < 3:
        msg = (
            f"{len(words)} words stand in both tables, {int(complete.sum())} of them without a "
            "gap; RSA needs at least three"
        )
        raise EvidenceError(msg)
    unpaired = len(first) + len(second) - 2 * len(words)
    return Features(
        tuple(words[complete]), x[complete], y[complete], unpaired, int((~complete).sum())
    )


def _plain(names: pd.Series) -> pd.Series:
    """Return names as they are compared: composed, without blanks around; missing if empty."""
    plain = names.str.normalize("NFC").str.strip()
    return plain.where(plain != "")


def _each_once(path: Path, names: pd.Series) -> None:
    """Refuse columns without a name, or words, or that stand twice."""
    empty, again = names.isna().to_numpy(), names.duplicated().to_numpy()
    if not (empty | again).any():
        return
    at = int(np.flatnonzero(empty | again)[0])
    place = f"{'column' if names.name == 0 else 'row'} {at + 1}"
    wrong = f"{place} has no name" if empty[at] else f"{names[at]!r} stands twice, in {place}"
    raise EvidenceError(f"{path}: {wrong}; mend or drop it")


def _numbers(path: Path, words: Any, cells: pd.Series) -> npt.NDArray[np.float64]:
    if cells.dtype.kind not in "iuf":
        # True and False would count as numbers, read as anything but text.
        cells = cells.astype(str).where(cells.notna())
    values = np.asarray(pd.to_numeric(cells, errors="coerce"), np.float64)
    wrong = np.flatnonzero(cells.notna().to_numpy() & ~np.isfinite(values))
    if len(wrong):
        at = wrong[0]
        msg = f"{path}: {cells.name!r} of {words[at]!r} is {str(cells[at])!r}, which is no number"
        raise EvidenceError(msg)
    return values
