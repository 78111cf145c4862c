"""The worlds are what their names say, measured with SciPy alone."""

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from core.evidence.errors import EvidenceError
from core.evidence.simulated import N_WORDS, WORLDS, World
from core.evidence.tables import ALL, SENSORY


def zscore(table):
    return (table - table.mean(axis=0)) / table.std(axis=0)


def rho(x, y) -> float:
    return float(np.asarray(spearmanr(x, y))[0])


def rsa(world, language="en"):
    table = World(world).ratings(language).complete()
    human = pdist(zscore(table.human), "cosine")
    return {m: rho(human, pdist(zscore(x), "cosine")) for m, x in table.models.items()}


def similarity(world, language="en"):
    table = World(world).ratings(language).complete()
    return {m: 1 / (1 + np.linalg.norm(x - table.human, axis=1)) for m, x in table.models.items()}


def rank_correlation(world, a, b, language="en"):
    scores = similarity(world, language)
    return rho(scores[a], scores[b])


@pytest.mark.parametrize("name", sorted(WORLDS))
@pytest.mark.parametrize("language", ["en", "nl"])
def test_a_world_is_the_same_every_time_and_leaves_the_global_generator_alone(name, language):
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002 - it is what must not change
    first, again = World(name).ratings(language), World(name).ratings(language)
    assert np.array_equal(first.human, again.human)
    for model in first.models:
        assert np.array_equal(first.models[model], again.models[model], equal_nan=True)
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002 - likewise
    assert first.dimensions == (ALL if language == "en" else SENSORY)
    assert ("QA_FT" in first.models) is (language == "en")


def test_told_the_fine_tuned_models_are_closer_and_the_native_one_closest():
    english, dutch = rsa("told"), rsa("told", "nl")
    assert english["En_FT"] > english["Nl_FT"] > english["QA_FT"] > english["Base"]
    assert dutch["Nl_FT"] > dutch["En_FT"] > dutch["Base"]


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("model", ["En_FT", "Nl_FT"])
def test_told_ranks_of_words_before_and_after_tuning_are_unrelated(model, language):
    assert abs(rank_correlation("told", "Base", model, language)) < 0.03


def test_corrective_turns_the_ranks_of_words_around():
    assert rank_correlation("corrective", "Base", "En_FT") < -0.8
    assert rank_correlation("corrective", "En_FT", "Nl_FT") > 0.9


def test_identical_differs_from_the_base_by_chance_only():
    found = rsa("identical")
    assert max(found.values()) - min(found.values()) < 0.02


def test_rescaled_raises_similarity_and_nothing_that_ignores_scale():
    found, table = rsa("rescaled"), World("rescaled").ratings("en").complete()
    assert found["En_FT"] == pytest.approx(found["Base"], abs=1e-9)
    for j in range(len(ALL)):
        assert spearmanr(table.models["Base"][:, j], table.models["En_FT"][:, j])[
            0
        ] == pytest.approx(1)
    scores = similarity("rescaled")
    assert scores["En_FT"].mean() > scores["Base"].mean() + 0.03


def test_boosted_keeps_the_ranks_of_words():
    assert rank_correlation("boosted", "Base", "En_FT") == pytest.approx(1)
    assert rsa("boosted")["En_FT"] > rsa("boosted")["Base"] + 0.3


def test_shuffled_nobody_is_aligned():
    assert max(map(abs, rsa("shuffled").values())) < 0.03


def test_reversed_swaps_the_roles():
    told, swapped = rsa("told"), rsa("reversed")
    assert swapped["Base"] == pytest.approx(told["En_FT"], abs=0.01)
    assert swapped["En_FT"] == pytest.approx(told["Base"], abs=0.01)


def test_taught_only_a_word_s_own_ratings_teach():
    found = rsa("taught")
    assert found["En_FT"] > found["Base"] + 0.3
    assert abs(found["Scrambled"] - found["Base"]) < 0.03
    assert abs(found["QA_FT"] - found["Base"]) < 0.03
    assert "Scrambled" not in World("told").ratings("en").models


def test_unspecific_any_tuning_teaches():
    found = rsa("unspecific")
    assert found["Scrambled"] == found["En_FT"] > found["Base"] + 0.3
    assert found["QA_FT"] == found["Nl_FT"] > found["Base"] + 0.3


def test_misplaced_ratings_stand_one_dimension_on_and_nothing_else_differs():
    taught, misplaced = (World(name).ratings("en") for name in ("taught", "misplaced"))
    assert np.array_equal(taught.human, misplaced.human)
    for model, x in taught.models.items():
        at = [-1, *range(10)] if model == "En_FT" else range(11)
        assert np.array_equal(misplaced.models[model], x[:, at], equal_nan=True)


def test_featureless_people_have_no_clusters():
    def spread(world):
        return pdist(zscore(World(world).ratings("en").human), "cosine").std()

    assert spread("featureless") < 0.9 * spread("told")


def test_pronounced_gains_follow_the_spread_of_human_ratings():
    table = World("pronounced").ratings("en").complete()
    gains = [
        rho(table.human[:, j], table.models["En_FT"][:, j])
        - rho(table.human[:, j], table.models["Base"][:, j])
        for j in range(len(ALL))
    ]
    assert rho(gains, table.human.std(0)) > 0.8


def test_unanswered_questions_cost_their_words_and_the_orderly_world_has_none():
    table = World("told").ratings("en")
    assert len(table.concepts) == N_WORDS
    assert len(table.complete().concepts) == N_WORDS - 2
    assert len(World("orderly").ratings("en").complete().concepts) == 1572
    assert len(World("careless").ratings("en").complete().concepts) < 1572


def test_an_unknown_world_is_refused_by_name():
    with pytest.raises(EvidenceError, match="'utopia'"):
        World("utopia")


def test_training_words_have_ratings_in_both_languages():
    table = World("told").training()
    assert {"Word", "Woord", *ALL, *(f"nl_{d}" for d in SENSORY)} == set(table.columns)
    assert table[list(ALL)].stack().between(0, 5).all()
