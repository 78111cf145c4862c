"""Cells of distances, and the walks over all pairs that fill them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics import _cells
from core.metrics._cells import RANGE, count_cells, find_atoms
from core.metrics._cosine_pairs import collect, condensed, padded_columns
from core.metrics._walk import Walk, pairs_before
from core.metrics.rdm import TIE, rdm, unit_rows

NONE = np.empty(0)


def whole_numbers(n, seed):
    return np.random.default_rng(seed).integers(1, 4, (n, 3))


def grid(n, edge):
    """Rows in a plane, the n - 1 nearest pairs of which lie on this distance but for rounding."""
    angles = np.arange(n) * np.arccos(1 - edge)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_no_group_of_ties_is_parted():
    bins = 16
    for edge in range(2, 15, 3):
        columns = padded_columns(unit_rows(grid(60, edge * RANGE / bins)))
        distances = np.empty(pairs_before(60, 60))
        condensed(columns, distances)
        groups = np.cumsum(np.diff(np.sort(distances), prepend=0) > TIE)
        in_bin = (np.sort(distances) * (bins / RANGE)).astype(int)
        assert any(len(set(in_bin[groups == g])) == 2 for g in set(groups))
        cells = count_cells(Walk(60, 100, None), columns, bins, TIE, NONE, 2)
        in_cell = np.searchsorted(cells.starts, in_bin, side="right")
        assert all(len(set(in_cell[groups == g])) == 1 for g in set(groups))
        assert_array_equal(cells.sizes, np.bincount(in_cell, minlength=len(cells.starts) + 1)[1:])
        # Other edges stay.
        assert bins - 3 <= len(cells.starts) < bins


@pytest.mark.parametrize("bins", [2, 2**20])
@pytest.mark.parametrize(
    ("below", "above"), [(0.45, 0.45), (0.02, 0.96), (0.96, 0.02), (1.1, 0.02), (0.02, 1.1)]
)
def test_ties_next_to_an_edge_share_a_cell(bins, below, above):
    middle = bins // 2
    edge = middle * RANGE / bins
    # The first row's cosines with the others are their first numbers, without rounding.
    cosines = 1 - np.array([edge - below * TIE, edge + above * TIE])
    columns = padded_columns(np.r_[[[1, 0]], np.column_stack([cosines, np.sqrt(1 - cosines**2)])])
    distances = np.empty(3)
    condensed(columns, distances)
    assert distances[0] < edge < distances[1]
    tied = below + above < 1
    assert (distances[1] - distances[0] <= TIE) == tied
    cells = count_cells(Walk(3, 1, None), columns, bins, TIE, NONE, 1)
    found = np.searchsorted(cells.starts, distances[:2] * bins / RANGE, side="right")
    # Edges too far from one of the two to part a tie stay.
    assert (found[0] == found[1]) == tied
    assert cells.sizes.sum() == 3


def shared_by(x):
    """Distances that more than one pair has, with the number of pairs."""
    values, counts = np.unique(rdm(x), return_counts=True)
    return values[counts > 1], counts[counts > 1]


def test_atoms_are_the_distances_shared_by_most():
    x = whole_numbers(80, 2)
    columns = padded_columns(unit_rows(x))
    values, counts = shared_by(x)
    assert_allclose(find_atoms(columns, 2**20, TIE), values, atol=1e-14)
    bins = 7
    in_bin = (values * bins / RANGE).astype(int)
    heaviest = [values[in_bin == b][np.argmax(counts[in_bin == b])] for b in np.unique(in_bin)]
    assert len(heaviest) < len(values)
    assert_allclose(find_atoms(columns, bins, TIE), heaviest, atol=1e-14)


def test_no_more_atoms_than_there_are_numbers_for(monkeypatch):
    x = whole_numbers(80, 2)
    values, counts = shared_by(x)
    monkeypatch.setattr(_cells, "MOST_ATOMS", 3)
    most = np.sort(values[np.argsort(-counts, kind="stable")[:3]])
    assert_allclose(find_atoms(padded_columns(unit_rows(x)), 2**20, TIE), most, atol=1e-14)


def test_no_atom_on_an_edge():
    for edge in (3, 6):
        columns = padded_columns(unit_rows(grid(30, edge * RANGE / 16)))
        near = np.abs(find_atoms(columns, 16, TIE)[:, None] - np.arange(17) * RANGE / 16)
        assert near.min() > TIE
        assert np.abs(find_atoms(columns, 17, TIE) - edge * RANGE / 16).min() < TIE


def test_parts_of_a_bin_with_an_atom():
    x = whole_numbers(80, 3)
    columns, bins = padded_columns(unit_rows(x)), 7
    distances = rdm(x)
    atoms = find_atoms(columns, bins, TIE)
    cells = count_cells(Walk(80, 500, None), columns, bins, TIE, atoms, 2)
    assert cells.clean.all()
    expected = []
    for b in range(bins):
        here = distances[(distances * bins / RANGE).astype(int) == b]
        atom = atoms[(atoms * bins / RANGE).astype(int) == b]
        if len(atom):
            rest = here[np.abs(here - atom) > 1e-12]
            expected += [(rest < atom).sum(), len(here) - len(rest), (rest > atom).sum()]
        else:
            expected.append(len(here))
    assert_array_equal(cells.starts, np.arange(len(expected)))
    assert_array_equal(cells.sizes, expected)


@pytest.mark.parametrize(("beside", "clean"), [(0.0, True), (0.8, False), (-1.2, False), (3, True)])
def test_an_atom_with_others_close_by_is_none(beside, clean):
    # Pairs 5 units apart, and one that is nearly so: by part of the distance at which two are one.
    angles = 0.7 * np.array([0, 1, 2, 3, 4, 5.3, 6.3])
    angles[6] += beside * TIE / np.sin(0.7)
    x = np.column_stack([np.cos(angles), np.sin(angles)])
    columns = padded_columns(unit_rows(x))
    atom = np.array([1 - np.cos(0.7)])
    cells = count_cells(Walk(7, 5, None), columns, 5, TIE, atom, 1)
    assert_array_equal(cells.clean, [clean])
    by_bin = np.bincount((rdm(x) * 5 / RANGE).astype(int), minlength=5)
    # The atom lies in the first bin, with nothing on either side if `beside` is not 3.
    at_it = {0.0: 5, 3: 4}.get(beside)
    rest = by_bin[0] - (at_it or 0)
    expected = [0, at_it, rest, *by_bin[1:]] if clean else by_bin
    assert_array_equal(cells.sizes, expected)
    # An atom hides nothing; of one that is none, only its bin's own rank is known.
    hiding = np.delete(cells.sizes, 1) if clean else cells.sizes
    table = cells.table()
    assert table.within == (hiding**3 - hiding).sum() // 3
    assert len(set(table.beside[0])) == (3 if rest and clean else 2 if clean else 1)


def test_counts_are_of_every_pair_once():
    n = 2100  # more than two chunks of columns
    columns = padded_columns(unit_rows(np.random.default_rng(10).standard_normal((n, 11))))
    distances = np.empty(pairs_before(n, n))
    condensed(columns, distances)
    bins = 1000
    cells = count_cells(Walk(n, 2**18, None), columns, bins, TIE, NONE, 2)
    in_bin = np.bincount((distances * (bins / RANGE)).astype(int), minlength=bins)
    assert_array_equal(cells.sizes, np.add.reduceat(in_bin, cells.starts))
    first, last = 7, 1100
    found, places = np.empty(len(distances)), np.empty(len(distances), dtype=np.uint32)
    picked = collect(columns, first, last, bins / RANGE, 300, 500, found, places)
    rows = distances[pairs_before(first, n) : pairs_before(last, n)]
    where = np.flatnonzero((rows >= 300 * RANGE / bins) & (rows < 500 * RANGE / bins))
    order = np.argsort(places[:picked])
    assert_array_equal(places[:picked][order], where)
    assert_array_equal(found[:picked][order], rows[where])


@pytest.mark.parametrize(("n", "piece"), [(2, 1), (3, 100), (50, 1), (50, 60), (50, 10**6)])
def test_pieces_cover_every_row_once(n, piece):
    pieces = Walk(n, piece, None).pieces
    assert [row for first, last in pieces for row in range(first, last)] == list(range(n - 1))
    sizes = [pairs_before(last, n) - pairs_before(first, n) for first, last in pieces]
    assert sum(sizes) == n * (n - 1) // 2
    assert all(s <= max(piece, n - 1) for s in sizes)
