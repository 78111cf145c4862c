"""The authors' released files: fetched from upstream once, checked, kept in a local cache.

The files are never redistributed here: `fixtures/released/registry.txt` holds their names, sizes
and hashes, and nothing else. Two environment variables change where they come from and go to:

CLAIMS_MIRROR
    A folder or an http(s) address that holds the same tree, used in place of upstream.
CLAIMS_CACHE
    The folder to keep the files in (default: the user's cache folder).
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

import pooch
import requests
from tqdm import tqdm

from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.paths import ROOT

COMMIT = "82cb67be28eb42fe329d0823b4d95af4e9d95e85"
UPSTREAM = (
    "https://raw.githubusercontent.com/Minghua5/Sensorimotor-Representation-in-LLMs/" + COMMIT
)
REGISTRY = ROOT / "fixtures" / "released" / "registry.txt"
CONNECT_SECONDS, READ_SECONDS = 5, 60
REMEDY = "set CLAIMS_MIRROR to a copy of the release, or run `claims fetch` with a network"


@dataclass(frozen=True)
class Entry:
    """One released file: its path in the release, its SHA-256 and its size in bytes."""

    path: str
    sha256: str
    size: int

    @property
    def line(self) -> str:
        """The entry as the registry writes it."""
        return f"{self.path}  {self.sha256}  {self.size}"


def read_registry(path: Path) -> dict[str, Entry]:
    """Read a registry: one line per file with its path, SHA-256 and size, `#` for comments.

    Paths may hold spaces, so that fields are counted from the right.

    Raises
    ------
    EvidenceError
        On a file that cannot be read, a line that is not such an entry, or a path listed twice;
        names the line.
    """
    entries: dict[str, Entry] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise EvidenceError(
            f"{path}: cannot be read: {error}; restore it from version control"
        ) from error
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\S(?:.*\S)?)\s+([0-9a-f]{64})\s+(\d+)", line.rstrip())
        if not found:
            raise EvidenceError(f"{path}, line {number}: expected `path sha256 size`, got {line!r}")
        name = found[1]
        if name in entries or name.startswith("/") or ".." in name.split("/"):
            raise EvidenceError(f"{path}, line {number}: {name!r} is listed twice or not relative")
        entries[name] = Entry(name, found[2], int(found[3]))
    return entries


class Store:
    """Registered files, from upstream or a mirror, through a checked cache.

    A file is fetched when first asked for, hashed on its first use in each process, and moved into
    place whole, so that parallel processes may race and a killed one leaves nothing half-written
    under a file's name. Once the cache is warm, no network is needed.

    Parameters
    ----------
    registry : mapping of str to Entry
        The files there are.
    base : str
        An http(s) address or a folder; where the registered paths are looked up.
    cache : Path
        Where to keep the files; made when needed.
    """

    # What was found unreachable stays so for the process: a run offline fails once, and fast.
    _down: ClassVar[dict[str, str]] = {}

    def __init__(self, registry: Mapping[str, Entry], base: str, cache: Path) -> None:
        self.registry = dict(registry)
        self.base = base.rstrip("/") or base
        self.cache = Path(cache)
        self._checked: dict[str, Path] = {}
        self._pooch = pooch.create(
            path=self.cache,
            base_url=f"{self.base}/",
            registry={name: f"sha256:{entry.sha256}" for name, entry in self.registry.items()},
            allow_updates=False,
        )
        pooch.get_logger().setLevel(logging.WARNING)

    @classmethod
    def from_environment(cls) -> Store:
        """Return the store of the pinned release, as CLAIMS_MIRROR and CLAIMS_CACHE say."""
        cache = os.environ.get("CLAIMS_CACHE") or pooch.os_cache("grounding-claims")
        base = os.environ.get("CLAIMS_MIRROR") or UPSTREAM
        if not _is_address(base) and not Path(base).expanduser().is_dir():
            raise EvidenceError(
                f"CLAIMS_MIRROR={base}: no such folder, and no http(s) address; "
                "correct it, or unset it to use upstream"
            )
        # Files are kept by commit, so that a newer pin never meets an older file.
        return cls(read_registry(REGISTRY), base, Path(cache).expanduser() / COMMIT[:12])

    def get(self, name: str) -> Path:
        """Return the local path of one registered file, fetched if need be and checked.

        Raises
        ------
        EvidenceError
            The file is not registered.
        HashMismatch
            The cached file or the one received is not the registered one. Neither is replaced.
        Unreachable
            The file is not in the cache and cannot be had.
        """
        if name in self._checked:
            return self._checked[name]
        if name not in self.registry:
            raise EvidenceError(f"{name}: not among the {len(self.registry)} registered files")
        entry, path = self.registry[name], self.cache / name
        if path.exists():
            _check(entry, path, f"delete {path} and fetch again with `claims fetch`")
        else:
            self._fetch(name)
        self._checked[name] = path
        return path

    def get_all(self, names: Iterable[str]) -> dict[str, Path]:
        """Return the local paths of several files, with a progress bar on a terminal."""
        wanted = list(names)
        total = sum(self.registry[name].size for name in wanted if name in self.registry)
        absent = [name for name in wanted if not (self.cache / name).exists()]
        paths = {}
        # disable=None shows the bar on a terminal only; a warm cache needs none at all.
        with tqdm(
            total=total, unit="B", unit_scale=True, leave=False, disable=None if absent else True
        ) as bar:
            for name in wanted:
                bar.set_description(Path(name).name[:40])
                paths[name] = self.get(name)
                bar.update(self.registry[name].size)
        return paths

    def digest(self, names: Iterable[str]) -> str:
        """Return one SHA-256 over the registry's lines of these files, whatever their order."""
        lines = sorted(self.registry[name].line for name in set(names))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def _fetch(self, name: str) -> None:
        if self.base in self._down:
            raise Unreachable(self._down[self.base], remedy=REMEDY)
        try:
            # Pooch makes it in two steps, between which another process may come.
            (self.cache / name).parent.mkdir(parents=True, exist_ok=True)
            self._pooch.fetch(name, downloader=self._download)  # pyright: ignore[reportArgumentType]
        except requests.RequestException as error:
            raise self._unreachable(name, error) from error
        except OSError as error:
            raise Unreachable(
                f"{name}: cannot be written under {self.cache}: {error}",
                remedy="set CLAIMS_CACHE to a folder that can be written to",
            ) from error

    def _unreachable(self, name: str, error: requests.RequestException) -> Unreachable:
        if isinstance(error, requests.HTTPError) and error.response is not None:
            return Unreachable(
                f"{name}: {self.base} answered {error.response.status_code}", remedy=REMEDY
            )
        reason = f"{name}: {self.base} cannot be reached ({type(error).__name__})"
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            self._down[self.base] = reason
        return Unreachable(reason, remedy=REMEDY)

    def _download(self, url: str, output: str, _pooch: object) -> None:
        # Pooch gives a temporary file in the cache and moves it into place when this returns; its
        # own check of the hash comes second, with a message that does not say both hashes.
        name = url.removeprefix(f"{self.base}/")
        if _is_address(self.base):
            _receive(f"{self.base}/{quote(name)}", Path(output))
        else:
            self._copy(name, Path(output))
        _check(self.registry[name], Path(output), "nothing was kept", at=f"{self.base}/{name}")

    def _copy(self, name: str, output: Path) -> None:
        source = Path(self.base).expanduser() / name
        if not source.is_file():
            raise Unreachable(
                f"{name}: no such file in the mirror {self.base}",
                remedy="complete the mirror, or unset CLAIMS_MIRROR to use upstream",
            )
        shutil.copyfile(source, output)


def _is_address(base: str) -> bool:
    return base.lower().startswith(("http://", "https://"))


def _receive(url: str, output: Path) -> None:
    timeout = (CONNECT_SECONDS, READ_SECONDS)
    with requests.get(url, stream=True, timeout=timeout) as answer, output.open("wb") as file:
        answer.raise_for_status()
        for block in answer.iter_content(1 << 20):
            file.write(block)


def _check(entry: Entry, path: Path, remedy: str, at: str | None = None) -> None:
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EvidenceError(f"{entry.path}: cannot be read at {path}: {error}; {remedy}") from error
    if found != entry.sha256:
        raise HashMismatch(
            entry.path, expected=entry.sha256, found=found, where=at or str(path), remedy=remedy
        )
