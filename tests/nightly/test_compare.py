import pytest

from core.nightly.compare import baseline, compare, confirm, judged, lost, unreached
from core.verdict.criterion import Verdict
from tests.nightly.rows import row, unjudged


def changes(before, after, lock=None):
    return [(d.claim, d.was, d.now, d.against) for d in compare(before, after, lock or {})]


def test_a_verdict_is_held_against_the_last_run_then_against_the_lock():
    before = [row("sm-a"), row("sm-b"), row("sm-c", "refuted")]
    after = [row("sm-c", "refuted"), row("sm-a", "inconclusive"), row("sm-b"), row("sm-d")]
    assert changes(before, after) == [("sm-a", "supported", "inconclusive", "last run")]
    lock = {
        ("sm-a", "fresh"): Verdict.INCONCLUSIVE,
        ("sm-c", "fresh"): Verdict.SUPPORTED,
        ("sm-d", "fresh"): Verdict.REFUTED,
    }
    assert changes(before, after, lock) == [
        ("sm-c", "supported", "refuted", "lock"),
        ("sm-a", "supported", "inconclusive", "last run"),
        ("sm-d", "refuted", "supported", "lock"),
    ]
    assert changes(before, [row("sm-a"), row("sm-b"), row("sm-c", "refuted")]) == []


def test_made_up_people_are_never_held_against_the_lock():
    rehearsed = row("sm-a", "refuted", tier="simulated")
    assert changes([], [rehearsed], {("sm-a", "fresh"): Verdict.SUPPORTED}) == []
    again = row("sm-a", tier="simulated")
    assert changes([rehearsed], [again]) == [("sm-a", "refuted", "supported", "last run")]


def test_other_tiers_and_controls_are_passed_over():
    before = [row(tier="released"), row(tier="control", expects="holds")]
    after = [
        row(verdict="refuted", tier="released"),
        row(verdict="refuted", tier="control", expects="holds"),
    ]
    assert changes(before, after) == []


def test_what_was_not_judged_is_no_change_and_what_cannot_be_is_one():
    before = [row("sm-a"), row("sm-b"), unjudged("sm-c"), unjudged("sm-d", "undefined")]
    after = [unjudged("sm-a"), unjudged("sm-b", "undefined"), row("sm-c"), before[3]]
    assert changes(before, after) == [("sm-b", "supported", "untested (undefined)", "last run")]
    assert [r["claim"] for r in unreached(after)] == ["sm-a"]
    assert [r["claim"] for r in judged(after)] == ["sm-b", "sm-c", "sm-d"]
    for reason in ("weights", "not-given", "not-asked", "unreachable"):
        assert unreached([unjudged(reason=reason)]) == judged([unjudged(reason=reason)]) == []


def test_answers_too_few_to_judge_are_a_finding_and_no_missing_ratings():
    before, collapsed = [row("sm-a", tier="simulated")], unjudged("sm-a", "too-few")
    # A row that was not judged does not always tell whose people it is about.
    assert changes(before, [collapsed]) == [("sm-a", "supported", "untested (too-few)", "last run")]
    assert unreached([collapsed]) == []
    assert changes([collapsed], before) == [("sm-a", "untested (too-few)", "supported", "last run")]


@pytest.mark.parametrize(
    ("after", "now"),
    [
        ([unjudged("sm-a", "not-given")], "untested (not-given)"),
        ([], "not registered for fresh evidence"),
        ([row("sm-a", tier="control", expects="holds")], "not registered for fresh evidence"),
    ],
)
def test_a_claim_that_is_no_longer_judged_is_a_change_once(after, now):
    first = [row("sm-a"), row("sm-b")]
    second = [*after, row("sm-b")]
    assert changes(first, second) == [("sm-a", "supported", now, "last run")]
    drifts = confirm(compare(first, second, {}), second)
    assert [one.state for one in drifts] == ["confirmed"]
    kept = baseline(first, second, drifts)
    assert changes(kept, second) == []
    assert [one.now for one in lost(kept, second)] == [now]
    third = baseline(kept, second, [])
    assert third == kept
    # Come back, it is held against what it was when it was judged.
    assert changes(third, [row("sm-a", "refuted"), row("sm-b")]) == [
        ("sm-a", "supported", "refuted", "last run")
    ]
    back = [row("sm-a"), row("sm-b")]
    assert changes(third, back) == []
    assert baseline(third, back, []) == back


@pytest.mark.parametrize("reason", ["not-rated", "not-asked", "unreachable", "weights"])
def test_what_an_incomplete_run_did_not_judge_is_listed_and_kept_for_the_next(reason):
    before, after = [row("sm-a")], [unjudged("sm-a", reason)]
    assert changes(before, after) == []
    assert [one.now for one in lost(before, after)] == [f"untested ({reason})"]
    assert baseline(before, after, []) == before


def test_only_the_old_verdict_again_takes_a_change_back():
    names = ("sm-a", "sm-b", "sm-c", "sm-d", "sm-e", "sm-f")
    refuted = [row(name, "refuted") for name in names[:5]]
    drifts = compare([row(name) for name in names], [*refuted, unjudged("sm-f", "not-given")], {})
    assert {drift.state for drift in drifts} == {"seen once"}
    again = [row("sm-a", "refuted"), row("sm-b"), row("sm-c", "inconclusive"), unjudged("sm-d")]
    found = confirm(drifts, [*again, row("sm-f")])
    assert [(drift.claim, drift.again, drift.confirmed, drift.state) for drift in found] == [
        ("sm-a", "refuted", True, "confirmed"),
        ("sm-b", "supported", False, "unsteady"),
        ("sm-c", "inconclusive", True, "confirmed, as inconclusive"),
        ("sm-d", None, False, "seen once"),
        ("sm-e", None, False, "seen once"),
        ("sm-f", "supported", False, "unsteady"),
    ]


def test_what_did_not_stay_changed_is_no_news_the_next_night():
    before = [row("sm-a"), row("sm-b"), row("sm-c")]
    after = [row("sm-a", "refuted"), row("sm-b", "refuted"), row("sm-new"), unjudged("sm-no")]
    again = [row("sm-a", "refuted"), row("sm-b"), row("sm-c")]
    drifts = confirm(compare(before, after, {}), again)
    assert [one.state for one in drifts] == ["confirmed", "unsteady", "unsteady"]
    kept = {r["claim"]: r["verdict"] for r in baseline(before, after, drifts)}
    old = {"sm-b": "supported", "sm-c": "supported"}
    assert kept == {"sm-a": "refuted", "sm-new": "supported"} | old
    # Of a change against the lock alone there is no row to keep.
    lock = {("sm-new", "fresh"): Verdict.REFUTED}
    drifts = confirm(compare([], [row("sm-new")], lock), [])
    assert baseline([], [row("sm-new")], drifts) == [row("sm-new")]
