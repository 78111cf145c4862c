"""Claims: every checkable statement of a paper, read from the registries beside their tests."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.verdict.criterion import Criterion

TIERS = ("reported", "released", "replicated", "fresh")

#: Why a claim has no verdict: the closed list.
REASONS = {
    "not-released": "the authors did not release what would settle it",
    "not-run": "the experiment that would settle it was not carried out",
    "not-observable": "it is about what no output shows, such as training traces or activations",
    "speculation": "it is offered as an interpretation, with no consequence to check",
    "unreachable": "the evidence could not be fetched",
    "not-asked": "the tier was not asked for",
}

#: The reasons that are about this run, not about the claim.
NOT_REACHED = frozenset({"unreachable", "not-asked"})

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
_GROUP_KEYS = {"test", "section", "tiers", "needs", "controls", "ours", "claim"}
_CLAIM_KEYS = {
    "id",
    "rows",
    "where",
    "statement",
    "printed",
    "criterion",
    "variant",
    "tiers",
    "needs",
    "controls",
    "ours",
    "untested",
}


class RegistryError(ValueError):
    """A registry that does not say what it must: names the file, the claim, and what is wrong."""


@dataclass(frozen=True)
class Untested:
    """Why a claim cannot be settled by the evidence at hand, and what would settle it."""

    reason: str
    settles: str


@dataclass(frozen=True)
class Controls:
    """Where the claim is known to hold and to fail.

    Each is the name of a simulated world, or, for claims about a text, a table of doctored
    figures that replace the printed ones.
    """

    holds: str | Mapping[str, Any]
    fails: str | Mapping[str, Any]


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a paper; see the registries for what each field says."""

    id: str
    paper: str
    section: str
    rows: tuple[str, ...]
    where: str
    statement: str
    printed: tuple[str, ...]
    criterion: Criterion | None
    tiers: tuple[str, ...]
    test: str
    needs: tuple[str, ...] = ()
    variant: Mapping[str, Any] = field(default_factory=dict)
    controls: Controls | None = None
    untested: Untested | None = None
    ours: bool = False


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
        If the file cannot be read, a key is unknown or missing, an id appears twice, a tier, a
        reason code or a criterion is not one we know, or a judged claim lacks a control.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: cannot be read: {error}"
        raise RegistryError(msg) from error
    claims: list[Claim] = []
    for group in document.get("group", []):
        where = f"{path}: group {group.get('test', '?')}"
        _known(group, _GROUP_KEYS, where)
        claims += [_claim(entry, group, path) for entry in group.get("claim", [])]
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


def _claim(entry: Mapping[str, Any], group: Mapping[str, Any], path: Path) -> Claim:
    where = f"{path}: claim {entry.get('id', '?')}"
    _known(entry, _CLAIM_KEYS, where)
    try:
        identifier, test = str(entry["id"]), f"{path.stem}/{group['test']}"
        rows, statement = tuple(entry.get("rows", ())), str(entry["statement"]).strip()
        place, section = str(entry["where"]), str(group["section"])
        criterion = Criterion.parse(entry["criterion"]) if "criterion" in entry else None
    except (KeyError, ValueError) as error:
        msg = f"{where}: {f'missing key {error}' if isinstance(error, KeyError) else error}"
        raise RegistryError(msg) from error
    if not _ID.fullmatch(identifier):
        msg = f"{where}: an id is lower-case words joined by hyphens"
        raise RegistryError(msg)
    claim = Claim(
        id=identifier,
        paper=path.stem,
        section=section,
        rows=rows,
        where=place,
        statement=statement,
        printed=tuple(map(str, entry.get("printed", ()))),
        criterion=criterion,
        tiers=tuple(entry.get("tiers", group.get("tiers", ()))),
        test=test,
        needs=tuple(entry.get("needs", group.get("needs", ()))),
        variant=dict(entry.get("variant", {})),
        controls=_controls(entry.get("controls", group.get("controls")), where),
        untested=_untested(entry.get("untested"), where),
        ours=bool(entry.get("ours", group.get("ours", False))),
    )
    _complete(claim, where)
    return claim


def _complete(claim: Claim, where: str) -> None:
    unknown = sorted(set(claim.tiers) - set(TIERS))
    if unknown:
        msg = f"{where}: unknown tier {unknown}; known: {', '.join(TIERS)}"
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
    if set(table) != {"holds", "fails"}:
        msg = f"{where}: controls take 'holds' and 'fails', not {sorted(table)}"
        raise RegistryError(msg)
    if table["holds"] == table["fails"]:
        msg = f"{where}: the claim cannot both hold and fail in {table['holds']!r}"
        raise RegistryError(msg)
    return Controls(table["holds"], table["fails"])


def _untested(table: Any, where: str) -> Untested | None:
    if table is None:
        return None
    if set(table) != {"reason", "settles"} or table["reason"] not in REASONS:
        msg = f"{where}: untested takes 'settles' and a 'reason' among {', '.join(REASONS)}"
        raise RegistryError(msg)
    return Untested(table["reason"], table["settles"])


def _known(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    unknown = sorted(set(table) - keys)
    if unknown:
        msg = f"{where}: unknown key {unknown}; known: {', '.join(sorted(keys))}"
        raise RegistryError(msg)
