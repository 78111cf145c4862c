"""The files with published norms: fetched from their authors' pages, checked, kept in a cache.

None of them is kept here; `sources.toml` has the addresses. A file is the one that the user names,
or else that in the cache (CLAIMS_CACHE), which is filled from ``norms/<file>`` in the folder or at
the address that CLAIMS_MIRROR names, or else from the authors' page.

Of the Lancaster file the published SHA-256 is known, and no other content is taken from the network
or the cache. Of the Dutch file none is known to us: the hash of the first file that is fetched is
written beside it and told, and from then on no other content is taken under that name.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pooch
import requests

from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.files import write_atomically

SOURCES = Path(__file__).with_name("sources.toml")
CONNECT_SECONDS, READ_SECONDS = 5, 60


@dataclass(frozen=True)
class Source:
    """Published norms: title, file name, number of words, terms, and what is known of the file."""

    title: str
    file: str
    words: int
    licence: str
    reference: str
    sha256: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class Obtained:
    """A file with norms, and why it is believed.

    Attributes
    ----------
    path : Path
    sha256 : str
    trust : str
        "published": the content is the published one. "pinned": as on first use. "first use":
        fetched now, and pinned. "given": the user's own, whose content is not the published one
        or cannot be held against it.
    """

    path: Path
    sha256: str
    trust: str


@cache
def sources() -> dict[str, Source]:
    """Return what is known of each file, "lancaster" and "dutch"."""
    read = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    return {name: Source(**entry | {"urls": tuple(entry["urls"])}) for name, entry in read.items()}


def obtain(name: str, given: Path | None = None) -> Obtained:
    """Return the file of one source, fetched if need be and checked.

    Parameters
    ----------
    name : {"lancaster", "dutch"}
    given : Path, optional
        The user's own file, taken as it is.

    Raises
    ------
    EvidenceError
        When the file given cannot be read.
    HashMismatch
        When the content is not the one published or pinned; nothing is replaced.
    Unreachable
        When there is no file and none can be had.
    """
    source = sources()[name]
    if given is not None:
        own = obtain_own(given)
        return Obtained(given, own.sha256, "published") if own.sha256 == source.sha256 else own
    mirror = os.environ.get("CLAIMS_MIRROR", "")
    place = os.environ.get("CLAIMS_CACHE") or pooch.os_cache("grounding-claims")
    cached = Path(place).expanduser() / "norms" / source.file
    if cached.exists():
        return _believed(source, cached)
    local = Path(mirror).expanduser() / "norms" / source.file
    addresses = list(source.urls)
    if mirror.lower().startswith(("http://", "https://")):
        addresses.insert(0, f"{mirror.rstrip('/')}/norms/{quote(source.file)}")
    elif mirror and local.is_file():
        cached.parent.mkdir(parents=True, exist_ok=True)
        return _keep(source, _copied(local, cached), cached, str(local))
    return _fetched(name, source, addresses, cached)


def obtain_own(path: Path) -> Obtained:
    """Return a file of the user's with its hash; raises EvidenceError when it cannot be read."""
    return Obtained(path, _hash(path), "given")


def _fetched(name: str, source: Source, addresses: list[str], cached: Path) -> Obtained:
    pooch.get_logger().setLevel(logging.WARNING)
    # Pooch's own protocol names the arguments otherwise than its own downloader does.
    download: Any = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    failed = []
    for address in addresses:
        try:
            path = pooch.retrieve(
                address,
                known_hash=None,
                fname=f".{source.file}.new",
                path=cached.parent,
                downloader=download,
            )
        except requests.RequestException as error:
            failed.append(f"{address.split('/')[2]}: {type(error).__name__}")
            continue
        received = Path(path)
        if received.stat().st_size:
            return _keep(source, received, cached, address)
        received.unlink()
        failed.append(f"{address.split('/')[2]}: an empty file")
    raise Unreachable(
        f"{source.title}: {source.file} cannot be fetched ({'; '.join(failed)})",
        remedy=f"download {addresses[-1]} by hand and give it as --{name} FILE",
    )


def _copied(local: Path, cached: Path) -> Path:
    new = cached.with_name(f".{cached.name}.new")
    shutil.copyfile(local, new)
    return new


def _keep(source: Source, received: Path, cached: Path, where: str) -> Obtained:
    """Move a new file into place if it is the one expected, or pin it where none is."""
    found, expected = _hash(received), source.sha256 or _pinned(cached)
    if expected and found != expected:
        received.unlink()
        raise HashMismatch(
            source.file,
            expected=expected,
            found=found,
            where=where,
            remedy=_remedy(source, cached, "nothing was kept; the norms may have been revised"),
        )
    if not expected:
        write_atomically(_pin(cached), f"{found}\n")
    received.replace(cached)
    return Obtained(cached, found, _trust(source, expected))


def _believed(source: Source, cached: Path) -> Obtained:
    found, expected = _hash(cached), source.sha256 or _pinned(cached)
    if not expected:
        write_atomically(_pin(cached), f"{found}\n")
    elif found != expected:
        raise HashMismatch(
            source.file,
            expected=expected,
            found=found,
            where=str(cached),
            remedy=_remedy(source, cached, "delete it to fetch it again"),
        )
    return Obtained(cached, found, _trust(source, expected))


def _trust(source: Source, expected: str) -> str:
    return "published" if source.sha256 else "pinned" if expected else "first use"


def _remedy(source: Source, cached: Path, first: str) -> str:
    # A hash that is written down here is no user's to give up; the one of first use is.
    kept = "" if source.sha256 else f"; delete {_pin(cached)} to take another content from now on"
    return first + kept


def _pin(cached: Path) -> Path:
    return cached.with_name(f"{cached.name}.sha256")


def _pinned(cached: Path) -> str:
    pin = _pin(cached)
    return pin.read_text(encoding="utf-8").strip() if pin.exists() else ""


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read: {error.strerror or error}") from error
