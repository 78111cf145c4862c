"""Jobs on a Dask cluster: for `core.jobs`, which loads this only when a scheduler is asked for."""

from __future__ import annotations

import asyncio
import hashlib
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from functools import cache, lru_cache, partial
from typing import Any

import cloudpickle
from threadpoolctl import threadpool_info

from core.evidence.provenance import provenance
from core.jobs import LIVES, ClusterError, Work
from core.paths import ROOT
from core.pools import Failed, Lost, outcome, packed, unpacked

try:
    import distributed
    from distributed.comm.core import connect
except ImportError as error:
    msg = f"{error.name} is not installed: pip install -e '.[cluster]', or name no scheduler"
    raise ClusterError(msg) from error

#: Seconds to wait for the scheduler to answer, and for it to have a worker.
ANSWER, PATIENCE = 5.0, 10.0
#: What must be the same for numbers to be the same to the bit, besides Python and the suite.
PACKAGES = ("numpy", "scipy", "numba", "torch")


def run_on_cluster(address: str, work: Work) -> list[Any]:
    """Run jobs on the workers of a scheduler; see `core.jobs.run`."""
    with _connected(address) as client:
        _check(client, address, work)
        return work.finish(partial(_pool, client, address, work))


@contextmanager
def _connected(address: str) -> Iterator[distributed.Client]:
    remedy = "start one with `dask scheduler`, or name the address of one that runs"
    try:
        # A client that cannot connect leaves a thread behind; asking first leaves nothing.
        asyncio.run(_knock(address))
        client = distributed.Client(address, timeout=ANSWER, set_as_default=False)
    except Exception as error:
        # Who answers may be no scheduler, and then any error comes of what is said.
        msg = f"no Dask scheduler can be reached at {address} ({error}); {remedy}"
        raise ClusterError(msg) from error
    try:
        yield client
    finally:
        client.close()


async def _knock(address: str) -> None:
    # Where something listens that is not Dask, its own timeout does not hold.
    comm = await asyncio.wait_for(connect(address, timeout=ANSWER), ANSWER + 1)
    await comm.close()


def _check(client: distributed.Client, address: str, work: Work) -> None:
    """See that there are workers, and that all of them can and should do the work."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        raise ClusterError(_no_workers(address)) from error
    answers: Any = client.run(_answer, cloudpickle.dumps(work.function), on_error="return")
    for worker, found in answers.items():
        if isinstance(found, BaseException):
            msg = (
                f"worker {worker} cannot load the work: {type(found).__name__}: {found}; install "
                "the suite there from this checkout, `pip install -e .`"
            )
            raise ClusterError(msg) from found
        _compare(worker, found, facts())


def _no_workers(address: str) -> str:
    return f"the scheduler at {address} has no workers; start some with `dask worker {address}`"


def _answer(function: bytes) -> dict[str, str]:
    _loaded(function)
    return facts()


@lru_cache(maxsize=1)
def _loaded(function: bytes) -> Callable[..., Any]:
    """Return the function, which may be of a part of the checkout that is not installed."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    return pickle.loads(function)  # noqa: S301 - of the process that sends the work


@cache
def facts() -> dict[str, str]:
    """Return what numbers depend on in this process: code, packages, kernels of BLAS."""
    found = provenance()
    kernels = {
        library["architecture"] for library in threadpool_info() if "architecture" in library
    }
    return {
        "Python": found.python,
        **{name: found.packages[name] for name in PACKAGES},
        "BLAS kernels": ", ".join(sorted(kernels)),
        "code of the suite": _digest(),
    }


def _digest() -> str:
    """Return a digest of the sources, which a commit is not: a checkout may have changes."""
    digest = hashlib.sha256()
    for path in sorted(path for top in ("core", "claims") for path in (ROOT / top).rglob("*.py")):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _compare(worker: str, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
    differing = [
        f"{name} is {found[name] or 'unknown'} there and {mine or 'unknown'} here"
        for name, mine in expected.items()
        # What one side lacks takes no part: a job that needs it fails by itself.
        if found.get(name) != mine and "not installed" not in (found[name], mine)
    ]
    if differing:
        msg = (
            f"worker {worker} would not give the same numbers: {'; '.join(differing)}; "
            "start it anew, from the same code and with the same packages"
        )
        raise ClusterError(msg)


@contextmanager
def _pool(client: distributed.Client, address: str, work: Work) -> Iterator[_Pool]:
    shared: Any = []
    _still_there(client, address)
    if work.shared:
        try:
            shared = client.scatter(list(work.shared), broadcast=True, hash=False, timeout=PATIENCE)
        except (OSError, TimeoutError) as error:
            raise ClusterError(_no_workers(address)) from error
    yield _Pool(client, address, work, shared)


def _there(expected: Mapping[str, str], function: bytes, job: Any, shared: list[Any]) -> bytes:
    """Run a job on a worker, which may have joined since the others were asked."""
    try:
        _compare(distributed.get_worker().address, facts(), expected)
        call = _loaded(function)
    except Exception as error:
        return packed(Failed(error))
    return packed(outcome(call, shared, job))


def _still_there(client: distributed.Client, address: str) -> None:
    if client.status == "closed":
        msg = f"the scheduler at {address} is gone; start one with `dask scheduler`, and run again"
        raise ClusterError(msg)


async def _cores(client: Any) -> dict[str, int]:
    # A client that has given up has none.
    return await client.scheduler.ncores(workers=None) if client.scheduler else {}


class _Pool:
    """The workers of a cluster, however many there are at the time."""

    def __init__(self, client: distributed.Client, address: str, work: Work, shared: list) -> None:
        self.client, self.address, self.work, self.shared = client, address, work, shared
        self.function = cloudpickle.dumps(work.function)
        self.threads = 0
        self.seen = time.monotonic()
        self.looked = -PATIENCE

    def at_once(self) -> int:
        self._look()
        # One waits beside each that runs, so that workers need not wait for this process.
        return self.work.workers or max(2 * self.threads, 1)

    def submit(self, index: int) -> Any:
        # Within the call, Dask does not go through a job for futures of its own.
        call = partial(_there, facts(), self.function, self.work.jobs[index])
        return self.client.submit(call, self.shared, pure=False)

    def ended(self, running: dict[Any, int]) -> list[Any]:
        while not (done := [future for future in running if future.status != "pending"]):
            time.sleep(0.02)
            self._look()
        return done

    def outcome(self, future: Any) -> Any:
        while True:
            try:
                return unpacked(future.result(timeout=6 * PATIENCE))
            except TimeoutError:
                # The worker went before it handed the result over, and it is made anew.
                self._look()
            except distributed.KilledWorker:
                # Dask has tried several times, but a job goes down with one that runs or waits
                # beside it, so it is not certain yet: the next time it is to be alone.
                return Lost(strikes=LIVES - 1)
            except CancelledError:
                # What is shared went down with the last worker that had it.
                return Lost(strikes=0)
            except Exception as error:
                return Failed(error)

    def _look(self) -> None:
        """Count the workers, once in a while; when there have been none for long, say so."""
        if time.monotonic() < self.looked + 1.0:
            return
        self.looked = time.monotonic()
        found: Any = {}
        # RuntimeError: of a client that has just given up its scheduler.
        with suppress(OSError, TimeoutError, RuntimeError):
            found = self.client.sync(_cores, self.client, callback_timeout=ANSWER)
        _still_there(self.client, self.address)
        self.threads = sum(found.values())
        if found:
            self.seen = time.monotonic()
        elif time.monotonic() > self.seen + PATIENCE:
            raise ClusterError(_no_workers(self.address))
