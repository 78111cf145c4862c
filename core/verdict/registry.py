"""The registries: claims as data, read strictly."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.verdict.claim import NOT_REVIEWED, REASONS, TIERS, Claim, Controls, Untested
from core.verdict.criterion import Criterion


class RegistryError(ValueError):
    """A registry that does not say what it must: names the file, the claim, and what is wrong."""


#: What a key must be: how it is said, and how it is told.
_Kind = tuple[str, Callable[[Any], bool]]


def _is_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) and x for x in value)


_TEXT: _Kind = ("a text", lambda x: isinstance(x, str) and bool(x.strip()))
_STRINGS: _Kind = ("a list of texts", _is_strings)
_TABLE: _Kind = ("a table", lambda x: isinstance(x, dict))
_TABLES: _Kind = (
    "an array of tables",
    lambda x: isinstance(x, list) and all(isinstance(one, dict) for one in x),
)
_FLAG: _Kind = ("true or false", lambda x: isinstance(x, bool))
_TEST: _Kind = (
    "the name of a test (test_x.py::test_y)",
    lambda x: isinstance(x, str) and re.fullmatch(r"test_\w+\.py::test_\w+", x) is not None,
)
_ID: _Kind = (
    "lower-case words joined by hyphens",
    lambda x: isinstance(x, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", x) is not None,
)
_WORLD: _Kind = (
    "the name of a world or a table of figures",
    lambda x: isinstance(x, str | dict) and bool(x),
)
_SHARED = {"tiers": _STRINGS, "needs": _STRINGS, "controls": _TABLE, "ours": _FLAG}
_GROUP = {"test": _TEST, "section": _TEXT, "claim": _TABLES} | _SHARED
_CLAIM = {
    "id": _ID,
    "where": _TEXT,
    "statement": _TEXT,
    "rows": _STRINGS,
    "printed": _STRINGS,
    "criterion": _TABLE,
    "variant": _TABLE,
    "untested": _TABLE,
} | _SHARED
_REQUIRED = {"test", "section", "claim", "id", "where", "statement", "holds", "fails"}


def load_registry(path: Path) -> tuple[Claim, ...]:
    """Read one registry; the paper is named by the file's stem.

    Parameters
    ----------
    path : Path
        A TOML file of ``[[group]]`` tables (what the claims of one test share: test, section,
        tiers, needs, controls, ours) that hold ``[[group.claim]]`` tables.

    Raises
    ------
    RegistryError
        If the file cannot be read, a key is unknown, missing or of the wrong type, an id appears
        twice, a tier, a reason code or a criterion is not one we know, or a judged claim lacks a
        control.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise RegistryError(msg) from error
    claims: list[Claim] = []
    _check(document, {"group": _TABLES}, f"{path}")
    for group in document.get("group", []):
        _check(group, _GROUP, f"{path}: group {group.get('test', '?')}")
        claims += [_claim(entry, group, path) for entry in group["claim"]]
    _unique_ids(claims, path)
    return tuple(claims)


def load_registries(paths: Sequence[Path]) -> tuple[Claim, ...]:
    """Read several registries, whose ids must differ.

    Raises
    ------
    RegistryError
        As `load_registry`, and if two claims of different registries carry the same id.
    """
    claims = tuple(claim for path in paths for claim in load_registry(path))
    _unique_ids(claims, "the registries")
    return claims


def _unique_ids(claims: Sequence[Claim], source: object) -> None:
    seen: set[str] = set()
    for claim in claims:
        if claim.id in seen:
            msg = f"{source}: claim id {claim.id!r} appears twice"
            raise RegistryError(msg)
        seen.add(claim.id)


def _check(table: Mapping[str, Any], kinds: Mapping[str, _Kind], where: str) -> None:
    """Raise RegistryError on a key that is unknown, missing, or not what it must be."""
    unknown = sorted(set(table) - set(kinds))
    if unknown:
        msg = f"{where}: unknown key {unknown}; known: {', '.join(sorted(kinds))}"
        raise RegistryError(msg)
    for key, (said, holds) in kinds.items():
        if key not in table and key in _REQUIRED:
            msg = f"{where}: missing key {key!r}"
            raise RegistryError(msg)
        if key in table and not holds(table[key]):
            msg = f"{where}: {key} must be {said}, not {table[key]!r}"
            raise RegistryError(msg)


def _claim(entry: Mapping[str, Any], group: Mapping[str, Any], path: Path) -> Claim:
    where = f"{path}: claim {entry.get('id', '?')}"
    _check(entry, _CLAIM, where)
    try:
        criterion = Criterion.parse(entry["criterion"]) if "criterion" in entry else None
    except ValueError as error:
        msg = f"{where}: {error}"
        raise RegistryError(msg) from error
    shared = {key: group[key] for key in _SHARED if key in group} | dict(entry)
    claim = Claim(
        id=entry["id"],
        paper=path.stem,
        section=group["section"],
        rows=tuple(entry.get("rows", ())),
        where=entry["where"],
        statement=entry["statement"].strip(),
        printed=tuple(entry.get("printed", ())),
        criterion=criterion,
        tiers=tuple(shared.get("tiers", ())),
        test=f"{path.stem}/{group['test']}",
        needs=tuple(shared.get("needs", ())),
        variant=dict(entry.get("variant", {})),
        controls=_controls(shared.get("controls"), where),
        untested=_untested(entry.get("untested"), where),
        ours=shared.get("ours", False),
    )
    _complete(claim, where)
    return claim


def _complete(claim: Claim, where: str) -> None:
    unknown = sorted(set(claim.tiers) - set(TIERS))
    if unknown or len(set(claim.tiers)) < len(claim.tiers):
        msg = f"{where}: unknown tier {unknown}, or one twice; known: {', '.join(TIERS)}"
        raise RegistryError(msg)
    if not claim.rows and not claim.ours:
        msg = f"{where}: names no row of the catalogue and is not marked as ours"
        raise RegistryError(msg)
    if claim.untested is not None:
        if claim.tiers or claim.criterion or claim.controls:
            msg = f"{where}: is untested, so it takes no tiers, criterion or controls"
            raise RegistryError(msg)
        return
    for name in ("criterion", "controls", "tiers"):
        if not getattr(claim, name):
            msg = f"{where}: has no {name}, and does not say why it is untested"
            raise RegistryError(msg)


def _controls(table: Any, where: str) -> Controls | None:
    if table is None:
        return None
    _check(table, {"holds": _WORLD, "fails": _WORLD}, f"{where}: controls")
    if table["holds"] == table["fails"]:
        msg = f"{where}: the claim cannot both hold and fail in {table['holds']!r}"
        raise RegistryError(msg)
    return Controls(table["holds"], table["fails"])


def _untested(table: Any, where: str) -> Untested | None:
    if table is None:
        return None
    _check(table, {"reason": _TEXT, "settles": _TEXT}, f"{where}: untested")
    reasons = [reason for reason in REASONS if reason not in NOT_REVIEWED]
    if set(table) != {"reason", "settles"} or table["reason"] not in reasons:
        msg = f"{where}: untested takes 'settles' and a 'reason' among {', '.join(reasons)}"
        raise RegistryError(msg)
    return Untested(table["reason"], table["settles"])
