"""``report.md``: what a night found, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.nightly.compare import Drift, Lost, Row, judged, other_than_released, unreached
from core.report.terminal import measured
from core.report.verdicts import tally
from core.verdict.lock import Lock

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
    lost: Sequence[Lost],
    models: Sequence[str],
    notes: Sequence[str],
    lock: Lock,
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
    lost : sequence of Lost
        What an earlier run judged and this one did not.
    models : sequence of str
        Which models are others than the last run's, a line each.
    notes : sequence of str
        What else there is to say, a line each.
    lock : mapping
        The reviewed verdicts, those on the authors' own outputs among them.
    """
    lines = [*_head(manifest, code, models), *_found(rows, drifts), *_lost(lost)]
    lines += _beside_release(rows, lock)
    return "\n".join([*lines, *(f"- {note}" for note in notes)]) + "\n"


def _head(manifest: Mapping[str, Any], code: int, models: Sequence[str]) -> Iterator[str]:
    yield f"# Claims, run of {manifest['began']}: {MEANINGS[code]}"
    yield ""
    if manifest["people"] == "simulated":
        yield "**Rehearsal: people are made up; nothing here is about the paper.**"
        yield ""
    for line in models:
        yield f"**{line}**"
        yield ""
    for role, model in manifest["models"].items():
        yield f"- {role}: {model}"
    yield f"- dataset: {manifest['dataset'][:12]} ({manifest['people']})"
    yield f"- code: {manifest['code']['commit']}"
    yield ""


def _found(rows: Sequence[Row], drifts: Sequence[Drift]) -> Iterator[str]:
    if rows:
        yield from _tally(rows)
        yield ""
    if drifts:
        yield from _table(drifts)
        yield ""
    elif judged(rows):
        yield "No verdict changed."
        yield ""


def _lost(lost: Sequence[Lost]) -> Iterator[str]:
    for now in dict.fromkeys(one.now for one in lost):
        names = [one.before["claim"] for one in lost if one.now == now]
        yield f"No longer judged, {now}: {', '.join(names)}"
        yield ""


def _beside_release(rows: Sequence[Row], lock: Lock) -> Iterator[str]:
    shared, others = other_than_released(rows, lock)
    if shared:
        yield f"{shared - len(others)} of {shared} verdicts are those on the authors' own outputs."
        yield ""
    if others:
        yield "| otherwise | on the authors' outputs | here |"
        yield "| --- | --- | --- |"
        for row in others:
            reviewed = lock[row["claim"], "released"].value
            yield f"| {row['claim']} | {reviewed} | {row['verdict']} {measured(row)} |"
        yield ""


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
        before, after = (measured(row) if row else "" for row in (one.before, one.after))
        cells = (one.claim, one.was, one.now, before, after, one.against, one.state)
        yield f"| {' | '.join(cells)} |"
