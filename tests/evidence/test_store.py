import subprocess
import sys
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.evidence import store as store_module
from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.evidence.store import Store, read_registry
from core.paths import ROOT
from tests.evidence.synthetic import write_registry

NAMES = ["data/a b.txt", "data/na.csv", "raw/one.jsonl"]


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder slowly enough for several clients to overlap."""

    def do_GET(self):
        time.sleep(0.1)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(Store, "_down", {})
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    for k, name in enumerate(NAMES):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"contents {k}\n" * 1000)
    return root


@pytest.fixture
def registry(mirror, tmp_path):
    return write_registry(mirror, tmp_path / "registry.txt")


@pytest.fixture
def server(mirror):
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(mirror)))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def files_under(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def closed_address():
    """An address of this machine where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        return f"http://127.0.0.1:{httpd.server_port}"


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_file_comes_from_the_mirror_alone_and_only_when_asked_for(
    kind, mirror, server, registry, tmp_path
):
    store = Store(registry, server + "/" if kind == "server" else str(mirror), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
    path = store.get("data/a b.txt")
    assert path.read_bytes() == (mirror / "data/a b.txt").read_bytes()
    assert files_under(tmp_path / "cache") == ["data/a b.txt"]


def test_a_warm_cache_needs_no_mirror(mirror, registry, tmp_path):
    Store(registry, str(mirror), tmp_path / "cache").get_all(NAMES)
    offline = Store(registry, closed_address(), tmp_path / "cache")
    assert list(offline.get_all(NAMES)) == NAMES


def test_a_cold_cache_offline_says_what_and_what_to_do_and_tries_once(
    registry, tmp_path, monkeypatch
):
    address = closed_address()
    with pytest.raises(Unreachable, match=r"data/na.csv: http://127.* cannot be reached") as found:
        Store(registry, address, tmp_path / "cache").get("data/na.csv")
    assert "CLAIMS_MIRROR" in found.value.remedy
    assert "\n" not in str(found.value)
    monkeypatch.setattr(store_module.requests, "get", lambda *a, **k: pytest.fail("asked again"))
    with pytest.raises(Unreachable):
        Store(registry, address, tmp_path / "cache").get("raw/one.jsonl")
    assert files_under(tmp_path / "cache") == []


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_file_that_the_mirror_lacks_is_named_and_the_others_still_come(
    kind, mirror, server, registry, tmp_path
):
    (mirror / "data/na.csv").unlink()
    base = server if kind == "server" else str(mirror)
    store = Store(registry, base, tmp_path / "cache")
    with pytest.raises(Unreachable) as found:
        store.get("data/na.csv")
    assert "data/na.csv" in found.value.reason
    assert base in found.value.reason
    assert store.get("raw/one.jsonl").exists()
    assert files_under(tmp_path / "cache") == ["raw/one.jsonl"]


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_mirror_with_another_file_is_refused_and_nothing_is_kept(
    kind, mirror, server, registry, tmp_path
):
    (mirror / "data/na.csv").write_text("tampered")
    store = Store(registry, server if kind == "server" else str(mirror), tmp_path / "cache")
    with pytest.raises(HashMismatch) as found:
        store.get("data/na.csv")
    assert found.value.expected == registry["data/na.csv"].sha256
    assert found.value.found not in (found.value.expected, "")
    for said in ("data/na.csv", found.value.expected, found.value.found):
        assert said in str(found.value)
    assert files_under(tmp_path / "cache") == []


def test_a_tampered_cache_is_refused_and_never_rebuilt(mirror, registry, tmp_path):
    path = Store(registry, str(mirror), tmp_path / "cache").get("data/na.csv")
    path.write_text("tampered")
    with pytest.raises(HashMismatch, match=r"delete .*na\.csv and fetch again") as found:
        Store(registry, str(mirror), tmp_path / "cache").get("data/na.csv")
    assert found.value.where == str(path)
    assert path.read_text() == "tampered"


def test_a_file_that_is_not_registered_is_an_error(mirror, registry, tmp_path):
    (mirror / "other.txt").write_text("there, but not registered")
    with pytest.raises(EvidenceError, match=r"other\.txt: not among the 3"):
        Store(registry, str(mirror), tmp_path / "cache").get("other.txt")


def test_a_cache_that_cannot_be_written_to_is_named(mirror, registry, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(Unreachable, match="CLAIMS_CACHE"):
        Store(registry, str(mirror), tmp_path / "cache").get("data/na.csv")


def test_racing_processes_leave_one_good_file_each_and_nothing_half_written(
    server, mirror, registry, tmp_path
):
    code = (
        "import sys; from pathlib import Path; from core.evidence.store import *\n"
        "store = Store(read_registry(Path(sys.argv[1])), sys.argv[2], Path(sys.argv[3]))\n"
        "store.get_all(store.registry)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "registry.txt"), server]
    racers = [
        subprocess.Popen([*command, str(tmp_path / "cache")], cwd=ROOT, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [racer.communicate(timeout=60)[1] for racer in racers]
    assert [racer.returncode for racer in racers] == [0] * 4, said
    assert files_under(tmp_path / "cache") == sorted(NAMES)
    for name in NAMES:
        assert (tmp_path / "cache" / name).read_bytes() == (mirror / name).read_bytes()


def test_the_digest_depends_on_the_files_and_not_on_their_order(mirror, registry, tmp_path):
    store = Store(registry, str(mirror), tmp_path / "cache")
    assert store.digest(NAMES) == store.digest([*NAMES[::-1], NAMES[0]])
    assert store.digest(NAMES) != store.digest(NAMES[:2])


def test_the_environment_says_where_from_and_where_to(mirror, registry, tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "REGISTRY", tmp_path / "registry.txt")
    monkeypatch.setenv("CLAIMS_MIRROR", str(mirror))
    monkeypatch.setenv("CLAIMS_CACHE", str(tmp_path / "cache"))
    store = Store.from_environment()
    assert store.get("data/na.csv").is_relative_to(tmp_path / "cache")
    assert store.base == str(mirror)
    monkeypatch.delenv("CLAIMS_MIRROR")
    assert store_module.COMMIT in Store.from_environment().base


def test_the_registry_keeps_spaces_in_names_and_knows_sizes(registry, tmp_path):
    read = read_registry(tmp_path / "registry.txt")
    assert list(read) == NAMES
    assert read == registry
    assert read["data/a b.txt"].size == len("contents 0\n") * 1000


@pytest.mark.parametrize(
    "line",
    ["data/a.txt  abc  12", f"data/a.txt  {'0' * 64}", f"../a.txt  {'0' * 64}  1", "twice"],
)
def test_a_broken_registry_line_is_named(line, tmp_path):
    good = f"data/a.txt  {'0' * 64}  1\n"
    path = tmp_path / "registry.txt"
    path.write_text("# comment\n" + (good + good if line == "twice" else line + "\n"))
    with pytest.raises(EvidenceError, match=r"line [23]"):
        read_registry(path)


def test_the_shipped_registry_lists_what_the_suite_reads_and_says_where_it_is_from():
    entries = read_registry(store_module.REGISTRY)
    assert store_module.COMMIT in store_module.REGISTRY.read_text()
    # 4 models x 11 English dimensions, 3 x 6 Dutch ones.
    assert sum(name.endswith(".jsonl") for name in entries) == 62
    assert sum("_output_1" in name for name in entries) == 62
    assert all(entry.size > 0 for entry in entries.values())


def test_a_mirror_that_is_no_folder_is_a_mistake_and_not_a_missing_network(monkeypatch, tmp_path):
    monkeypatch.setenv("CLAIMS_MIRROR", str(tmp_path / "typo"))
    with pytest.raises(EvidenceError, match="no such folder"):
        Store.from_environment()


def test_a_registry_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"gone\.txt"):
        read_registry(tmp_path / "gone.txt")


def test_a_folder_in_a_files_place_is_named(mirror, registry, tmp_path):
    store = Store(registry, str(mirror), tmp_path / "cache")
    name = next(iter(registry))
    (tmp_path / "cache" / name).mkdir(parents=True)
    with pytest.raises(EvidenceError, match="cannot be read"):
        store.get(name)
