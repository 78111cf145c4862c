"""Rooms made by hand, and actions written as letters."""

import contextlib
import io

import numpy as np

from core.agent.geometry import SIDE
from core.agent.instructions import OBJECTS, SENTENCES
from core.agent.rooms import Rooms, Starts
from core.agent.tasks import RequestLevel

NAMES = [f"{colour} {kind}" for colour, kind in OBJECTS]


def start(sentence, agent, things):
    """One start: an agent as "row column direction", such as "2 0 >", and things by their cells."""
    row, column, direction = agent.split()
    cells = np.zeros(SIDE * SIDE, dtype=np.uint8)
    for name, (y, x) in things.items():
        cells[y * SIDE + x] = NAMES.index(name) + 1
    pose = (int(row) * SIDE + int(column)) * 4 + ">v<^".index(direction)
    return Starts(
        cells[None], np.array([pose], np.uint8), np.array([SENTENCES.index(sentence)], np.uint8)
    )


def act(rooms, letters):
    """Take actions, each its first letter (r is right), and return success after each."""
    reached = []
    for letter in letters.replace(" ", ""):
        rooms.step(np.full(len(rooms.done), "lrfpdt".index(letter)))
        reached.append(bool(rooms.success.all()))
    return reached


def played(sentence, agent, things, letters, **options):
    """Return success after each of the actions in a room made by hand."""
    return act(Rooms(start(sentence, agent, things), **options), letters)


def reset(instruction, seed, **options):
    """A minigrid level, drawn."""
    env = RequestLevel(instruction, **options)
    with contextlib.redirect_stdout(io.StringIO()):
        env.reset(seed=seed)
    return env
