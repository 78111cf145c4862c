"""Spearman coefficients on draws of words, against SciPy on the words drawn."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

from claims.sensorimotor.rho import bootstrapped_rho


def tables(n, step):
    """People and three models on four dimensions, on a grid, so that values tie."""
    rng = np.random.default_rng(n)
    human = rng.gamma(1.5, 1, (n, 4))
    models = human + rng.normal(0, 1, (3, n, 4)) * np.array([0.3, 1, 3])[:, None, None]
    return tuple(np.round(np.clip(x, 0, 5) / step) * step for x in (human, models))


@pytest.mark.parametrize(("n", "step"), [(50, 1e-9), (50, 0.5), (20, 1.0)])
def test_coefficients_are_those_of_the_words_drawn(n, step):
    human, models = tables(n, step)
    draws = [np.arange(n), *np.random.default_rng(1).integers(0, n, (5, n))]
    counts = np.array([np.bincount(at, minlength=n) for at in draws])
    expected = [
        [
            [float(np.asarray(spearmanr(human[at, j], x[at, j]))[0]) for j in range(4)]
            for at in draws
        ]
        for x in models
    ]
    found = bootstrapped_rho(human, models, counts)
    assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.ptp(found) > 0.2


def test_a_column_that_a_draw_leaves_constant_has_no_coefficient():
    human, models = tables(6, 0.5)
    human[:, 1] = [0, 0, 0, 0, 0, 5]
    counts = np.array([[1, 1, 1, 1, 1, 1], [2, 1, 1, 1, 1, 0]])
    found = bootstrapped_rho(human, models, counts)
    assert np.isnan(found[:, 1, 1]).all()
    assert not np.isnan(found[:, 0, 1]).any()
