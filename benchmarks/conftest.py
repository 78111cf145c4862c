"""What all benchmarks share: their tables of ratings, one thread for BLAS, one table at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from threadpoolctl import threadpool_limits

from benchmarks.ratings import Table, made, released
from benchmarks.timing import Row, compare, table
from core.evidence.errors import Unreachable

ROWS = pytest.StashKey[list[Row]]()
CONCEPTS = 1570


def pytest_configure(config: pytest.Config) -> None:
    """Show no table but ours, unless a comparison with stored runs asks for another."""
    config.stash[ROWS] = []
    config.option.benchmark_quiet |= not config.option.benchmark_compare


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print every row of the run."""
    if rows := terminalreporter.config.stash[ROWS]:
        terminalreporter.section("ours, the plain way and rsatoolbox")
        for line in table(rows):
            terminalreporter.write_line(line, red="NOT MET" in line)


@pytest.fixture(scope="session", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Keep the BLAS to one thread: idle ones that spin would count as CPU time."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def race(benchmark: BenchmarkFixture, request: pytest.FixtureRequest) -> Callable[..., Row]:
    """Return `benchmarks.timing.compare`, whose row goes into the table at the end."""

    def keep(*arguments: Any, **options: Any) -> Row:
        row = partial(compare, benchmark)(*arguments, **options)
        request.config.stash[ROWS].append(row)
        return row

    return keep


@pytest.fixture(scope="session", params=["made", "released"])
def ratings(request: pytest.FixtureRequest) -> Table:
    """Return people's and four models' standardised ratings: made ones, then the release's."""
    if request.param == "made":
        return made(CONCEPTS)
    try:
        return released()
    except Unreachable as error:
        pytest.skip(f"the release is out of reach: {error}")


@pytest.fixture(scope="session")
def toolbox() -> Any:
    """Return what is timed of rsatoolbox, or None where it is not installed."""
    try:
        from benchmarks import toolbox
    except ModuleNotFoundError:
        return None
    return toolbox
