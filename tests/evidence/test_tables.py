import numpy as np
import pytest

from core.evidence.errors import EvidenceError
from core.evidence.tables import ALL, Ratings


def ratings(**changes):
    table = np.array([[0.0, 1.0], [2.0, np.nan], [4.0, 5.0]])
    given = {
        "language": "en",
        "concepts": ("NA", "CAT", "SUN"),
        "translations": ("null", "kat", "zon"),
        "dimensions": ("Visual", "Foot"),
        "human": np.full((3, 2), 2.5),
        "models": {"Base": table, "En_FT": table[::-1]},
        "human_sd": np.full((3, 2), 1.5),
        "human_n": np.full((3, 2), 18.0),
    }
    return Ratings(**given | changes)


def test_select_takes_columns_in_the_order_asked_and_keeps_the_rows():
    chosen = ratings().select(["Foot"], models=["En_FT"])
    assert chosen.dimensions == ("Foot",)
    assert list(chosen.models) == ["En_FT"]
    assert chosen.concepts == ("NA", "CAT", "SUN")
    np.testing.assert_array_equal(chosen.models["En_FT"][:, 0], [5.0, np.nan, 1.0])
    assert chosen.human_n is not None
    assert chosen.human_n.shape == (3, 1)


def test_select_knows_sets_and_single_dimensions():
    everything = np.tile(np.linspace(0, 5, 11), (3, 1))
    full = ratings(dimensions=ALL, human=everything, models={}, human_sd=None, human_n=None)
    assert full.select("motor").dimensions == ("Foot", "Hand", "Head", "Mouth", "Torso")
    assert full.select("Hand").human[0, 0] == pytest.approx(3.5)
    assert full.select("sensory").human.shape == (3, 6)
    np.testing.assert_allclose(full.select("motor").human[1], [3.0, 3.5, 4.0, 4.5, 5.0])
    mixed = full.select(("Hand", "Torso", "Auditory"))
    np.testing.assert_allclose(mixed.human[2], [3.5, 5.0, 0.0])


def test_select_of_what_is_not_there_says_so():
    with pytest.raises(EvidenceError, match="no dimension Auditory"):
        ratings().select("sensory")
    with pytest.raises(EvidenceError, match="no model QA_FT"):
        ratings().select("Foot", models=["QA_FT"])


def test_complete_drops_words_that_one_model_lacks_on_a_dimension_present():
    assert ratings().complete().concepts == ("NA", "SUN")
    assert ratings().select("Visual").complete().concepts == ("NA", "CAT", "SUN")
    human = np.array([[np.nan, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert ratings(human=human).complete().translations == ("zon",)


def test_a_missing_standard_deviation_does_not_drop_a_word():
    assert ratings(human_sd=np.full((3, 2), np.nan)).complete().concepts == ("NA", "SUN")


def test_profile_gives_the_word_as_people_and_models_rated_it():
    profile = ratings().profile("NA")
    assert list(profile) == ["Human", "Base", "En_FT"]
    np.testing.assert_array_equal(profile["En_FT"], [4.0, 5.0])
    with pytest.raises(EvidenceError, match="'DOG'"):
        ratings().profile("DOG")


@pytest.mark.parametrize("value", [-0.1, 5.1, np.inf])
def test_a_rating_out_of_range_names_model_column_and_word(value):
    table = np.full((3, 2), 2.0)
    table[1, 1] = value
    with pytest.raises(EvidenceError, match="Base, column Foot, word 'CAT'"):
        ratings(models={"Base": table})
    with pytest.raises(EvidenceError, match="Human, column Foot, word 'CAT'"):
        ratings(human=table)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concepts": ("CAT", "SUN", "CAT")}, "concept 'CAT' appears twice"),
        ({"dimensions": ("Foot", "Foot")}, "dimension 'Foot' appears twice"),
        ({"concepts": ("CAT", "", "SUN")}, "a concept is ''"),
        ({"translations": ("kat",)}, "1 translations"),
        ({"human": np.zeros((2, 3))}, r"Human has shape \(2, 3\)"),
        ({"models": {"Base": np.zeros((3, 3))}}, "Base has shape"),
        ({"human_n": np.zeros((3, 2))}, "Human N"),
        ({"human_sd": np.full((3, 2), -1.0)}, "Human SD"),
        ({"language": "de"}, "language"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(EvidenceError, match=message):
        ratings(**changes)


def test_a_caller_cannot_change_the_table_that_others_see():
    human = np.full((3, 2), 2.5)
    table = ratings(human=human)
    human[0, 0] = 0.0
    assert table.human[0, 0] == 2.5
    with pytest.raises(ValueError, match="read-only"):
        table.human[0, 0] = 0.0
    with pytest.raises(TypeError):
        table.models["Base"] = human  # pyright: ignore[reportIndexIssue]
