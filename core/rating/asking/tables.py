"""Answers as tables: one row per answer, one row per word, and what was no rating by name."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from core.rating.asking.parsing import STATUSES, parse_completion
from core.rating.asking.requests import Request
from core.rating.asking.store import AnswerStore

COLUMNS = (
    *("word", "dimension", "status", "content", "rating", "expected", "digit_mass"),
    *("first_token", "greedy", "finish_reason", "prompt_tokens", "completion_tokens"),
    *("model", "fingerprint", "received", "key"),
)
#: How many bad answers are named before the rest are counted.
NAMED = 10


def long_table(requests: Sequence[Request], store: AnswerStore) -> pd.DataFrame:
    """Return the stored answers to requests, a row each, in the order of the requests.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`: what `core.rating.asking.parsing.parse_completion` reads in an answer,
        when it came, and its key; then a column for every other figure that the backend gave of
        its own under "ratings", such as "expected_whole". ``status`` is "error" for what is kept
        as an answer and is no completion, with the reason as ``content``. A request without an
        answer has no row.
    """
    asked: dict[str, list[int]] = {}
    for place, request in enumerate(requests):
        asked.setdefault(request.key, []).append(place)
    rows: dict[int, dict[str, Any]] = {}
    for stored in store.each(asked):
        facts = _facts(stored.response) | {"received": stored.received, "key": stored.key}
        for place in asked[stored.key]:
            item = requests[place].item
            rows[place] = {"word": item.word, "dimension": item.dimension, **facts}
    ordered = [rows[place] for place in sorted(rows)]
    more = dict.fromkeys(name for row in ordered for name in row if name not in COLUMNS)
    return pd.DataFrame(ordered, columns=pd.Index([*COLUMNS, *more]))


def wide_table(
    answers: pd.DataFrame, words: Sequence[str], dimensions: Sequence[str]
) -> pd.DataFrame:
    """Return ratings, a row per word and a column per dimension, NaN where there is none.

    Answers about other words and dimensions are left out.
    """
    keys = [answers["word"], answers["dimension"]]
    rating = answers["rating"].astype(float).groupby(keys).first()
    cells = pd.MultiIndex.from_product([words, dimensions])
    table = rating.reindex(cells).to_numpy().reshape(len(words), len(dimensions))
    wide = pd.DataFrame(table, columns=pd.Index(dimensions))
    wide.insert(0, "word", list(words))
    return wide


def counts(answers: pd.DataFrame) -> dict[str, int]:
    """Return how many answers there are of every status, good ones first."""
    found = Counter(answers["status"])
    return {status: found[status] for status in STATUSES}


def bad_answers(answers: pd.DataFrame) -> list[str]:
    """Return a line for every answer that is no rating: word, dimension, why, and what was said."""
    bad = answers.loc[answers["status"] != "ok"]
    rows = bad[["word", "dimension", "status", "content"]].itertuples(index=False, name=None)
    return [
        f"{word} on {dimension}: {status}, {_short(content)}"
        for word, dimension, status, content in rows
    ]


def unanswered(requests: Sequence[Request], failed: Mapping[str, str]) -> list[str]:
    """Return a line for every request without an answer: word, dimension, what happened."""
    return [
        f"{one.item.word} on {one.item.dimension}: {failed.get(one.key, 'not asked')}"
        for one in requests
    ]


def first_few(lines: Sequence[str], where: str = "") -> list[str]:
    """Return the first lines, and how many more there are, and where, if there are."""
    if len(lines) <= NAMED:
        return list(lines)
    rest = f"and {len(lines) - NAMED:,} more"
    return [*lines[:NAMED], f"{rest}, in {where}" if where else rest]


def _facts(response: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = parse_completion(response)
    except (ValueError, KeyError) as error:
        return {
            "status": "error",
            "content": f"no completion: {error!r}",
            "rating": math.nan,
            "expected": math.nan,
            "digit_mass": math.nan,
        }
    own = response.get("ratings")
    more = {
        name: math.nan if value is None else value
        for name, value in (own if isinstance(own, Mapping) else {}).items()
        # What every backend's answers are read for is read by the parser alone.
        if name not in COLUMNS
    }
    return {name: getattr(found, name) for name in COLUMNS if hasattr(found, name)} | more


def _short(content: str) -> str:
    return repr(content if len(content) <= 40 else content[:40] + "...")
