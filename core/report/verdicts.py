"""``verdicts.json``: what a run found, for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.verdict.claim import NOT_REACHED, Claim
from core.verdict.lock import write_atomically

SCHEMA = 1


class VerdictsError(ValueError):
    """A file of verdicts that cannot be read: names the file and what to do."""


def document(
    records: Iterable[Mapping[str, Any]], code: Mapping[str, Any], problems: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the whole document; rows are in order of paper, section and claim."""
    return {
        "schema": SCHEMA,
        "generated": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": dict(code),
        "problems": list(problems),
        "verdicts": list(records),
    }


def write_verdicts(path: Path, content: Mapping[str, Any]) -> None:
    """Write the document in one move."""
    write_atomically(
        path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    )


def read_verdicts(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a document.

    Raises
    ------
    VerdictsError
        If the file is missing, is not JSON, or is of another schema.
    """
    remedy = "run `pytest claims/` to write it"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; {remedy}"
        raise VerdictsError(msg) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        msg = f"{path}: is not of schema {SCHEMA}; {remedy}"
        raise VerdictsError(msg)
    return content["verdicts"]


def in_order(
    records: Iterable[Mapping[str, Any]], claims: Iterable[Claim]
) -> list[Mapping[str, Any]]:
    """Return rows in the registries' order, a claim's controls behind its verdicts."""
    place = {claim.id: i for i, claim in enumerate(claims)}
    return sorted(records, key=lambda r: (place[r["claim"]], r["tier"] == "control"))


def tally(records: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Count verdicts per paper, our own checks apart, controls and unreached tiers left out."""
    counts: dict[str, Counter[str]] = {}
    for record in records:
        if record["tier"] == "control" or record["reason"] in NOT_REACHED:
            continue
        heading = f"{record['paper']}, our own checks" if record["ours"] else record["paper"]
        counts.setdefault(heading, Counter())[record["verdict"]] += 1
    return counts
