"""Says when compiled code is compiled, which only the first run on a machine has to wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from numba.core import event

FIRST = "compiling the fast paths for this processor; they are kept on disk for the next run"


class Compiling(event.Listener):
    """Announces the first compilation, and counts how long all of them take.

    Attributes
    ----------
    seconds : float
        Time spent compiling so far; what is loaded from disk takes none.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.announce = announce
        self.seconds = 0.0
        # A function's compilation holds those of the functions that it calls.
        self.open = 0
        self.began = 0.0

    def on_start(self, event: Any) -> None:  # noqa: ARG002 - numba's interface
        """Note that a compilation begins."""
        if not self.open:
            if not self.seconds:
                self.announce(FIRST)
            self.began = perf_counter()
        self.open += 1

    def on_end(self, event: Any) -> None:  # noqa: ARG002 - numba's interface
        """Note that a compilation ends."""
        self.open -= 1
        if not self.open:
            self.seconds += perf_counter() - self.began


@contextmanager
def announced(announce: Callable[[str], None]) -> Iterator[Compiling]:
    """Announce what is compiled while the context lasts."""
    listener = Compiling(announce)
    event.register("numba:compile", listener)
    try:
        yield listener
    finally:
        event.unregister("numba:compile", listener)
