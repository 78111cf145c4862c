"""Which body of evidence a case is judged on, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Protocol

from core.evidence import simulated_agents, simulated_spaces
from core.evidence.embedded import FRESH
from core.evidence.rated import KEPT, Rated, chosen, on_study
from core.evidence.released import Released
from core.evidence.replicated import Replicated
from core.evidence.reported import Reported, load_reported
from core.evidence.simulated import World
from core.evidence.simulated_agents import AgentWorld
from core.evidence.simulated_spaces import SpaceWorld


class Body(Protocol):
    """What every body of evidence has; the tables are the methods of `Released` and `World`."""

    @property
    def name(self) -> str:
        """The body's name, as the verdict shows it."""
        ...

    @property
    def sha256(self) -> str:
        """A digest of what the body holds."""
        ...

    def acquire(self, parts: Iterable[str]) -> None:
        """Load the named tables now, so that what is wrong with them shows at once."""
        ...


def body(name: str | Mapping[str, Any], paper: str, needs: Iterable[str] = ()) -> Body:
    """Return a body of evidence; the same name gives the same object in one process.

    Parameters
    ----------
    name : str or mapping
        ``released``, ``replicated``, ``fresh``, ``reported``, the name of a simulated world, or a
        table of doctored figures that replace those of the ``reported`` body.
    paper : str
        Whose figures the ``reported`` body holds.
    needs : iterable of str
        What the claim needs: ratings that were made here are a study's, and all else is of agents
        and spaces.
    """
    if isinstance(name, Mapping):
        return _reported(paper).doctored(name)
    if name == "reported":
        return _reported(paper)
    if name in {"replicated", "fresh"}:
        return (_rated if on_study(needs) else _replicated)(str(name))
    return _released() if name == "released" else _world(name)


@cache
def _released() -> Released:
    return Released.from_environment()


@cache
def _replicated(tier: str) -> Replicated:
    return Replicated() if tier == "replicated" else Replicated(embeddings=FRESH, name=tier)


@cache
def _rated(tier: str) -> Rated:
    return Rated(KEPT if tier == "replicated" else chosen(), tier)


@cache
def _reported(paper: str) -> Reported:
    return load_reported(paper)


@cache
def _world(name: str) -> World | AgentWorld | SpaceWorld:
    if name in simulated_spaces.WORLDS:
        return SpaceWorld(name)
    return AgentWorld(name) if name in simulated_agents.WORLDS else World(name)
