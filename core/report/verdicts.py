"""``verdicts.json``: what a run found, for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.evidence.embedded import checkpoints
from core.files import write_atomically
from core.verdict.claim import NO_PAPER, NOT_REACHED, ON_STUDIES, Claim
from core.verdict.record import Record

SCHEMA = 1
#: The verdicts that each choice of --fail-on turns red.
FAIL_ON = {
    "drift": (),
    "refuted": ("refuted", "inconsistent"),
    "inconclusive": ("refuted", "inconsistent", "inconclusive"),
}
#: How verdicts on a study that is about no paper are headed.
_APART = {
    "simulated": "rehearsal on simulated people",
    "replay": "replay of the released answers",
}
_REMEDY = "run `pytest claims/` to write it"
FIELDS = {field.name for field in fields(Record)} | {"complaint"}


class VerdictsError(ValueError):
    """A file of verdicts that cannot be read: names the file and what to do."""


def document(
    records: Iterable[Mapping[str, Any]], code: Mapping[str, Any], problems: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the whole document.

    Parameters
    ----------
    records : iterable of mapping
        The rows, in the order wanted.
    code : mapping
        Version and commit.
    problems : iterable of str
        What is wrong with the run as a whole: without a word here every selected test had its say.
    """
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
    rows = _read(path).get("verdicts")
    if not isinstance(rows, list) or not all(
        isinstance(r, dict) and set(r) >= FIELDS for r in rows
    ):
        msg = f"{path}: its rows are not those of schema {SCHEMA}; {_REMEDY}"
        raise VerdictsError(msg)
    return rows


def read_problems(path: Path) -> list[str]:
    """Return what is wrong with the run behind a document as a whole; raises as `read_verdicts`."""
    return [str(problem) for problem in _read(path).get("problems", [])]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; {_REMEDY}"
        raise VerdictsError(msg) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        msg = f"{path}: is not of schema {SCHEMA}; {_REMEDY}"
        raise VerdictsError(msg)
    return content


def in_order(
    records: Iterable[Mapping[str, Any]], claims: Iterable[Claim]
) -> list[Mapping[str, Any]]:
    """Return rows section by section in the registries' order, a claim's controls behind it."""
    claims = tuple(claims)
    place = {claim.id: i for i, claim in enumerate(claims)}
    sections: dict[tuple[str, str], int] = {}
    for claim in claims:
        sections.setdefault((claim.paper, claim.section), len(sections))

    def key(row: Mapping[str, Any]) -> tuple[Any, ...]:
        section = sections[row["paper"], row["section"]]
        control = row["tier"] == "control"
        return section, place[row["claim"]], control, row["tier"], row["expects"] != "holds"

    return sorted(records, key=key)


def unwanted(
    records: Iterable[Mapping[str, Any]], option: str, verdicts: Iterable[str]
) -> list[str]:
    """Say how many claims of a paper have a verdict that --fail-on will not have."""
    found = [
        r
        for r in records
        if r["verdict"] in set(verdicts)
        and not (r["expects"] or r["ours"] or r["tier"] in NO_PAPER)
    ]
    return [f"--fail-on {option}: {len(found)} claims"] if found else []


def nothing_judged(records: Iterable[Mapping[str, Any]], selected: Iterable[str]) -> list[str]:
    """Say so if claims were selected and none was judged: controls alone judge no paper.

    Parameters
    ----------
    records : iterable of mapping
    selected : iterable of str
        The tiers of the tests selected; "control" for controls, "none" for claims that no
        evidence can settle, which alone are nothing to judge.
    """
    judgeable = set(selected) - {"none"}
    if judgeable != {"control"}:
        judgeable -= {"control"}
    judged = {r["tier"] for r in records if r["estimate"] is not None}
    # Rehearsals and replays are asked for as fresh evidence.
    judged |= {"fresh"} if judged & NO_PAPER else set()
    silent = judgeable and not judgeable & judged
    return ["nothing was judged: a silent green is a lie"] if silent else []


def compared(rows: Iterable[Mapping[str, Any]], claims: Iterable[Claim]) -> list[str]:
    """Return the tiers on which a claim about models was judged, those of this machine first."""
    about = {
        claim.id
        for claim in claims
        if claim.paper == "alm" and any(checkpoints(n.partition("/")[0]) for n in claim.needs)
    }
    tiers = {r["tier"] for r in rows if r["claim"] in about and r["estimate"] is not None}
    return [tier for tier in ("fresh", "replicated") if tier in tiers]


def listed(records: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows that a reader is shown one by one.

    Not controls, nor tiers that were not reached; nor, of a claim that is judged on one tier, that
    the weights for another were not run.
    """
    rows = [r for r in records if r["tier"] != "control" and r["reason"] not in NOT_REACHED]
    judged = {r["claim"] for r in rows if r["estimate"] is not None}
    return [r for r in rows if r["reason"] != "weights" or r["claim"] not in judged]


def tally(records: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    """Count verdicts per paper, of the rows that are `listed`.

    Apart stand our own checks, and verdicts on a study: on fresh evidence, and on made-up people
    or a replay, which are about no paper.
    """
    counts: dict[str, Counter[str]] = {}
    for record in listed(records):
        heading = f"{record['paper']}, our own checks" if record["ours"] else record["paper"]
        if record["tier"] in _APART:
            heading = f"{record['paper']}, {_APART[record['tier']]}"
        elif record["tier"] == "fresh" and record["paper"] in ON_STUDIES:
            heading += ", fresh"
        counts.setdefault(heading, Counter())[record["verdict"]] += 1
    return counts
