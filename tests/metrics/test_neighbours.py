"""Nearest neighbours, P@k and the effective rank."""

from fractions import Fraction
from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestNeighbors

from core.metrics.nearest import cosine_similarity
from core.metrics.neighbours import (
    effective_rank,
    neighbour_composition,
    neighbour_weights,
    pairwise_precision_at_k,
    precision_at_k,
    precision_curve,
    sentence_precision_at_k,
)
from tests import strategies
from tests.oracles import mutual_knn, stats

LOOSE = 1e-12
ROW = arrays(int, 3, elements=st.integers(-2, 2)).filter(lambda v: v.any())


def grids(least=3, most=9):
    """Whole-number rows, none zero, many of them at exactly the same angle to each other.

    Numbers so small that no cosine of two rows lies within 1e-14 of where rounding to twelve
    decimals would part it from its equals.
    """
    return st.lists(ROW, min_size=least, max_size=most).map(np.array)


def paired_grids(least=3, most=9):
    return st.integers(least, most).flatmap(lambda n: st.tuples(grids(n, n), grids(n, n)))


def turn(seed, dimensions=3):
    return stats.ortho_group.rvs(dimensions, random_state=seed)


def exact_order(a, b):
    """A number that orders cosines as they are ordered, without any rounding."""
    dot = Fraction(int(a @ b))
    return dot * abs(dot) / (int(a @ a) * int(b @ b))


def nearest(x, k, priority=None):
    """Neighbours by sorting: a row's own index left out, ties by priority; a set per row."""
    n = len(x)
    place = priority or tuple(range(n))

    def of_row(i):
        others = (j for j in range(n) if j != i)
        return set(sorted(others, key=lambda j: (-exact_order(x[i], x[j]), place[j]))[:k])

    return [of_row(i) for i in range(n)]


def shared(sets_x, sets_y, k):
    return sum(len(a & b) for a, b in zip(sets_x, sets_y, strict=True)) / (k * len(sets_x))


def tied(x, k):
    """Whether a tie at the k-th place leaves a choice of neighbours."""
    n = len(x)
    return nearest(x, k) != nearest(x, k, tuple(range(n, 0, -1)))


def test_cosine_similarity_by_hand():
    # 45 degrees, a right angle, opposite; lengths do not matter.
    found = cosine_similarity([[2, 0], [3, 3], [0, -5], [-1, 0]])
    half = 0.5**0.5
    assert_allclose(
        found,
        [[1, half, 0, -1], [half, 1, -half, -half], [0, -half, 1, 0], [-1, -half, 0, 1]],
        atol=LOOSE,
    )
    assert_array_equal(found, found.T)


def test_neighbours_by_hand():
    # Four directions: 0, 10, 30 and 90 degrees.
    angle = np.deg2rad([0, 10, 30, 90])
    x = np.column_stack([np.cos(angle), np.sin(angle)]) * [[1], [7], [0.2], [3]]
    one = [[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    two = [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]]
    assert_array_equal(neighbour_weights(x, 1), one)
    assert_array_equal(neighbour_weights(x, 2), two)


def test_precision_by_hand():
    # Nearest neighbours: 1 0 1 2 in the first space, 1 0 3 2 in the second: 3 of 4 in common.
    angles = np.deg2rad([[0, 10, 30, 90], [0, 10, 80, 90]])
    x, y = (np.column_stack([np.cos(a), np.sin(a)]) for a in angles)
    assert precision_at_k(x, y, 1) == 3 / 4
    # Two: {1, 2} {0, 2} {0, 1} {1, 2} and {1, 2} {0, 2} {1, 3} {1, 2}: 7 of 8.
    assert precision_at_k(x, y, 2) == 7 / 8
    assert precision_at_k(x, y, 3) == 1


def test_ties_by_hand():
    # The first row has one neighbour at 0 degrees and three at 90 for one place left.
    x = [[1, 0], [2, 0], [0, 1], [0, 2], [0, -1]]
    third = 1 / 3
    assert_allclose(neighbour_weights(x, 2)[0], [0, 1, third, third, third])
    # The third has its twin and one of two at 90 degrees; the last has both at 90 degrees.
    weights = neighbour_weights(x, 2)
    assert_allclose(weights[2], [0.5, 0.5, 0, 1, 0])
    assert_allclose(weights[4], [1, 1, 0, 0, 0])
    # Two independent draws among m tied rows for one place agree in one case of m.
    expected = 2 * (1 + 3 / 9) + 2 * (1 + 2 / 4) + 2
    assert_allclose(precision_at_k(x, x, 2), expected / 10)


@given(st.data(), paired_grids())
def test_agrees_with_sorting_where_nothing_ties(data, pair):
    x, y = pair
    k = data.draw(st.integers(1, len(x) - 1))
    if not tied(x, k) and not tied(y, k):
        found = precision_at_k(x, y, k)
        assert_allclose(found, shared(nearest(x, k), nearest(y, k), k), atol=LOOSE)
        assert_allclose(found * k * len(x), round(found * k * len(x)), atol=1e-9)
        assert precision_at_k(x, x, k) == 1


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_sorting_at_the_size_of_the_paper(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(108, 16)), rng.normal(size=(108, 5))
    y[:, :3] += x[:, :3]
    near = []
    for space in (x, y):
        similarity = np.array([[a @ b / np.sqrt(a @ a * (b @ b)) for b in space] for a in space])
        order = [
            sorted({*range(108)} - {i}, key=lambda j: -row[j]) for i, row in enumerate(similarity)
        ]
        near.append(order)
    for k in (1, 15, 106):
        first, second = ([set(row[:k]) for row in order] for order in near)
        assert_allclose(precision_at_k(x, y, k), shared(first, second, k), atol=LOOSE)


@given(st.data(), paired_grids(most=4))
@example(
    None, (np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]]), np.eye(4, 3, dtype=int) + 1)
)
def test_ties_are_the_mean_over_all_ways_to_break_them(data, pair):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1)) if data else 2
    orders = list(permutations(range(n)))
    broken = [[nearest(space, k, order) for order in orders] for space in (x, y)]
    mean = np.mean([shared(a, b, k) for a in broken[0] for b in broken[1]])
    assert_allclose(precision_at_k(x, y, k), mean, atol=LOOSE)
    among = np.mean(
        [[[j in near for j in range(n)] for near in sets] for sets in broken[0]], axis=0
    )
    assert_allclose(neighbour_weights(x, k), among, atol=LOOSE)
    labels = np.arange(n) % 2
    same = np.mean(
        [
            [labels[j] == labels[i] for i, near in enumerate(sets) for j in near]
            for sets in broken[0]
        ]
    )
    assert_allclose(neighbour_composition(x, labels, k), same, atol=LOOSE)


@given(st.data(), grids())
def test_weights_are_shares_of_k_and_leave_the_row_itself_out(data, x):
    k = data.draw(st.integers(1, len(x) - 1))
    # Twins everywhere, so that leaving out the most similar row would not do.
    for rows in (x, np.repeat(x, 2, axis=0)):
        weights = neighbour_weights(rows, k)
        assert_allclose(weights.sum(axis=1), k, atol=1e-9)
        assert weights.min() >= 0
        assert weights.max() <= 1 + LOOSE
        assert not weights.diagonal().any()


def test_a_twin_is_the_nearest_neighbour():
    x = np.repeat(np.eye(3) + 0.1, 2, axis=0)
    weights = neighbour_weights(x, 1)
    assert_array_equal(weights.argmax(axis=1), [1, 0, 3, 2, 5, 4])
    assert_array_equal(weights.max(axis=1), 1)


@given(st.data(), paired_grids(), strategies.seeds)
def test_rotation_scale_and_joint_relabelling_change_nothing(data, pair, seed):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    found = precision_at_k(x, y, k)
    assert_allclose(precision_at_k(x @ turn(seed), y, k), found, atol=LOOSE)
    assert_allclose(precision_at_k(x, y @ turn(seed), k), found, atol=LOOSE)
    for scale in (1e6, 1e-6, 3.7):
        assert_allclose(precision_at_k(x * scale, y / scale, k), found, atol=LOOSE)
    lengths = np.random.default_rng(seed).uniform(0.1, 10, (n, 1))
    assert_allclose(precision_at_k(x * lengths, y, k), found, atol=LOOSE)
    order = np.random.default_rng(seed).permutation(n)
    assert_allclose(precision_at_k(x[order], y[order], k), found, atol=LOOSE)
    # More columns of zeros are no more of a space.
    assert_allclose(precision_at_k(np.pad(x, [(0, 0), (0, 4)]), y, k), found, atol=LOOSE)


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160, 1e200])
def test_rows_however_short_or_long_have_a_direction(size):
    x = np.array([[1, 0], [1, 0.1], [0, 1], [0.2, 1]])
    assert_allclose(cosine_similarity(x * size), cosine_similarity(x), atol=LOOSE)


def test_relabelling_one_space_alone_does_change_it():
    x = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]]
    assert precision_at_k(x, x, 1) == 1
    assert precision_at_k(x, [x[i] for i in (0, 2, 1, 3)], 1) == 0


def test_a_shift_does_change_it():
    # Cosines are taken from the origin, not from the middle of the points.
    x = np.array([[1, 0], [9, 1], [0, 1], [1, 9]])
    assert precision_at_k(x, x - 5, 1) == 1 / 2


def test_the_order_of_rows_breaks_no_tie():
    # Breaking ties by index would give the first rows more of the neighbours: 1 here, not 1/3.
    x, order = np.array([[0, 1], [1, 0], [1, 0], [1, 0], [1, 0.01]]), [0, 4, 3, 2, 1]
    again = neighbour_weights(x[order], 1)
    assert_allclose(again, neighbour_weights(x, 1)[np.ix_(order, order)])
    assert_allclose(neighbour_weights(x[:4], 1)[0], [0, 1 / 3, 1 / 3, 1 / 3])


@given(st.data(), paired_grids(most=5))
def test_relabelling_one_space_in_every_way_gives_chance_on_average(data, pair):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    found = [precision_at_k(x, y[list(order)], k) for order in permutations(range(n))]
    assert_allclose(np.mean(found), k / (n - 1), atol=1e-10)


@pytest.mark.parametrize(("n", "k"), [(12, 1), (20, 5), (108, 15)])
def test_unrelated_spaces_give_chance_on_average(n, k):
    rng = np.random.default_rng(n)
    times = 300
    found = [
        precision_at_k(rng.normal(size=(n, 6)), rng.normal(size=(n, 9)), k) for _ in range(times)
    ]
    # What two sets of k among n - 1 share is hypergeometric; the mean over rows varies no more
    # than that of one row.
    overlap = stats.hypergeom(n - 1, k, k)
    assert_allclose(overlap.mean() / k, k / (n - 1))
    bound = overlap.std() / k / np.sqrt(times)
    assert abs(np.mean(found) - k / (n - 1)) < 4 * bound


@pytest.mark.parametrize("k", [1, 3, 6])
def test_a_space_without_structure_has_chance_in_common_with_all_even_itself(k):
    n = 7
    flat = np.tile([0.1, 0.7, -0.3], (n, 1))
    other = np.random.default_rng(0).normal(size=(n, 4))
    for y in (flat, flat * -3, other):
        assert_allclose(precision_at_k(flat, y, k), k / (n - 1), atol=LOOSE)
    assert_allclose(neighbour_weights(flat, k), (1 - np.eye(n)) * k / (n - 1), atol=LOOSE)


@given(paired_grids(least=2))
def test_all_others_are_always_shared(pair):
    x, y = pair
    assert_allclose(precision_at_k(x, y, len(x) - 1), 1, atol=LOOSE)


@given(st.data(), paired_grids())
def test_precision_is_a_symmetric_share(data, pair):
    x, y = pair
    k = data.draw(st.integers(1, len(x) - 1))
    found = precision_at_k(x, y, k)
    assert -LOOSE <= found <= 1 + LOOSE
    assert found == precision_at_k(y, x, k)
    # Both take k of n - 1, so so many they must share.
    assert found >= max(0, 2 * k - (len(x) - 1)) / k - LOOSE


@given(st.data(), st.integers(3, 7).flatmap(lambda n: st.tuples(*[grids(n, n)] * 3)))
def test_pairwise_is_every_single_one(data, spaces):
    k = data.draw(st.integers(1, len(spaces[0]) - 1))
    wide = [spaces[0], np.pad(spaces[1], [(0, 0), (2, 0)]), spaces[2]]
    found = pairwise_precision_at_k(wide, k)
    assert found.shape == (3, 3)
    assert_allclose(found, found.T, atol=LOOSE)
    expected = [[precision_at_k(x, y, k) for y in spaces] for x in spaces]
    assert_allclose(found, expected, atol=LOOSE)


def related(seed, n=108):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 16)), rng.normal(size=(n, 5))
    y[:, :3] += x[:, :3]
    return x, y


@pytest.mark.parametrize("k", [1, 5, 15, 107])
def test_is_scikit_learns_neighbours_in_common(k):
    x, y = related(10)
    # Asked about no points in particular, it leaves out a point itself.
    near = [
        NearestNeighbors(n_neighbors=k, metric="cosine").fit(space).kneighbors()[1]
        for space in (x, y)
    ]
    rows = [len({*a} & {*b}) / k for a, b in zip(*near, strict=True)]
    assert_allclose(precision_at_k(x, y, k), np.mean(rows))
    assert_allclose(sentence_precision_at_k(x, y, k), rows)


@pytest.mark.parametrize("k", [1, 4, 10])
def test_is_the_mutual_nearest_neighbour_alignment_of_huh_et_al(k):
    x, y = related(11, n=30)
    assert_allclose(precision_at_k(x, y, k), mutual_knn(x, y, k))
    # Their vectors are of unit length, where the inner product is the cosine.
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    assert_allclose(precision_at_k(x / lengths, y, k), mutual_knn(x, y, k))


@given(st.data(), paired_grids())
def test_rows_are_the_parts_of_which_precision_is_the_mean(data, pair):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    found = sentence_precision_at_k(x, y, k)
    assert found.shape == (n,)
    assert_allclose(found.mean(), precision_at_k(x, y, k), atol=LOOSE)
    if not tied(x, k) and not tied(y, k):
        parts = [len(a & b) / k for a, b in zip(nearest(x, k), nearest(y, k), strict=True)]
        assert_allclose(found, parts, atol=LOOSE)


@given(paired_grids())
def test_curve_is_precision_at_every_k(pair):
    x, y = pair
    # Twins on one side: ties at every place.
    for first, second in ((x, y), (np.ones_like(x), y), (x[np.arange(len(x)) // 2], y)):
        expected = [precision_at_k(first, second, k) for k in range(1, len(x))]
        for most in (1, len(x) - 1):
            assert_allclose(precision_curve(first, second, most), expected[:most], atol=LOOSE)


def test_curve_at_the_size_of_the_paper():
    x, y = related(12)
    expected = [mutual_knn(x, y, k) for k in (1, 5, 15)]
    assert_allclose(precision_curve(x, y, 15)[[0, 4, 14]], expected)


@pytest.mark.parametrize("seed", range(5))
def test_curve_of_swapped_spaces_is_the_same_to_the_last_bit(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(1, 4, size=(2, 60, 3))
    assert_array_equal(precision_curve(x, y, 59), precision_curve(y, x, 59))


def test_curve_is_the_mean_of_ties_broken_at_random():
    rng = np.random.default_rng(13)
    x, y = rng.integers(1, 4, size=(12, 2)), rng.integers(0, 3, size=(12, 3))
    y[:, 2] += 1
    times, most = 2000, 6
    shared_at = np.zeros((times, most))
    cosines = []
    for space in (x, y):
        unit = space / np.linalg.norm(space, axis=1, keepdims=True)
        cosines.append((unit @ unit.T).round(9))
        np.fill_diagonal(cosines[-1], -2)
    for t in range(times):
        # Far less than any two cosines differ by, more than they are rounded to.
        order = [np.argsort(-c - rng.uniform(0, 1e-9, c.shape), axis=1) for c in cosines]
        for k in range(1, most + 1):
            a, b = (o[:, :k] for o in order)
            shared_at[t, k - 1] = (a[:, :, None] == b[:, None]).sum() / (k * 12)
    bound = shared_at.std(axis=0) / np.sqrt(times)
    assert (bound > 1e-4).all()
    assert (np.abs(precision_curve(x, y, most) - shared_at.mean(axis=0)) < 4 * bound).all()


def test_composition_by_hand():
    angle = np.deg2rad([0, 10, 30, 90])
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    # Nearest: 1, 0, 1, 2.
    assert neighbour_composition(x, ["a", "a", "b", "b"], 1) == 3 / 4
    assert neighbour_composition(x, ["a", "b", "a", "b"], 1) == 0
    # Two nearest: {1, 2} {0, 2} {0, 1} {1, 2}.
    assert neighbour_composition(x, [0, 0, 1, 1], 2) == 3 / 8
    assert neighbour_composition(x, [5, 5, 5, 5], 2) == 1
    assert neighbour_composition(x, [1, 2, 3, 4], 2) == 0


@given(st.data(), grids(most=5))
def test_composition_of_labels_dealt_in_every_way_is_their_share_among_the_others(data, x):
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    labels = np.array(data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n)))
    others = np.mean([(labels == label).sum() - 1 for label in labels]) / (n - 1)
    dealt = [neighbour_composition(x, labels[list(o)], k) for o in permutations(range(n))]
    assert_allclose(np.mean(dealt), others, atol=1e-10)
    # And so it is where all others are neighbours, and in a space without structure.
    assert_allclose(neighbour_composition(x, labels, n - 1), others, atol=LOOSE)
    assert_allclose(neighbour_composition(np.ones((n, 2)), labels, k), others, atol=LOOSE)


BROKEN = [
    ([[1, 0], [0, 0], [0, 1]], "row 1 of x is zero"),
    ([[1, 0], [np.nan, 1], [0, 1]], "NaN"),
    ([[1, 0], [np.inf, 1], [0, 1]], "NaN or infinite"),
    ([[1, 0]], "at least 2"),
    ([1, 2, 3], "axes"),
    (np.ones((3, 2, 2)), "axes"),
    (np.ones((3, 0)), "row 0 of x is zero"),
]
SOUND = np.array([[1, 0], [1, 1], [0, 1]])


@pytest.mark.parametrize(("x", "message"), BROKEN)
def test_refuses_what_is_no_space(x, message):
    for call in (
        lambda: cosine_similarity(x),
        lambda: neighbour_weights(x, 1),
        lambda: precision_at_k(x, SOUND, 1),
        lambda: precision_at_k(SOUND, x, 1),
        lambda: pairwise_precision_at_k([SOUND, x], 1),
        lambda: precision_curve(SOUND, x, 1),
        lambda: sentence_precision_at_k(x, SOUND, 1),
        lambda: neighbour_composition(x, [0, 0, 1], 1),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("k", [0, -1, 3, 4])
def test_refuses_k_out_of_range(k):
    for call in (
        lambda: neighbour_weights(SOUND, k),
        lambda: precision_at_k(SOUND, SOUND, k),
        lambda: pairwise_precision_at_k([SOUND, SOUND], k),
        lambda: precision_curve(SOUND, SOUND, k),
        lambda: sentence_precision_at_k(SOUND, SOUND, k),
        lambda: neighbour_composition(SOUND, [0, 0, 1], k),
    ):
        with pytest.raises(ValueError, match=f"k is {k}, must lie between 1 and 2"):
            call()


def test_refuses_spaces_of_unequal_size():
    for measure in (precision_at_k, precision_curve, sentence_precision_at_k):
        with pytest.raises(ValueError, match="x has 3 rows and y 2"):
            measure(SOUND, SOUND[:2], 1)
    with pytest.raises(ValueError, match=r"\[2, 3\] rows"):
        pairwise_precision_at_k([SOUND, SOUND, SOUND[:2]], 1)
    for labels in ([0, 1], [[0, 1, 2]], 3):
        with pytest.raises(ValueError, match="must pair up"):
            neighbour_composition(SOUND, labels, 1)


def test_leaves_what_it_is_given_alone():
    x, labels = SOUND.astype(float), np.array([0, 0, 1])
    kept = x.copy()
    precision_at_k(x, x, 1)
    neighbour_composition(x, labels, 1)
    effective_rank(x)
    assert_array_equal(x, kept)


def crossed(lengths):
    """Points at plus and minus each length on axes of their own: singular values in proportion."""
    axes = np.diag(np.asarray(lengths, dtype=float))
    return np.vstack([axes, -axes])


@pytest.mark.parametrize("m", [1, 2, 5, 9])
def test_effective_rank_of_m_equal_singular_values_is_m(m):
    assert_allclose(effective_rank(crossed([3] * m)), m, rtol=1e-12)
    # A simplex of m + 1 points spreads alike over m dimensions.
    assert_allclose(effective_rank(np.eye(m + 1)), m, rtol=1e-12)


def test_effective_rank_by_hand():
    # Shares 3/4 and 1/4: exp(3/4 ln 4/3 + 1/4 ln 4) = 4 / 3**(3/4).
    assert_allclose(effective_rank(crossed([3, 1])), 4 / 3**0.75, rtol=1e-12)
    # Roy and Vetterli take the singular values, not their squares (9/10 and 1/10).
    assert_allclose(effective_rank(crossed([2, 1, 1])), 2 * 2**0.5, rtol=1e-12)


@pytest.mark.parametrize("point", [[0, 0, 0], [0.1, 0.7, -1 / 3], [1e6, 1e-6, 1], [1e-6, 0, 0]])
@pytest.mark.parametrize("n", [2, 3, 7, 108])
def test_effective_rank_of_one_point_is_0(point, n):
    assert effective_rank(np.tile(point, (n, 1))) == 0


def test_effective_rank_of_points_without_coordinates_is_0():
    assert effective_rank(np.ones((3, 0))) == 0


def test_effective_rank_of_points_on_a_line_is_1():
    line = np.outer([0, 1, 2, 5], [1, 2, -1]) + np.array([3, 0, 0.1])
    assert_allclose(effective_rank(line), 1, rtol=1e-9)
    assert_allclose(effective_rank([[1, 2], [3, 4]]), 1, rtol=1e-9)


@given(arrays(int, st.tuples(st.integers(2, 8), st.integers(1, 5)), elements=st.integers(-3, 3)))
def test_effective_rank_is_bounded_and_ignores_rotation_shift_scale_and_order(x):
    n, d = x.shape
    found = effective_rank(x)
    if not np.ptp(x, axis=0).any():
        assert found == 0
        return
    assert 1 - 1e-9 <= found <= min(n - 1, d) + 1e-9
    assert found <= np.linalg.matrix_rank(x - x.mean(axis=0)) + 1e-9
    rotated = x @ turn(n, d) if d > 1 else -x
    for same in (rotated, x + 4.0, x * 1e6, x * 1e-6, x[::-1], np.pad(x, [(0, 0), (0, 3)])):
        assert_allclose(effective_rank(same), found, rtol=1e-9)
    # By the definition, from the eigenvalues of the covariance.
    centred = x - x.mean(axis=0)
    roots = np.sqrt(np.clip(np.linalg.eigvalsh(centred.T @ centred), 0, None))
    roots = roots[roots > 1e-6]
    assert_allclose(np.log(found), stats.entropy(roots), atol=1e-6)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[1, 0], [np.nan, 1]], "NaN"),
        ([[1, 0]], "at least 2"),
        ([1, 2], "axes"),
    ],
)
def test_effective_rank_refuses_what_is_no_matrix(x, message):
    with pytest.raises(ValueError, match=message):
        effective_rank(x)


def test_the_chance_of_a_tie_is_counted_as_subsets_are():
    # Five equal rows, two places: each pair of neighbours is one of six, in either space.
    pairs = comb(4, 2)
    weights = neighbour_weights(np.ones((5, 2)), 2)
    assert_allclose(weights[0, 1], comb(3, 1) / pairs)
