"""Fetching the norms, against a real server on this machine."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.rating import sources as module
from core.rating.sources import Source, obtain, sources

CONTENT = b"Word,Visual.mean\nNA,1\n"
PUBLISHED = hashlib.sha256(CONTENT).hexdigest()


class Handler(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def site(tmp_path):
    (tmp_path / "site" / "norms").mkdir(parents=True)
    (tmp_path / "site" / "download").write_bytes(CONTENT)
    (tmp_path / "site" / "empty").write_bytes(b"")
    return tmp_path / "site"


@pytest.fixture
def server(site):
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(site)))
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("CLAIMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLAIMS_MIRROR", raising=False)
    return tmp_path / "cache" / "norms"


@pytest.fixture
def listed(server, cache, monkeypatch):
    """A function that lists two sources at given paths of the server."""

    def put(*paths, sha256=PUBLISHED):
        urls = tuple(f"{server}/{path}" for path in paths)
        entry = Source("Norms", "norms.csv", 1, "CC BY 4.0", "Nobody (2020)", sha256, urls)
        other = Source("Dutch", "dutch.csv", 1, "", "Nobody (2021)", "", urls)
        monkeypatch.setattr(module, "sources", lambda: {"lancaster": entry, "dutch": other})

    put("download")
    return put


def test_what_is_known_of_the_published_files():
    """The Lancaster file's hash is the one that OSF states; of the Dutch file none is known."""
    known = sources()
    assert known["lancaster"].sha256.startswith("445d363fb1f9f3e5")
    assert len(known["lancaster"].sha256) == 64
    assert known["lancaster"].words == 39707
    assert known["dutch"].sha256 == ""
    assert all(url.startswith("https://") for each in known.values() for url in each.urls)


@pytest.mark.usefixtures("listed")
def test_the_published_file_is_fetched_once(cache, site):
    first = obtain("lancaster")
    assert (first.path, first.sha256, first.trust) == (cache / "norms.csv", PUBLISHED, "published")
    (site / "download").unlink()
    assert obtain("lancaster") == first
    assert [p.name for p in cache.iterdir()] == ["norms.csv"]


@pytest.mark.usefixtures("listed")
def test_another_content_than_the_published_one_is_refused_and_not_kept(cache, site):
    (site / "download").write_bytes(CONTENT + b"revised\n")
    with pytest.raises(HashMismatch, match=PUBLISHED):
        obtain("lancaster")
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("listed")
def test_without_a_published_hash_the_first_content_is_kept_to(cache, site):
    assert obtain("dutch").trust == "first use"
    assert (cache / "dutch.csv.sha256").read_text().strip() == PUBLISHED
    assert obtain("dutch").trust == "pinned"
    (cache / "dutch.csv").write_bytes(b"otherwise")
    with pytest.raises(HashMismatch, match=r"delete it.*dutch\.csv\.sha256"):
        obtain("dutch")
    # The file alone is not enough to make another content believed.
    (cache / "dutch.csv").unlink()
    (site / "download").write_bytes(b"otherwise")
    with pytest.raises(HashMismatch, match=PUBLISHED):
        obtain("dutch")


@pytest.mark.usefixtures("listed")
def test_a_changed_file_in_the_cache_is_refused(cache):
    obtain("lancaster")
    (cache / "norms.csv").write_bytes(b"x")
    with pytest.raises(HashMismatch, match="delete it"):
        obtain("lancaster")
    assert (cache / "norms.csv").read_bytes() == b"x"


def test_the_next_address_is_tried_after_a_fault_or_an_empty_file(listed):
    listed("nowhere", "empty", "download")
    assert obtain("lancaster").trust == "published"


def test_where_nothing_can_be_had_the_way_out_is_named(listed, cache):
    listed("nowhere", "empty")
    with pytest.raises(Unreachable) as found:
        obtain("lancaster")
    assert "404" in found.value.reason or "HTTPError" in found.value.reason
    assert "an empty file" in found.value.reason
    assert "--lancaster FILE" in found.value.remedy
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_mirror_goes_first(kind, listed, site, server, monkeypatch):
    listed("nowhere")
    (site / "norms" / "norms.csv").write_bytes(CONTENT)
    monkeypatch.setenv("CLAIMS_MIRROR", str(site) if kind == "folder" else f"{server}/")
    assert obtain("lancaster").trust == "published"


def test_a_mirror_without_the_norms_leaves_the_authors_page(listed, tmp_path, monkeypatch):
    listed("download")
    monkeypatch.setenv("CLAIMS_MIRROR", str(tmp_path))
    assert obtain("lancaster").trust == "published"


@pytest.mark.usefixtures("listed")
def test_a_mirrors_content_is_checked_too(site, cache, monkeypatch):
    (site / "norms" / "norms.csv").write_bytes(b"otherwise")
    monkeypatch.setenv("CLAIMS_MIRROR", str(site))
    with pytest.raises(HashMismatch, match=PUBLISHED):
        obtain("lancaster")
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("listed")
def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path, cache):
    own = tmp_path / "own.csv"
    own.write_bytes(CONTENT)
    assert obtain("lancaster", own).trust == "published"
    assert obtain("dutch", own).trust == "given"
    own.write_bytes(b"mine")
    assert obtain("lancaster", own).trust == "given"
    assert not cache.exists()
    with pytest.raises(EvidenceError, match=r"none\.csv"):
        obtain("lancaster", tmp_path / "none.csv")
