"""``report.md``: what a night found, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.nightly.compare import Drift, Row, judged, unreached
from core.report.terminal import measured
from core.report.verdicts import tally

MEANINGS = {
    0: "as before",
    1: "drift, confirmed by a second run",
    3: "incomplete: ratings are missing",
    4: "judging failed",
}


def report(
    manifest: Mapping[str, Any],
    code: int,
    rows: Sequence[Row],
    drifts: Sequence[Drift],
    notes: Sequence[str],
) -> str:
    """Return the report.

    Parameters
    ----------
    manifest : mapping
        Of the run.
    code : int
        The exit code.
    rows : sequence of mapping
        All rows of ``verdicts.json``; none if nothing was judged.
    drifts : sequence of Drift
    notes : sequence of str
        What else there is to say, a line each.
    """
    return "\n".join(_lines(manifest, code, rows, drifts, notes)) + "\n"


def _lines(
    manifest: Mapping[str, Any],
    code: int,
    rows: Sequence[Row],
    drifts: Sequence[Drift],
    notes: Sequence[str],
) -> Iterator[str]:
    yield f"# Claims, run of {manifest['began']}: {MEANINGS[code]}"
    yield ""
    if manifest["people"] == "simulated":
        yield "**Rehearsal: people are made up; nothing here is about the paper.**"
        yield ""
    for role, model in manifest["models"].items():
        yield f"- {role}: {model}"
    yield f"- dataset: {manifest['dataset'][:12]} ({manifest['people']})"
    yield f"- code: {manifest['code']['commit']}"
    yield ""
    if rows:
        yield from _tally(rows)
        yield ""
    if drifts:
        yield from _table(drifts)
        yield ""
    elif judged(rows):
        yield "No verdict changed."
        yield ""
    for note in notes:
        yield f"- {note}"


def _tally(rows: Sequence[Row]) -> Iterator[str]:
    yield "| judged tonight | verdicts |"
    yield "| --- | --- |"
    for heading, counts in tally(judged(rows)).items():
        words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        yield f"| {heading} | {words} |"
    if missing := unreached(rows):
        yield f"| not judged, for want of ratings | {len(missing)} |"


def _table(drifts: Sequence[Drift]) -> Iterator[str]:
    yield "| claim | was | is | before | after | held against | second run |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for one in drifts:
        before = measured(one.before) if one.before else ""
        cells = (one.claim, one.was, one.now, before, measured(one.after), one.against, one.state)
        yield f"| {' | '.join(cells)} |"
