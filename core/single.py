"""Keeping the libraries under NumPy and torch to one thread, in which they always add alike."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from threadpoolctl import ThreadpoolController


class OneThread:
    """Keeps the libraries of this process to one thread while any of its jobs runs.

    BLAS and torch have one setting per process, which the first job takes and the last one gives
    back; OpenMP has one per thread.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.restore: list[Callable[[], Any]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep what is loaded so far to one thread, here and until the last job has ended."""
        libraries = ThreadpoolController().lib_controllers
        own = [(each, each.num_threads) for each in libraries if each.user_api == "openmp"]
        for library, _ in own:
            library.set_num_threads(1)
        with self.lock:
            self.running += 1
            if self.running == 1:
                self.restore = list(_limited(libraries))
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1
                if not self.running:
                    for restore in self.restore:
                        restore()
            for library, before in own:
                library.set_num_threads(before)


def _limited(libraries: Iterable[Any]) -> Iterator[Callable[[], Any]]:
    """Limit what has one setting per process; yield what undoes it."""
    for library in libraries:
        if library.user_api == "blas":
            yield partial(_set_threads, library, library.num_threads)
            _set_threads(library, 1)
    if torch := sys.modules.get("torch"):
        yield partial(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)


def _set_threads(library: Any, n: int) -> None:
    # From 3.7 on, threadpoolctl heeds only the thread that was the first to set BLAS; here all
    # threads want the same.
    free = getattr(library, "clear_controlling_thread", None) or (lambda **_: None)
    free(force=True)
    library.set_num_threads(n)
    free(force=True)


#: What it counts is a setting of the whole process.
ONE_THREAD = OneThread()
