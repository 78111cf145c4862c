"""Made answer files for the control worlds: what models wrote, and what is tabled from it.

Every function makes orderly tables, or, given a generator, tables spoiled with it so that nothing
that the paper states of its own holds of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import norm, rankdata

from core.evidence.completions import COLUMNS
from core.evidence.tables import MODELS, Ratings

BASE_ID = "gpt-4o-mini-2024-07-18"
IDS = {model: f"ft:{BASE_ID}:made:{model}" for model in MODELS} | {"Base": BASE_ID}
LETTERS_A_TOKEN = 3
#: The models that answer in decimals; the others answer in whole numbers.
DECIMAL = ("En_FT", "Nl_FT")
#: The spoiled share of anything is one in this many.
EVERY = 9


def make_outputs(
    ratings: Ratings, order: np.ndarray, spoiled: np.random.Generator | None
) -> pd.DataFrame:
    """Return the answers by word in evaluation order, columns (model, dimension)."""
    columns = {
        (model, dimension): table[order, j]
        for model, table in ratings.models.items()
        for j, dimension in enumerate(ratings.dimensions)
    }
    words = [ratings.concepts[i] for i in order]
    table = pd.DataFrame(columns, index=words).rename_axis(
        index="word", columns=["model", "dimension"]
    )
    if spoiled is None:
        return table
    # Every column has cells off the scale and empty ones, and some words are other words.
    table.iloc[0::EVERY] += 5.0
    table.iloc[1::EVERY] = np.nan
    other = {word: f"{word}-{ratings.language}" for word in words[2::EVERY]}
    return table.rename(index=other)


def make_completions(
    outputs: Mapping[str, pd.DataFrame], spoiled: np.random.Generator | None
) -> pd.DataFrame:
    """Return one row per word, dimension and model: the raw answer behind each output."""
    parts = [_answers(language, table) for language, table in outputs.items()]
    full = pd.concat(parts, ignore_index=True).loc[:, list(COLUMNS)]
    return full if spoiled is None else _spoil(full, spoiled)


def _answers(language: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the answers in one language, file by file."""
    n, files = len(table), len(table.columns)

    def of_file(values: Iterable[object]) -> np.ndarray:
        return np.repeat(np.array(list(values), dtype=object), n)

    def of_task(values: Iterable[object]) -> np.ndarray:
        return np.tile(np.array(list(values), dtype=object), files)

    columns = list(table.columns)
    task = np.tile(np.arange(1, n + 1), files)
    rating = table.to_numpy().T.ravel()
    decimal = np.repeat([model in DECIMAL for model, _ in columns], n)
    hundredths, at = np.unique(np.round(100 * np.nan_to_num(rating)), return_inverse=True)
    first = (hundredths // 100).astype(int)
    whole, full = (np.array([f"{x / 100:.{d}f}" for x in hundredths], object) for d in (0, 2))
    template = np.repeat([60 + len(dimension) for _, dimension in columns], n)
    length = np.tile([-(-len(word) // LETTERS_A_TOKEN) for word in table.index], files)
    return pd.DataFrame(
        {
            "file": of_file(f"{dimension}_{language}_{model}" for model, dimension in columns),
            "language": language,
            "dimension": of_file(dimension for _, dimension in columns),
            "model": of_file(model for model, _ in columns),
            "model_id": of_file(IDS[model] for model, _ in columns),
            "custom_id": of_task(f"Finetuning_task_{k}" for k in range(1, n + 1)),
            "task": task,
            "word": of_task(table.index),
            "content": np.where(decimal, full[at], whole[at]),
            "status": "ok",
            "rating": rating,
            "fingerprint": of_file(f"fp_{model}" for model, _ in columns),
            "prompt_tokens": template + length,
            "completion_tokens": np.where(decimal, 3, 1),
            "finish_reason": "stop",
            "greedy": True,
            "first_token": first.astype(str).astype(object)[at],
            "digit_mass": 0.99,
            "expected": 0.9 * first[at] + 0.1 * 2.5,
            "created": 1_765_400_000 + task,
        }
    )


def _spoil(full: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Break every rule of the answer files in some of the rows."""
    some = np.arange(len(full)) % EVERY == 0
    full.loc[some, "model_id"] = "ft:another-model:made:" + full.loc[some, "model"]
    full.loc[some, "fingerprint"] = "fp_other"
    full.loc[some, "greedy"] = False
    full.loc[some, "prompt_tokens"] += rng.integers(1, 20, some.sum())
    full.loc[some, "finish_reason"] = "length"
    full["expected"] = rng.uniform(0, 5, len(full))
    silent = full["rating"].isna()
    full.loc[silent, ["content", "status"]] = ["I cannot say.", "non_numeric"]
    loud = full["rating"] > 5
    full.loc[loud, ["status", "rating"]] = ["out_of_range", np.nan]
    # One answer of each file is lost, and another comes twice.
    first, twice = full["task"] == 1, full["task"] == 2
    return pd.concat([full.loc[~first], full.loc[twice]], ignore_index=True)


def make_tests(ratings: Ratings, spoiled: np.random.Generator | None) -> pd.DataFrame:
    """Return correlations with people and Steiger's Z by dimension, as `Released.tests` does."""
    rows = {}
    for dimension in ratings.dimensions:
        table = ratings.select(dimension).complete()
        human, n = table.human[:, 0], len(table.concepts)
        models = {model: x[:, 0] for model, x in table.models.items()}
        rho = {model: _rho(human, x) for model, x in models.items()}
        row = {f"rho_{model}": value for model, value in rho.items()}
        for a, b in combinations(models, 2):
            z = _steiger(rho[a], rho[b], _rho(models[a], models[b]), n)
            row |= {f"Z_{a}_{b}": z, f"p_{a}_{b}": 2 * norm.sf(abs(z))}
        rows[dimension] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("dimension")
    if spoiled is not None:
        # Off by more than any rounding, and significant where it was not.
        table += spoiled.uniform(0.05, 0.1, table.shape)
        table.loc[:, table.columns.str.startswith("p_")] %= 1
    return table


# The metrics' own code would make the controls of the claims on these tables circular.


def _rho(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])


def _steiger(r12: float, r13: float, r23: float, n: int) -> float:
    """Return Steiger's (1980) Z with the two correlations pooled in their covariance."""
    square = ((r12 + r13) / 2) ** 2
    shared = r23 * (1 - 2 * square) - square * (1 - 2 * square - r23**2) / 2
    covariance = shared / (1 - square) ** 2
    difference = np.arctanh(r12) - np.arctanh(r13)
    return float(difference * np.sqrt((n - 3) / (2 - 2 * covariance)))


def make_similarities(
    ratings: Ratings, subset: str, memorised: np.ndarray, spoiled: np.random.Generator | None
) -> pd.DataFrame:
    """Return 1 / (1 + distance) by concept and model, as `Released.similarities` does.

    `memorised`, (n,) bool, marks concepts on which every model scores .1 higher than its ratings
    say. Spoiled, distances are squared, and the subsets lack every second concept.
    """
    table = ratings.select("sensory" if ratings.language == "nl" else subset)
    found = pd.DataFrame(
        {m: 1 / (1 + np.linalg.norm(x - table.human, axis=1)) for m, x in table.models.items()},
        index=pd.Index(table.concepts, name="concept"),
    )
    found += 0.1 * memorised[:, None]
    if spoiled is None:
        return found
    squared = 1 / (1 + (1 / found - 1) ** 2) + spoiled.uniform(0, 0.01, found.shape)
    return squared if subset == "all" else squared.iloc[::2]
