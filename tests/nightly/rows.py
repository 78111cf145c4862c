"""Rows of `verdicts.json`, made by hand."""

from core.verdict.record import Record


def row(claim="sm-a", verdict="supported", tier="fresh", **changes):
    """A row of a claim that was judged."""
    record = Record(
        claim=claim,
        paper="sensorimotor",
        tier=tier,
        section="Structure",
        verdict=verdict,
        statement="It holds.",
        where="Results",
        rows=["C011"],
        variant={},
        criterion="> 0",
        reported=[],
        ours=False,
        estimate=0.5,
        low=0.4,
        high=0.6,
        n=100,
    )
    return record.as_dict() | {"complaint": ""} | changes


def unjudged(claim="sm-a", reason="not-rated", settles="claims rate", **changes):
    """A row of a claim that was not."""
    nothing = dict.fromkeys(("estimate", "low", "high", "n"))
    return row(claim, "untested") | nothing | {"reason": reason, "settles": settles} | changes
