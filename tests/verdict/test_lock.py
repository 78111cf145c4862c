import pytest

from core.files import write_atomically
from core.verdict.claim import NOT_REACHED, REASONS, Claim
from core.verdict.criterion import Verdict
from core.verdict.lock import LockError, lockable, read_lock, reviewed, write_lock

LOCK = {
    ("sm-b", "released"): Verdict.REFUTED,
    ("sm-a", "released"): Verdict.SUPPORTED,
    ("sm-a", "reported"): Verdict.CONSISTENT,
}


def test_a_lock_reads_back_as_written_and_sorted(tmp_path):
    path = tmp_path / "lock.toml"
    write_lock(path, LOCK)
    assert read_lock(path) == LOCK
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines == [
        'sm-a = { released = "supported", reported = "consistent" }',
        'sm-b = { released = "refuted" }',
    ]


def test_no_lock_is_an_empty_one(tmp_path):
    assert read_lock(tmp_path / "none.toml") == {}


@pytest.mark.parametrize("text", ["sm-a = {", 'sm-a = "supported"', 'sm-a = {released = "fine"}'])
def test_a_broken_lock_is_refused_by_name(tmp_path, text):
    path = tmp_path / "lock.toml"
    path.write_text(text)
    with pytest.raises(LockError, match=r"lock\.toml"):
        read_lock(path)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def claim(name, *tiers, paper="alm"):
    return Claim(name, paper, "", (), "", "", (), None, tiers, f"demo/test_x.py::{name}")


CLAIMS = (claim("sm-a", "replicated", "fresh"), claim("sm-b", "fresh"), claim("sm-c"))


def judged(name, tier, verdict, *, reason="", expects=""):
    return {"claim": name, "tier": tier, "verdict": verdict, "reason": reason, "expects": expects}


def test_the_lock_takes_in_what_a_run_found():
    rows = [
        judged("sm-a", "replicated", "refuted"),
        judged("sm-a", "fresh", "supported"),
        judged("sm-c", "none", "untested", reason="not-run"),
        judged("sm-b", "control", "supported", expects="holds"),
    ]
    assert reviewed({}, rows, CLAIMS) == {
        ("sm-a", "replicated"): Verdict.REFUTED,
        ("sm-a", "fresh"): Verdict.SUPPORTED,
        ("sm-c", "none"): Verdict.UNTESTED,
    }


@pytest.mark.parametrize("reason", sorted({*NOT_REACHED, "weights", "too-few", "undefined"}))
def test_what_this_machine_could_not_judge_never_enters_the_lock(reason):
    assert reason in REASONS
    rows = [judged("sm-a", "fresh", "untested", reason=reason)]
    assert reviewed({}, rows, CLAIMS) == {}
    # Nor does it take out what was reviewed where the weights were at hand.
    lock = {("sm-a", "fresh"): Verdict.REFUTED}
    assert reviewed(lock, rows, CLAIMS) == lock


def test_the_lock_forgets_claims_and_tiers_that_are_no_longer_registered():
    lock = {
        ("sm-a", "fresh"): Verdict.SUPPORTED,
        ("sm-a", "released"): Verdict.SUPPORTED,
        ("sm-gone", "fresh"): Verdict.SUPPORTED,
    }
    assert reviewed(lock, [], CLAIMS) == {("sm-a", "fresh"): Verdict.SUPPORTED}
    assert lockable(CLAIMS) == {
        *(("sm-a", "replicated"), ("sm-a", "fresh"), ("sm-b", "fresh"), ("sm-c", "none")),
    }


@pytest.mark.parametrize("paper", ["sensorimotor", "coverage"])
def test_verdicts_on_a_study_are_never_reviewed(paper):
    own = (claim("sm-a", "released", "fresh", paper=paper), claim("sm-b", "fresh"))
    rows = [
        judged("sm-a", "simulated", "supported"),
        judged("sm-a", "replay", "supported"),
        judged("sm-a", "fresh", "supported"),
        judged("sm-b", "fresh", "refuted"),
    ]
    assert reviewed({}, rows, own) == {("sm-b", "fresh"): Verdict.REFUTED}
    assert reviewed({("sm-a", "fresh"): Verdict.REFUTED}, [], own) == {}
    assert lockable(own) == {("sm-a", "released"), ("sm-b", "fresh")}
