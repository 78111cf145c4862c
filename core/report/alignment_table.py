"""What `alignment.json` holds, as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import numpy as np

from core.evidence.errors import EvidenceError
from core.files import write_atomically
from core.report.alignment import MOST, SCHEMA
from core.report.groups import TRAINED, UNTRAINED


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a document in one move."""
    write_atomically(path, json.dumps(content, allow_nan=False) + "\n")


def read(path: Path) -> dict[str, Any]:
    """Return a document.

    Raises
    ------
    EvidenceError
        If the file is missing, is not JSON, is of another schema, or lacks anything.
    """
    remedy = "run `pytest claims/alm` to write it"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; {remedy}"
        raise EvidenceError(msg) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        msg = f"{path}: is not of schema {SCHEMA}; {remedy}"
        raise EvidenceError(msg)
    try:
        fault = _fault(content)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        fault = f"is not made as it should be: {error!r}"
    if fault:
        msg = f"{path}: {fault}; {remedy}"
        raise EvidenceError(msg)
    return content


def _fault(content: Mapping[str, Any]) -> str:
    """Say what a document lacks that the tables and figures need; "" if nothing."""
    names = content["groups"]
    others = [name for name in names if name != TRAINED]
    if not {TRAINED, UNTRAINED} <= set(names) or len(set(names)) < len(names):
        return "has not the groups that it should"
    pairs = [(one["first"], one["second"]) for one in content["pairs"]]
    if sorted(map(sorted, pairs)) != sorted(map(sorted, combinations_with_replacement(names, 2))):
        return "has not every pair of its groups once"
    if not all(_is_pair(one) for one in content["pairs"]):
        return f"has a pair without P@1 to P@{MOST} and its CKA"
    violins = content["violins"]
    if list(violins) != others or not all(
        _numbers(row, MOST) for v in violins.values() for row in v
    ):
        return "has not the violins of its groups"
    course, updates = content["course"]["precision"], content["course"]["updates"]
    along = all(_numbers(each, len(updates)) for each in course.values())
    if set(course) != {*others} - {UNTRAINED} or not along:
        return "has not the course of its groups"
    far = content["disparities"]
    forms = [*far, *(one[form] for one in far for form in ("padded", "rotation") if one[form])]
    # Every form is of the same agents.
    agents = len(far[0]["values"])
    whole = all(agents and _numbers([*one["values"], one["permuted"]], agents + 1) for one in forms)
    if [one["name"] for one in far] != others or not whole:
        return "has not the disparities of its groups"
    keys = ("width", "disparity", "effective_rank")
    if not all(_numbers([one[key] for key in keys], 3) for one in content["random_disparity"]):
        return "has not the disparities of unrelated spaces"
    return ""


def _is_pair(one: Mapping[str, Any]) -> bool:
    ends = not (one["low"] or one["high"]) or all(
        _numbers(one[end], MOST) for end in ("low", "high")
    )
    return ends and _numbers(one["precision"], MOST) and _numbers([one["debiased_cka"]], 1)


def _numbers(values: Sequence[Any], n: int) -> bool:
    return len(values) == n and all(isinstance(value, int | float) for value in values)


def table(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of all tables: what the agents share with each space, and how far it is."""
    width = max(map(len, content["groups"])) + 2
    yield from _spaces(content, width)
    yield from _three_ways(content, width)
    yield from _course(content, width)
    yield from _random(content)


def _spaces(content: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield a line per space: what the agents share with it, before and after their training."""
    before, after = (
        {one["second"]: one for one in content["pairs"] if one["first"] == name}
        | {one["first"]: one for one in content["pairs"] if one["second"] == name}
        for name in (UNTRAINED, TRAINED)
    )
    far = {one["name"]: one for one in content["disparities"]}
    heads = ("P@1", "P@15", "P@15 untrained", "debiased CKA", "disparity (relabelled)")
    yield " " * width + f"{heads[0]:<7}{heads[1]:<22}{heads[2]:<16}{heads[3]:<14}{heads[4]}"
    for name in content["groups"]:
        one = after[name]
        if one["low"]:
            shared = f"{one['precision'][-1]:.3f} [{one['low'][-1]:.3f}, {one['high'][-1]:.3f}]"
        else:
            shared = f"{one['precision'][-1]:.3f}"
        start = f"{before[name]['precision'][-1]:.3f}"
        apart = ""
        if name in far:
            apart = f"{np.median(far[name]['values']):.3f} ({far[name]['permuted']:.3f})"
        yield (
            f"{name:<{width}}{one['precision'][0]:<7.3f}{shared:<22}{start:<16}"
            f"{one['debiased_cka']:<14.3f}{apart}"
        ).rstrip()


def _three_ways(content: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield a line per model: the three forms of the disparity, each with its relabelled level."""
    models = [one for one in content["disparities"] if one["padded"]]
    if not models:
        return
    yield ""
    heads = ("after PCA", "zero-padded", "rotation only")
    yield _row("Procrustes, three ways (relabelled)", heads, max(width, 37), 16)
    for one in models:
        forms = [
            f"{np.median(form['values']):.3f} ({form['permuted']:.3f})"
            for form in (one, one["padded"], one["rotation"])
        ]
        yield _row(one["name"], forms, max(width, 37), 16)


def _course(content: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield a line per space: what the agents share with it along their training."""
    yield ""
    updates = content["course"]["updates"]
    yield _row("P@15 after so many updates", updates, max(width, 28), 7)
    for name, values in content["course"]["precision"].items():
        yield _row(name, [f"{value:.3f}" for value in values], max(width, 28), 7)


def _random(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield how far Gaussian spaces are apart that have nothing to do with each other."""
    found = content["random_disparity"]
    yield ""
    yield _row("Unrelated Gaussian spaces, width", [one["width"] for one in found], 34, 8)
    for name, key, digits in (
        ("disparity", "disparity", 3),
        ("effective rank", "effective_rank", 1),
    ):
        yield _row(name, [f"{one[key]:.{digits}f}" for one in found], 34, 8)


def _row(name: str, cells: Sequence[object], first: int, width: int) -> str:
    return (f"{name:<{first}}" + "".join(f"{cell!s:<{width}}" for cell in cells)).rstrip()
