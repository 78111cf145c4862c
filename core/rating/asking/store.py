"""Where answers are kept: one SQLite file in which what was acknowledged is never lost.

Every row stands under the hash of the whole call (`core.rating.asking.requests.request_key`), so an
answer is found again whatever run, file or backend it came from, and by nothing else.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from core.rating.asking.database import opened, told, transaction
from core.rating.asking.requests import Request, canonical, request_key
from core.rating.errors import RatingError

#: A kind of failure: a second, different answer to a call that had one.
DUPLICATE = "duplicate"
_CHUNK = 500
#: SQLite's integers end before it.
_END = 2**63
_PUT_REQUEST = "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_ANSWER = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_PUT_FAILURE = """
INSERT INTO failures VALUES (?, ?, ?, ?, ?, 1)
ON CONFLICT DO UPDATE SET times = times + 1, received = excluded.received
"""


@dataclass(frozen=True)
class Stored:
    """An answer as it is kept.

    Attributes
    ----------
    key : str
    response : dict
        A chat completion, as it came.
    source : str
        The backend, or the file, that it came from.
    received : str
        When it was put in: UTC, ISO 8601.
    """

    key: str
    response: dict[str, Any]
    source: str
    received: str


@dataclass(frozen=True)
class Failure:
    """A try that brought no answer, or none that could be kept.

    Attributes
    ----------
    key : str
    kind, detail : str
        What happened, in a word and in a line.
    source : str
    received : str
        When it happened last: UTC, ISO 8601.
    times : int
        How often just this happened.
    """

    key: str
    kind: str
    detail: str
    source: str
    received: str
    times: int


class AnswerStore:
    """The answers in a file, which is made if it is not there; to be closed, or used in `with`.

    Several processes may have it open; they write one after the other. An object belongs to the
    thread that made it.

    Parameters
    ----------
    path : str or Path

    Raises
    ------
    RatingError
        If the file cannot be made, is damaged, is no store of ours, or is one of a later version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        #: For tables of others beside ours; write to it inside `transaction`.
        self.connection = opened(self.path)

    def __enter__(self) -> AnswerStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was put is in it whether or not this is reached."""
        self.connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write several things or none of them; all are on the disk when it ends.

        Raises
        ------
        RatingError
            If they cannot be written; nothing is, then.
        """
        with told(self.path), transaction(self.connection):
            yield self.connection

    def put(self, request: Request, response: Mapping[str, Any], *, source: str) -> bool:
        """Keep an answer; it is on the disk when this returns.

        Parameters
        ----------
        request : Request
        response : mapping
            A chat completion, as JSON.
        source : str

        Returns
        -------
        bool
            Whether the answer kept is this one. The first answer to a call stays: a different
            one is logged as a failure of the kind `DUPLICATE`.

        Raises
        ------
        RatingError
            If the request's key is not that of its body, the response is no JSON, or the file
            cannot be written.
        """
        return not self.put_many([(request, response)], source=source)

    def put_many(
        self, pairs: Iterable[tuple[Request, Mapping[str, Any]]], *, source: str
    ) -> tuple[str, ...]:
        """Keep answers, all of them or, where one cannot be kept, none.

        Returns
        -------
        tuple of str
            The keys to which another answer was there already, once for every one kept out.

        Raises
        ------
        RatingError
            As `put` does.
        """
        second = []
        with self.transaction() as connection:
            now = _now()
            for request, response in pairs:
                key, item = self._checked(request), request.item
                answer = self._json(response, key)
                body = _packed(canonical(request.body))
                about = (key, item.language, item.dimension, item.word, request.endpoint, body)
                connection.execute(_PUT_REQUEST, about)
                row = (key, *_facts(response), _packed(answer), source, now)
                if connection.execute(_PUT_ANSWER, row).rowcount:
                    continue
                kept = self.get([key])[key].response
                if canonical(kept) != answer:
                    detail = f"{_said(kept)} is kept, {_said(response)} came after it"
                    connection.execute(_PUT_FAILURE, (key, DUPLICATE, detail, source, now))
                    second.append(key)
        return tuple(second)

    def fail(self, request: Request | str, kind: str, detail: str, source: str) -> None:
        """Log a try that brought no answer, under its request or key; it is never an answer.

        The same failure again is counted, not repeated.
        """
        key = request if isinstance(request, str) else self._checked(request)
        with self.transaction() as connection:
            connection.execute(_PUT_FAILURE, (key, kind, detail, source, _now()))

    def answered(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys that have an answer."""
        return {key for (key,) in self._rows("SELECT key FROM answers WHERE key IN ({})", keys)}

    def each(self, keys: Iterable[str]) -> Iterator[Stored]:
        """Yield the answers to the keys that have one, a few at a time.

        Raises
        ------
        RatingError
            If an answer is damaged; names the file and the key.
        """
        query = "SELECT key, response, source, received FROM answers WHERE key IN ({})"
        for key, response, source, received in self._rows(query, keys):
            try:
                content = json.loads(_unpacked(response))
            except (zlib.error, ValueError) as error:
                raise RatingError(f"{self.path}: the answer {key} is damaged ({error})") from error
            yield Stored(key, content, source, received)

    def get(self, keys: Iterable[str]) -> dict[str, Stored]:
        """Return the answers to the keys that have one, in the order of the keys.

        Takes some 8 kB per answer; `each` takes none to speak of.
        """
        keys = list(keys)
        found = {stored.key: stored for stored in self.each(keys)}
        return {key: found[key] for key in keys if key in found}

    def failures(self, keys: Iterable[str]) -> list[Failure]:
        """Return what was logged about the keys, in the order in which it last happened."""
        query = "SELECT rowid, * FROM failures WHERE key IN ({})"
        rows = sorted(self._rows(query, keys), key=lambda row: (row[5], row[0]))
        return [Failure(*row[1:]) for row in rows]

    def usages(self) -> Iterator[tuple[str, dict[str, int]]]:
        """Yield, per answer, the model that was asked and the tokens that the server counted."""
        query = (
            "SELECT body, prompt_tokens, completion_tokens FROM answers JOIN requests USING (key)"
        )
        with told(self.path):
            rows = self.connection.execute(query).fetchall()
        for body, prompt, completion in rows:
            model = json.loads(_unpacked(body))["model"]
            yield model, {"prompt_tokens": prompt or 0, "completion_tokens": completion or 0}

    def _checked(self, request: Request) -> str:
        key = request_key(request.endpoint, request.body)
        if request.key != key:
            raise RatingError(
                f"{request.item}: the request was changed after it got its key "
                f"({request.key[:12]}, now {key[:12]}); make a new one"
            )
        return key

    def _json(self, response: Mapping[str, Any], key: str) -> str:
        try:
            return canonical(response)
        except (TypeError, ValueError, RecursionError) as error:
            raise RatingError(f"the answer to {key} is not JSON ({error})") from error

    def _rows(self, query: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        keys = iter(dict.fromkeys(keys))
        while chunk := list(islice(keys, _CHUNK)):
            with told(self.path):
                marks = ",".join("?" * len(chunk))
                rows = self.connection.execute(query.format(marks), chunk).fetchall()
            yield from rows


def _packed(text: str) -> bytes:
    # A model can answer half a character, and JSON can hold it.
    return zlib.compress(text.encode("utf-8", "surrogatepass"), 1)


def _unpacked(content: bytes) -> str:
    return zlib.decompress(content).decode("utf-8", "surrogatepass")


def _facts(response: Mapping[str, Any]) -> tuple[Any, ...]:
    usage = response.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    names, counts = ("model", "system_fingerprint"), ("prompt_tokens", "completion_tokens")
    return (
        *(_column(response.get(name), str) for name in names),
        *(_column(usage.get(name), int) for name in counts),
    )


def _column(given: Any, kind: type) -> Any:
    """Return what SQLite can hold of a fact; None where it is of another kind or too large."""
    if not isinstance(given, kind) or (isinstance(given, int) and not -_END <= given < _END):
        return None
    return given.encode(errors="replace").decode() if isinstance(given, str) else given


def _said(response: Mapping[str, Any]) -> str:
    message = (response.get("choices") or [{}])[0].get("message") or {}
    return repr(message.get("content") or message.get("refusal") or "")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
