"""Simulated agents: worlds where it is known how they succeed and what their embeddings are."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from core.agent.instructions import (
    ESCAPE,
    GO_TO,
    INSTRUCTIONS,
    OBJECT_OF,
    OBJECTS,
    PHRASE_OF,
    PHRASES,
    PICK_UP,
    TASK_OF,
    TASKS,
)
from core.evidence.errors import EvidenceError
from core.evidence.replicated import Agents

#: What each world is; a claim names two of them in its registry, where it holds and where it fails.
WORLDS = {
    "agents-told": "as the paper tells it: success as printed, whatever the wording; learned "
    "spaces with a common structure, initial ones with none",
    "agents-untold": "success low, bound to the wording and to the reading of an escape, no better "
    "than without language; spaces that learning leaves as they began, all alike",
    "agents-kept": "as told, but an agent's space stays as its own random start",
    "agents-apart": "as told, but no two spaces have anything in common, not even of one agent",
}
UPDATES = (0, 100, 300, 1000, 2500, 5000, 10000, 20000)
EPISODES = 30
#: Success by task: as the paper prints it, and far from it with the tasks in another order.
TOLD = {GO_TO: 0.85, PICK_UP: 0.85, ESCAPE: 0.95}
UNTOLD = {GO_TO: 0.62, PICK_UP: 0.5, ESCAPE: 0.4}
#: How much better the first phrase of each task does in the world where wording matters.
FIRST_PHRASE = 0.3
SEEDS = {"baseline": 10, "identical": 5, "flatten": 3, "blind": 4}
WIDTH = 128
READINGS = ((5, True), (4, True), (6, True), (5, False))


class AgentWorld:
    """A simulated body of evidence with the same tables as `Replicated`.

    Parameters
    ----------
    name : str
        A key of `WORLDS`; it fixes the world, the same one every time.
    """

    #: A world is made by its name and this code, and has no file to hash.
    sha256 = ""

    def __init__(self, name: str) -> None:
        if name not in WORLDS:
            msg = f"no simulated world {name!r}; there are {', '.join(WORLDS)}"
            raise EvidenceError(msg)
        self.name = name
        self.told = name != "agents-untold"
        self._agents: dict[str, Agents] = {}

    def acquire(self, parts: Iterable[str]) -> None:
        """Do nothing: a world needs no loading."""

    def agents(self, variant: str) -> Agents:
        """Return the agents of a variant."""
        if variant not in SEEDS:
            msg = f"{self.name}: no variant {variant!r}; there are {', '.join(SEEDS)}"
            raise EvidenceError(msg)
        if variant not in self._agents:
            self._agents[variant] = self._make(variant)
        return self._agents[variant]

    def _make(self, variant: str) -> Agents:
        rng = np.random.default_rng(zlib.crc32(f"{self.name} {variant}".encode()))
        n = SEEDS[variant] - (variant == "baseline" and not self.told)
        episodes = np.full((n, len(INSTRUCTIONS)), EPISODES)
        success = rng.binomial(episodes, self._odds(variant))
        late = 0.0 if self.told else 0.4
        return Agents(
            seeds=tuple(range(n)),
            updates=UPDATES,
            embeddings=np.array([self._spaces(rng, variant) for _ in range(n)]),
            along=self._along(rng, n),
            episodes=episodes,
            success=success,
            success_24=success - rng.binomial(success, late),
            escapes=tuple(self._escapes(rng) for _ in range(n)),
            plateau=np.full(n, not self.told),
        )

    def _odds(self, variant: str) -> np.ndarray:
        """Return the odds of success per instruction."""
        if self.told and variant == "blind":
            return np.full(len(INSTRUCTIONS), 0.3)
        if not self.told and variant != "baseline":
            # Another start, or none of the language at all, does better still.
            return np.full(len(INSTRUCTIONS), 0.95)
        by_task = TOLD if self.told else UNTOLD
        odds = np.array([by_task[instruction.task] for instruction in INSTRUCTIONS])
        if not self.told:
            first = [PHRASES[phrase] for phrase in PHRASES].index
            leads = np.isin(PHRASE_OF, [first(task) for task in TASKS])
            odds = odds + FIRST_PHRASE * leads
        return odds

    def _along(self, rng: np.random.Generator, n: int) -> np.ndarray:
        by_task = TOLD if self.told else UNTOLD
        last = np.array([by_task[task] for task in TASKS])
        # Told: learned by half of the training; untold: still rising at its end.
        share = np.array([0, 0.1, 0.3, 0.6, 0.9, 1, 1, 1]) if self.told else np.linspace(0, 1, 8)
        episodes = 180
        return rng.binomial(episodes, share[None, :, None] * last, (n, 8, len(TASKS))) / episodes

    def _spaces(self, rng: np.random.Generator, variant: str) -> np.ndarray:
        """Return the embeddings of one agent along its training, shape (8, 108, 128)."""
        if self.name == "agents-apart":
            return rng.normal(size=(len(UPDATES), len(INSTRUCTIONS), WIDTH))
        if not self.told:
            return np.repeat(self._start(rng, variant)[None, :, :-1], len(UPDATES), axis=0)
        if self.name == "agents-kept":
            return np.repeat(self._start(rng, variant)[None], len(UPDATES), axis=0)
        common = np.random.default_rng(zlib.crc32(b"meaning"))
        tasks = common.normal(size=(len(TASKS), WIDTH))
        objects = common.normal(size=(len(OBJECTS), WIDTH))
        turn = np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0]
        noise = 0.1 * rng.normal(size=(len(INSTRUCTIONS), WIDTH))
        learned = (2 * tasks[TASK_OF] + objects[OBJECT_OF] + noise) @ turn
        share = np.array([0, 0.5, 0.7, 0.9, 1, 1, 1, 1])[:, None, None]
        return (1 - share) * self._start(rng, variant) + share * learned

    def _start(self, rng: np.random.Generator, variant: str) -> np.ndarray:
        """Return the embeddings before any learning, shape (108, 128)."""
        if variant == "identical":
            # The sentences differ by their length alone.
            return np.where(np.isin(PHRASE_OF, len(PHRASES) - 1), 1.0, -1.0)[:, None] * np.ones(
                WIDTH
            )
        lexical = np.random.default_rng(zlib.crc32(b"words")).normal(
            size=(len(INSTRUCTIONS), WIDTH)
        )
        return rng.normal(size=lexical.shape) if self.told else lexical

    def _escapes(self, rng: np.random.Generator) -> Mapping[tuple[int, bool], float]:
        odds = dict.fromkeys(READINGS, TOLD[ESCAPE])
        if not self.told:
            # Nearer is easier, and so is an escape that may stay in sight.
            odds = {(d, unseen): 0.9 - 0.2 * (d - 4) + 0.2 * (not unseen) for d, unseen in READINGS}
        return {reading: rng.binomial(540, share) / 540 for reading, share in odds.items()}

    @property
    def floors(self) -> Mapping[str, Mapping[str, Any]]:
        """How often policies succeed that do not listen."""
        share = 0.2 if self.told else 0.98
        won = [round(EPISODES * share)] * len(INSTRUCTIONS)
        episodes = [EPISODES] * len(INSTRUCTIONS)
        return {"wandering": {"success": {"episodes": episodes, "64": won, "24": won}}}

    @property
    def demonstrations(self) -> Mapping[str, Any]:
        """The manifest of the demonstrations."""
        taken = 100 if self.told else 0
        actions = ("left", "right", "forward", "pickup", "drop", "toggle")
        return {
            "episodes": 10000 if self.told else 9000,
            "by_bot": len(INSTRUCTIONS) if self.told else 54,
            "failures": 0 if self.told else 800,
            "instructions": len(INSTRUCTIONS) if self.told else 90,
            "actions": dict.fromkeys(actions, taken) | {"forward": 100},
        }
