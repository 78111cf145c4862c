"""One process at a time, where two would pay for the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.rating.errors import RatingError

#: Stands in a folder that was ever held.
LOCK = ".lock"


@contextmanager
def alone(folder: Path, lock: str = LOCK, *, wait: bool = False) -> Iterator[None]:
    """Hold a folder, made where it is not there, while something is begun from what it notes.

    Parameters
    ----------
    folder : Path
    lock : str
        The file in it that is held, where the folder serves several that may go on side by side.
    wait : bool
        Whether to wait for another process that holds it: where it is held for a moment only.

    Raises
    ------
    RatingError
        If another process holds it, and it is not to be waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # pragma: no cover - not on Windows
        yield
        return
    with (folder / lock).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError as error:
            raise RatingError(
                f"{folder / lock}: held by another process that is at work there; let it end, or "
                "stop it"
            ) from error
        yield
