"""Matrix correlation, percentile rank and pairwise matching accuracy."""

from itertools import combinations, permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import cosine_similarity

from core.metrics.similarity import matrix_correlation, pairwise_matching_accuracy, percentile_rank
from tests.oracles import match_score, stats

MATCHING = [percentile_rank, pairwise_matching_accuracy]
ALL = [matrix_correlation, *MATCHING]


def related(seed, n=12, strength=1.0):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 5)), rng.normal(size=(n, 8))
    y[:, :5] += strength * x
    return x, y


def rank_by_loops(x, y):
    x, y, n = cosine_similarity(x), cosine_similarity(y), len(x)
    places = []
    for i in range(n):
        rank = 1.0
        for j in set(range(n)) - {i}:
            own, rival = (match_score(x, y, i, to, [i, j]) for to in (i, j))
            rank += 0.5 if abs(own - rival) < 1e-10 else float(rival > own)
        places.append((n - rank) / (n - 1))
    return np.mean(places)


def accuracy_by_loops(x, y):
    x, y = cosine_similarity(x), cosine_similarity(y)
    won = []
    for i, j in combinations(range(len(x)), 2):
        right = match_score(x, y, i, i, [i, j]) + match_score(x, y, j, j, [i, j])
        wrong = match_score(x, y, i, j, [i, j]) + match_score(x, y, j, i, [i, j])
        won.append(0.5 if abs(right - wrong) < 1e-10 else float(right > wrong))
    return np.mean(won)


@pytest.mark.parametrize("seed", range(4))
def test_matching_agrees_with_loops(seed):
    x, y = related(seed)
    found = percentile_rank(x, y)
    assert 0.55 < found < 0.99
    assert_allclose(found, rank_by_loops(x, y))
    assert_allclose(pairwise_matching_accuracy(x, y), accuracy_by_loops(x, y))


def test_matching_agrees_with_loops_where_things_tie():
    # Points of a grid: many rows of cosines fit others equally well.
    x = np.array([(a, b, c) for a in (1, 2) for b in (1, 3) for c in (1, 2, 5)], dtype=float)
    y = x[::-1] % 3 + [1, 0, 2]
    for first, second in ((x, x), (x, y), (y, x)):
        assert_allclose(percentile_rank(first, second), rank_by_loops(first, second))
        found = pairwise_matching_accuracy(first, second)
        assert_allclose(found, accuracy_by_loops(first, second))


def test_correlation_is_that_of_the_upper_triangles():
    x, y = related(5)
    upper = np.triu_indices(12, 1)
    expected = stats.pearsonr(cosine_similarity(x)[upper], cosine_similarity(y)[upper]).statistic
    assert 0.2 < expected < 0.9
    assert_allclose(matrix_correlation(x, y), expected)


@pytest.mark.parametrize("measure", ALL)
def test_a_space_finds_itself(measure):
    x, _ = related(6)
    assert measure(x, x) == pytest.approx(1)
    assert measure(x, x @ stats.ortho_group.rvs(5, random_state=0) * 7) == pytest.approx(1)
    assert measure(x, x * np.random.default_rng(0).uniform(1, 9, (12, 1))) == pytest.approx(1)


@pytest.mark.parametrize(("measure", "chance"), [*zip(ALL, [0, 0.5, 0.5], strict=True)])
def test_relabelling_in_every_way_gives_chance_on_average(measure, chance):
    x, y = related(7, n=5)
    found = [measure(x, y[list(order)]) for order in permutations(range(5))]
    assert_allclose(np.mean(found), chance, atol=1e-10)
    assert max(found) > chance + 0.2


def test_twins_are_told_apart_one_time_in_two():
    twins = np.repeat(related(8, n=6)[0], 2, axis=0)
    # 12 things: 10 rivals beaten and a draw with the twin; 66 pairs, 6 of them twins.
    assert_allclose(percentile_rank(twins, twins), 10.5 / 11)
    assert_allclose(pairwise_matching_accuracy(twins, twins), (60 + 3) / 66)


def test_opposite_spaces_never_match():
    # y orders the neighbours of each thing the other way round: cosines of x turned to 1 - cosine.
    x, _ = related(9, n=8)
    gram = 1.5 * np.eye(8) * 8 + 1 - cosine_similarity(x)
    y = np.linalg.cholesky(gram)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    assert matrix_correlation(x, y) == pytest.approx(-1, abs=1e-6)
    assert percentile_rank(x, y) < 0.15
    assert pairwise_matching_accuracy(x, y) == 0


@pytest.mark.parametrize("measure", ALL)
def test_widths_scales_and_joint_order_do_not_matter(measure):
    x, y = related(10)
    found = measure(x, y)
    order = np.random.default_rng(1).permutation(12)
    assert_allclose(measure(x[order], y[order]), found)
    assert_allclose(measure(np.pad(x, [(0, 0), (0, 3)]), y * 1e-5), found)


def test_which_are_symmetric():
    x, y = related(11, strength=0.3)
    assert matrix_correlation(x, y) == matrix_correlation(y, x)
    assert pairwise_matching_accuracy(x, y) == pairwise_matching_accuracy(y, x)
    assert percentile_rank(x, y) != percentile_rank(y, x)


def test_close_cosines_still_tell_things_apart():
    # All at less than a tenth of a degree, as the spaces of some language models are.
    x, y = related(12)
    narrow = x * 1e-3 + np.array([1, 1, 1, 1, 1])
    assert cosine_similarity(narrow).min() > 0.99999
    assert_allclose(percentile_rank(narrow, y), rank_by_loops(narrow, y))


@pytest.mark.parametrize("measure", ALL)
def test_refuses_spaces_without_structure(measure):
    x = np.random.default_rng(0).normal(size=(6, 3))
    for flat in (np.eye(6), np.tile([0.1, 0.7, 1 / 3], (6, 1)), np.eye(6) + 0.1):
        with pytest.raises(ValueError, match=r"cosines of x are equal|row 0 of x is equally"):
            measure(flat, x)
        with pytest.raises(ValueError, match=r"cosines of y are equal|row 0 of y is equally"):
            measure(x, flat)


def test_matching_refuses_a_thing_like_all_others_but_one():
    # Row 0 is at 45 degrees to all but row 3; without row 3 it has nothing to go by.
    x = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 5], [0, 1, 0, 0.0]])
    other = np.random.default_rng(0).normal(size=(5, 3))
    for measure in MATCHING:
        with pytest.raises(ValueError, match=r"row 0 of y is equally similar to all rows but .* 3"):
            measure(other, x)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.eye(6), np.eye(5), "must pair up"),
        (np.zeros((6, 2)), np.eye(6), "row 0 of x is zero"),
        (np.full((6, 2), np.nan), np.eye(6), "NaN"),
        (np.eye(2), np.eye(2), "have 2 rows, need at least"),
    ],
)
def test_refuses_what_are_no_two_spaces(measure, x, y, message):
    with pytest.raises(ValueError, match=message):
        measure(x, y)


@pytest.mark.parametrize("measure", MATCHING)
def test_matching_needs_four_things(measure):
    x = np.random.default_rng(0).normal(size=(4, 2))
    measure(x, x)
    with pytest.raises(ValueError, match="at least 4"):
        measure(x[:3], x[:3])


@pytest.mark.parametrize("measure", ALL)
def test_leaves_what_it_is_given_alone(measure):
    x, y = related(13)
    kept = x.copy()
    measure(x, y)
    assert_array_equal(x, kept)
