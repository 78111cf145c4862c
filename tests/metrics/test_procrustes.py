"""Procrustes residuals and disparities."""

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import PCA

from core.metrics.permutation import relabellings
from core.metrics.procrustes import (
    CHUNK,
    disparity,
    disparity_after_pca,
    pairwise_disparity,
    permuted_disparity,
    reduce_to,
    residual,
    rotation_disparity,
)
from tests import strategies
from tests.oracles import stats

TIGHT = 1e-10
STANDARDISED = [disparity, rotation_disparity, disparity_after_pca]


def spaces(width=3, least=3, most=8):
    """Two spaces of whole numbers with the same rows, in each of them two points that differ."""

    def of(n):
        one = arrays(float, (n, width), elements=st.integers(-4, 4).map(float))
        return st.tuples(*[one.filter(lambda x: np.ptp(x, axis=0).any())] * 2)

    return st.integers(least, most).flatmap(of)


def turn(seed, dimensions):
    return stats.ortho_group.rvs(dimensions, random_state=seed)


def standard(x):
    centred = np.asarray(x) - np.mean(x, axis=0)
    return centred / np.sqrt((centred**2).sum())


def as_the_paper_writes_it(a, b):
    """Equations (7) and (8) with points as columns: U S V' = SVD(B A'), Omega = U V'."""
    a, b = a.T, b.T
    u, _, v = np.linalg.svd(b @ a.T)
    return ((u @ v @ a - b) ** 2).sum()


@given(spaces())
def test_residual_is_that_of_scipys_rotation_and_of_the_papers(pair):
    a, b = pair
    r, _ = scipy.linalg.orthogonal_procrustes(a, b)
    assert_allclose(residual(a, b), ((a @ r - b) ** 2).sum(), atol=TIGHT)
    assert_allclose(residual(a, b), as_the_paper_writes_it(a, b), atol=TIGHT)


@given(spaces(width=2))
def test_residual_is_the_least_of_all_turns_and_reflections(pair):
    a, b = pair
    angle = np.linspace(0, 2 * np.pi, 721)
    c, s = np.cos(angle), np.sin(angle)
    tried = [
        ((a @ np.array([[c, -s * f], [s, c * f]]).transpose(2, 0, 1) - b) ** 2).sum(axis=(1, 2))
        for f in (1, -1)
    ]
    found, size = residual(a, b), (a**2).sum() + (b**2).sum()
    # Half a step of half a degree away from the best, the cosine has lost less than 1e-5.
    assert found - TIGHT * size <= np.min(tried) <= found + 2e-5 * size


def test_residual_of_wide_spaces_needs_no_wide_svd():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 9, 60))
    assert_allclose(residual(a, b), as_the_paper_writes_it(a, b))


def test_residual_does_depend_on_scale_and_shift():
    a, b = np.random.default_rng(1).normal(size=(2, 6, 3))
    assert_allclose(residual(3 * a, 3 * b), 9 * residual(a, b))
    assert residual(a + 5, b) > 2 * residual(a, b)
    assert_allclose(residual(a, a @ turn(0, 3)), 0, atol=TIGHT)
    assert_allclose(residual(a, np.zeros((6, 3))), (a**2).sum())


@pytest.mark.parametrize(("times", "left"), [(1, 1), (2, 0), (3, 1), (4, 4), (0.5, 2.25)])
def test_the_residual_hangs_on_the_size_of_one_side_and_the_standardised_does_not(times, left):
    a = np.random.default_rng(4).normal(size=(9, 4))
    a -= a.mean(axis=0)
    # From `times` a, turned, to 2a there are (times - 2)^2 |a|^2 left.
    assert_allclose(residual(times * a @ turn(4, 4), 2 * a), left * (a**2).sum(), atol=TIGHT)
    b = np.random.default_rng(5).normal(size=(9, 4))
    for standardised in STANDARDISED:
        assert_allclose(standardised(times * a @ turn(4, 4), 2 * a), 0, atol=1e-9)
        assert_allclose(standardised(times * a, b), standardised(a, b), atol=TIGHT)


@given(spaces())
def test_disparity_is_scipys(pair):
    a, b = pair
    assert_allclose(disparity(a, b), scipy.spatial.procrustes(a, b)[2], atol=TIGHT)


def test_disparity_is_scipys_at_the_size_of_the_paper():
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 108, 128)) @ np.diag(1 / np.arange(1, 129))
    b += a @ turn(2, 128)
    expected = scipy.spatial.procrustes(a, b)[2]
    assert 0.1 < expected < 0.9
    assert_allclose(disparity(a, b), expected, atol=TIGHT)


@given(spaces())
def test_rotation_disparity_is_the_residual_of_standardised_spaces(pair):
    a, b = map(standard, pair)
    r, _ = scipy.linalg.orthogonal_procrustes(a, b)
    found = rotation_disparity(*pair)
    assert_allclose(found, ((a @ r - b) ** 2).sum(), atol=TIGHT)
    assert disparity(*pair) - TIGHT <= found <= 2


def test_points_on_lines_by_correlation():
    # One dimension each: the nuclear norm is the size of the correlation, here -8 / 10.
    a, b = np.array([[1], [2], [3], [4], [5]]), np.array([[4], [5], [3], [2], [1]])
    b[[0, 1]] = b[[1, 0]]
    r = stats.pearsonr(a[:, 0], b[:, 0]).statistic
    assert_allclose(r, -1)
    b[[0, 1, 2, 3]] = b[[1, 0, 3, 2]]
    r = stats.pearsonr(a[:, 0], b[:, 0]).statistic
    assert_allclose(r, -0.8)
    assert_allclose(disparity(a, b), 0.36)
    assert_allclose(rotation_disparity(a, b), 0.4)


@pytest.mark.parametrize("measure", STANDARDISED)
@given(spaces(), strategies.seeds)
def test_rotation_scale_shift_and_joint_relabelling_change_nothing(measure, pair, seed):
    a, b = pair
    found = measure(a, b)
    order = np.random.default_rng(seed).permutation(len(a))
    for moved in (a @ turn(seed, 3), 1e5 * a, -1e-5 * a, a + np.array([7, -2, 0.5])):
        assert_allclose(measure(moved, b), found, atol=1e-9)
        assert_allclose(measure(a, 2 * moved + 1), 0, atol=1e-9)
    assert_allclose(measure(a[order], b[order]), found, atol=1e-9)
    assert_allclose(measure(b, a), found, atol=1e-9)


@pytest.mark.parametrize("size", [1e-200, 1e200])
@pytest.mark.parametrize("measure", STANDARDISED)
def test_spaces_however_small_or_large_have_a_shape(measure, size):
    a, b = np.random.default_rng(3).normal(size=(2, 7, 3))
    assert_allclose(measure(a * size, b / size), measure(a, b))


def test_spaces_that_have_no_axis_in_common_are_1_apart():
    # Columns of a Hadamard matrix: centred, all at right angles to each other.
    axes = scipy.linalg.hadamard(8)[:, 1:].astype(float)
    assert_allclose(disparity(axes[:, :3], axes[:, 3:6]), 1)
    assert_allclose(disparity_after_pca(axes[:, :3], axes[:, 3:7]), 1)
    assert_allclose(rotation_disparity(axes[:, :3], axes[:, 3:7]), 2)
    # Two axes of three in common: 1 - (2 / 3) ** 2 when all are of one length.
    assert_allclose(disparity(axes[:, :3], axes[:, 1:4]), 1 - (2 / 3) ** 2)


def test_whitened_spaces_of_full_rank_match_whatever_they_are():
    # Why it is not true that random spaces are about 1 apart.
    rng = np.random.default_rng(4)
    frames = []
    for _ in range(2):
        centred = rng.normal(size=(20, 40))
        centred -= centred.mean(axis=0)
        frames.append(np.linalg.svd(centred)[0][:, :19])
    assert_allclose(disparity(*frames), 0, atol=TIGHT)
    found = disparity(*rng.normal(size=(2, 108, 4096)))
    assert found < 0.05
    assert disparity(*rng.normal(size=(2, 108, 2))) > 0.9


def test_unequal_widths_are_padded_with_zeros():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(30, 9))
    padded = np.pad(a, [(0, 0), (0, 5)])
    assert_allclose(disparity(a, b), scipy.spatial.procrustes(padded, b)[2])
    assert_allclose(rotation_disparity(a, b), residual(standard(padded), standard(b)))


@pytest.mark.parametrize(
    ("narrow", "wide", "alike"), [(4, 9, False), (29, 60, True), (40, 60, True)]
)
def test_pca_before_is_padding_where_the_narrower_holds_all_there_is(narrow, wide, alike):
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(30, narrow)), rng.normal(size=(30, wide))
    found, padded = disparity_after_pca(a, b), disparity(a, b)
    assert (abs(found - padded) < TIGHT) is alike
    assert alike or abs(found - padded) > 1e-3


@pytest.mark.parametrize("swap", [False, True])
def test_disparity_after_pca_is_that_of_scikit_learns_components(swap):
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(30, 4)), rng.normal(size=(30, 9)) + 3
    expected = scipy.spatial.procrustes(a, PCA(4).fit_transform(b))[2]
    assert_allclose(disparity_after_pca(*((b, a) if swap else (a, b))), expected)


def test_only_the_wider_is_reduced():
    # The wider's second axis is lost; the narrower's only one fits its first.
    a = np.array([[2.0], [-2], [0], [0]])
    b = np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])
    assert_allclose(disparity_after_pca(a, b), 0, atol=TIGHT)
    # 8 of the squared length of b, 10, lies along a.
    assert_allclose(disparity(a, b), 0.2)


def test_reduce_to_gives_scikit_learns_scores_up_to_sign():
    x = np.random.default_rng(8).normal(size=(20, 7)) @ np.diag(np.arange(1, 8)) + 5
    found, expected = reduce_to(x, 5), PCA(5).fit_transform(x)
    assert_allclose(np.abs(found), np.abs(expected), atol=TIGHT)
    assert_allclose(np.abs((found * expected).sum(axis=0)), (expected**2).sum(axis=0))


@pytest.mark.parametrize(("shape", "width", "kept"), [((108, 300), 128, 107), ((9, 3), 5, 3)])
def test_reduce_to_has_no_more_columns_than_points_less_one(shape, width, kept):
    x = np.random.default_rng(9).normal(size=shape)
    found = reduce_to(x, width)
    assert found.shape == (shape[0], width)
    assert_array_equal(found[:, kept:], 0)
    assert (found[:, :kept].std(axis=0) > 0.1).all()
    distances = scipy.spatial.distance.pdist
    assert_allclose(distances(found), distances(x))


@pytest.mark.parametrize(("narrow", "wide"), [(3, 3), (3, 8), (25, 40), (5, 200)])
@pytest.mark.parametrize("pca", [True, False])
def test_pairwise_disparity_is_that_of_every_two(narrow, wide, pca):
    rng = np.random.default_rng(wide)
    a, b = rng.normal(size=(3, 20, narrow)), 2 + rng.normal(size=(2, 20, wide))
    b[1, :, :narrow] += 2 * a[0, :, :wide]
    measure = disparity_after_pca if pca else disparity
    expected = np.array([[measure(x, y) for y in b] for x in a])
    assert_allclose(pairwise_disparity(a, b, pca=pca), expected, atol=TIGHT)
    assert_allclose(pairwise_disparity(list(b), a.tolist(), pca=pca), expected.T, atol=TIGHT)
    assert np.ptp(expected) > 0.01 or narrow > 20


def test_pairwise_disparity_refuses_spaces_that_are_not_alike():
    one, flat = np.eye(4)[:, :2], np.ones((4, 2))
    with pytest.raises(ValueError, match=r"second has spaces of the shapes \[\(3, 3\), \(4, 2\)\]"):
        pairwise_disparity([one], [one, np.eye(3)])
    with pytest.raises(ValueError, match="first has spaces of the shapes"):
        pairwise_disparity([], [one])
    with pytest.raises(ValueError, match="a has 4 rows and b 3"):
        pairwise_disparity([one], [np.eye(3)])
    with pytest.raises(ValueError, match="all points of second are the same"):
        pairwise_disparity([one, one], [one, flat])
    with pytest.raises(ValueError, match=r"first\[1\] has 1 NaN"):
        pairwise_disparity([one, [[0, 1], [1, np.nan], [2, 3], [5, 4]]], [one])


@pytest.mark.parametrize(("narrow", "wide"), [(3, 3), (3, 8), (25, 40), (5, 200)])
def test_permuted_disparity_is_that_of_each_relabelled_space(narrow, wide):
    rng = np.random.default_rng(wide)
    a, b = rng.normal(size=(20, narrow)), rng.normal(size=(20, wide))
    b[:, :narrow] += 2 * a[:, : min(narrow, wide)]
    orders = relabellings(20, 12, rng)
    orders[0] = np.arange(20)
    for first, second in ((a, b), (b, a)):
        expected = [disparity_after_pca(first, second[order]) for order in orders]
        assert_allclose(permuted_disparity(first, second, orders), expected, atol=TIGHT)
        assert expected[0] < min(expected[1:]) or narrow > 20


def test_many_permutations_are_as_few():
    rng = np.random.default_rng(13)
    a, b = rng.normal(size=(2, 9, 4))
    orders = relabellings(9, 2 * CHUNK + 1, rng)
    apart = [permuted_disparity(a, b, [order])[0] for order in orders]
    assert_array_equal(permuted_disparity(a, b, orders), apart)


def test_permuted_disparity_of_spaces_of_low_rank():
    # A bag of two factors has 4 dimensions in 5 columns, and none of them is lost.
    bag = np.column_stack([np.eye(3)[np.arange(12) % 3], np.eye(2)[np.arange(12) // 6]])
    other = np.random.default_rng(10).normal(size=(12, 5))
    orders = relabellings(12, 8, np.random.default_rng(11))
    expected = [scipy.spatial.procrustes(bag, other[order])[2] for order in orders]
    assert_allclose(permuted_disparity(bag, other, orders), expected, atol=TIGHT)


@pytest.mark.parametrize("flat", [np.zeros((5, 4)), np.tile([0.1, 0.7, -1 / 3, 1e6], (5, 1))])
@pytest.mark.parametrize("width", [2, 4, 6])
def test_refuses_spaces_without_a_shape(flat, width):
    other = np.random.default_rng(0).normal(size=(5, width))
    orders = [[0, 1, 2, 3, 4]]
    for measure in (*STANDARDISED, lambda a, b: permuted_disparity(a, b, orders)):
        with pytest.raises(ValueError, match="all points of a are the same"):
            measure(flat, other)
        with pytest.raises(ValueError, match="all points of b are the same"):
            measure(other, flat)
        with pytest.raises(ValueError, match="all points of a are the same"):
            measure(np.ones((5, 0)), other)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.eye(3), np.eye(2), "a has 3 rows and b 2"),
        ([[1, np.nan], [0, 1]], np.eye(2), "NaN"),
        (np.eye(2), [1, 2], "b has 1 axes"),
        ([[1, 2]], [[1, 2]], "needs at least 2"),
    ],
)
def test_refuses_what_are_no_two_spaces(a, b, message):
    for measure in (residual, *STANDARDISED, lambda a, b: permuted_disparity(a, b, [[0, 1]])):
        with pytest.raises(ValueError, match=message):
            measure(a, b)


def test_refuses_the_rest():
    with pytest.raises(ValueError, match="a is 3 wide and b 2"):
        residual(np.eye(3), np.eye(3)[:, :2])
    with pytest.raises(ValueError, match="width is 0"):
        reduce_to(np.eye(3), 0)
    with pytest.raises(ValueError, match="no permutation"):
        permuted_disparity(np.eye(3), np.eye(3), [[0, 0, 1]])


def test_leaves_what_it_is_given_alone():
    a, b = np.random.default_rng(12).normal(size=(2, 6, 3))
    kept = a.copy(), b.copy()
    for measure in (residual, *STANDARDISED, lambda a, b: permuted_disparity(a, b, [range(6)])):
        measure(a, b)
    reduce_to(a, 2)
    assert_array_equal(a, kept[0])
    assert_array_equal(b, kept[1])
