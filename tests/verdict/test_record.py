from dataclasses import replace

import pytest

from core.verdict.case import Case
from core.verdict.claim import Claim, Controls
from core.verdict.criterion import Criterion, Verdict
from core.verdict.estimate import Estimate
from core.verdict.record import ControlError, complaint, criterion_for, reach, row


def claim(criterion, tiers=("released",)):
    return Claim(
        id="sm-x",
        paper="demo",
        section="Section",
        rows=("C001",),
        where="Results",
        statement="It holds.",
        printed=("0.19",),
        criterion=Criterion.parse(criterion),
        tiers=tiers,
        test="demo/test_x.py::test_x",
        variant={"model": "Base"},
        controls=Controls("told", "shuffled"),
    )


NEAR = claim({"kind": "near", "printed": "0.19"})


def oracle(world, model):
    return {"told": 0.555}[world] if model == "Base" else 0.0


def test_on_a_control_the_oracle_prints_the_figure_of_the_world_where_the_claim_holds():
    for expects in ("holds", "fails"):
        case = Case(NEAR, "released", expects)
        assert criterion_for(case, oracle, lambda: "told").printed in {"0.55", "0.56"}


def test_off_controls_the_paper_prints_the_figure():
    assert criterion_for(Case(NEAR, "released"), oracle, lambda: "told").printed == "0.19"


def test_a_printed_figure_without_an_oracle_has_no_control():
    with pytest.raises(ControlError, match="sm-x"):
        criterion_for(Case(NEAR, "released", "holds"), None, lambda: "told")


def test_a_text_is_only_ever_consistent():
    case = Case(claim({"kind": "count", "printed": "0"}, tiers=("reported",)), "reported")
    zero, one = Estimate.exact(0, 2, "figures that differ"), Estimate.exact(1, 2, "likewise")
    assert case.claim.criterion is not None
    assert reach(case, zero, case.claim.criterion)[0] is Verdict.CONSISTENT
    assert reach(case, one, case.claim.criterion)[0] is Verdict.INCONSISTENT


@pytest.mark.parametrize(
    ("expects", "verdict", "locked", "says"),
    [
        ("", "supported", "supported", ""),
        ("", "refuted", "refuted", ""),
        ("", "supported", "refuted", "drift: sm-x on released: supported, reviewed as refuted"),
        ("", "refuted", "supported", "drift: sm-x on released: refuted, reviewed as supported"),
        ("", "supported", None, "not reviewed"),
        ("holds", "supported", None, ""),
        ("holds", "consistent", None, ""),
        ("holds", "inconclusive", None, "positive control"),
        ("holds", "refuted", "refuted", "positive control"),
        ("fails", "refuted", None, ""),
        ("fails", "inconclusive", None, ""),
        ("fails", "supported", "supported", "negative control"),
        ("fails", "consistent", None, "negative control"),
    ],
)
def test_drift_and_misbehaving_controls_are_complained_about(expects, verdict, locked, says):
    record = row(Case(NEAR, "released", expects), Verdict(verdict))
    found = complaint(record, None if locked is None else Verdict(locked))
    assert found.startswith(says)
    assert bool(found) is bool(says)


def test_a_control_names_its_world_and_is_of_no_tier():
    record = row(Case(NEAR, "released", "fails"), Verdict.REFUTED)
    assert record.tier == "control"
    assert record.variant == {"model": "Base", "world": "shuffled"}


@pytest.mark.parametrize(
    ("tier", "verdict", "locked", "says"),
    [
        # What a user's own run finds is news, until it was reviewed.
        ("fresh", "supported", None, ""),
        ("fresh", "refuted", None, ""),
        ("fresh", "refuted", "refuted", ""),
        ("fresh", "refuted", "supported", "drift: sm-x on fresh: refuted, reviewed as supported"),
        ("fresh", "inconclusive", "refuted", "drift: sm-x on fresh: inconclusive"),
        # On every other tier it is not.
        ("replicated", "supported", None, "not reviewed: sm-x on replicated: supported"),
        ("released", "supported", None, "not reviewed: sm-x on released: supported"),
        ("reported", "consistent", None, "not reviewed: sm-x on reported: consistent"),
    ],
)
def test_only_fresh_verdicts_may_be_new(tier, verdict, locked, says):
    record = row(Case(claim({"kind": "above", "bound": 0}, (tier,)), tier), Verdict(verdict))
    found = complaint(record, None if locked is None else Verdict(locked))
    assert found.startswith(says)
    assert bool(found) is bool(says)


@pytest.mark.parametrize("tier", ["simulated", "replay"])
def test_what_is_about_no_paper_is_never_held_against_a_review(tier):
    fresh = claim({"kind": "above", "bound": 0}, ("released", "fresh"))
    record = row(Case(fresh, "fresh"), Verdict.REFUTED)
    assert complaint(replace(record, tier=tier), None) == ""


def test_a_control_of_a_fresh_claim_is_no_news():
    fresh = claim({"kind": "above", "bound": 0}, ("fresh",))
    record = row(Case(fresh, "fresh", "fails"), Verdict.SUPPORTED)
    assert complaint(record, None).startswith("negative control")
