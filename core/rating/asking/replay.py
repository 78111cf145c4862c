"""The released answers, put through the same store and parser as if they had just come.

What was sent to the service is not released, only what came back: the requests are rebuilt from the
released prompts, the word that a task is about (`core.evidence.mapping`), and the model that each
answer names. A rebuilt request is therefore ours, with our limit on the length of an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.completions import COLUMNS, file_facts
from core.evidence.errors import EvidenceError
from core.evidence.released import LANGUAGES, Released
from core.rating.asking.parsing import Completion, parse_completion
from core.rating.asking.requests import Item, chat_request
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError

_TASK = re.compile(r"Finetuning_task_([1-9][0-9]*)")
_TABLES = """
CREATE TABLE IF NOT EXISTS replayed_files (
    file TEXT PRIMARY KEY, sha256 TEXT NOT NULL, lines INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS replayed_lines (
    file TEXT NOT NULL, line INTEGER NOT NULL, task INTEGER NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (file, line)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Answers:
    """A released file of answers: its path, and what its name says it is about.

    Attributes
    ----------
    path : Path
    sha256 : str
    size : int
    language, dimension, model : str
        As `core.evidence.completions.file_facts` reads them.
    """

    path: Path
    sha256: str
    size: int
    language: str
    dimension: str
    model: str

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.name


@dataclass(frozen=True)
class Ingested:
    """What came of putting files into a store.

    Attributes
    ----------
    lines : int
        All there are.
    new : int
        Those that were put in now.
    """

    lines: int
    new: int


def released_files(released: Released) -> list[Answers]:
    """Return the released files of answers, fetched and checked, by name."""
    entries = released.store.registry
    names = sorted(name for name in released.files("completions") if name.endswith(".jsonl"))
    if not names:
        raise EvidenceError("the release has no file of raw answers (*.jsonl)")
    paths = released.store.get_all(names)
    return [
        Answers(paths[name], entries[name].sha256, entries[name].size, *file_facts(name))
        for name in names
    ]


def evaluated(released: Released) -> dict[str, tuple[str, ...]]:
    """Return the words of each language in the order of the tasks."""
    return {language: tuple(released.outputs(language).index) for language in LANGUAGES}


def ingest(
    files: Sequence[Answers],
    words: dict[str, tuple[str, ...]],
    store: AnswerStore,
    progress: Callable[[int], object],
) -> Ingested:
    """Put files of answers into a store, each in one step; those that are in it are passed over.

    Parameters
    ----------
    files : sequence of Answers
    words : dict of str to tuple of str
        Task k of a language is about ``words[language][k - 1]``.
    store : AnswerStore
    progress : callable
        Called with how many more bytes are done with.

    Raises
    ------
    EvidenceError
        On a line that is no answer to one of the words; names file and line.
    RatingError
        When the store holds another version of a file.
    """
    with store.transaction() as connection:
        for statement in _TABLES.split(";"):
            connection.execute(statement)
    rows = store.connection.execute("SELECT file, sha256, lines FROM replayed_files")
    there = {file: (sha256, lines) for file, sha256, lines in rows}
    lines, new = 0, 0
    for file in files:
        sha256, known = there.get(file.name, (file.sha256, None))
        if sha256 != file.sha256:
            msg = f"{store.path}: holds another version of {file.name} ({sha256[:12]}, "
            raise RatingError(f"{msg}not {file.sha256[:12]}); name another file with --store")
        if known is None:
            known = _put(file, words[file.language], store)
            new += known
        lines += known
        progress(file.size)
    return Ingested(lines, new)


def _put(file: Answers, order: Sequence[str], store: AnswerStore) -> int:
    """Put one file into the store; return how many lines it has."""
    records = list(_records(file, order))
    # A line without an answer names no model; it was asked of the one that answered the others.
    model = next((body["model"] for _, _, body, _ in records if body), file.model)
    source, place, good = f"replay:{file.name}", [], []
    with store.transaction() as connection:
        for number, task, body, fault in records:
            item = Item(file.language, file.dimension, order[task - 1])
            request = chat_request(item, body["model"] if body else model)
            place.append((file.name, number, task, request.key))
            if body:
                good.append((request, body))
            else:
                store.fail(request, "error", fault, source)
        store.put_many(good, source=source)
        connection.executemany("INSERT INTO replayed_lines VALUES (?, ?, ?, ?)", place)
        row = (file.name, file.sha256, len(records))
        connection.execute("INSERT INTO replayed_files VALUES (?, ?, ?)", row)
    return len(records)


def _records(file: Answers, order: Sequence[str]) -> Iterator[tuple[int, int, dict[str, Any], str]]:
    """Yield line, task, the answer ({} where there is none) and what came in its place."""
    number = 0
    try:
        with file.path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, *_record(json.loads(line), len(order))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(
            f"{file.name}, line {number}: not a batch answer to one of the {len(order)} words "
            f"({type(error).__name__}: {error})"
        ) from error
    if not number:
        raise EvidenceError(f"{file.name}: holds no answer at all")


def _record(record: dict[str, Any], tasks: int) -> tuple[int, dict[str, Any], str]:
    found = _TASK.fullmatch(record["custom_id"])
    if not found or int(found[1]) > tasks:
        raise ValueError(f"custom_id {record['custom_id']!r}")
    response = record["response"] or {}
    if record["error"] is not None or response.get("status_code") != 200:
        return int(found[1]), {}, json.dumps(record["error"] or response.get("body"))
    # Read once on the way in, so that what is kept can be read on the way out.
    parse_completion(response["body"])
    return int(found[1]), response["body"], ""


def answers_of(
    files: Sequence[Answers],
    words: dict[str, tuple[str, ...]],
    store: AnswerStore,
    progress: Callable[[int], object],
) -> pd.DataFrame:
    """Return what the store holds of the files' lines, one row each, parsed.

    Returns
    -------
    DataFrame
        The columns of `core.evidence.completions.read_completions`. A line without an answer has
        the status "error". Of a task that a file answers twice, both rows say what is kept.
    """
    rows: list[tuple[Any, ...]] = []
    for file in files:
        query = "SELECT task, key FROM replayed_lines WHERE file = ? ORDER BY line"
        place = store.connection.execute(query, (file.name,)).fetchall()
        keys = [key for _, key in place]
        found = {each.key: parse_completion(each.response) for each in store.each(keys)}
        failed = {}
        if len(found) < len(set(keys)):
            failed = {each.key: each.detail for each in store.failures(keys)}
        about = (file.name, file.language, file.dimension, file.model)
        for task, key in place:
            word = words[file.language][task - 1]
            answer = found.get(key) or _lost(failed.get(key, "not in the store"))
            rows.append((*about, word, f"Finetuning_task_{task}", task, *_cells(answer)))
        progress(len(place))
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def _cells(answer: Completion) -> tuple[Any, ...]:
    return (
        *(answer.model, answer.content, answer.status, answer.rating, answer.fingerprint),
        *(answer.prompt_tokens, answer.completion_tokens, answer.finish_reason, answer.greedy),
        *(answer.first_token, answer.digit_mass, answer.expected, answer.created),
    )


def _lost(detail: str) -> Completion:
    return Completion(detail, "error", np.nan, "", "", 0, 0, "", False, "", np.nan, np.nan, 0)


def long_table(
    answers: pd.DataFrame, words: Sequence[str], dimensions: Sequence[str]
) -> pd.DataFrame:
    """Return answers of one model in one language as a study takes them, a row per cell.

    A cell answered more than once has no rating, since nothing says which of them counts, nor has
    one that was never answered, which nothing will mend. The status of both is "error", and what it
    was stands as the content.
    """
    keep = ["word", "dimension", "status", "content", "rating", "expected", "digit_mass"]
    about = ["word", "dimension"]
    twice = answers.duplicated(about, keep=False)
    every = pd.MultiIndex.from_product([words, dimensions], names=about)
    table = answers.loc[~twice, keep].set_index(about).reindex(every)
    table.loc[table["status"].isna(), "content"] = "no answer is released"
    several = pd.MultiIndex.from_frame(answers.loc[twice, about].drop_duplicates())
    table.loc[several, "content"] = "more than one answer is released"
    return table.fillna({"status": "error"}).reset_index()
