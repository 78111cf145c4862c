"""One process at a time, where two would pay for the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.rating.errors import RatingError


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder, made where it is not there, while something is begun from what it notes.

    Raises
    ------
    RatingError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # pragma: no cover - not on Windows
        yield
        return
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            msg = f"{folder}: another process is at work there; let it end, or stop it"
            raise RatingError(msg) from error
        yield
