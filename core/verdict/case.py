"""Cases: the bodies of evidence that a claim is judged on, its two controls among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.verdict.claim import Claim


@dataclass(frozen=True)
class Case:
    """One thing to judge: a claim on a tier, or on one of its two controls.

    Attributes
    ----------
    claim : Claim
    tier : str
        The tier judged; for a control, the tier whose reading of the criterion is tested; "none"
        for a claim that no evidence at hand can settle.
    expects : str
        "" off controls, else "holds" or "fails": what is known of the claim there.
    """

    claim: Claim
    tier: str
    expects: str = ""

    @property
    def world(self) -> str | Mapping[str, Any]:
        """The world of this control, "" off controls."""
        if not self.expects or self.claim.controls is None:
            return ""
        return getattr(self.claim.controls, self.expects)

    @property
    def world_name(self) -> str:
        """The world's name; a table of doctored figures has none of its own."""
        return self.world if isinstance(self.world, str) else "doctored"

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks by which the case can be selected."""
        kind = "control" if self.expects else "untestable" if self.tier == "none" else self.tier
        names = [kind, self.claim.paper]
        names += ["ours"] if self.claim.ours else []
        raw = self.tier == "released" and "completions" in self.claim.needs
        names += ["raw"] if raw and not self.expects else []
        return tuple(names)


def named_cases(claims: Iterable[Claim]) -> dict[str, Case]:
    """Return every case of the claims of one test, by a name that reads well in a test id.

    The name is the tier or the control's world, then the variant's values ("released-en-QA_FT"),
    or the claim's id where it has no variant; the id is added where two names would be the same.
    """
    named: dict[str, Case] = {}
    for claim in claims:
        for case in _cases(claim):
            first = f"{case.expects}:{case.world_name}" if case.expects else case.tier
            name = "-".join([first, *(_words(v) for v in claim.variant.values() or [claim.id])])
            named[f"{name}-{claim.id}" if name in named else name] = case
    return named


def _words(value: Any) -> str:
    """Return a variant's value in words; the members of a list are joined by plus signs."""
    if isinstance(value, list):
        parts = ["-".join(map(str, v)) if isinstance(v, list) else str(v) for v in value]
        return "+".join(parts)
    return str(value)


def _cases(claim: Claim) -> list[Case]:
    if claim.untested is not None:
        return [Case(claim, "none")]
    controls = [Case(claim, claim.tiers[0], expects) for expects in ("holds", "fails")]
    return [Case(claim, tier) for tier in claim.tiers] + controls
