"""One method on one size, timed in a process of its own, so that its peak memory is its own.

``python -m benchmarks.points METHOD N`` prints what it took as a line of JSON.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.ratings import Table, made
from core.metrics.bootstrap import bootstrap_rsa
from core.metrics.rdm import rdm, rsa_of_features
from core.metrics.streamed import streamed_rsa
from core.paths import ROOT

MODEL = "En_FT"
#: What a process may take before its point is left out.
GIGABYTES, MINUTES = 4, 1
RESAMPLES = 200


@dataclass(frozen=True)
class Point:
    """What a method took on n concepts.

    Attributes
    ----------
    method : str
    n : int
    cpu, wall : float
        Seconds, per piece of the method's work (one RSA, or one resample of many).
    peak : float
        The most memory the process held at any time, in MB, imports and all.
    found : dict of str to float
        What came out.
    left_out : str
        Why there is none of this, or empty.
    """

    method: str
    n: int
    cpu: float = math.nan
    wall: float = math.nan
    peak: float = math.nan
    found: dict[str, float] = field(default_factory=dict)
    left_out: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, which has no NaN: None in its place."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Point:
        """Return what `as_dict` was called on."""
        return cls(**{name: value for name, value in content.items() if value is not None})


def rsa_plainly(table: Table) -> dict[str, float]:
    """RSA by SciPy, whose statistics only the plain ways should have to hold in memory."""
    from benchmarks import plain

    return plain.rsa(table.human, _model(table))


def rsa(table: Table) -> dict[str, float]:
    """RSA by our RDMs."""
    return rsa_of_features(table.human, _model(table))


def streamed(table: Table) -> dict[str, float]:
    """RSA without RDMs, within a bound."""
    found = streamed_rsa(table.human, table.models[MODEL])
    return {MODEL: found.rho, "bound": found.bound}


def resampled_plainly(table: Table) -> dict[str, float]:
    """Bootstrap, one resample, by SciPy."""
    from benchmarks import plain

    n = len(table.human)
    draw = np.random.default_rng(0).integers(n, size=n)
    found = plain.bootstrap(table.human, _model(table), [draw])
    return {MODEL: float(found[MODEL][0])}


def resampled(table: Table) -> dict[str, float]:
    """Bootstrap by weighted ranks, with the sorting that all its resamples share."""
    human, models = rdm(table.human), {MODEL: rdm(table.models[MODEL])}
    rng = np.random.default_rng(0)
    found = bootstrap_rsa(human, models, n_resamples=RESAMPLES, rng=rng)
    return {MODEL: float(found.draws[MODEL][0])}


def _model(table: Table) -> dict[str, np.ndarray]:
    return {MODEL: table.models[MODEL]}


#: By name: the method, how many pieces a call does, and the largest n that is worth a try.
METHODS: dict[str, tuple[Callable[[Table], dict[str, float]], int, int]] = {
    "RSA, plain": (rsa_plainly, 1, 20_000),
    "RSA, ours": (rsa, 1, 20_000),
    "RSA, streamed": (streamed, 1, 20_000),
    "resample, plain": (resampled_plainly, 1, 2_000),
    "resample, ours": (resampled, RESAMPLES, 20_000),
}


def measure(method: str, n: int, *, limits: bool = True) -> Point:
    """Time a method in a new process.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    n : int
        Concepts of the made ratings.
    limits : bool
        Stop it beyond a minute of CPU time or 4 GB.

    Returns
    -------
    Point
        With the reason it was left out where it refused so many or came to a limit.

    Raises
    ------
    RuntimeError
        With what the process said, where it ended otherwise.
    """
    command = [sys.executable, "-m", "benchmarks.points", method, str(n), str(int(limits))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == -signal.SIGXCPU:
        return Point(method, n, left_out=f"takes more than {MINUTES} min of CPU time")
    if done.returncode:
        raise RuntimeError(f"{method}, n = {n}: ended with {done.returncode}\n{done.stderr}")
    return Point.from_dict(json.loads(done.stdout.splitlines()[-1]))


def peak() -> float:
    """Return the most memory that this process has held, in MB.

    Linux carries the peak of the process that started this one over into getrusage's.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


def run(method: str, n: int, limits: bool) -> Point:
    """Time a method in this process, after everything is compiled."""
    do, pieces, _ = METHODS[method]
    do(made(100))
    table = made(n)
    if limits:
        _limit(resource.RLIMIT_DATA, GIGABYTES * 10**9)
        _limit(resource.RLIMIT_CPU, math.ceil(process_time()) + 60 * MINUTES)
    cpu, wall = process_time(), perf_counter()
    try:
        found = do(table)
    except MemoryError:
        return Point(method, n, left_out=f"takes more than {GIGABYTES} GB")
    except ValueError as error:
        return Point(method, n, left_out=f"refused: {error}")
    cpu, wall = process_time() - cpu, perf_counter() - wall
    return Point(method, n, cpu / pieces, wall / pieces, peak(), found)


def _limit(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (value if hard < 0 else min(value, hard), hard))


if __name__ == "__main__":
    point = run(sys.argv[1], int(sys.argv[2]), bool(int(sys.argv[3])))
    print(json.dumps(point.as_dict(), allow_nan=False))  # noqa: T201 - its result
