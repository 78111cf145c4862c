from core.nightly.compare import baseline, compare, confirm, judged, unreached
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


def test_made_up_people_and_real_ones_are_never_held_against_each_other():
    rehearsed = row("sm-a", "refuted", tier="simulated")
    assert changes([row("sm-a")], [rehearsed]) == []
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


def test_only_the_same_verdict_again_confirms_a_change():
    names = ("sm-a", "sm-b", "sm-c", "sm-d")
    drifts = compare([row(name) for name in names], [row(name, "refuted") for name in names], {})
    assert {drift.state for drift in drifts} == {"seen once"}
    again = [row("sm-a", "refuted"), row("sm-b"), row("sm-c", "inconclusive")]
    found = confirm(drifts, again)
    states = [(drift.claim, drift.again, drift.state) for drift in found]
    assert states == [
        ("sm-a", "refuted", "confirmed"),
        ("sm-b", "supported", "unsteady"),
        ("sm-c", "inconclusive", "unsteady"),
        ("sm-d", "not judged", "unsteady"),
    ]


def test_what_did_not_stay_changed_is_no_news_the_next_night():
    before = [row("sm-a"), row("sm-b"), row("sm-gone")]
    after = [row("sm-a", "refuted"), row("sm-b", "refuted"), row("sm-new"), unjudged("sm-no")]
    drifts = confirm(compare(before, after, {}), [row("sm-a", "refuted"), row("sm-b")])
    kept = {r["claim"]: r["verdict"] for r in baseline(after, drifts)}
    assert kept == {"sm-a": "refuted", "sm-b": "supported", "sm-new": "supported"}
    # Of a change against the lock alone there is no row to keep.
    lock = {("sm-new", "fresh"): Verdict.REFUTED}
    drifts = confirm(compare([], [row("sm-new")], lock), [])
    assert baseline([row("sm-new")], drifts) == [row("sm-new")]
