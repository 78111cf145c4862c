"""The folder of one night: what it was told, how far it came, what it is held against."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core.evidence.provenance import code_version
from core.files import write_atomically
from core.rating.errors import RatingError

SCHEMA = 1
MANIFEST, LAST = "manifest.json", "last.json"
#: An older run is left as it is: half its answers would be another night's.
GO_ON_WITHIN = timedelta(hours=24)


@dataclass(frozen=True)
class Night:
    """A run's folder and what is in it.

    Attributes
    ----------
    folder : Path
        ``OUT/DATE``: manifest.json, answers.sqlite, study/, verdicts.json, judging.txt, report.md.
    manifest : mapping
        What it was told.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def store(self) -> Path:
        """The night's own answers: those of another night would never be asked for again."""
        return self.folder / "answers.sqlite"

    def study(self, again: bool = False) -> Path:
        """Return the folder of the study, or of the one with another seed."""
        return self.folder / ("again" if again else "study")

    def verdicts(self, again: bool = False) -> Path:
        """Return where the verdicts go, or those with another seed."""
        return self.folder / ("again.json" if again else "verdicts.json")

    @property
    def before(self) -> Mapping[str, Any]:
        """What the run is held against, as it was when it began."""
        return _read(self.folder / "before.json")

    def keep(self, last: Mapping[str, Any]) -> None:
        """Note what the next run is held against."""
        content = {"schema": SCHEMA, "run": self.folder.name, **last}
        _write(self.folder.parent / LAST, content)

    def finish(self, code: int) -> None:
        """Note that the run is over: the same command begins another."""
        finished = {"finished": _now(), "exit": code}
        _write(self.folder / MANIFEST, dict(self.manifest) | finished)


def begin(out: Path, told: Mapping[str, Any], shown: Mapping[str, Any]) -> Night:
    """Begin a run, or go on with one of the last day that was told the same and did not end.

    Parameters
    ----------
    out : Path
        Holds a folder per run, named by its date, and ``last.json``.
    told : mapping
        All that the run follows from, as JSON: models, data, options. Only its hash is kept.
    shown : mapping
        What the manifest says of it.

    Raises
    ------
    RatingError
        If a manifest or last.json is there and cannot be read.
    """
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    newest = max(out.glob(f"*/{MANIFEST}"), key=_place, default=None)
    if newest is not None:
        manifest = _read(newest)
        same = manifest.get("told") == key and not manifest.get("finished")
        if same and _age(manifest) < GO_ON_WITHIN:
            return Night(newest.parent, manifest)
    folder = _new(out)
    last = out / LAST
    before = _read(last) if last.exists() else {"schema": SCHEMA, "verdicts": []}
    _write(folder / "before.json", before)
    manifest = {
        "schema": SCHEMA,
        "told": key,
        "began": _now(),
        "finished": "",
        **shown,
        "code": code_version(),
    }
    _write(folder / MANIFEST, manifest)
    return Night(folder, manifest)


def _place(manifest: Path) -> tuple[str, int]:
    """Return a run's date and its number on that day."""
    name = manifest.parent.name
    date, number = name[:10], name[11:]
    return date, int(number) if number.isdecimal() else 1


def _new(out: Path) -> Path:
    """Return the folder of a run that begins today: the date, and a number from the second on."""
    date, number = datetime.now(UTC).date().isoformat(), 1
    while (folder := out / (date if number == 1 else f"{date}-{number}")).exists():
        number += 1
    return folder


def _age(manifest: Mapping[str, Any]) -> timedelta:
    try:
        return datetime.now(UTC) - datetime.fromisoformat(manifest["began"])
    except (KeyError, TypeError, ValueError):
        return GO_ON_WITHIN


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read: {error}; move it away and run again"
        raise RatingError(msg) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        msg = f"{path}: is not of schema {SCHEMA}; move it away and run again"
        raise RatingError(msg)
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")
