"""One row of ``verdicts.json``: a claim judged on one body of evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from core.verdict.case import Case
from core.verdict.claim import NO_PAPER
from core.verdict.criterion import Criterion, Verdict, deciding, judge
from core.verdict.estimate import Estimate, Measured, as_family

#: A claim about a text is judged by consistency only: a source cannot certify itself.
_ON_REPORTED = {
    Verdict.SUPPORTED: Verdict.CONSISTENT,
    Verdict.REFUTED: Verdict.INCONSISTENT,
}
FAVOURABLE = (Verdict.SUPPORTED, Verdict.CONSISTENT)

#: Measures a claim on a body of evidence, given the claim's variant as keywords.
Measure = Callable[..., Measured]
#: Computes the same figure by an independent route; stands in for the print in a control.
Oracle = Callable[..., float]


class ControlError(Exception):
    """A control that cannot be run as it is written."""


@dataclass(frozen=True)
class Record:
    """The outcome of a case, with plain values only, so that it survives JSON and processes."""

    claim: str
    paper: str
    tier: str
    section: str
    verdict: str
    statement: str
    where: str
    rows: list[str]
    variant: dict[str, Any]
    reported: list[str]
    criterion: str
    ours: bool
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    n: int | None = None
    method: str = ""
    label: str = ""
    seed: int | None = None
    expects: str = ""
    reason: str = ""
    settles: str = ""
    locked: str = ""
    evidence: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the row as JSON takes it."""
        return asdict(self)


def judge_case(
    case: Case,
    evidence: Any,
    measure: Measure | None,
    oracle: Oracle | None,
    body: Callable[[Any, str], Any],
) -> Record:
    """Measure a case's claim on its evidence and reach the verdict.

    Parameters
    ----------
    case : Case
    evidence : object or None
        The body of evidence that the measure takes; None for a claim that nothing can settle.
    measure, oracle : callable or None
        See `Measure` and `Oracle`; None for such a claim.
    body : callable
        Gives a body of evidence by name and paper; used for the world where the claim holds.

    Raises
    ------
    ControlError
        As `criterion_for`, and if a claim that is judged comes without a measure.
    """
    began = time.perf_counter()
    claim = case.claim
    if claim.untested is not None:
        why = claim.untested
        return row(case, Verdict.UNTESTED, reason=why.reason, settles=why.settles)
    if measure is None:
        msg = f"{claim.id} is judged, so its test must give judge a measure"
        raise ControlError(msg)
    holds = claim.controls.holds if claim.controls else ""
    criterion = criterion_for(case, oracle, lambda: body(holds, claim.paper))
    verdict, one = reach(case, measure(evidence, **claim.variant), criterion)
    return row(
        case,
        verdict,
        criterion=str(criterion),
        estimate=one.value,
        low=one.low,
        high=one.high,
        confidence=one.confidence,
        n=one.n,
        method=one.method,
        label=one.label,
        seed=one.seed,
        evidence={"name": evidence.name, "sha256": evidence.sha256},
        seconds=round(time.perf_counter() - began, 3),
    )


def reach(case: Case, measured: Measured, criterion: Criterion) -> tuple[Verdict, Estimate]:
    """Judge what was measured; return the verdict and the estimate that decides it."""
    verdict = judge(measured, criterion)
    if case.tier == "reported":
        verdict = _ON_REPORTED.get(verdict, verdict)
    return verdict, deciding(as_family(measured), criterion)


def criterion_for(case: Case, oracle: Oracle | None, truth: Callable[[], Any]) -> Criterion:
    """Return the criterion of a case.

    A printed figure belongs to the paper's data, so on a control it is replaced by the figure
    that the independent oracle finds in the world where the claim holds: data that gave the figure
    must confirm it, other data must not.

    Parameters
    ----------
    case : Case
    oracle : callable or None
        Takes the body of evidence and the claim's variant.
    truth : callable
        Returns the world where the claim holds; called only if needed.

    Raises
    ------
    ControlError
        If a printed figure is to be controlled without an oracle, unless the claim is about a
        text, whose controls doctor the figures themselves.
    """
    criterion = case.claim.criterion
    if criterion is None:
        msg = f"{case.claim.id} has no criterion"
        raise ControlError(msg)
    if not case.expects or criterion.kind not in {"near", "count"}:
        return criterion
    if oracle is not None:
        return criterion.with_figure(oracle(truth(), **case.claim.variant))
    if case.tier == "reported" or criterion.kind == "count":
        return criterion
    msg = f"{case.claim.id}: a control of a printed figure needs an oracle"
    raise ControlError(msg)


def row(case: Case, verdict: Verdict, **fields: Any) -> Record:
    """Return the record of a case with the claim's own fields filled in."""
    claim = case.claim
    return Record(
        claim=claim.id,
        paper=claim.paper,
        tier="control" if case.expects else case.tier,
        section=claim.section,
        verdict=verdict.value,
        statement=claim.statement,
        where=claim.where,
        rows=list(claim.rows),
        variant=dict(claim.variant) | ({"world": case.world_name} if case.expects else {}),
        reported=list(claim.printed),
        criterion=fields.pop("criterion", str(claim.criterion or "")),
        ours=claim.ours,
        expects=case.expects,
        **fields,
    )


def complaint(record: Record, locked: Verdict | None) -> str:
    """Say what is wrong with a record: a control that did not behave, a drift; "" if nothing is."""
    favourable, world = record.verdict in FAVOURABLE, record.variant.get("world", "")
    if record.expects == "holds" and not favourable:
        return f"positive control: {record.claim} holds in {world}, yet is {record.verdict}"
    if record.expects == "fails" and favourable:
        return f"negative control: {record.claim} fails in {world}, yet is {record.verdict}"
    # What a user's own run finds is news: there is nothing to hold it against before a review.
    new = record.tier in {"fresh", *NO_PAPER} and locked is None
    if record.expects or new or record.verdict == locked:
        return ""
    if locked is None:
        return f"not reviewed: {record.claim} on {record.tier}: {record.verdict}"
    return f"drift: {record.claim} on {record.tier}: {record.verdict}, reviewed as {locked.value}"
