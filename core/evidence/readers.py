"""One function per kind of released file: the file in, a table under our names out."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.tables import ALL, DUTCH, MODELS, MOTOR, SENSORY, Ratings
from core.evidence.workbooks import numbers, read_sheet, texts

COUNTS = ("N_known.perceptual", "N_known.action")
# Raters per word number 10 to 74, but for a dozen counts of 15,424 and more; none lies between.
LARGEST_COUNT = 1000
DUTCH_NAME = {english: dutch for dutch, english in DUTCH.items()}


def models_of(language: str) -> tuple[str, ...]:
    """Return the models that were asked in a language: Dutch was not put to QA_FT."""
    return MODELS if language == "en" else MODELS[:3]


def dimensions_of(language: str) -> tuple[str, ...]:
    """Return the dimensions that people rated in a language: in Dutch only the senses."""
    return ALL if language == "en" else SENSORY


def read_ratings(path: Path, language: str) -> Ratings:
    """Read an analysis workbook: human means and model ratings of the evaluated words.

    Counts of raters above 1000 are set aside as NaN, and each is named in ``notes``.
    """
    frame, file = read_sheet(path), path.name
    dimensions = dimensions_of(language)
    english, dutch = texts(frame, "Word", file), texts(frame, "Woord", file)
    own = {d: d if language == "en" else DUTCH_NAME[d] for d in dimensions}
    mean = ".mean" if language == "en" else ""
    models = {
        model: _block(frame, [f"{own[d]}_{model}" for d in dimensions], file)
        for model in models_of(language)
    }
    human = _block(frame, [own[d] + mean for d in dimensions], file)
    if language == "nl":
        return Ratings("nl", dutch, english, dimensions, human, models)
    counts, notes = _counts(frame, english, file)
    return Ratings(
        "en",
        english,
        dutch,
        dimensions,
        human,
        models,
        human_sd=_block(frame, [f"{d}.SD" for d in dimensions], file),
        human_n=counts,
        notes=notes,
    )


def read_sample(path: Path) -> pd.DataFrame:
    """Read a sample workbook: Word, Woord, human means in both languages, counts of raters."""
    frame, file = read_sheet(path), path.name
    return pd.DataFrame(
        {"Word": texts(frame, "Word", file), "Woord": texts(frame, "Woord", file)}
        | {d: numbers(frame, f"{d}.mean", file) for d in ALL}
        | {f"nl_{d}": numbers(frame, DUTCH_NAME[d], file) for d in SENSORY}
        | {name: numbers(frame, name, file) for name in COUNTS}
    )


def read_translations(path: Path) -> pd.DataFrame:
    """Read the translation table: dutch, english, back (may be blank), include (bool)."""
    frame, file = read_sheet(path), path.name
    include = numbers(frame, "Include?", file)
    if not np.isin(include, (0, 1)).all():
        row = int(np.flatnonzero(~np.isin(include, (0, 1)))[0]) + 2
        raise EvidenceError(f"{file}: column Include?, row {row}: neither 0 nor 1")
    return pd.DataFrame(
        {
            "dutch": texts(frame, "Original_word", file),
            "english": texts(frame, "Deepl_translation_English", file),
            "back": texts(frame, "Back_translation", file, blank=True),
            "include": include == 1,
        }
    )


def read_questions(path: Path) -> pd.DataFrame:
    """Read a half of PerceptualQA: index, question, A, B, C, D, correct."""
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        rows = [
            (
                int(item["index"]),
                str(item["question"]),
                *(str(item["options"][letter]) for letter in "ABCD"),
                str(item["correct_option"]),
            )
            for item in items
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise EvidenceError(
            f"{path.name}: not a list of questions with options A to D "
            f"({type(error).__name__}: {error})"
        ) from error
    for index, *_, correct in rows:
        if correct not in ("A", "B", "C", "D"):
            raise EvidenceError(f"{path.name}: question {index}: correct_option {correct!r}")
    return pd.DataFrame(rows, columns=pd.Index(["index", "question", *"ABCD", "correct"]))


def read_tests(path: Path, language: str) -> pd.DataFrame:
    """Read the authors' correlations and Steiger tests, by English dimension."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False).astype(object)
    except (ValueError, OSError) as error:
        raise EvidenceError(f"{path.name}: cannot be read: {error}") from error
    said, file = texts(frame, "Dimension", path.name), path.name
    figures = frame.drop(columns="Dimension").map(_decimal)
    names = [DUTCH.get(name, name.capitalize()) for name in said]
    expected = dimensions_of(language)
    if sorted(names) != sorted(expected):
        raise EvidenceError(
            f"{file}: column Dimension: {', '.join(said)} are not the {language} ones"
        )
    models = models_of(language)
    short = {model: model.removesuffix("_FT") for model in models}
    table = {f"rho_{m}": numbers(figures, f"{m}_Spearman", file) for m in models}
    for a, b in combinations(models, 2):
        for letter in ("Z", "p"):
            table[f"{letter}_{a}_{b}"] = numbers(
                figures, f"{letter}_{short[a]}_vs_{short[b]}", file
            )
    read = pd.DataFrame(table, index=pd.Index(names, name="dimension"))
    return read.loc[list(expected)]


def read_similarities(path: Path, subset: str, language: str) -> pd.DataFrame:
    """Read one sheet of the authors' word similarities, by English word, NaN where blank."""
    frame = read_sheet(path, subset.capitalize())
    return pd.DataFrame(
        {model: numbers(frame, model, path.name) for model in models_of(language)},
        index=pd.Index(texts(frame, "word", path.name), name="concept"),
    )


def read_output(path: Path) -> pd.Series:
    """Read one per-dimension output workbook: its ratings by word, in the file's order."""
    frame, stem = read_sheet(path), path.name.partition("_output_")[0]
    words = pd.Index(texts(frame, "word", path.name), name="word")
    return pd.Series(numbers(frame, stem, path.name), index=words)


def _decimal(text: str) -> float | str:
    # Python reads every printed digit; what is no number stays as it is, to be named.
    try:
        return float(text)
    except ValueError:
        return text


def _block(frame: pd.DataFrame, names: list[str], file: str) -> np.ndarray:
    return np.column_stack([numbers(frame, name, file) for name in names])


def _counts(
    frame: pd.DataFrame, words: tuple[str, ...], file: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Raters per word and dimension, (n, 11), without those beyond belief, and a note on each."""
    notes, columns = [], []
    for name, dimensions in zip(COUNTS, (SENSORY, MOTOR), strict=True):
        count = numbers(frame, name, file)
        for row in np.flatnonzero(count > LARGEST_COUNT):
            notes.append(f"{file}: {name} of {words[row]} is {count[row]:g}: set aside")
        columns += [np.where(count > LARGEST_COUNT, np.nan, count)] * len(dimensions)
    return np.column_stack(columns), tuple(notes)
