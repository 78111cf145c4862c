"""Standardised ratings, RDMs and RSA."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import pdist, squareform

from core.metrics._cosine_pairs import condensed, padded_columns
from core.metrics.correlation import pearson
from core.metrics.rdm import rdm, rsa, rsa_many, rsa_of_features, standardise, unit_rows
from tests import oracles, strategies
from tests.oracles import stats

METRICS = ("cosine", "correlation", "euclidean", "cityblock")
EVERY_METRIC = pytest.mark.parametrize("metric", METRICS)
LOOSE = 1e-12  # rounding of distances themselves, above the tie tolerance


def turn(seed, dimensions=3):
    return stats.ortho_group.rvs(dimensions, random_state=seed)


def test_cosine_by_hand():
    # Orthogonal, 45 degrees, opposite.
    assert_allclose(
        rdm([[2, 0], [0, 3], [1, 1], [-1, 0]]),
        [1, 1 - 0.5**0.5, 2, 1 - 0.5**0.5, 1, 1 + 0.5**0.5],
        atol=1e-15,
    )
    assert_allclose(rdm([[0, 0], [3, 4]], "euclidean"), [5])
    assert_allclose(rdm([[0, 0], [3, 4]], "cityblock"), [7])
    assert_allclose(rdm([[1, 2, 3], [3, 2, 1], [1, 2, 9]], "correlation")[0], 2)


@EVERY_METRIC
@given(strategies.ratings())
def test_agrees_with_scipy(metric, x):
    assert_allclose(rdm(x, metric), pdist(x, metric), atol=LOOSE)


@EVERY_METRIC
@given(strategies.ratings(), strategies.seeds)
def test_shape_and_relabelling(metric, x, seed):
    found = rdm(x, metric)
    n = len(x)
    assert found.shape == (n * (n - 1) // 2,)
    assert found.min() >= 0
    square = squareform(found)
    assert_array_equal(square, square.T)
    assert not square.diagonal().any()
    order = np.random.default_rng(seed).permutation(n)
    assert_allclose(squareform(rdm(x[order], metric)), square[np.ix_(order, order)], atol=LOOSE)
    kept = order[: max(2, n // 2)]
    assert_allclose(squareform(rdm(x[kept], metric)), square[np.ix_(kept, kept)], atol=LOOSE)


@given(strategies.ratings(), st.lists(st.integers(1, 50), min_size=12, max_size=12))
def test_cosine_ignores_the_length_of_each_row(x, factors):
    assert_allclose(rdm(x * np.array(factors[: len(x)])[:, None] / 7), rdm(x), atol=LOOSE)


@given(strategies.ratings())
def test_cosine_of_the_opposite_and_chord(x):
    assert rdm(x).max() <= 2
    both = squareform(rdm(np.vstack([x, -x])))
    assert both.max() <= 2
    n = len(x)
    assert_allclose(both[:n, n:], 2 - both[:n, :n], atol=LOOSE)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert_allclose(rdm(x), pdist(unit, "sqeuclidean") / 2, atol=LOOSE)


@given(strategies.ratings(), st.integers(0, 1000))
def test_cosine_and_euclidean_ignore_rotation(x, seed):
    for metric in ("cosine", "euclidean"):
        assert_allclose(rdm(x @ turn(seed), metric), rdm(x, metric), atol=1e-11)


@given(strategies.ratings(), st.integers(1, 9), st.integers(-5, 5))
def test_correlation_ignores_each_row_s_scale_and_origin(x, scale, shift):
    moved = x.copy()
    moved[::2] = moved[::2] * scale + shift
    assert_allclose(rdm(moved, "correlation"), rdm(x, "correlation"), atol=LOOSE)
    centred = x - x.mean(axis=1, keepdims=True)
    assert_allclose(rdm(x, "correlation"), rdm(centred), atol=LOOSE)


def test_cosine_distance_is_no_metric():
    direct, first, second = rdm([[1, 0], [0, 1], [1, 1]])
    assert direct > first + second


def test_equal_distances_compare_equal_exactly():
    # Twelve turns of one triangle: three distances, whatever the last bits say.
    angles = np.arange(12)[:, None] * np.pi / 6 + [0.0, 0.4, 1.3]
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    sides = np.array([rdm(triangle) for triangle in corners])
    assert len(np.unique(pdist(corners.reshape(-1, 2), "cosine").round(12))) < 100
    found = rdm(corners.reshape(-1, 2))
    assert len(np.unique(found)) == len(np.unique(found.round(10)))
    assert_allclose(sides, np.broadcast_to(1 - np.cos([0.4, 1.3, 0.9]), (12, 3)), atol=1e-14)


@given(strategies.ratings(most=8))
@example(np.array([[1.0, 2, 3], [2, 4, 6], [1, 2, 3], [3, 1, 1]]))
def test_parallel_rows_are_exactly_zero_apart(x):
    both = squareform(rdm(np.vstack([x, x * 0.3])))
    assert not both[np.arange(len(x)), np.arange(len(x), 2 * len(x))].any()


@pytest.mark.parametrize("d", [1, 4, 11, 300])
def test_products_are_summed_column_by_column(d):
    # Another order, or a fused sum, would give other last bits on another machine.
    x = np.random.default_rng(d).standard_normal((1100 if d == 11 else 60, d))
    x = np.vstack([x, x[:40], -x[:40]])
    unit = unit_rows(x)
    first, second = np.triu_indices(len(x), 1)
    total = np.zeros(len(first))
    for column in unit.T:
        total = total + column[first] * column[second]
    # Equal rows come out below 0.
    assert d == 1 or total.max() > 1
    found = np.empty(len(first))
    condensed(padded_columns(unit), found)
    assert_array_equal(found, np.clip(1 - total, 0, 2))


@pytest.mark.parametrize("d", [12, 300])
def test_ties_of_many_dimensions(d):
    # Corners of a cube are equally long, so that whole numbers of agreeing signs rank them.
    signs = np.random.default_rng(d).choice([-1.0, 1.0], (150, d))
    disagreeing = pdist(signs, "hamming") * d
    assert_array_equal(stats.rankdata(rdm(signs)), stats.rankdata(disagreeing.round()))
    turned = signs @ turn(1, d)
    assert_array_equal(stats.rankdata(rdm(turned)), stats.rankdata(disagreeing.round()))


def test_ranks_are_those_of_half_the_squared_chord():
    # The same distance by another formula, merged by another hand.
    x = standardise(np.random.default_rng(8).integers(0, 6, (300, 4)) / 5)
    chord = pdist(x / np.linalg.norm(x, axis=1, keepdims=True), "sqeuclidean") / 2
    order = np.argsort(chord)
    groups = np.cumsum(np.diff(chord[order], prepend=0) > 1e-13)
    expected = np.empty(len(chord))
    expected[order] = stats.rankdata(groups)
    assert len(np.unique(groups)) < 0.9 * len(chord)
    assert_array_equal(stats.rankdata(rdm(x)), expected)


@given(strategies.ratings())
def test_unequal_distances_stay_apart(x):
    # Squared Euclidean distances of whole numbers are whole, so ties are known without rounding.
    assert_array_equal(
        stats.rankdata(rdm(x, "euclidean")), stats.rankdata(pdist(x, "sqeuclidean").round())
    )


@pytest.mark.parametrize(
    ("rows", "metric", "message"),
    [
        ([[1, 2], [0, 0], [3, 4], [0, 0]], "cosine", r"rows 1, 3 \(2 in all\) are all zeros"),
        ([[1, 2, 3], [0.1, 0.1, 0.1]], "correlation", "rows 1 .* constant"),
        ([[0.0, 0.0]] * 12, "cosine", r"rows 0, .*9, \.\.\. \(12 in all\)"),
    ],
)
def test_a_row_without_direction_is_named(rows, metric, message):
    with pytest.raises(ValueError, match=message):
        rdm(rows, metric)


def test_directions_have_no_lengths():
    assert_allclose(unit_rows([[3, 4], [0, -2]]), [[0.6, 0.8], [0, -1]])
    assert_allclose(unit_rows([[1, 2, 3], [9, 9, 6]], "correlation").sum(axis=1), 0, atol=1e-15)
    with pytest.raises(ValueError, match="only cosine and correlation"):
        unit_rows([[1, 2], [3, 4]], "euclidean")


def test_refuses():
    with pytest.raises(ValueError, match="unknown"):
        rdm([[1, 2], [3, 4]], "jaccard")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="NaN"):
        rdm([[1, np.nan], [3, 4]])
    with pytest.raises(ValueError, match="at least 2"):
        rdm([[1, 2]])
    with pytest.raises(ValueError, match="axes"):
        rdm([1, 2])


@EVERY_METRIC
def test_refuses_rows_without_columns(metric):
    with pytest.raises(ValueError, match="x has no columns"):
        rdm(np.empty((3, 0)), metric)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
@pytest.mark.parametrize("power", [-700, -1030, 700, 1020])
def test_lengths_of_any_size(metric, power):
    # Their squares are no floats; 2^-1030 is one, with fewer digits than others.
    x = np.random.default_rng(3).integers(0, 5, (12, 3)).astype(float)
    assert_array_equal(
        stats.rankdata(rdm(np.ldexp(x, power), metric)), stats.rankdata(rdm(x, metric))
    )
    found = np.ldexp(rdm(np.ldexp(x, power), metric), -power)
    assert_allclose(found, pdist(x, metric), rtol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cityblock"])
def test_refuses_distances_that_overflow(metric):
    # Halves of the largest number are still 1 apart.
    most = np.finfo(float).max
    x = np.array([[1.0, 0], [-1, 0], [0, 0]])
    assert_allclose(rdm(x * most / 2, metric) / most, [1, 0.5, 0.5])
    with pytest.raises(ValueError, match=rf"reaches 1.8e\+308, so that {metric} .* overflow"):
        rdm(x * most, metric)
    with pytest.raises(ValueError, match="overflow"):
        rsa_of_features(x, {"model": x * most}, metric)


def test_tiny_rows_have_a_direction():
    assert_allclose(rdm(np.array([[1, 0], [1, 1]]) * 1e-200), 1 - 0.5**0.5)


@given(strategies.ratings())
def test_standardise(x):
    found = standardise(x)
    varied = np.ptp(x, axis=0) > 0
    assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    assert_allclose(found.std(axis=0), varied, atol=1e-12)
    # Scale and origin of a column do not matter, its order of values does.
    assert_allclose(standardise(x * 3 + 2), found, atol=1e-12)
    assert_allclose(standardise(-x), -found, atol=1e-12)


def test_standardise_divides_by_n():
    # 1, 2, 3, 4: mean 2.5, population variance 1.25.
    assert_allclose(standardise([[1], [2], [3], [4]])[0, 0], -1.5 / 1.25**0.5)


def test_standardise_makes_a_constant_column_zero():
    # A tenth has no exact mean; scikit-learn's StandardScaler gives zeros too.
    assert_array_equal(standardise([[0.1, 1], [0.1, 2], [0.1, 4]])[:, 0], 0)


@given(strategies.ratings(least=4), strategies.seeds)
def test_rsa_ignores_joint_relabelling(x, seed):
    rng = np.random.default_rng(seed)
    a, b = squareform(rdm(x, "cityblock")), rng.integers(1, 6, (len(x), len(x)))
    b = np.triu(b, 1) + np.triu(b, 1).T
    order = rng.permutation(len(x))
    turned = [squareform(m[np.ix_(order, order)], checks=False) for m in (a, b)]
    straight = [squareform(m, checks=False) for m in (a, b)]
    if all(np.ptp(m) > 0 for m in straight):
        assert_allclose(rsa(*turned), rsa(*straight), atol=1e-12)


@given(strategies.rdms(5), strategies.rdms(5))
def test_rsa_is_spearman_of_the_pairs(a, b):
    assert_allclose(rsa(a, b), stats.spearmanr(a, b)[0], atol=1e-12)
    assert rsa(a, b) == rsa(b, a)
    assert_allclose(rsa(a, a), 1, atol=1e-14)
    # Pearson's correlation of the distances themselves would move.
    assert_allclose(rsa(a**3, b), rsa(a, b), atol=1e-14)


def test_rsa_published():
    # scikit-bio's documentation of skbio.stats.distance.mantel: .7559289460184544 by Pearson,
    # .5 by Spearman, for two matrices of three objects.
    x = squareform(np.array([[0, 1, 2], [1, 0, 3], [2, 3, 0]]))
    y = squareform(np.array([[0, 2, 7], [2, 0, 6], [7, 6, 0]]))
    assert_allclose(pearson(x, y), 0.7559289460184544, atol=1e-15)
    assert_allclose(rsa(x, y), 0.5, atol=1e-15)


def test_rsa_by_counting_ranks():
    a, b = rdm(np.eye(4) + 1), rdm(np.arange(12).reshape(4, 3) ** 2 + 1)
    with pytest.warns(RuntimeWarning, match="constant"):
        assert np.isnan(rsa(a, b))
    c = rdm([[1, 2], [2, 1], [3, 3], [5, 1]])
    x, y = (oracles.ranks_by_counting(m) for m in (c, b))
    assert_allclose(rsa(c, b), np.corrcoef(x, y)[0, 1], atol=1e-14)


@EVERY_METRIC
@given(strategies.ratings(least=5), strategies.seeds)
def test_several_models_at_once(metric, x, seed):
    rng = np.random.default_rng(seed)
    models = {name: x + rng.integers(0, 3, x.shape) + [0, 4, 9] for name in "abc"}
    rdms = {name: rdm(model, metric) for name, model in models.items()}
    human = rdm(x, metric)
    if all(np.ptp(one) > 0 for one in (human, *rdms.values())):
        one_by_one = {name: rsa(human, one) for name, one in rdms.items()}
        # To the last bit.
        assert rsa_many(human, rdms) == one_by_one
        assert rsa_of_features(x, models, metric) == one_by_one


def test_several_models_of_which_one_is_constant():
    human, same = np.array([[1, 2], [2, 1], [3, 3], [5, 1]]), np.eye(4) + 1
    with pytest.warns(RuntimeWarning, match="constant"):
        found = rsa_many(rdm(human), {"flat": rdm(same), "self": rdm(human)})
    assert np.isnan(found["flat"])
    assert_allclose(found["self"], 1, atol=1e-14)
    with pytest.warns(RuntimeWarning, match="constant"):
        assert np.isnan(rsa_of_features(human, {"flat": same})["flat"])
    assert rsa_many(rdm(human), {}) == {}
