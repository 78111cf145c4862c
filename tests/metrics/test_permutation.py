"""Relabellings and what is made of them."""

from concurrent.futures import ThreadPoolExecutor
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import core.metrics.permutation
from core.metrics.nearest import cosine_similarity, neighbour_list
from core.metrics.neighbours import precision_at_k
from core.metrics.permutation import (
    as_permutations,
    factor_relabellings,
    permutation_p,
    permuted_precision,
    permuted_sums,
    relabellings,
    within_blocks,
)
from tests import strategies
from tests.oracles import stats

# Six phrases, six colours, three kinds, and the groups of phrases that ask for the same.
SENTENCES = np.array(list(product(range(6), range(6), range(3))))
TASKS = [0, 0, 1, 2, 2, 2]


def evenly(draws, expected):
    """Whether each of the expected draws comes about as often as any other."""
    found, counts = np.unique(draws, axis=0, return_counts=True)
    assert {tuple(row) for row in found.tolist()} == expected
    return stats.chisquare(counts).pvalue > 1e-3


def one_hot(factors):
    return np.column_stack([np.eye(column.max() + 1)[column] for column in factors.T])


def test_relabellings_are_all_permutations_equally_often():
    draws = relabellings(4, 5000, np.random.default_rng(0))
    assert draws.shape == (5000, 4)
    assert evenly(draws, set(permutations(range(4))))


def test_within_blocks_are_all_permutations_of_each_block_equally_often():
    draws = within_blocks(["b", "a", "b", "a", "b", "c"], 5000, np.random.default_rng(1))
    expected = {
        (b[0], a[0], b[1], a[1], b[2], 5)
        for a in permutations((1, 3))
        for b in permutations((0, 2, 4))
    }
    assert evenly(draws, expected)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=12), strategies.seeds)
def test_within_blocks_keeps_every_label(labels, seed):
    label = np.array(labels)
    draws = within_blocks(label, 7, np.random.default_rng(seed))
    assert_array_equal(np.sort(draws, axis=1), np.tile(np.arange(len(label)), (7, 1)))
    assert (label[draws] == label).all()


def test_draws_follow_from_the_generator_alone():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return np.hstack([
            relabellings(9, 3, rng),
            within_blocks([0, 0, 0, 1, 1, 1], 3, rng),
            factor_relabellings(SENTENCES, 3, rng),
        ])  # fmt: skip

    assert_array_equal(draw(5), draw(5))
    assert (draw(5) != draw(6)).any()


def test_factor_relabellings_are_all_renamings_equally_often():
    factors = np.array([(a, b) for b in (7, 3, 5) for a in (0, 1)])
    rows = [tuple(row) for row in factors.tolist()]
    expected = set()
    for a in permutations((0, 1)):
        for b in permutations((3, 5, 7)):
            new = dict(zip((3, 5, 7), b, strict=True))
            expected.add(tuple(rows.index((a[p], new[q])) for p, q in rows))
    assert len(expected) == 12
    assert evenly(factor_relabellings(factors, 5000, np.random.default_rng(2)), expected)


def test_a_space_that_is_a_bag_of_factors_is_the_same_after_every_draw():
    space = one_hot(SENTENCES) @ np.diag([1] * 6 + [2] * 6 + [0.5] * 3)
    gram = space @ space.T
    for order in factor_relabellings(SENTENCES, 200, np.random.default_rng(3)):
        assert_array_equal(gram[np.ix_(order, order)], gram)
        # And pairs share exactly the factors they shared.
        shared = SENTENCES[:, None] == SENTENCES
        moved = SENTENCES[order]
        assert_array_equal(moved[:, None] == moved, shared)
    plain = relabellings(108, 1, np.random.default_rng(3))[0]
    assert (gram[np.ix_(plain, plain)] != gram).any()


def test_groups_bound_where_levels_go():
    groups = [TASKS, list(range(6)), None]
    draws = factor_relabellings(SENTENCES, 1500, np.random.default_rng(4), groups)
    task = np.array(TASKS)[SENTENCES[:, 0]]
    moved = SENTENCES[draws]
    assert (task[draws] == task).all()
    assert_array_equal(moved[..., 1], np.tile(SENTENCES[:, 1], (1500, 1)))
    # All of 2! * 1! * 3! renamings of the phrases and 3! of the kinds are met, and no more.
    for factor, size in ((0, 12), (2, 6)):
        assert len(np.unique(moved[..., factor], axis=0)) == size
    assert len(np.unique(draws, axis=0)) == 72


@pytest.mark.parametrize(
    ("factors", "groups", "message"),
    [
        ([[0, 0], [0, 1], [1, 0]], None, "3 rows are no full factorial of 2 x 2"),
        ([[0, 0], [0, 1], [1, 0], [1, 0]], None, "no full factorial"),
        ([[0, 0], [0, 1], [1, 0], [1, 1]] * 2, None, "no full factorial"),
        ([[0.5], [1.5]], None, "whole numbers"),
        ([0, 1], None, "whole numbers"),
        ([[0], [1]], [None, None], "groups has 2 entries for 1 factors"),
        ([[0], [1]], [[0, 0, 1]], r"groups\[0\] has 3 entries for 2 levels"),
    ],
)
def test_refuses_what_is_no_full_factorial(factors, groups, message):
    with pytest.raises(ValueError, match=message):
        factor_relabellings(factors, 2, np.random.default_rng(0), groups)


def test_p_by_hand():
    null = [0.1, 0.2, 0.3, 0.4]
    assert permutation_p(0.5, null) == 1 / 5
    assert permutation_p(0.3, null) == 3 / 5
    assert permutation_p(0.0, null) == 1
    # 0.1 + 0.2 is a last bit above 0.3, which must not keep 0.3 from reaching it.
    assert permutation_p(0.1 + 0.2, null) == 3 / 5
    assert permutation_p(0.3 + 1e-9, null) == 2 / 5


def test_p_of_one_draw_among_many_is_uniform():
    # The observed value is one of the B + 1, each as likely to be the m-th largest.
    values = np.random.default_rng(0).normal(size=20)
    found = [permutation_p(v, np.delete(values, i)) for i, v in enumerate(values)]
    assert_allclose(sorted(found), np.arange(1, 21) / 20)


@pytest.mark.parametrize(("k", "tied"), [(1, False), (5, False), (4, True), (29, True)])
def test_permuted_precision_is_that_of_each_relabelled_space(k, tied):
    rng = np.random.default_rng(k)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))
    y[:, :2] += x[:, :2]
    if tied:
        x, y = np.sign(x), np.sign(y)
    orders = relabellings(30, 25, rng)
    orders[0] = np.arange(30)
    expected = [precision_at_k(x, y[order], k) for order in orders]
    assert_allclose(permuted_precision(x, y, k, orders), expected, atol=1e-12)
    # Which of the two is relabelled makes no difference once the order is turned round.
    back = permuted_precision(y, x, k, np.argsort(orders, axis=1))
    assert_allclose(back, expected, atol=1e-12)


def test_relabelling_an_unrelated_space_gives_chance():
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(108, 5)), rng.normal(size=(108, 7))
    null = permuted_precision(x, y, 15, relabellings(108, 400, rng))
    # A mean over relabellings is k / (n - 1); it varies less than one row's overlap would.
    assert_allclose(null.mean(), 15 / 107, atol=4 * stats.hypergeom(107, 15, 15).std() / 15 / 20)


def dense(x, k):
    """Each row's weights by counting: how many are nearer, how many as near."""
    similarity = cosine_similarity(x)
    np.fill_diagonal(similarity, -np.inf)
    mine, others = similarity[:, :, None], similarity[:, None]
    nearer, tied = (others > mine).sum(axis=2), (others == mine).sum(axis=2)
    return np.clip((k - nearer) / tied, 0, 1)


def one_by_one(x, y, k, orders):
    return [(dense(x, k) * dense(y[order], k)).sum() / (k * len(x)) for order in orders]


@given(
    st.data(),
    st.integers(2, 9).flatmap(
        lambda n: st.tuples(*[strategies.ratings(n, n, low=1, high=3) for _ in range(2)])
    ),
    strategies.seeds,
)
def test_permuted_precision_is_that_found_by_counting(data, pair, seed):
    x, y = pair
    n = len(x)
    k = data.draw(st.integers(1, n - 1))
    orders = relabellings(n, 5, np.random.default_rng(seed))
    # Twins on one side, and a space without structure.
    for first, second in ((x, y), (x[np.arange(n) // 2], y), (np.ones_like(x), y), (y, y)):
        found = permuted_precision(first, second, k, orders)
        assert_allclose(found, one_by_one(first, second, k, orders), atol=1e-12)


@pytest.mark.parametrize("k", [1, 6, 39])
@pytest.mark.parametrize("tied", [(), (0,), (1,), (0, 1)])
def test_few_rows_and_many_are_counted_alike(monkeypatch, k, tied):
    rng = np.random.default_rng(k)
    spaces = [rng.normal(size=(40, 4)), rng.normal(size=(40, 5))]
    for which in tied:
        spaces[which] = np.sign(spaces[which]) + 0.4
    orders = relabellings(40, 30, rng)
    x, y = spaces
    found = permuted_precision(x, y, k, orders)
    assert_allclose(found, one_by_one(x, y, k, orders), atol=1e-12)
    if not tied:
        assert_array_equal(found, np.rint(found * k * 40) / (k * 40))
    monkeypatch.setattr(core.metrics.permutation, "SMALL", 0)
    assert_array_equal(permuted_precision(x, y, k, orders), found)


@pytest.mark.parametrize("small", [0, 1024])
@pytest.mark.parametrize("tied", [False, True])
def test_neither_parts_nor_threads_change_a_bit(monkeypatch, small, tied):
    monkeypatch.setattr(core.metrics.permutation, "SMALL", small)
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 50, 3))
    if tied:
        x, y = np.sign(x) + 0.4, np.sign(y) + 0.3
    near_x, near_y = neighbour_list(x, 7), neighbour_list(y, 7)
    orders = relabellings(50, 200, rng)
    whole = permuted_precision(x, y, 7, orders)
    parts = np.array_split(orders, 13)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda part: permuted_precision(near_x, near_y, 7, part), parts))
    assert_array_equal(np.concatenate(found), whole)
    assert_array_equal(permuted_precision(x, y, 7, orders[::-1]), whole[::-1])


def test_sums_by_hand_and_the_same_in_parts():
    rng = np.random.default_rng(9)
    matrix, weights = rng.normal(size=(6, 6)), rng.normal(size=36)
    i, j = np.divmod(np.arange(36), 6)
    orders = relabellings(6, 10, rng)
    whole = permuted_sums(weights, matrix, i, j, orders)
    plain = [(weights.reshape(6, 6) * matrix[np.ix_(order, order)]).sum() for order in orders]
    assert_allclose(whole, plain)
    for step in (1, 3):
        parts = [orders[at : at + step] for at in range(0, 10, step)]
        found = [permuted_sums(weights, matrix, i, j, part) for part in parts]
        assert_array_equal(np.concatenate(found), whole)
    # However the arrays lie in memory.
    assert_array_equal(permuted_sums(weights, matrix.T, j, i, orders), whole)
    both = np.column_stack([i, j])
    assert_array_equal(permuted_sums(weights, matrix, both[:, 0], both[:, 1], orders), whole)
    assert_array_equal(permuted_sums(weights[:0], matrix, i[:0], j[:0], orders), np.zeros(10))


@pytest.mark.parametrize(
    ("i", "j", "message"),
    [([0, 3], [0, 1], "i must"), ([0, 1], [-1, 0], "j must"), ([0], [0, 1], "i must")],
)
def test_refuses_places_outside_the_matrix(i, j, message):
    i, j = np.array(i), np.array(j)
    with pytest.raises(ValueError, match=message):
        permuted_sums(np.ones(2), np.ones((3, 3)), i, j, np.arange(3)[None])
    with pytest.raises(ValueError, match="expected a square"):
        permuted_sums(np.ones(1), np.ones((3, 2)), i[:1], i[:1], np.arange(3)[None])


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint64, ">i4"])
def test_permutations_may_be_any_whole_numbers(kind):
    orders = relabellings(9, 4, np.random.default_rng(0))
    found = as_permutations(orders.astype(kind), 9)
    assert found.dtype == np.intp
    assert_array_equal(found, orders)
    assert_array_equal(as_permutations(np.asfortranarray(orders), 9), orders)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([[0, 1, 1]], "row 0 of permutations is no permutation of 0 to 2"),
        ([[0, 1, 2], [1, 2, 3]], "row 1"),
        ([[0, 1, 2], [2, 0, 1], [1, 0, 1]], "row 2"),
        ([[-1, 0, 1]], "row 0"),
        (np.array([[2**63 + 1, 0, 1]], dtype=np.uint64), "row 0"),
        ([[2**40, 0, 1]], "row 0"),
        ([[0, 1]], r"expected \(draws, 3\)"),
        ([0, 1, 2], "expected"),
        (np.empty((0, 3), dtype=int), "expected"),
        ([[0.0, 1.0, 2.0]], "whole numbers"),
    ],
)
def test_refuses_what_is_no_permutation(wrong, message):
    space = [[1, 0], [1, 1], [0, 1]]
    for call in (
        lambda: as_permutations(wrong, 3),
        lambda: permuted_precision(space, space, 1, wrong),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_refuses_the_rest():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="n is 0"):
        relabellings(0, 1, rng)
    for call in (
        lambda: relabellings(3, 0, rng),
        lambda: within_blocks([0, 1], 0, rng),
        lambda: factor_relabellings([[0], [1]], 0, rng),
    ):
        with pytest.raises(ValueError, match="draws is 0"):
            call()
    for labels in ([], [[0, 1]]):
        with pytest.raises(ValueError, match="labels has shape"):
            within_blocks(labels, 1, rng)
    with pytest.raises(ValueError, match="null has 0 rows"):
        permutation_p(0.5, [])
    with pytest.raises(ValueError, match="observed is nan"):
        permutation_p(np.nan, [0.5])
    with pytest.raises(ValueError, match="x has 3 rows and y 2"):
        permuted_precision([[1, 0], [1, 1], [0, 1]], [[1, 0], [0, 1]], 1, [[0, 1, 2]])
