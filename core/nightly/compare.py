"""What changed between two runs: verdicts that are not what they were, or what was reviewed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.verdict.claim import NOT_REACHED
from core.verdict.lock import Lock

#: The tiers that a night judges: a study of real people, and one of people made up.
TIERS = ("fresh", "simulated")
#: Reasons that are about a machine, not about what was found on it.
_NOT_JUDGED = NOT_REACHED | {"weights"}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Drift:
    """A verdict that is not the one there was.

    Attributes
    ----------
    claim, tier : str
    was, now : str
        Verdicts; an untested one says its reason.
    against : {"last run", "lock"}
        What it is held against: the last run where that judged the claim, else what was reviewed.
    before, after : mapping or None
        The rows, as ``verdicts.json`` has them; None of a lock.
    again : str or None
        The verdict of a second run with another seed; None before there was one.
    """

    claim: str
    tier: str
    was: str
    now: str
    against: str
    before: Row | None
    after: Row
    again: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether the second run came to the new verdict too."""
        return self.again == self.now

    @property
    def state(self) -> str:
        """What the second run says: "confirmed", "unsteady", or "seen once"."""
        if self.again is None:
            return "seen once"
        return "confirmed" if self.confirmed else "unsteady"


def compare(before: Iterable[Row], after: Iterable[Row], lock: Lock) -> list[Drift]:
    """Return the verdicts that changed, in the order of the rows after.

    A claim is held against the last run, if that judged it on the same tier, and against the lock.
    Where it differs from both, the last run is named. Rows that were not judged, for want of
    evidence, are no change: that is told apart, see `unreached`.

    Parameters
    ----------
    before, after : iterable of mapping
        Rows of ``verdicts.json``; those on other tiers than `TIERS` are passed over.
    lock : mapping of (claim, tier) to Verdict
        What was reviewed. On made-up people nothing is.
    """
    then = {_key(one): one for one in judged(before)}
    drifts = []
    for row in judged(after):
        now, last, reviewed = said(row), then.get(_key(row)), lock.get(_key(row))
        names = {"claim": row["claim"], "tier": row["tier"], "now": now, "after": row}
        if last is not None and said(last) != now:
            drifts.append(Drift(**names, was=said(last), against="last run", before=last))
        elif reviewed is not None and row["verdict"] != reviewed:
            drifts.append(Drift(**names, was=reviewed.value, against="lock", before=last))
    return drifts


def confirm(drifts: Iterable[Drift], again: Iterable[Row]) -> list[Drift]:
    """Return drifts with what a second run found; one that it did not judge is not confirmed."""
    found = {_key(row): said(row) for row in judged(again)}
    return [replace(one, again=found.get((one.claim, one.tier), "not judged")) for one in drifts]


def baseline(after: Iterable[Row], drifts: Iterable[Drift]) -> list[Row]:
    """Return the rows that the next run is held against.

    They are this run's, but where a verdict changed and did not stay changed: a claim on the edge
    of two verdicts would else be news every other night.
    """
    kept = {
        (one.claim, one.tier): one.before
        for one in drifts
        if one.before is not None and not one.confirmed
    }
    return [kept.get(_key(row), row) for row in judged(after)]


def judged(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of a night's tiers that say something, controls left out."""
    return [
        row
        for row in rows
        if row["tier"] in TIERS and not row["expects"] and row["reason"] not in _NOT_JUDGED
    ]


def unreached(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that were to be judged on a study and lack ratings."""
    return [row for row in rows if row["reason"] == "not-rated" and row["tier"] in TIERS]


def said(row: Row) -> str:
    """Return a row's verdict; of an untested one the reason as well."""
    return f"{row['verdict']} ({row['reason']})" if row["reason"] else row["verdict"]


def _key(row: Row) -> tuple[str, str]:
    return row["claim"], row["tier"]
