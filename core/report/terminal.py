"""The table a person reads at the end of a run: one line a claim, 100 columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from core.report.verdicts import listed, tally
from core.verdict.claim import NOT_REACHED, ON_STUDIES

WIDTHS = {"claim": 34, "says/criterion": 15, "measured [interval]": 24, "n": 5, "verdict": 13}
RULE = 100
#: How a verdict looks in the progress of a run: its colour and its letter.
COLOURS = {
    "supported": "green",
    "consistent": "green",
    "refuted": "red",
    "inconsistent": "red",
    "inconclusive": "yellow",
    "untested": "cyan",
    "control": "blue",
}
LETTERS = {
    "supported": "S",
    "consistent": "c",
    "refuted": "R",
    "inconsistent": "i",
    "inconclusive": "?",
    "untested": "u",
    "control": ".",
}

#: How the summary calls the tiers of this machine, and what it says of those about no paper.
_MADE_HERE = {
    "fresh": ("fresh", ""),
    "simulated": ("rehearsal", "people are made up; nothing here is about the paper"),
    "replay": (
        "replay",
        "the released answers, once more; a check of store and parser, not evidence",
    ),
}

Row = Mapping[str, Any]


def table(records: Iterable[Row]) -> Iterator[tuple[str, str]]:
    """Yield the lines of the table, each with its verdict ("" for headings and rules).

    Controls are not listed, nor are tiers that were not reached: both are summed up below it.
    """
    rows = listed(records)
    if not rows:
        return
    yield _line(*WIDTHS, "tier"), ""
    yield "-" * RULE, ""
    for (paper, section), members in groupby(rows, key=lambda r: (r["paper"], r["section"])):
        yield f"{paper}: {section}", ""
        for record in members:
            yield _claim_line(record), record["verdict"]
    yield "-" * RULE, ""


def _claim_line(record: Row) -> str:
    says = "; ".join(record["reported"]) or record["criterion"]
    name = ("* " if record["ours"] else "  ") + record["claim"]
    return _line(
        name, says, measured(record), _size(record["n"]), record["verdict"], record["tier"]
    )


def _size(n: int | None) -> str:
    if n is None:
        return ""
    return str(n) if n < 10_000 else f"{n / 1000:.0f}k"


def _line(*cells: str) -> str:
    *fitted, last = cells
    widths = WIDTHS.values()
    return "".join(_fit(cell, width) for cell, width in zip(fitted, widths, strict=True)) + last


def _fit(cell: str, width: int) -> str:
    room = width - 1
    return f"{cell if len(cell) <= room else cell[: room - 1] + '…':<{width}}"


def measured(record: Row) -> str:
    """Return a record's estimate with its interval, or the reason why there is none."""
    if record["estimate"] is None:
        return record["reason"]
    value = number(record["estimate"])
    if record["low"] == record["high"] == record["estimate"]:
        return value
    return f"{value} [{number(record['low'])}, {number(record['high'])}]"


def number(value: float) -> str:
    """Return a number as the table shows it: counts whole, others to three decimals.

    What three decimals would show as zero, though it is not, is shown by its size.
    """
    if value == int(value):
        return f"{int(value):,}"
    if abs(value) < 0.0005:
        return f"{value:.0e}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def summary(records: Sequence[Row]) -> Iterator[str]:
    """Yield the tally per paper, the controls on a line of their own, and what was not reached."""
    for heading, counts in tally(records).items():
        words = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
        yield f"{heading}: {words}"
    controls = [r for r in records if r["tier"] == "control"]
    if controls:
        good = sum(not r["complaint"] for r in controls)
        yield f"controls: {good} of {len(controls)} behaved as known"
    for record in records:
        if record["complaint"] and not record["expects"]:
            yield record["complaint"]
    yield from _fresh(records)
    yield from _not_reached(records)


def _fresh(records: Sequence[Row]) -> Iterator[str]:
    """Yield what the verdicts of this machine rest on, and how many nobody reviewed."""
    judged = [r for r in records if r["estimate"] is not None]
    for tier, (shown, remark) in _MADE_HERE.items():
        own = [r for r in judged if r["tier"] == tier]
        if names := _parts(own, "models"):
            yield f"{shown}: judged on {', '.join(names)}"
        if notes := _parts(own, "notes"):
            yield f"{shown}: {'; '.join(notes)}"
        if own and remark:
            yield f"{shown}: {remark}"
    reviewable = [r for r in judged if r["tier"] == "fresh" and r["paper"] not in ON_STUDIES]
    if new := sum(not r["locked"] for r in reviewable):
        are = "verdict is" if new == 1 else "verdicts are"
        yield f"fresh: {new} {are} new; `--update-lock` takes them as reviewed"


def _parts(records: Sequence[Row], name: str) -> list[str]:
    """Return what rows say of their evidence, each part once."""
    said = (r["evidence"].get(name, "") for r in records)
    return list(dict.fromkeys(part for one in said if one for part in one.split("; ")))


def _not_reached(records: Sequence[Row]) -> Iterator[str]:
    without = [r["settles"] for r in listed(records) if r["reason"] == "weights"]
    if without:
        yield f"{_claims(len(without))} untested for want of weights: {_in_one(without)}"
    missed = [r for r in records if r["reason"] in NOT_REACHED | {"too-few"}]
    for tier, reason in sorted({(r["tier"], r["reason"]) for r in missed}):
        which = [r for r in missed if (r["tier"], r["reason"]) == (tier, reason)]
        settles = which[0]["settles"]
        if reason in {"not-rated", "too-few"}:
            commands = dict.fromkeys(one for r in which for one in r["settles"].split(" && "))
            settles = " && ".join(commands)
        yield f"{tier}: {_claims(len(which))} not judged ({reason}): {settles}"


def _claims(n: int) -> str:
    return "1 claim" if n == 1 else f"{n} claims"


def _in_one(settles: Sequence[str]) -> str:
    """Unite commands that name models and nothing else; what has options stands by itself."""
    commands = dict.fromkeys(command for one in settles for command in one.split(" && "))
    plain = [one for one in commands if re.fullmatch(r"claims embed(?: --model \S+)+", one)]
    models = dict.fromkeys(re.findall(r"--model (\S+)", " ".join(plain)))
    united = (
        [" ".join(["claims embed", *(f"--model {model}" for model in models)])] if plain else []
    )
    return " && ".join([*united, *(one for one in commands if one not in plain)])
