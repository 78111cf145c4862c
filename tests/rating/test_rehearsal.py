"""The made-up world against tools that know nothing of how it was made."""

import re

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import skew, spearmanr, zscore
from sklearn.linear_model import Ridge

from core.evidence.tables import ALL, SENSORY
from core.rating.errors import RatingError
from core.rating.rehearsal import SOUND_CHANGES, in_dutch, rehearsal
from core.rating.splits import leaks, plain


@pytest.fixture(scope="module")
def world():
    return rehearsal(np.random.default_rng(0))


def counts(words):
    """How often each syllable, a consonant and a vowel, is in each word."""
    split = [re.findall(r"[^aeiou][aeiou]", word) for word in words]
    known = sorted({syllable for word in split for syllable in word})
    return np.array([[word.count(syllable) for syllable in known] for word in split]), known


def similarity(a, b):
    """RSA as the paper states it, by SciPy alone."""
    x, y = (pdist(np.asarray(zscore(table)), "cosine") for table in (a, b))
    return float(np.asarray(spearmanr(x, y))[0])


def test_its_size_is_as_asked_and_split_as_the_paper_splits(world):
    assert (len(world.words("en", "train")), len(world.words("en", "test"))) == (240, 160)
    assert (world.questions["split"] == "train").sum() == 80
    assert len(world.questions) == 140
    small = rehearsal(np.random.default_rng(0), words=50, questions=0)
    assert (len(small.english), len(small.questions)) == (50, 0)


@pytest.mark.parametrize("sizes", [{"words": 9}, {"words": 1001}, {"questions": -1}])
def test_sizes_beyond_what_there_are_words_for_are_refused(sizes):
    with pytest.raises(RatingError, match="10 to 1000"):
        rehearsal(np.random.default_rng(0), **sizes)


def test_the_same_seed_makes_the_same_world_and_another_one_another():
    worlds = [rehearsal(np.random.default_rng(seed), 40, 8).digest for seed in (1, 1, 2)]
    assert worlds[0] == worlds[1] != worlds[2]


def test_what_is_learnt_from_some_words_tells_of_others(world):
    train, test = (world.table("en", split) for split in ("train", "test"))
    rows, _ = counts([*train["word"], *test["word"]])
    seen, unseen = rows[: len(train)], rows[len(train) :]
    said, true = train[list(ALL)].to_numpy(), test[list(ALL)].to_numpy()
    learnt = similarity(Ridge(1.0).fit(seen, said).predict(unseen), true)
    mixed = np.random.default_rng(1).permuted(said, axis=0)
    scrambled = similarity(Ridge(1.0).fit(seen, mixed).predict(unseen), true)
    assert learnt > 0.8
    assert abs(scrambled) < 0.2


def test_no_two_words_have_the_same_syllables_so_that_none_is_another_in_disguise(world):
    rows, known = counts(world.english["word"])
    assert rows.sum(axis=1).tolist() == [3] * 400
    assert len({tuple(row) for row in rows}) == 400
    assert len(known) == 24
    assert leaks(world.english, world.dutch, by=plain) == []


def test_dutch_is_english_after_sound_changes_and_never_the_same_word(world):
    for english, dutch in zip(world.english["word"], world.english["translation"], strict=True):
        said = english
        for letter, sound in SOUND_CHANGES.items():
            said = said.replace(letter, sound.upper())
        assert said.lower() == dutch != english
    assert in_dutch("fesika") == "veziecha"


def test_part_of_the_syllables_stays_so_that_transfer_is_possible_but_not_whole(world):
    _, known = counts(world.english["word"])
    same = sum(in_dutch(syllable) == syllable for syllable in known)
    assert 4 <= same <= 16
    senses = list(SENSORY)
    shared = similarity(world.english[senses].to_numpy(), world.dutch[senses].to_numpy())
    assert 0.7 < shared < 0.95


def test_ratings_look_like_norms(world):
    """On the scale, of whole answers, piled up at zero for smell and taste, leaning right."""
    for table, dimensions in ((world.english, ALL), (world.dutch, SENSORY)):
        values = table[list(dimensions)].to_numpy()
        assert values.min() == 0
        assert values.max() <= 5
        assert skew(values.ravel()) > 0
        assert (table["Olfactory"] == 0).mean() > 0.4 > 0.1 > (table["Visual"] == 0).mean()
    raters = world.english["Visual.N"].to_numpy()
    assert raters.min() >= 15
    assert raters.max() <= 20
    # A mean of N whole answers, rounded to three decimals, is near a multiple of 1/N.
    total = world.english["Visual"].to_numpy() * raters
    assert np.abs(total - np.round(total)).max() <= 0.0005 * 20 + 1e-9
    assert (world.english["Gustatory.SD"][world.english["Gustatory"] == 0] == 0).all()


def test_answers_to_questions_follow_from_spelling_and_tell_nothing_of_ratings(world):
    rated = {syllable for word in world.english["word"] for syllable in re.findall("..", word)}
    for row in world.questions.to_dict("records"):
        options = [row[letter] for letter in "ABCD"]
        asked = row["question"].split()[-2]
        endings = [option[-2:] for option in options]
        assert endings.count(asked[-2:]) == 1
        assert "ABCD"[endings.index(asked[-2:])] == row["correct"]
        made_of = {part for word in (asked, *options) for part in re.findall("..", word)}
        assert not made_of & rated
    shares = world.questions["correct"].value_counts(normalize=True)
    assert len(shares) == 4
    assert shares.max() < 0.4
