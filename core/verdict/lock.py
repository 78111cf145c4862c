"""The lock: the reviewed verdict of every claim on every body of evidence."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from core.files import write_atomically
from core.verdict.claim import NOT_REVIEWED, ON_STUDIES, Claim
from core.verdict.criterion import Verdict

#: Which verdict was reviewed for a claim (id) on a tier.
Lock = Mapping[tuple[str, str], Verdict]

_HEADER = """\
# The reviewed verdicts: claim, tier, verdict. A change here is a finding, to be read as one.
# Written by `pytest claims/ --update-lock`; never edit a line to make a run green.
"""


class LockError(ValueError):
    """A lock file that cannot be read: names the file, the line's claim, and what is wrong."""


def read_lock(path: Path) -> dict[tuple[str, str], Verdict]:
    """Read the lock; a missing file is an empty lock.

    Raises
    ------
    LockError
        If the file is not TOML, or a verdict is not one we know.
    """
    if not path.exists():
        return {}
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: cannot be read: {error}; restore it from version control"
        raise LockError(msg) from error
    lock: dict[tuple[str, str], Verdict] = {}
    for claim, tiers in document.items():
        if not isinstance(tiers, dict):
            msg = f"{path}: {claim} must be a table of tiers, not {tiers!r}"
            raise LockError(msg)
        for tier, word in tiers.items():
            try:
                lock[claim, tier] = Verdict(word)
            except ValueError:
                msg = f"{path}: {claim}: {word!r} is no verdict"
                raise LockError(msg) from None
    return lock


def write_lock(path: Path, lock: Lock) -> None:
    """Write the lock in one move, sorted so that a diff shows the findings and nothing else."""
    claims: dict[str, list[str]] = {}
    for (claim, tier), verdict in sorted(lock.items()):
        claims.setdefault(claim, []).append(f'{tier} = "{verdict.value}"')
    lines = [f"{claim} = {{ {', '.join(tiers)} }}" for claim, tiers in claims.items()]
    write_atomically(path, _HEADER + "\n".join(lines) + "\n")


def lockable(claims: Iterable[Claim]) -> frozenset[tuple[str, str]]:
    """Return what the lock may hold: every claim on each of its tiers, "none" if it has none.

    Not verdicts on a study: they are about the models of whoever asked them.
    """
    return frozenset(
        (claim.id, tier)
        for claim in claims
        for tier in claim.tiers or ("none",)
        if tier != "fresh" or claim.paper not in ON_STUDIES
    )


def reviewed(
    lock: Lock, rows: Iterable[Mapping[str, Any]], claims: Iterable[Claim]
) -> dict[tuple[str, str], Verdict]:
    """Return the lock with a run's verdicts in it.

    What the lock may not hold goes, see `lockable`; claims that the run did not judge keep what
    was reviewed; controls are known, not reviewed, and never enter.
    """
    registered = lockable(claims)
    kept = {key: verdict for key, verdict in lock.items() if key in registered}
    found = {
        (row["claim"], row["tier"]): Verdict(row["verdict"])
        for row in rows
        if not row["expects"]
        and row["reason"] not in NOT_REVIEWED
        and (row["claim"], row["tier"]) in registered
    }
    return kept | found
