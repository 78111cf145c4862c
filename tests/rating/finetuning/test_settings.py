"""How a model is trained: what may be asked for, and the learning rate on the way."""

import math

import pytest

from core.rating.errors import RatingError
from core.rating.finetuning.settings import Settings, usual


@pytest.mark.parametrize(
    ("step", "share"),
    [
        (0, 1 / 10),
        (4, 5 / 10),
        (9, 1.0),
        (10, 1.0),
        (10 + 190 // 2, 0.5),
        (10 + 190 // 4, (1 + math.cos(math.pi * 47 / 190)) / 2),
        (199, (1 + math.cos(math.pi * 189 / 190)) / 2),
    ],
)
def test_the_rate_rises_over_a_twentieth_then_falls_as_half_a_cosine(step, share):
    found = Settings(rate=3e-4).learning_rate(step, 200)
    assert found == pytest.approx(3e-4 * share, rel=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 3, 19])
def test_a_short_run_has_rates_above_zero(steps):
    rates = [Settings(rate=1.0).learning_rate(step, steps) for step in range(steps)]
    assert max(rates) == 1.0
    assert min(rates) > 0


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch": 0}, {"accumulate": 0}, {"lora": -1}, {"max_steps": -1}]
    + [{"rate": rate} for rate in (0.0, -1e-5, math.inf, math.nan)],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(RatingError, match="must be"):
        Settings(**wrong)


def test_what_is_usual_goes_by_size_and_adapters():
    large, small = 14_000_000_000, 1_000_000
    assert usual("En_FT", large, 0) == usual("QA_FT", large, 0) == (3, 32, 1e-5)
    assert usual("Nl_FT", large, 16) == (3, 32, 2e-4)
    assert usual("Nl_FT", small, 0) == usual("En_FT", small, 8) == (12, 16, 1e-3)
    assert usual("QA_FT", small, 0) == (12, 16, 3e-4)
