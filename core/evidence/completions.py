"""The raw model answers: OpenAI Batch output files, parsed strictly, nothing coerced.

One line per request, with a ``custom_id`` ``Finetuning_task_<k>``; k counts from 1 and is the place
of the word in the evaluation order (`core.evidence.mapping` proves it).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.tables import ALL, DUTCH, MODELS
from core.rating.asking.parsing import STATUSES, parse_completion, parse_rating

__all__ = ["COLUMNS", "STATUSES", "faults", "file_facts", "parse_rating", "read_completions"]

COLUMNS = (
    "file",
    "language",
    "dimension",
    "model",
    "word",
    "custom_id",
    "task",
    "model_id",
    "content",
    "status",
    "rating",
    "fingerprint",
    "prompt_tokens",
    "completion_tokens",
    "finish_reason",
    "greedy",
    "first_token",
    "digit_mass",
    "expected",
    "created",
)
_TASK = re.compile(r"Finetuning_task_([1-9][0-9]*)")
_NAME = re.compile(r"([A-Za-z]+)_(base|en_ft|nl_ft|QA_ft)_(?:test_results|output)_.*")


def file_facts(name: str) -> tuple[str, str, str]:
    """Return (language, dimension, model) of a model output file, from its name.

    Raises
    ------
    EvidenceError
        When the name is not ``<dimension>_<model>_...`` with a dimension and a model we know.
    """
    found = _NAME.fullmatch(Path(name).name)
    if found:
        dutch, said = found[1] in DUTCH, found[1].capitalize()
        dimension = DUTCH[found[1]] if dutch else said
        if dimension in ALL:
            model = next(m for m in MODELS if m.lower() == found[2].lower())
            return "nl" if dutch else "en", dimension, model
    raise EvidenceError(f"{name}: the name says no dimension and model that we know")


def read_completions(files: Iterable[Path], words: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Parse batch output files, one row per line.

    Parameters
    ----------
    files : iterable of Path
        The JSONL files.
    words : mapping of str to sequence of str
        The evaluation order of each language: task k asked about ``words[language][k - 1]``.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`. ``status`` is one of `STATUSES`; ``rating`` is NaN unless it is "ok".
        ``greedy``: at every position the token chosen is a most probable one of its top_logprobs.
        ``digit_mass``: the probability that the first token's top_logprobs give to the digits 0 to
        5, and ``expected``: the mean digit under them, renormalised; NaN without such a digit.
        A repeated ``custom_id`` keeps all its rows: see `faults`.

    Raises
    ------
    EvidenceError
        On a file without a single answer, or a line that is not JSON, lacks a field, or has a
        task that no word has; names the file and the line.
    """
    rows: list[tuple[Any, ...]] = []
    for path in files:
        language, dimension, model = file_facts(path.name)
        order = words[language]
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(_decoded(lines, path), start=1):
                try:
                    custom_id, task, rest = _parse(json.loads(line))
                    word = order[task - 1]
                except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                    raise EvidenceError(
                        f"{path.name}, line {number}: not a batch answer to one of the "
                        f"{len(order)} words ({type(error).__name__}: {error})"
                    ) from error
                rows.append((path.name, language, dimension, model, word, custom_id, task, *rest))
        if not rows or rows[-1][0] != path.name:
            raise EvidenceError(f"{path.name}: holds no answer at all")
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def faults(completions: pd.DataFrame, words: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return what kept a word from having exactly one rating in a file.

    Returns
    -------
    DataFrame
        Columns file, model, dimension, task, word, fault and content, in file and task order.
        ``fault`` is a status other than "ok", "duplicate" for every row of a repeated
        ``custom_id``, or "missing" for a task that a file does not answer. Empty when all is well.
    """
    found = []
    keep = ["file", "model", "dimension", "task", "word"]
    bad = completions.loc[completions["status"] != "ok"]
    found.append(bad[keep].assign(fault=bad["status"], content=bad["content"]))
    twice = completions.loc[completions.duplicated(subset=["file", "task"], keep=False)]
    found.append(twice[keep].assign(fault="duplicate", content=twice["content"]))
    for file, rows in completions.groupby("file", sort=False):
        language, dimension, model = file_facts(str(file))
        order = words[language]
        absent = sorted(set(range(1, len(order) + 1)) - set(rows["task"]))
        lost = [(file, model, dimension, k, order[k - 1], "missing", "") for k in absent]
        found.append(pd.DataFrame(lost, columns=pd.Index([*keep, "fault", "content"])))
    full = pd.concat([table for table in found if len(table)] or found[:1])
    return full.sort_values(["file", "task"], kind="stable").reset_index(drop=True)


def _decoded(lines: Iterable[str], path: Path) -> Iterable[str]:
    try:
        yield from lines
    except UnicodeDecodeError as error:
        raise EvidenceError(f"{path.name}: not UTF-8 text ({error})") from error


def _parse(record: Mapping[str, Any]) -> tuple[str, int, tuple[Any, ...]]:
    custom_id = record["custom_id"]
    found = _TASK.fullmatch(custom_id)
    if not found:
        raise ValueError(f"custom_id {custom_id!r}")
    task, response = int(found[1]), record["response"] or {}
    if record["error"] is not None or response.get("status_code") != 200:
        said = json.dumps(record["error"] or response.get("body"))
        return (
            custom_id,
            task,
            ("", said, "error", math.nan, "", 0, 0, "", False, "", *[math.nan] * 2, 0),
        )
    answer = parse_completion(response["body"])
    return (
        custom_id,
        task,
        (
            *(answer.model, answer.content, answer.status, answer.rating, answer.fingerprint),
            *(answer.prompt_tokens, answer.completion_tokens, answer.finish_reason),
            *(
                answer.greedy,
                answer.first_token,
                answer.digit_mass,
                answer.expected,
                answer.created,
            ),
        ),
    )
