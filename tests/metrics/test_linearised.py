"""RSA to first order in the weights of pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from core.metrics.bootstrap import bootstrap_rsa, draw_counts
from core.metrics.linearised import linearised_rsa, ranked_rdm
from core.metrics.rdm import rdm, rsa, standardise
from tests import oracles, strategies

SELF_PAIRS = pytest.mark.parametrize("self_pairs", ["keep", "drop"])


def related(n, seed, noise=1.0, step=0.25):
    """RDMs of ratings in steps and of a model's that are near them."""
    rng = np.random.default_rng(seed)
    mind = rng.normal(size=(n, 5))
    heard = mind + noise * rng.normal(size=(n, 5))
    return [rdm(standardise(np.round(x / step) * step)) for x in (mind, heard)]


def weighted_rho(x, y, weights):
    """Rho where every pair counts as often as it weighs: ranks are sums of signs."""
    signs = [np.sign(one[:, None] - one) for one in (x, y)]
    a, b = (sign @ weights for sign in signs)
    return (weights * a * b).sum() / np.sqrt((weights * a * a).sum() * (weights * b * b).sum())


@given(st.integers(4, 7).flatmap(lambda n: st.tuples(*[strategies.rdms(n)] * 2)))
def test_gradient_is_the_slope_in_every_pair(both):
    x, y = both
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        with pytest.raises(ValueError, match="constant"):
            linearised_rsa(x, y)
        return
    found = linearised_rsa(x, y)
    assert_allclose(found.rho, rsa(x, y), atol=1e-12)
    # The last pair is one of a concept with itself, which weighs 0.
    x, y, step = np.r_[x, 0], np.r_[y, 0], 1e-5
    at = np.r_[np.ones(len(x) - 1), 0]
    slopes = [
        (weighted_rho(x, y, at + h) - weighted_rho(x, y, at - h)) / (2 * step)
        for h in step * np.eye(len(at))
    ]
    assert_allclose(np.r_[found.gradient, found.self_gradient], slopes, atol=1e-7)
    assert_allclose(found.gradient.sum(), 0, atol=1e-12)
    assert_allclose(found.influence.sum(), 0, atol=1e-10)


@SELF_PAIRS
@pytest.mark.parametrize(("n", "within"), [(150, 2e-2), (600, 4e-3)])
def test_follows_the_exact_bootstrap_ever_closer(self_pairs, n, within):
    human, model = related(n, n)
    exact = bootstrap_rsa(
        human, {"m": model}, n_resamples=200, rng=np.random.default_rng(1), self_pairs=self_pairs
    ).draws["m"]
    counts = draw_counts(n, 200, np.random.default_rng(1))
    near = linearised_rsa(human, model).draws(counts, self_pairs)
    assert np.abs(near - exact).max() < within
    assert np.corrcoef(near, exact)[0, 1] > 0.99


def test_one_concept_more_by_re_indexing():
    # To first order: at n = 400 a single copy hardly bends rho.
    n = 400
    human, model = related(n, 2)
    found = linearised_rsa(human, model)
    counts = np.ones((1, n), dtype=int)
    counts[0, 7] = 2
    again = oracles.reindexed_rsa(human, model, np.r_[np.arange(n), 7])
    step = again - found.rho
    assert_allclose(found.draws(counts)[0] - found.rho, step, rtol=0.05)
    assert_allclose(found.draws(np.ones((1, n)))[0], found.rho, atol=1e-12)


def test_self_pairs_add_what_re_indexing_with_them_adds():
    n = 400
    human, model = related(n, 5)
    found = linearised_rsa(human, model)
    counts = np.ones((1, n), dtype=int)
    counts[0, 7:10] = 0, 1, 3  # one concept thrice: three pairs with itself
    indices = np.repeat(np.arange(n), counts[0])
    keep, drop = (oracles.reindexed_rsa(human, model, indices, drop=d) for d in (False, True))
    near = found.draws(counts)[0] - found.draws(counts, "drop")[0]
    assert_allclose(near, keep - drop, rtol=0.03)


def test_standard_error_is_that_of_the_jackknife_and_the_bootstrap():
    n = 200
    human, model = related(n, 3)
    found = linearised_rsa(human, model)
    left_out = [
        oracles.reindexed_rsa(human, model, np.delete(np.arange(n), i), drop=True) for i in range(n)
    ]
    jackknife = np.sqrt((n - 1) * np.var(left_out))
    assert_allclose(found.standard_error, jackknife, rtol=0.03)
    draws = bootstrap_rsa(
        human, {"m": model}, n_resamples=2000, rng=np.random.default_rng(0), self_pairs="drop"
    ).draws["m"]
    assert_allclose(found.standard_error, draws.std(), rtol=0.06)


def test_ranked_beforehand_or_not():
    human, model = related(30, 4)
    plain, ranked = linearised_rsa(human, model), linearised_rsa(ranked_rdm(human), model)
    assert plain.rho == ranked.rho
    assert (plain.gradient == ranked.gradient).all()


def test_refuses():
    human, model = related(5, 0)
    found = linearised_rsa(human, model)
    for bad, message in [
        (lambda: ranked_rdm(np.ones(5)), "5 distances"),
        (lambda: ranked_rdm([1, 2, -3]), "negative"),
        (lambda: ranked_rdm([1, 2, np.nan]), "NaN"),
        (lambda: linearised_rsa(human, np.arange(3)), "human has 5 concepts and model 3"),
        (lambda: linearised_rsa(human, np.ones(10)), "constant"),
        (lambda: found.draws(np.ones((2, 4))), "4 columns for 5"),
        (lambda: found.draws(np.ones((2, 5)), "halve"), "self_pairs is 'halve'"),  # type: ignore[arg-type]
    ]:
        with pytest.raises(ValueError, match=message):
            bad()
