"""Holm's adjustment."""

import numpy as np
import pytest
from hypothesis import example, given
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics.multiplicity import holm
from tests import oracles, strategies


def test_published():
    # Wikipedia, "Holm-Bonferroni method", the example with adjusted p values.
    assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@given(strategies.p_values())
@example([0.01, 0.011, 0.5])
@example([0.3, 0.3, 1.0])
def test_equals_closed_testing(p):
    assert_allclose(holm(p), oracles.holm_by_closure(p), atol=1e-12)


@given(strategies.p_values(most=30), strategies.seeds)
def test_between_raw_and_bonferroni_in_the_order_given(p, seed):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(p * len(p), 1)).all()
    order = np.random.default_rng(seed).permutation(len(p))
    assert_array_equal(holm(p[order]), adjusted[order])
    by_p = np.argsort(p)
    assert (np.diff(adjusted[by_p]) >= 0).all()


def test_refuses():
    for bad, message in (([], "at least 1"), ([0.1, np.nan], "NaN"), ([1.1], "outside")):
        with pytest.raises(ValueError, match=message):
            holm(bad)
    with pytest.raises(ValueError, match="outside"):
        holm([-0.1])
