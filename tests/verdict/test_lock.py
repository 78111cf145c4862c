import pytest

from core.files import write_atomically
from core.verdict.criterion import Verdict
from core.verdict.lock import LockError, read_lock, write_lock

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
