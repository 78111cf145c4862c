"""No claim rests on fewer words than a study must have, whatever a measure leaves out."""

from dataclasses import replace

import numpy as np
import pytest

from claims.sensorimotor.test_correlations import partial_correlation
from claims.sensorimotor.test_expectation import expected
from claims.sensorimotor.test_transfer import people_over_model
from core.evidence.enough import FEWEST_WORDS, fewest, require
from core.evidence.errors import NotGiven
from core.evidence.rated import Rated
from core.rating.study import add_ratings
from tests.rating.studies import answers, dataset, whole_study


@pytest.fixture(scope="module")
def data():
    return dataset(words=400)


@pytest.fixture
def study(tmp_path, data):
    return whole_study(tmp_path / "study", data)


def test_half_of_the_words_and_never_fewer_than_eighty():
    assert FEWEST_WORDS == 80
    assert [fewest(n) for n in (10, 160, 161, 1572)] == [80, 80, 81, 786]
    require(81, 161, "ratings")
    with pytest.raises(NotGiven) as error:
        require(80, 161, "ratings")
    assert error.value.settles == "ratings of only 80 of 161 words; at least 81 must have them"


@pytest.mark.parametrize(("known", "enough"), [(80, True), (79, False)])
def test_expected_ratings_are_of_enough_words(study, data, known, enough):
    given = answers(data, "Nl_FT", "en")
    # One dimension without log-probabilities leaves a word without a profile.
    given.loc[given.index[known * 11 + 4 :: 11], "expected"] = np.nan
    about = {"model": "tiny-Nl_FT", "backend": "local"}
    add_ratings(study, "Nl_FT", "en", given, about)
    if enough:
        assert len(expected(Rated(study), "en").concepts) == known
    else:
        with pytest.raises(NotGiven) as error:
            expected(Rated(study), "en")
        assert error.value.code == "not-given"
        assert "en/Nl_FT: expected ratings of only 79 of 160 words" in error.value.settles
    assert len(expected(Rated(study), "nl").concepts) == 160


class Fewer:
    """A study's evidence, its tables changed by hand."""

    def __init__(self, study, **change):
        self.rated, self.change = Rated(study), change

    def ratings(self, language):
        table = self.rated.ratings(language)
        return self.change.get(language, lambda x: x)(table)


@pytest.mark.parametrize(("known", "enough"), [(102, True), (101, False)])
def test_people_s_spread_is_known_of_enough_words(study, known, enough):
    def without(table):
        sd = table.human_sd.copy()
        sd[known:, 2] = np.nan
        return replace(table, human_sd=sd)

    evidence = Fewer(study, en=without)
    # Eleven means and eleven standard deviations are taken out.
    if enough:
        assert partial_correlation(evidence, "En_FT", "Nl_FT", "en", "all").n == 80
    else:
        with pytest.raises(NotGiven, match="leave free of only 79 of 160 words"):
            partial_correlation(evidence, "En_FT", "Nl_FT", "en", "all")


@pytest.mark.parametrize(("shared", "enough"), [(80, True), (79, False)])
def test_enough_words_are_rated_in_both_languages(study, shared, enough):
    def some(table):
        human = table.human.copy()
        human[shared:] = np.nan
        return replace(table, human=human)

    evidence = Fewer(study, nl=some)
    if enough:
        assert people_over_model(evidence, "en", "Base").n == shared
    else:
        with pytest.raises(NotGiven, match="both languages of only 79 of 160 words"):
            people_over_model(evidence, "en", "Base")
