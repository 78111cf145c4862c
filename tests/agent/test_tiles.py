"""Tiles and images in pixels."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.agent.rooms import AGENT, BLANK, FLOOR, FULL_AGENT, FULL_WALL, HIDDEN, N_TILES, WALL
from core.agent.tiles import pad_views, render, tile_table
from tests.agent.hand import NAMES

MIDDLE = (4, 4)


def lit(*colour):
    """A colour in the agent's view: three tenths of the way to white."""
    return [int(c + 0.3 * (255 - c)) for c in colour]


def test_the_table_holds_64_different_tiles():
    table = tile_table()
    assert (table.shape, table.dtype) == ((64, 8, 8, 3), np.uint8)
    assert N_TILES == 64
    assert len(np.unique(table.reshape(64, -1), axis=0)) == 64


def test_tiles_have_minigrid_s_colours():
    table = tile_table()
    ball = NAMES.index("red ball") + 1
    assert not table[BLANK].any()
    assert table[HIDDEN][MIDDLE].tolist() == [0, 0, 0]
    assert table[FLOOR][MIDDLE].tolist() == lit(0, 0, 0)
    assert table[FULL_WALL][MIDDLE].tolist() == [100, 100, 100]
    assert table[WALL][MIDDLE].tolist() == lit(100, 100, 100)
    assert table[FLOOR + ball][MIDDLE].tolist() == lit(255, 0, 0)
    assert table[FULL_WALL + ball][MIDDLE].tolist() == [255, 0, 0]
    assert table[FULL_AGENT][MIDDLE].tolist() == [255, 0, 0]
    green = FLOOR + NAMES.index("green ball") + 1
    assert table[green][MIDDLE].tolist() == lit(0, 255, 0)
    # What is carried shows behind the agent, which is red.
    assert (table[AGENT] != table[AGENT + NAMES.index("green ball") + 1]).any()


def test_the_agent_points_where_it_looks():
    # Inside the two grid lines, which do not turn with it.
    right, down, left, up = tile_table()[FULL_AGENT : FULL_AGENT + 4, 1:7, 1:7, 0]
    assert_array_equal(down, np.rot90(right, -1))
    assert_array_equal(left, np.rot90(right, 2))
    assert_array_equal(up, np.rot90(right))
    red = right > 127
    assert red[:, :3].sum() > red[:, 3:].sum() > 0


def test_the_table_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        tile_table()[0] = 1


def test_49_places_go_to_the_top_left_of_8_by_8():
    views = np.arange(98, dtype=np.uint8).reshape(2, 49) % 40
    padded = pad_views(views)
    assert (padded.shape, padded.dtype) == ((2, 64), np.uint8)
    grid = padded.reshape(2, 8, 8)
    assert_array_equal(grid[:, :7, :7], views.reshape(2, 7, 7))
    assert (grid[:, 7] == BLANK).all()
    assert (grid[:, :, 7] == BLANK).all()


@pytest.mark.parametrize("side", [7, 8])
def test_each_tile_is_drawn_in_its_place(side):
    tiles = np.random.default_rng(0).integers(64, size=(3, side * side)).astype(np.uint8)
    images = render(tiles)
    assert (images.shape, images.dtype) == ((3, 8 * side, 8 * side, 3), np.uint8)
    for n in range(3):
        for place, tile in enumerate(tiles[n]):
            y, x = 8 * (place // side), 8 * (place % side)
            assert_array_equal(images[n, y : y + 8, x : x + 8], tile_table()[tile])


def test_a_padded_view_is_a_64x64_image_with_black_borders():
    (image,) = render(pad_views(np.full((1, 49), WALL, dtype=np.uint8)))
    assert image.shape == (64, 64, 3)
    assert (image[:56, :56] > 0).all()
    assert not image[56:].any()
    assert not image[:, 56:].any()
