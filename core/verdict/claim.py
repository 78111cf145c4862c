"""A claim: one checkable statement of a paper."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.verdict.criterion import Criterion

TIERS = ("reported", "released", "replicated", "fresh")

#: The papers whose claims are judged, on what was made here, on a study: models that were asked.
ON_STUDIES = frozenset({"sensorimotor", "coverage"})
#: What verdicts on a study that is about no paper stand under: people made up, released answers.
NO_PAPER = frozenset({"simulated", "replay"})

#: Why a claim has no verdict: the closed list.
REASONS = {
    "not-released": "the authors did not release what would settle it",
    "not-run": "the experiment that would settle it was not carried out",
    "not-observable": "it is about what no output shows, such as training traces or activations",
    "speculation": "it is offered as an interpretation, with no consequence to check",
    "weights": "the weights of a model that it is about were not run here",
    "not-rated": "the ratings behind it were not asked for here",
    "not-given": "the ratings made here do not say it, such as how sure a model was",
    "too-few": "too few words have a number from every model",
    "undefined": "what it measures has no value on this evidence, such as a correlation of answers "
    "that are all alike",
    "unreachable": "the evidence could not be fetched",
    "not-asked": "the tier was not asked for",
}

#: The reasons that are about this run, not about the claim.
NOT_REACHED = frozenset({"unreachable", "not-asked", "not-rated", "not-given"})
#: Those with which nothing is there to be reviewed.
NOT_REVIEWED = NOT_REACHED | {"weights", "too-few", "undefined"}


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
