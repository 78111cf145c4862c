"""What is known of batches that were begun, kept in the store beside the answers.

A batch is noted before anything is sent, and the service's ids as soon as they are known, so that a
process that is killed at any point leaves what the next one needs to go on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from core.rating.asking.store import AnswerStore

_TABLES = """
CREATE TABLE IF NOT EXISTS batches (
    content TEXT NOT NULL, attempt INTEGER NOT NULL, server TEXT NOT NULL, model TEXT NOT NULL,
    tokens INTEGER NOT NULL, most REAL, file TEXT, batch TEXT, status TEXT NOT NULL,
    PRIMARY KEY (content, attempt)
);
CREATE TABLE IF NOT EXISTS batch_requests (
    content TEXT NOT NULL, attempt INTEGER NOT NULL, key TEXT NOT NULL,
    PRIMARY KEY (content, attempt, key)
) WITHOUT ROWID;
"""
#: The status of a batch that is still to be seen to; any other is how it ended.
OPEN = "open"
_COLUMNS = "content, attempt, tokens, most, file, batch"


@dataclass
class Batch:
    """A batch as it is noted.

    Attributes
    ----------
    content : str
        SHA-256 of the input file.
    attempt : int
        Counts the batches of the same content, from 1.
    tokens : int
        About how many are sent.
    most : float or None
        What it can cost at most, in dollars; None where no price is known.
    file, batch : str or None
        The service's ids of the input file and of the batch, once they are known.
    keys : frozenset of str
        The calls it is made of.
    """

    content: str
    attempt: int
    tokens: int
    most: float | None
    file: str | None
    batch: str | None
    keys: frozenset[str]

    @property
    def mark(self) -> dict[str, str]:
        """What the service is told, so that the batch is found again by what it is made of."""
        return {"content": self.content, "attempt": str(self.attempt)}


def make_tables(store: AnswerStore) -> None:
    """Make the tables where they are not there."""
    with store.transaction() as connection:
        for statement in _TABLES.split(";"):
            connection.execute(statement)


def note(
    store: AnswerStore,
    content: str,
    keys: Collection[str],
    *,
    server: str,
    model: str,
    tokens: int,
    most: float | None,
) -> Batch:
    """Note a batch that is about to be begun."""
    with store.transaction() as connection:
        query = "SELECT count(*) FROM batches WHERE content = ?"
        attempt = connection.execute(query, (content,)).fetchone()[0] + 1
        row = (content, attempt, server, model, tokens, most, None, None, OPEN)
        connection.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        rows = [(content, attempt, key) for key in keys]
        connection.executemany("INSERT INTO batch_requests VALUES (?, ?, ?)", rows)
    return Batch(content, attempt, tokens, most, None, None, frozenset(keys))


def note_ids(store: AnswerStore, batch: Batch, *, file: str | None, id_: str | None) -> None:
    """Note the service's ids of a batch."""
    batch.file, batch.batch = file, id_
    with store.transaction() as connection:
        query = "UPDATE batches SET file = ?, batch = ? WHERE content = ? AND attempt = ?"
        connection.execute(query, (file, id_, batch.content, batch.attempt))


def note_end(store: AnswerStore, batch: Batch, status: str) -> None:
    """Note that nothing more is to come of a batch, and how it ended."""
    with store.transaction() as connection:
        query = "UPDATE batches SET status = ? WHERE content = ? AND attempt = ?"
        connection.execute(query, (status, batch.content, batch.attempt))


def under_way(store: AnswerStore, keys: Collection[str]) -> set[str]:
    """Return those of the calls that a batch was sent with and whose answers were not fetched."""
    there = "SELECT 1 FROM sqlite_master WHERE name = 'batch_requests'"
    if store.connection.execute(there).fetchone() is None:
        return set()
    # With a file, a batch may have been created though its id was never noted.
    query = (
        "SELECT key FROM batch_requests JOIN batches USING (content, attempt) "
        "WHERE status = ? AND file IS NOT NULL"
    )
    return set(keys) & {key for (key,) in store.connection.execute(query, (OPEN,))}


def unfinished(store: AnswerStore, keys: Collection[str], server: str) -> list[Batch]:
    """Return a server's batches still to be seen to that hold some of these calls, oldest first."""
    query = f"SELECT {_COLUMNS} FROM batches WHERE status = ? AND server = ?"  # noqa: S608
    rows = store.connection.execute(f"{query} ORDER BY rowid", (OPEN, server)).fetchall()
    found = []
    for content, attempt, tokens, most, file, id_ in rows:
        query = "SELECT key FROM batch_requests WHERE content = ? AND attempt = ?"
        own = store.connection.execute(query, (content, attempt)).fetchall()
        batch = Batch(content, attempt, tokens, most, file, id_, frozenset(k for (k,) in own))
        if not batch.keys.isdisjoint(keys):
            found.append(batch)
    return found
