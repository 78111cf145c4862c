"""Files are written whole or not at all."""

import errno
import os
import stat

import pytest

from core import files
from core.files import write_atomically


class FullDisk:
    """A file on a disk that is full after so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: self.room])
        if len(content) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(params=[0, 3])
def full_disk(request, monkeypatch):
    plain = os.fdopen
    monkeypatch.setattr(files.os, "fdopen", lambda *a: FullDisk(plain(*a), request.param))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_as_they_are(tmp_path):
    write_atomically(tmp_path / "text", "ρ = 0\n")
    write_atomically(tmp_path / "bytes", b"\r\n\x00")
    assert (tmp_path / "text").read_bytes() == "ρ = 0\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\r\n\x00"
    assert names(tmp_path) == ["bytes", "text"]


def test_folders_are_made_and_an_old_file_is_replaced(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomically(path, "longer than the new one")
    write_atomically(path, "new")
    assert path.read_text() == "new"
    assert names(path.parent) == ["file"]


def test_on_a_full_disk_the_old_file_stays_and_nothing_is_left(tmp_path, full_disk):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "something new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_on_a_full_disk_no_new_file_is_begun(tmp_path, full_disk):
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "file", b"something")
    assert names(tmp_path) == []


def test_an_interruption_before_the_move_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path, monkeypatch):
    path, seen = tmp_path / "file", []
    path.write_text("old")
    move = files.Path.replace

    def watched(temporary, target):
        seen.append((path.read_text(), temporary.read_text(), temporary.parent))
        return move(temporary, target)

    monkeypatch.setattr(files.Path, "replace", watched)
    write_atomically(path, "new")
    assert seen == [("old", "new", tmp_path)]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_others_may_read_it_as_the_umask_says(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", "x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == mode
