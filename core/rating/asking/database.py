"""The SQLite file behind a store: how it is opened, what is refused, and how trouble is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.rating.errors import RatingError

#: Marks a SQLite file as ours ("rate" in ASCII), and the layout of its tables.
APPLICATION, SCHEMA = 0x72617465, 1
#: Seconds to wait while another process writes.
PATIENCE = 60.0
_RECOVER = "move it away to begin anew; `sqlite3 FILE .recover` may save what is in it"
_TABLES = """
CREATE TABLE requests (
    key TEXT PRIMARY KEY, language TEXT NOT NULL, dimension TEXT NOT NULL, word TEXT NOT NULL,
    endpoint TEXT NOT NULL, body BLOB NOT NULL
);
CREATE TABLE answers (
    key TEXT PRIMARY KEY REFERENCES requests (key),
    model TEXT, fingerprint TEXT, prompt_tokens INTEGER, completion_tokens INTEGER,
    response BLOB NOT NULL, source TEXT NOT NULL, received TEXT NOT NULL
);
CREATE TABLE failures (
    key TEXT NOT NULL, kind TEXT NOT NULL, detail TEXT NOT NULL, source TEXT NOT NULL,
    received TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (key, kind, detail, source)
);
"""
#: The columns of these tables.
_COLUMNS = [
    *(("answers", name) for name in ("key", "model", "fingerprint", "prompt_tokens")),
    *(("answers", name) for name in ("completion_tokens", "response", "source", "received")),
    *(("failures", name) for name in ("key", "kind", "detail", "source", "received", "times")),
    *(("requests", name) for name in ("key", "language", "dimension", "word", "endpoint", "body")),
]


def opened(path: Path) -> sqlite3.Connection:
    """Open a store's file, or make it, so that every commit is on the disk when it returns.

    Raises
    ------
    RatingError
        If the file cannot be made, is damaged, is no store of ours, or is one of a later version.
    """
    if path.is_dir():
        name = path / "answers.sqlite"
        raise RatingError(f"{path}: a folder; name a file to keep answers in, such as {name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"{path}: its folder cannot be made ({error}); name a file in another one"
        raise RatingError(msg) from error
    with told(path):
        connection = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)
        try:
            _prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell SQLite's troubles with a file in words.

    Raises
    ------
    RatingError
        In the place of any `sqlite3.Error`.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise RatingError(f"{path}: {_explained(str(error))}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write several things or none of them; within another one, be part of it."""
    if connection.in_transaction:
        yield connection
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled it back already.
        with suppress(sqlite3.OperationalError):
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    _refuse_another(connection, path)
    # In WAL mode, anything less than FULL may lose the last commits when the power fails.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    with transaction(connection):
        # Another process may have made the tables between the look above and now.
        if connection.execute("PRAGMA user_version").fetchone() == (0,):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _refuse_another(connection: sqlite3.Connection, path: Path) -> None:
    def said(pragma: str) -> Any:
        return connection.execute(f"PRAGMA {pragma}").fetchone()[0]

    empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
    if not empty and said("application_id") != APPLICATION:
        raise RatingError(f"{path}: a database, but no store of answers; name another file")
    if said("user_version") > SCHEMA:
        raise RatingError(
            f"{path}: written by a later version (layout {said('user_version')}, here {SCHEMA}); "
            "update, or name another file"
        )
    if not empty and _columns(connection) != _COLUMNS:
        raise RatingError(
            f"{path}: marked as a store of answers, but its tables are others; name another file"
        )
    problem = " ".join(said("quick_check(1)").split())
    if problem != "ok":
        raise RatingError(f"{path}: damaged ({problem}); {_RECOVER}")


def _columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT made.name, one.name FROM sqlite_schema AS made, pragma_table_info(made.name) AS one"
        " WHERE made.name IN ('requests', 'answers', 'failures') ORDER BY made.name, one.cid"
    ).fetchall()


def _explained(said: str) -> str:
    if "locked" in said:
        return f"another process has been writing to it for {PATIENCE:.0f} s; wait for it to end"
    if "not a database" in said:
        return "no store of answers; name another file"
    if "malformed" in said:
        return f"damaged ({said}); {_RECOVER}"
    return f"cannot be used ({said})"
