"""Our way of doing something beside other ways that compute the same, timed in turn.

Ratios, not seconds: all ways of one row are timed in the same run on the same machine, each counts
by its best round, and a slow one may do a part of the work, which is scaled up. The CPU time is
that of all threads of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

ROUNDS = 2


@dataclass(frozen=True)
class Seconds:
    """CPU time and wall time of one piece of work."""

    cpu: float
    wall: float

    def __truediv__(self, other: Seconds) -> Seconds:
        """Return how many times as long as `other`, in either time."""
        return Seconds(self.cpu / other.cpu, self.wall / other.wall)


@dataclass(frozen=True)
class Way:
    """One way to do the work of a row.

    Attributes
    ----------
    run : callable
        Does it, or a part of it. What is timed in a process of its own returns its `Seconds`;
        what anything else returns is not looked at.
    done, of : int
        A call does so many pieces of so many; the time is scaled to the whole.
    """

    run: Callable[[], Any]
    done: int = 1
    of: int = 1

    def clock(self) -> Seconds:
        """Run once; return the time of the whole."""
        cpu, wall = process_time(), perf_counter()
        found = self.run()
        taken = Seconds(process_time() - cpu, perf_counter() - wall)
        if isinstance(found, Seconds):
            taken = found
        return Seconds(taken.cpu * self.of / self.done, taken.wall * self.of / self.done)


@dataclass(frozen=True)
class Target:
    """What a row should reach: a ratio to another way, or a time of ours, both of the CPU."""

    plain: float | None = None
    rsatoolbox: float | None = None
    seconds: float | None = None

    def judged(self, row: Row) -> list[tuple[str, bool]]:
        """Return each target in words, and whether the row meets it."""
        out = []
        for name, least in (("plain", self.plain), ("rsatoolbox", self.rsatoolbox)):
            ratio = row.ratio(name)
            if least is not None and ratio is not None:
                out.append((f"{name} {least:g}x", ratio.cpu >= least))
        if self.seconds is not None:
            out.append((f"under {self.seconds:g} s", row.ours.cpu < self.seconds))
        return out


@dataclass(frozen=True)
class Row:
    """One row of the table, times of the whole work."""

    what: str
    shape: str
    ours: Seconds
    others: dict[str, Seconds]
    target: Target
    note: str

    def ratio(self, name: str) -> Seconds | None:
        """Return how many times as long another way takes, or None where it was not timed."""
        return self.others[name] / self.ours if name in self.others else None

    def as_dict(self) -> dict[str, Any]:
        """Return what pytest-benchmark stores beside its own times."""
        out: dict[str, Any] = {"what": self.what, "shape": self.shape, "note": self.note}
        out |= {"cpu_s": self.ours.cpu, "wall_s": self.ours.wall}
        for name, seconds in self.others.items():
            ratio = seconds / self.ours
            out |= {f"{name}_cpu_s": seconds.cpu, f"{name}_wall_s": seconds.wall}
            out |= {f"{name}_cpu_ratio": ratio.cpu, f"{name}_wall_ratio": ratio.wall}
        return out | {"targets": dict(self.target.judged(self))}


def compare(
    benchmark: BenchmarkFixture,
    what: str,
    shape: str,
    ours: Way,
    others: dict[str, Way],
    *,
    unit: str = "",
    target: Target | None = None,
    note: str = "",
    rounds: int = ROUNDS,
) -> Row:
    """Time our way by pytest-benchmark, and before each of its rounds every other way.

    Every way must have run once, so that nothing is compiled or read for the first time here.

    Parameters
    ----------
    benchmark : BenchmarkFixture
    what, shape : str
        What the row says was done, and on how much.
    ours : Way
    others : dict of str to Way
        "plain" and "rsatoolbox", or one of them, or none.
    unit : str
        What the pieces of a way that does only some of them are called.
    target : Target, optional
        Printed as met or not; a row below it does not fail.
    note : str
        Put before what is said of the parts timed.
    rounds : int

    Returns
    -------
    Row
        Stored in the benchmark's extra_info too.
    """
    taken: dict[str, list[Seconds]] = {name: [] for name in ("ours", *others)}

    def clock_others() -> None:
        for name, way in others.items():
            taken[name].append(way.clock())

    def clock_ours() -> None:
        taken["ours"].append(ours.clock())

    benchmark.pedantic(clock_ours, setup=clock_others, rounds=rounds)
    best = {name: _best(times) for name, times in taken.items()}
    parts = [
        f"{way.done:,} of {way.of:,} {unit} timed of {name}"
        for name, way in others.items()
        if way.done < way.of
    ]
    row = Row(
        what,
        shape,
        best.pop("ours"),
        best,
        target or Target(),
        "; ".join(filter(None, [note, *parts])),
    )
    benchmark.extra_info |= row.as_dict()
    return row


def _best(times: Sequence[Seconds]) -> Seconds:
    return Seconds(min(one.cpu for one in times), min(one.wall for one in times))


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as lines of text, under a heading; notes are numbered and stand below."""
    head = ("", "shape", "ours", "plain", "ratio", "rsatoolbox", "ratio", "target", "")
    notes = list(dict.fromkeys(row.note for row in rows if row.note))
    cells = [head, *(_cells(row, notes) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = {0, 1, 7, 8}
    lines = [
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return [
        *lines,
        "",
        "CPU seconds, best round; ratios to ours of CPU time / wall time; targets are of CPU time",
        *(f"{i}) {note}" for i, note in enumerate(notes, 1)),
    ]


def _cells(row: Row, notes: Sequence[str]) -> tuple[str, ...]:
    cells = [row.what, row.shape, _number(row.ours.cpu)]
    for name in ("plain", "rsatoolbox"):
        ratio = row.ratio(name)
        cells += [_number(row.others[name].cpu), _pair(ratio)] if ratio else ["", ""]
    judged = [f"{words} {'met' if met else 'NOT MET'}" for words, met in row.target.judged(row)]
    return (*cells, ", ".join(judged), f"{notes.index(row.note) + 1})" if row.note else "")


def _number(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _pair(ratio: Seconds) -> str:
    return f"{_ratio(ratio.cpu)} / {_ratio(ratio.wall)}"


def _ratio(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
