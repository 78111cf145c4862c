"""A measure says that it has no value, rather than giving one that means nothing."""

from types import SimpleNamespace

import numpy as np
import pytest

from claims.sensorimotor import common, test_dimensions
from claims.sensorimotor.common import from_draws, generator, seed
from claims.settings import set_seed
from core.evidence.simulated import World
from core.verdict.estimate import Estimate, Undefined, as_family


@pytest.mark.parametrize("numbers", [(np.nan, 0, 1), (0, -np.inf, 1), (0, 0, np.nan)])
def test_an_estimate_without_a_value_is_undefined(numbers):
    value, low, high = numbers
    with pytest.raises(Undefined):
        Estimate(value, low, high, 10, "by hand")


def test_nothing_measured_is_undefined():
    with pytest.raises(Undefined, match="nothing was measured"):
        as_family([])


def test_a_draw_without_a_value_leaves_the_interval_undefined():
    draws = np.array([0.1, np.nan, 0.3, np.nan])
    with pytest.raises(Undefined, match="2 of 4 draws"):
        from_draws(0.2, draws, 10, "by hand")
    one = from_draws(0.2, np.linspace(0, 1, 101), 10, "by hand")
    assert (one.low, one.high) == pytest.approx((0.025, 0.975))


def test_gains_where_there_are_none_are_undefined(monkeypatch):
    rho = dict.fromkeys(("Base", "QA_FT", "En_FT"), 0.5)
    monkeypatch.setattr(test_dimensions, "alignment", lambda *_: SimpleNamespace(rho=rho))
    with pytest.raises(Undefined, match="no dimension"):
        test_dimensions.marginal(World("told"), "En_FT")


def test_a_seed_offset_changes_every_draw_and_none_gives_the_reviewed_ones(monkeypatch):
    monkeypatch.delenv("CLAIMS_SEED", raising=False)
    assert seed() == common.SEED
    before = generator("a", "purpose").random(4)
    monkeypatch.setenv("CLAIMS_SEED", "0")
    assert np.array_equal(generator("a", "purpose").random(4), before)
    set_seed(3)
    assert seed() == common.SEED + 3
    assert not np.isin(generator("a", "purpose").random(4), before).any()
