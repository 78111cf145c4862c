"""What a data set must be: pairs of words with ratings on the scale, questions with an answer."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.evidence.readers import dimensions_of
from core.evidence.tables import ALL, HIGHEST, LOWEST
from core.rating.errors import RatingError
from core.rating.prompts import LETTERS

SPLITS = ("train", "test")
LANGUAGES = ("en", "nl")
QUESTION_COLUMNS = ("index", "question", *LETTERS, "correct", "split")
_NAMES = {"en": "English", "nl": "Dutch"}


def rating_columns(frame: pd.DataFrame, language: str) -> list[str]:
    """Return a table's columns of numbers: the means, then what is known of SD and N."""
    dimensions = dimensions_of(language)
    more = [f"{d}.{kind}" for kind in ("SD", "N") for d in dimensions]
    return [*dimensions, *(name for name in more if name in frame.columns)]


def checked_words(frame: pd.DataFrame, language: str) -> pd.DataFrame:
    """Return a private copy with the known columns in order, or raise."""
    where = f"{_NAMES[language]} words"
    texts = ["word", "translation", "split"]
    absent = [name for name in (*texts, *dimensions_of(language)) if name not in frame.columns]
    if absent:
        msg = f"{where}: no column {', '.join(absent)}"
        raise RatingError(msg)
    columns = rating_columns(frame, language)
    copy = pd.DataFrame(frame[[*texts, *columns]]).reset_index(drop=True)
    copy[columns] = copy[columns].astype(np.float64)
    words = copy["word"].tolist()
    seen: set[str] = set()
    for word, split in zip(words, copy["split"], strict=True):
        if not isinstance(word, str) or not word.strip() or word in seen:
            fault = "stands twice" if word in seen else "is not a word"
            msg = f"{where}: {word!r} {fault}"
            raise RatingError(msg)
        if split not in SPLITS:
            msg = f"{where}: {word!r} is in split {split!r}, neither train nor test"
            raise RatingError(msg)
        seen.add(word)
    for name in columns:
        low, high, may_lack = _limits(name)
        values = copy[name].to_numpy()
        bad = ~((values >= low) & (values <= high)) & ~(np.isnan(values) & may_lack)
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            msg = f"{where}: {name} of {words[at]!r} is {values[at]:g}, outside [{low:g}, {high:g}]"
            raise RatingError(msg)
    return copy


def _limits(column: str) -> tuple[float, float, bool]:
    if column in ALL:
        return LOWEST, HIGHEST, False
    return (0.0 if column.endswith(".SD") else 1.0), float(np.finfo(np.float64).max), True


def check_pairs(english: pd.DataFrame, dutch: pd.DataFrame) -> None:
    here = list(zip(english["word"], english["translation"], english["split"], strict=True))
    there = list(zip(dutch["translation"], dutch["word"], dutch["split"], strict=True))
    if len(here) != len(there):
        msg = f"{len(here)} English words but {len(there)} Dutch ones: a row is a pair of words"
        raise RatingError(msg)
    for row, (a, b) in enumerate(zip(here, there, strict=True), start=1):
        if a != b:
            msg = f"row {row} is {a} among the English words and {b} among the Dutch ones"
            raise RatingError(msg)


def checked_questions(frame: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in QUESTION_COLUMNS if name not in frame.columns]
    if absent:
        msg = f"questions: no column {', '.join(absent)}"
        raise RatingError(msg)
    copy = pd.DataFrame(frame[list(QUESTION_COLUMNS)]).reset_index(drop=True)
    seen: set[int] = set()
    for row in copy.to_dict("records"):
        number = row["index"]
        for fault, holds in (
            ("stands twice", number in seen),
            ("has no answer from A to D", row["correct"] not in tuple(LETTERS)),
            ("is neither in train nor in test", row["split"] not in SPLITS),
        ):
            if holds:
                msg = f"questions: number {number} {fault}"
                raise RatingError(msg)
        seen.add(number)
    return copy
