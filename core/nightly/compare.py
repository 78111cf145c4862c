"""What changed between two runs: verdicts that are not what they were, or what was reviewed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.verdict.lock import Lock

#: The tiers that a night judges: a study of real people, and one of people made up.
TIERS = ("fresh", "simulated")
#: Reasons that are about a run, and say that it is incomplete.
_INCOMPLETE = frozenset({"not-rated", "not-asked", "unreachable", "weights"})
#: With these a claim was not judged; that models answer too little to judge it is a finding.
_NOT_JUDGED = _INCOMPLETE | {"not-given"}
#: What is said of a claim that a run has no row of.
_GONE = "not registered for fresh evidence"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Drift:
    """A verdict that is not the one there was, or is no longer reached.

    Attributes
    ----------
    claim : str
    was, now : str
        Verdicts; an untested one says its reason.
    against : {"last run", "lock"}
        What it is held against: the last run where that judged the claim, else what was reviewed.
    before, after : mapping or None
        The rows, as ``verdicts.json`` has them; None of a lock, and of a claim that is gone.
    again : str or None
        The verdict of a second run with another seed; None if that has none, or before it.
    """

    claim: str
    was: str
    now: str
    against: str
    before: Row | None
    after: Row | None
    again: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether the second run did not come back to the old verdict, whatever it came to."""
        return self.again is not None and self.again != self.was

    @property
    def state(self) -> str:
        """What the second run says: "confirmed", "unsteady", or "seen once"."""
        if self.again is None:
            return "seen once"
        if not self.confirmed:
            return "unsteady"
        return "confirmed" if self.again == self.now else f"confirmed, as {self.again}"


@dataclass(frozen=True)
class Lost:
    """A claim that was judged before and is not now.

    Attributes
    ----------
    before : mapping
        Its row when it last was.
    after : mapping or None
        Its row now; None of a claim that is gone.
    """

    before: Row
    after: Row | None

    @property
    def now(self) -> str:
        """What is said of it now."""
        return said(self.after) if self.after else _GONE

    @property
    def news(self) -> bool:
        """Whether that is a finding, and not one of an earlier run."""
        unfinished = self.after is not None and self.after["reason"] in _INCOMPLETE
        return not unfinished and self.before.get("lost") != self.now


def compare(before: Iterable[Row], after: Iterable[Row], lock: Lock) -> list[Drift]:
    """Return the verdicts that changed, in the order of the rows after; then those that are lost.

    A claim is held against the run that judged it last, and against the lock. Where it differs from
    both, the run is named. That a claim is no longer judged is a change once, and none if the run
    is incomplete: see `unreached`. Whose people are meant is for the caller to see to: a row that
    was not judged may be on either of `TIERS`.

    Parameters
    ----------
    before, after : iterable of mapping
        Rows of ``verdicts.json``; those on other tiers than `TIERS` are passed over.
    lock : mapping of (claim, tier) to Verdict
        What was reviewed. On made-up people nothing is.
    """
    before, after = list(before), list(after)
    then = {row["claim"]: row for row in judged(before)}
    drifts = []
    for row in judged(after):
        now, last = said(row), then.get(row["claim"])
        reviewed = lock.get((row["claim"], row["tier"]))
        names = {"claim": row["claim"], "now": now, "after": row}
        if last is not None and said(last) != now:
            drifts.append(Drift(**names, was=said(last), against="last run", before=last))
        elif reviewed is not None and row["verdict"] != reviewed:
            drifts.append(Drift(**names, was=reviewed.value, against="lock", before=last))
    for one in lost(before, after):
        if one.news:
            names = {"claim": one.before["claim"], "was": said(one.before), "now": one.now}
            drifts.append(Drift(**names, against="last run", before=one.before, after=one.after))
    return drifts


def lost(before: Iterable[Row], after: Iterable[Row]) -> list[Lost]:
    """Return the claims judged before and not after."""
    found = _by_claim(after)
    now = {row["claim"] for row in judged(found.values())}
    return [Lost(row, found.get(row["claim"])) for row in judged(before) if row["claim"] not in now]


def confirm(drifts: Iterable[Drift], again: Iterable[Row]) -> list[Drift]:
    """Return drifts with what a second run found; where that is incomplete, they are as before."""
    found, confirmed = _by_claim(again), []
    for one in drifts:
        row = found.get(one.claim)
        if row is None:
            second = _GONE if one.after is None else None
        else:
            second = None if row["reason"] in _INCOMPLETE else said(row)
        confirmed.append(replace(one, again=second))
    return confirmed


def baseline(
    before: Iterable[Row], after: Iterable[Row], drifts: Iterable[Drift]
) -> list[dict[str, Any]]:
    """Return the rows that the next run is held against.

    They are this run's, but where a verdict changed and did not stay changed: a claim on the edge
    of two verdicts would else be news every other night. Of a claim that was not judged the row is
    the one before, where ``lost`` keeps what a confirmed drift said of it: that is told once.
    """
    before, after, drifts = list(before), list(after), list(drifts)
    kept = {one.claim: one.before for one in drifts if one.before and not one.confirmed}
    told = {one.claim: {"lost": one.now} for one in drifts if one.confirmed}
    rows = [dict(kept.get(row["claim"], row)) for row in judged(after)]
    missed = (one.before for one in lost(before, after))
    return rows + [dict(row) | told.get(row["claim"], {}) for row in missed]


def judged(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of a night's tiers that say something, controls left out."""
    return [row for row in _by_claim(rows).values() if row["reason"] not in _NOT_JUDGED]


def unreached(rows: Sequence[Row]) -> list[Row]:
    """Return the rows that were to be judged on a study and lack ratings."""
    return [row for row in rows if row["reason"] == "not-rated" and row["tier"] in TIERS]


def said(row: Row) -> str:
    """Return a row's verdict; of an untested one the reason as well."""
    return f"{row['verdict']} ({row['reason']})" if row["reason"] else row["verdict"]


def _by_claim(rows: Iterable[Row]) -> dict[str, Row]:
    """Return the rows of a night's tiers, controls left out; a claim is on one of them."""
    return {row["claim"]: row for row in rows if row["tier"] in TIERS and not row["expects"]}


def other_than_released(rows: Sequence[Row], lock: Lock) -> tuple[int, list[Row]]:
    """Return how many judged claims the release judges too, and those with another verdict there.

    Other models need not do as the authors' did: this is no drift.
    """
    shared = [row for row in judged(rows) if (row["claim"], "released") in lock]
    return len(shared), [row for row in shared if lock[row["claim"], "released"] != row["verdict"]]
