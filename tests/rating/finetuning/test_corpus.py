"""What is trained on: the recipe's examples, a few held out, never a test word."""

from collections import Counter

import numpy as np
import pytest

from core.evidence.tables import ALL, SENSORY
from core.rating.errors import RatingError
from core.rating.examples import examples
from core.rating.finetuning.corpus import lessons
from core.rating.prompts import rating_prompt
from core.rating.rehearsal import rehearsal

DIMENSIONS = {"en": ALL, "nl": SENSORY}
LANGUAGES = {"En_FT": "en", "Nl_FT": "nl"}


def words_in(several, world, language):
    prompts = {each.prompt for each in several}
    return {
        word
        for split in ("train", "test")
        for word in world.words(language, split)
        if rating_prompt(language, "Visual", word) in prompts
    }


@pytest.mark.parametrize("recipe", LANGUAGES)
def test_some_training_words_are_held_out_with_all_their_dimensions(world, recipe):
    language = LANGUAGES[recipe]
    found = lessons(world, recipe, 0.2, seed=0)
    train, out = (words_in(each, world, language) for each in (found.train, found.held_out))
    assert (len(train), len(out)) == (found.subjects, found.subjects_held_out) == (14, 4)
    assert train | out == set(world.words(language, "train"))
    assert not train & out
    each = len(DIMENSIONS[language])
    assert (len(found.train), len(found.held_out)) == (14 * each, 4 * each)
    assert Counter((*found.train, *found.held_out)) == Counter(examples(world, recipe))


def test_both_languages_hold_out_the_same_pairs(world):
    english, dutch = (
        words_in(lessons(world, recipe, 0.2, seed=3).held_out, world, LANGUAGES[recipe])
        for recipe in LANGUAGES
    )
    pairs = dict(zip(world.english["word"], world.english["translation"], strict=True))
    assert {pairs[word] for word in english} == dutch


def test_which_are_held_out_follows_from_the_seed(world):
    first, again, other = (lessons(world, "En_FT", 0.2, seed) for seed in (0, 0, 1))
    assert first == again
    assert first.held_out != other.held_out


def test_questions_are_held_out_likewise(world):
    found = lessons(world, "QA_FT", 0.25, seed=0)
    assert (found.subjects, found.subjects_held_out) == (6, 2)
    assert Counter((*found.train, *found.held_out)) == Counter(examples(world, "QA_FT"))


def test_nothing_held_out_is_the_papers_training(world):
    found = lessons(world, "En_FT", 0.0, seed=0)
    assert found.held_out == ()
    assert found.train == tuple(examples(world, "En_FT"))


def test_a_share_however_small_holds_out_one(world):
    assert lessons(world, "Nl_FT", 1e-9, seed=0).subjects_held_out == 1


def test_scrambled_answers_are_as_common_and_the_held_out_keep_theirs(world):
    plain = lessons(world, "En_FT", 0.2, seed=0)
    scrambled = lessons(world, "En_FT", 0.2, seed=0, scrambled=True)
    assert scrambled.held_out == plain.held_out
    assert [each.prompt for each in scrambled.train] == [each.prompt for each in plain.train]
    assert scrambled.train != plain.train
    for i in range(len(ALL)):
        answers = [[e.answer for e in each.train[i :: len(ALL)]] for each in (plain, scrambled)]
        assert Counter(answers[0]) == Counter(answers[1])


def test_nothing_left_to_train_on_is_refused():
    few = rehearsal(np.random.default_rng(0), words=10, questions=2)
    with pytest.raises(RatingError, match=r"QA_FT: 1 training questions, all held out.*--held-out"):
        lessons(few, "QA_FT", 0.02, seed=0)
    with pytest.raises(RatingError, match="En_FT: 6 training pairs, all held out"):
        lessons(few, "En_FT", 0.99, seed=0)


def test_a_data_set_without_questions_is_refused():
    without = rehearsal(np.random.default_rng(0), words=10, questions=0)
    with pytest.raises(RatingError, match="no questions to train on"):
        lessons(without, "QA_FT", 0.02, seed=0)
