"""What the texts print: figures and phrases as they stand, to be held against each other."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core.evidence.errors import EvidenceError
from core.paths import FIXTURES
from core.verdict.criterion import parse_figure


@dataclass(frozen=True)
class Reported:
    """The facts of one text.

    Attributes
    ----------
    name : str
        "reported", or "doctored" where figures were replaced for a control.
    facts : mapping of str to mapping
        Per fact, ``figures`` (strings as printed, in the order they stand in the text) and
        ``where`` they stand.
    """

    name: str
    facts: Mapping[str, Mapping[str, Any]]

    @property
    def sha256(self) -> str:
        """Digest of the facts."""
        return hashlib.sha256(json.dumps(self.facts, sort_keys=True).encode()).hexdigest()

    def acquire(self, parts: Iterable[str]) -> None:
        """Check that the named facts are there.

        Raises
        ------
        EvidenceError
            If one is not.
        """
        for part in parts:
            self.printed(part)

    def printed(self, fact: str) -> tuple[str, ...]:
        """Return a fact's figures as printed."""
        if fact not in self.facts:
            msg = f"no fact {fact!r} among the reported ones; add it to fixtures/reported/"
            raise EvidenceError(msg)
        return tuple(map(str, self.facts[fact]["figures"]))

    def figures(self, fact: str) -> tuple[float, ...]:
        """Return a fact's figures as numbers."""
        return tuple(float(parse_figure(figure)) for figure in self.printed(fact))

    def doctored(self, figures: Mapping[str, Any]) -> Reported:
        """Return the same text with other figures in the named facts.

        Raises
        ------
        EvidenceError
            If a fact is not one of the text's: a control must doctor what the claim reads.
        """
        for fact in figures:
            self.printed(fact)
        changed = {
            fact: dict(self.facts[fact]) | {"figures": list(new)} for fact, new in figures.items()
        }
        return replace(self, name="doctored", facts=dict(self.facts) | changed)


def load_reported(paper: str) -> Reported:
    """Read ``fixtures/reported/PAPER.toml``.

    Raises
    ------
    EvidenceError
        If the file is missing, is not TOML, a fact lacks its figures or their places, or a figure
        is no number.
    """
    path = FIXTURES / "reported" / f"{paper}.toml"
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: cannot be read: {error}; restore it from version control"
        raise EvidenceError(msg) from error
    for name, fact in facts.items():
        if not isinstance(fact, dict) or set(fact) != {"figures", "where"} or not fact["figures"]:
            msg = f"{path}: fact {name!r} takes 'figures' (at least one) and 'where'"
            raise EvidenceError(msg)
        try:
            for figure in fact["figures"]:
                parse_figure(str(figure))
        except (ValueError, TypeError) as error:
            msg = f"{path}: fact {name!r}: {error}"
            raise EvidenceError(msg) from error
    return Reported("reported", facts)
