"""Tiles as pixels: images are gathered from a table that minigrid drew."""

from __future__ import annotations

from functools import cache

import numpy as np
from minigrid.core.grid import Grid
from minigrid.core.world_object import Wall, WorldObj

from core.agent.geometry import VIEW
from core.agent.instructions import OBJECTS
from core.agent.rooms import (
    AGENT,
    BLANK,
    FLOOR,
    FULL_AGENT,
    FULL_WALL,
    HIDDEN,
    N_TILES,
    WALL,
)
from core.agent.tasks import OBJECT_CLASSES

#: Pixels along a tile's side, and tiles along an image's: 64x64 pixels, as in the paper.
TILE = 8
GRID = 8


@cache
def tile_table() -> np.ndarray:
    """Return every tile as minigrid draws it, uint8, shape (64, 8, 8, 3); treat as read-only.

    The order is that of `core.agent.rooms`; the blank tile, which pads the view, is black.
    """
    table = np.zeros((N_TILES, TILE, TILE, 3), dtype=np.uint8)
    things = [None, *(OBJECT_CLASSES[kind](colour) for colour, kind in OBJECTS)]
    table[HIDDEN] = _draw(None)
    table[WALL] = _draw(Wall(), seen=True)
    table[FULL_WALL] = _draw(Wall())
    for code, thing in enumerate(things):
        table[FLOOR + code] = _draw(thing, seen=True)
        table[AGENT + code] = _draw(thing, seen=True, agent=3)
        if thing is not None:
            table[FULL_WALL + code] = _draw(thing)
    for direction in range(4):
        table[FULL_AGENT + direction] = _draw(None, agent=direction)
    table[BLANK] = 0
    table.flags.writeable = False
    return table


def _draw(thing: WorldObj | None, *, seen: bool = False, agent: int | None = None) -> np.ndarray:
    return Grid.render_tile(thing, agent_dir=agent, highlight=seen, tile_size=TILE)


def pad_views(views: np.ndarray) -> np.ndarray:
    """Pad 7x7 views to the 8x8 tiles of a 64x64 image: blank tiles on the right and below.

    Parameters
    ----------
    views : ndarray of uint8, shape (n, 49)

    Returns
    -------
    ndarray of uint8, shape (n, 64)
    """
    padded = np.full((len(views), GRID, GRID), BLANK, dtype=np.uint8)
    padded[:, :VIEW, :VIEW] = views.reshape(-1, VIEW, VIEW)
    return padded.reshape(-1, GRID * GRID)


def render(tiles: np.ndarray) -> np.ndarray:
    """Return images as pixels.

    Parameters
    ----------
    tiles : ndarray of uint8, shape (n, s * s)
        Tiles, row by row.

    Returns
    -------
    ndarray of uint8, shape (n, 8 s, 8 s, 3)
    """
    side = round(tiles.shape[1] ** 0.5)
    images = np.empty((len(tiles), side, TILE, side, TILE, 3), dtype=np.uint8)
    # A row of a tile is one contiguous piece, so the gather goes by pixel row.
    table = tile_table()
    grid = tiles.reshape(-1, side, side)
    for row in range(TILE):
        images[:, :, row] = table[:, row][grid]
    return images.reshape(-1, side * TILE, side * TILE, 3)
