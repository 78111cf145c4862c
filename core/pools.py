"""Threads and processes of this machine, as `core.jobs` uses them, and what jobs come to."""

from __future__ import annotations

import pickle
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

import cloudpickle
import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from core.single import ONE_THREAD


@dataclass(frozen=True)
class Failed:
    """What a job raised, in the place of its result, and where if that was in another process."""

    error: BaseException
    where: str = ""


@dataclass(frozen=True)
class Lost:
    """No result, as the worker died; `strikes` tells how much this speaks against the job."""

    strikes: int


class Pool(Protocol):
    """Workers, and the futures of what they run."""

    def at_once(self) -> int:
        """Return how many jobs to have handed out at a time."""
        ...

    def submit(self, index: int) -> Any:
        """Hand a job out, or return None if there is nobody to take it any more."""
        ...

    def ended(self, running: dict[Any, int]) -> Iterable[Any]:
        """Wait for some futures to end."""
        ...

    def outcome(self, future: Any) -> Any:
        """Return the result, or `Failed`, or `Lost`."""
        ...


@dataclass
class _Local:
    """Threads or processes of this machine."""

    executor: Executor
    call: Callable[[Any], Any]
    jobs: Sequence[Any]
    workers: int
    read: Callable[[Any], Any]
    broken: bool = False

    def at_once(self) -> int:
        return self.workers

    def submit(self, index: int) -> Future[Any] | None:
        try:
            return None if self.broken else self.executor.submit(self.call, self.jobs[index])
        except TerminatedWorkerError:
            return None

    def ended(self, running: dict[Future[Any], int]) -> Iterable[Future[Any]]:
        return wait(running, return_when=FIRST_COMPLETED).done

    def outcome(self, future: Future[Any]) -> Any:
        try:
            return self.read(future.result())
        except TerminatedWorkerError:
            # One is dead, and the others are stopped with it.
            self.broken = True
            return Lost(strikes=1)
        except Exception as error:
            return Failed(error)


@contextmanager
def threads_of(
    at_once: int, function: Callable[..., Any], shared: Sequence[Any], jobs: Sequence[Any]
) -> Iterator[Pool]:
    """Open a pool of threads of this process."""
    executor = ThreadPoolExecutor(at_once)
    try:
        yield _Local(executor, partial(outcome, function, shared), jobs, at_once, lambda x: x)
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def processes(
    at_once: int, function: Callable[..., Any], shared: Sequence[Any], jobs: Sequence[Any]
) -> Iterator[Pool]:
    """Open a pool of processes, which are stopped, whatever they do, when it is closed."""
    with tempfile.TemporaryDirectory(prefix="claims-jobs-") as folder:
        path = Path(folder) / "shared"
        joblib.dump(shared, path)
        executor = ProcessPoolExecutor(at_once)
        try:
            yield _Local(executor, partial(_elsewhere, function, path), jobs, at_once, unpacked)
        finally:
            executor.shutdown(kill_workers=True)


def _elsewhere(function: Callable[..., Any], path: Path, job: Any) -> bytes:
    return packed(outcome(function, _shared(path), job))


@lru_cache(maxsize=1)
def _shared(path: Path) -> tuple[Any, ...]:
    return joblib.load(path, mmap_mode="r")


def outcome(function: Callable[..., Any], shared: Iterable[Any], job: Any) -> Any:
    """Run one job, on one thread; return its result, or what it raised."""
    try:
        with ONE_THREAD.held():
            return function(*shared, job)
    except Exception as error:
        return Failed(error)


def packed(found: Any) -> bytes:
    """Pack an outcome for another process, which would wait in vain for what it cannot read."""
    if isinstance(found, Failed):
        found = Failed(found.error, _where(found.error))
    try:
        content = cloudpickle.dumps(found)
        if isinstance(found, Failed):
            unpacked(content)
    except Exception as error:
        where = found.where if isinstance(found, Failed) else _where(error)
        return cloudpickle.dumps(Failed(RuntimeError(where.splitlines()[-1]), where))
    return content


def _where(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def unpacked(content: bytes) -> Any:
    """Return what `packed` was given."""
    return pickle.loads(content)  # noqa: S301 - of our workers
