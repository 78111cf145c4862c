"""P@k parted by whether shared neighbours carry the row's label."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from core.metrics.blocks import block_precision
from core.metrics.neighbours import precision_at_k

LOOSE = 1e-12
# Six phrases of eighteen sentences, as the 108 sentences have them.
PHRASES = np.repeat(np.arange(6), 18)


def gathered(rng, spread, width=40):
    """Points in six well separated heaps."""
    return np.eye(6, width)[PHRASES] + rng.normal(scale=spread, size=(108, width))


def mean_overlap(group, taken_x, taken_y):
    """Of what two random picks from a group share, the mean over all picks there are."""
    pairs = [
        len({*a} & {*b})
        for a in combinations(range(group), taken_x)
        for b in combinations(range(group), taken_y)
    ]
    return np.mean(pairs)


def test_by_hand():
    # Angles; nearest two: {1, 2} {0, 2} {0, 1} {1, 2} and {1, 2} {0, 2} {1, 3} {1, 2}.
    angles = np.deg2rad([[0, 10, 30, 90], [0, 10, 80, 90]])
    x, y = (np.column_stack([np.cos(a), np.sin(a)]) for a in angles)
    found = block_precision(x, y, ["a", "a", "b", "b"], 2)
    # Shared: 1, 2 of row 0; 0, 2 of row 1; 1 of row 2; 1, 2 of row 3. Of its label: one, one, none,
    # one.
    assert_allclose(found.shared_same, 3 / 8)
    assert_allclose(found.shared_other, 4 / 8)
    # Same label: 1 * 1 of one, but in row 2, where x has 0 and y has 1. Other label: of two, 1 * 1,
    # but in row 2, where x has 2 and y has 1.
    assert_allclose(found.expected, (3 * 1 + 0 + 3 * 1 / 2 + 2 * 1 / 2) / 8)


@pytest.mark.parametrize("spread", [0.0, 1e-3])
def test_blocks_alone_give_fifteen_of_seventeen(spread):
    rng = np.random.default_rng(1)
    found = block_precision(gathered(rng, spread), gathered(rng, spread, 9), PHRASES, 15)
    assert_allclose(found.expected, 15 / 17)
    assert found.shared_other == 0
    # Without any order within a block the expectation is met; with unrelated orders, nearly so.
    assert_allclose(found.shared_same, 15 / 17, atol=LOOSE if spread == 0 else 0.02)


def test_what_both_know_within_blocks_is_beyond_the_expectation():
    rng = np.random.default_rng(2)
    x = gathered(rng, 1e-3)
    found = block_precision(x, x, PHRASES, 15)
    assert_allclose([found.shared_same, found.expected], [1, 15 / 17])


@pytest.mark.parametrize("seed", range(3))
def test_expected_is_the_mean_over_all_picks_of_as_many_neighbours(seed):
    rng = np.random.default_rng(seed)
    n, k = 8, 4
    x, y, label = rng.normal(size=(n, 3)), rng.normal(size=(n, 5)), rng.integers(3, size=n)
    total = 0.0
    for i in range(n):
        near = []
        for space in (x, y):
            cosine = space @ space[i] / np.linalg.norm(space, axis=1)
            near.append(sorted({*range(n)} - {i}, key=lambda j, c=cosine: -c[j])[:k])
        for group in (label == label[i], label != label[i]):
            size = int(group.sum()) - bool(group[i])
            total += mean_overlap(size, *(sum(group[j] for j in row) for row in near))
    assert_allclose(block_precision(x, y, label, k).expected, total / (k * n), atol=LOOSE)


@given(st.data(), st.integers(0, 10_000))
def test_parts_add_up_and_labels_without_meaning_leave_chance(data, seed):
    rng = np.random.default_rng(seed)
    n = data.draw(st.integers(3, 9))
    k = data.draw(st.integers(1, n - 1))
    # Small whole numbers: many ties.
    x, y = rng.integers(1, 3, size=(n, 3)), rng.integers(1, 3, size=(n, 2))
    label = rng.integers(3, size=n)
    found = block_precision(x, y, label, k)
    assert_allclose(found.shared_same + found.shared_other, precision_at_k(x, y, k), atol=LOOSE)
    assert found == block_precision(y, x, label, k)
    for alike in (np.zeros(n), np.arange(n)):
        flat = block_precision(x, y, alike, k)
        assert_allclose(flat.expected, k / (n - 1), atol=LOOSE)
        assert 0 in (flat.shared_same, flat.shared_other)


def test_refuses_what_does_not_pair_up():
    x = np.array([[1, 0], [1, 1], [0, 1]])
    for y, label in ((x[:2], [0, 0, 1]), (x, [0, 1]), (x, [[0, 1, 1]])):
        with pytest.raises(ValueError, match="must pair up"):
            block_precision(x, y, label, 1)
    with pytest.raises(ValueError, match="k is 3"):
        block_precision(x, x, [0, 0, 1], 3)
