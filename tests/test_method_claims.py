"""What the claims on the method see: RSA and correlations per dimension, where it is known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from claims.sensorimotor.common import mean_gain, rsa_difference
from claims.sensorimotor.test_method import gain_above_chance
from claims.settings import resamples, set_resamples
from core.evidence.simulated import World
from core.paths import CLAIMS
from core.verdict.criterion import judge
from core.verdict.estimate import Undefined
from core.verdict.registry import load_registry

MEASURES = {"test_rsa_difference": rsa_difference, "test_gain_above_chance": gain_above_chance}


@pytest.fixture(scope="module")
def claims():
    every = load_registry(CLAIMS / "sensorimotor.toml")
    return {claim.id: claim for claim in every if claim.id.startswith("sm-method-")}


@pytest.fixture(scope="module")
def verdict(claims):
    """Return a judge of a claim in a world, by few draws."""
    before = resamples()
    set_resamples(100)

    def say(name, world):
        claim = claims[name]
        measure = MEASURES[claim.test.split("::")[1]]
        return str(judge(measure(world, **claim.variant), claim.criterion))

    yield say
    set_resamples(before)


@pytest.mark.parametrize("over", ["", "-over-scrambled"])
def test_ratings_of_the_wrong_dimension_are_seen_by_correlations_and_not_by_rsa(verdict, over):
    taught, misplaced = World("taught"), World("misplaced")
    for world in (taught, misplaced):
        assert verdict(f"sm-method-en-ft{over}", world) == "supported"
    assert verdict(f"sm-method-rho-en-ft{over}", taught) == "supported"
    assert verdict(f"sm-method-rho-en-ft{over}", misplaced) == "refuted"


def test_the_mean_gain_of_the_scrambled_model_is_scipy_s():
    world = World("unspecific")
    table = world.ratings("en").complete()

    def mean_rho(role):
        columns = zip(table.human.T, table.models[role].T, strict=True)
        return np.mean([np.asarray(spearmanr(x, y))[0] for x, y in columns])

    found = gain_above_chance(world, "en", "Scrambled", "Base")
    assert found.value == pytest.approx(mean_rho("Scrambled") - mean_rho("Base"), abs=1e-12)
    assert found.low > 0.1


class Blunt(World):
    """A world whose scrambled model gives one answer for every word on five dimensions."""

    def _make(self, language):
        table = super()._make(language)
        answers = table.models["Scrambled"].copy()
        answers[:, :5] = 3.0
        return replace(table, models={**table.models, "Scrambled": answers})


def test_one_answer_for_every_word_counts_as_chance():
    found = gain_above_chance(Blunt("unspecific"), "en", "Scrambled", "Base")
    table = World("unspecific").ratings("en").complete()

    def rho(role, j):
        return np.asarray(spearmanr(table.human[:, j], table.models[role][:, j]))[0]

    known = sum(rho("Scrambled", j) for j in range(5, 11))
    assert found.value == pytest.approx((known - sum(rho("Base", j) for j in range(11))) / 11)
    with pytest.raises(Undefined):
        mean_gain(Blunt("unspecific"), "en", "Scrambled", "Base")


def test_every_statement_says_what_its_interval_is_over_and_rsa_s_that_chance_is_not_zero(claims):
    for claim in claims.values():
        assert "one training seed; intervals are over words" in claim.statement
        if claim.test.endswith("test_rsa_difference"):
            assert "chance" in claim.statement
            assert "not 0" in claim.statement
