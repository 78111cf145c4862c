"""Independent jobs, run side by side on this machine or on a Dask cluster, the same to the bit.

A job's result must depend on the job alone. So randomness comes from one `SeedSequence` per job,
see `seeds`, never from the worker; and BLAS, OpenMP and torch keep to one thread in every job, run
serially or not, since the order in which they add depends on how many threads there are. (The
compiled loops of the suite have no threads of their own.)
"""

from __future__ import annotations

import multiprocessing
import os
import reprlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import joblib
import numpy as np
from tqdm import tqdm

from core.pools import Failed, Lost, Pool, outcome, processes, threads_of

Job = TypeVar("Job")
#: The environment variable that names the scheduler, where no argument does.
SCHEDULER = "CLAIMS_SCHEDULER"
#: So often a job may lose its worker. The last time it is alone, so that no other can be to blame.
LIVES = 3


class JobsError(Exception):
    """Jobs cannot be run: the message says what is wrong and what to do."""


class ClusterError(JobsError):
    """The Dask cluster that was asked for is out of reach, or not fit for the work."""


class WorkerKilled(JobsError):  # noqa: N818
    """A job that its worker does not survive; the message names it."""


class Elsewhere(Exception):  # noqa: N818
    """The cause of an error that was raised in another process: where that was, as text."""

    def __str__(self) -> str:
        return f"in another process:\n\n{self.args[0]}"


def seeds(seed: int, n: int) -> list[np.random.SeedSequence]:
    """Return one source of randomness per job, whatever worker it is run by.

    Parameters
    ----------
    seed : int
        Not negative.
    n : int
        Number of jobs.

    Returns
    -------
    list of numpy.random.SeedSequence
        Independent; the first ones are the same for every `n`. In the job, take
        `numpy.random.default_rng` of it.
    """
    return np.random.SeedSequence(seed).spawn(n)


def scheduler_address(scheduler: str | None = None) -> str | None:
    """Return the scheduler asked for: the argument, else CLAIMS_SCHEDULER, else None."""
    return scheduler or os.environ.get(SCHEDULER) or None


def run(
    function: Callable[..., Any],
    jobs: Iterable[Job],
    *,
    shared: Sequence[Any] = (),
    threads: bool = False,
    scheduler: str | None = None,
    workers: int | None = None,
    label: str = "",
) -> list[Any]:
    """Call a function for every job, side by side; what it returns does not depend on where.

    A worker that is killed costs what it was running: that is run again, and what came in is kept.
    (Local processes go together: if one is killed, what the others were running is lost as well.)

    Parameters
    ----------
    function : callable
        Called as ``function(*shared, job)``. For processes and clusters it must be importable, or
        picklable by value, as what it takes and returns must be.
    jobs : iterable
        Small things: each travels on its own.
    shared : sequence
        Big things, the same for all jobs, not to be written to. Threads take them as they are. A
        cluster is sent one copy per worker process. Local processes read one copy among the
        temporary files, and map the arrays in it.
    threads : bool
        Say that the work releases the interpreter's lock: a local run then takes threads.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the jobs, see `scheduler_address`.
    workers : int, optional
        Jobs at a time; by default one per core, or on a cluster as many as it takes.
    label : str
        Shown with a progress bar where stderr is a terminal; without one there is no bar.

    Returns
    -------
    list
        One result per job, in their order.

    Raises
    ------
    Exception
        Whatever a job raised first, with a note that names the job (a `RuntimeError` in its place
        if it cannot be sent); the others are called off, though on a cluster and in threads those
        that have begun come to their end.
    WorkerKilled
        When a job lost its worker three times, the last time with no other at work (on a cluster:
        twice as often as the scheduler's own count, `allowed-failures`, permits).
    ClusterError
        When Dask is not installed, the scheduler cannot be reached, it has no workers, or one has
        other versions of Python, of the packages that numbers depend on, or of this code.

    Notes
    -----
    Alone, or with one worker, a job is run in this process, and what kills it kills all.

    Scratch: local processes take as much disk as what is shared, and no memory for its arrays
    beyond what the system keeps of the file; a cluster takes its size in every worker.
    """
    every = list(jobs)
    if workers is not None and workers < 1:
        msg = f"workers is {workers}, must be at least 1"
        raise ValueError(msg)
    with tqdm(total=len(every), desc=label, unit="job", disable=None if label else True) as bar:
        work = Work(function, every, tuple(shared), workers, bar)
        address = scheduler_address(scheduler)
        if address and every:
            # Dask takes a second to load, and need not be there.
            from core.cluster import run_on_cluster

            return run_on_cluster(address, work)
        at_once = min(workers or joblib.cpu_count(), len(every))
        # A worker of a pool may not have a pool of its own.
        if at_once < 2 or (multiprocessing.current_process().daemon and not threads):
            return work.serially()
        pool = threads_of if threads else processes
        return work.finish(partial(pool, at_once, function, work.shared, work.jobs))


@dataclass
class Work:
    """Jobs, how they are run, and the bar that shows how many have ended."""

    function: Callable[..., Any]
    jobs: Sequence[Any]
    shared: tuple[Any, ...]
    workers: int | None
    bar: Any

    def serially(self) -> list[Any]:
        """Run the jobs one by one, in this process."""
        results = []
        for index, job in enumerate(self.jobs):
            results.append(self._result(index, outcome(self.function, self.shared, job)))
            self.bar.update()
        return results

    def finish(self, pool: Callable[[], AbstractContextManager[Pool]]) -> list[Any]:
        """Run the jobs in one pool, and those that were lost in another, until none is left."""
        results: dict[int, Any] = {}
        strikes: Counter[int] = Counter()
        fruitless = 0
        while left := [index for index in range(len(self.jobs)) if index not in results]:
            # Those that may have killed two workers come last, each alone.
            batch = [index for index in left if strikes[index] < LIVES - 1] or left[:1]
            before = len(results), strikes.total()
            with pool() as opened:
                for index, found in _through(opened, batch):
                    if isinstance(found, Lost):
                        strikes[index] += found.strikes
                    else:
                        results[index] = self._result(index, found)
                        self.bar.update()
            for index in batch:
                if strikes[index] >= LIVES:
                    msg = f"{self._name(index)}: its worker died every time, perhaps for memory"
                    raise WorkerKilled(msg)
            fruitless = fruitless + 1 if before == (len(results), strikes.total()) else 0
            if fruitless == LIVES:
                msg = f"{self._name(batch[0])}: all workers died, three times over"
                raise WorkerKilled(msg)
        return [results[index] for index in range(len(self.jobs))]

    def _result(self, index: int, found: Any) -> Any:
        if isinstance(found, Failed):
            found.error.add_note(f"raised by {self._name(index)}")
            if found.where:
                raise found.error from Elsewhere(found.where)
            raise found.error
        return found

    def _name(self, index: int) -> str:
        short = reprlib.Repr()
        short.maxother = short.maxstring = 80
        return f"job {index} of {len(self.jobs)}, {short.repr(self.jobs[index])}"


def _through(pool: Pool, batch: Sequence[int]) -> Iterator[tuple[int, Any]]:
    """Yield jobs with what became of them, as they end; not all, if the pool breaks."""
    waiting, running = deque(batch), {}
    while waiting or running:
        while waiting and len(running) < pool.at_once():
            future = pool.submit(waiting[0])
            if future is None:
                waiting.clear()
            else:
                running[future] = waiting.popleft()
        for future in pool.ended(running):
            yield running.pop(future), pool.outcome(future)
