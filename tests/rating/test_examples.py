from collections import Counter, defaultdict

import numpy as np
import pytest

from core.evidence.tables import ALL, SENSORY
from core.rating.dataset import no_questions
from core.rating.errors import RatingError
from core.rating.examples import RECIPES, answer_of, examples
from core.rating.prompts import TEMPLATES
from tests.rating import worlds


def by_template(found, language):
    """Answers by dimension, in order, read back from the prompts."""
    answers = defaultdict(list)
    for example in found:
        for (tongue, dimension), template in TEMPLATES.items():
            place = "{Word}" if tongue == "en" else "{Woord}"
            head, tail = template.split(place)
            if tongue == language and example.prompt.startswith(head):
                word = example.prompt[len(head) : len(example.prompt) - len(tail)]
                answers[dimension].append((word, example.answer))
    return answers


def test_the_papers_numbers_of_examples():
    """Methods, "Fine-tuned Models": 25,938 and 14,148 of 2,358 words; 800 questions."""
    data = worlds.dataset(2358 + 10, 2358, questions=worlds.questions(1400, 800))
    found = {recipe: examples(data, recipe) for recipe in RECIPES}
    assert {k: len(v) for k, v in found.items()} == {"En_FT": 25938, "Nl_FT": 14148, "QA_FT": 800}
    for some in found.values():
        assert len({example.prompt for example in some}) == len(some)


@pytest.mark.parametrize(
    ("recipe", "language", "dimensions"), [("En_FT", "en", ALL), ("Nl_FT", "nl", SENSORY)]
)
def test_each_training_word_is_asked_on_each_dimension_and_answered_by_people(
    recipe, language, dimensions
):
    data = worlds.dataset(10, 6)
    answers = by_template(examples(data, recipe), language)
    assert set(answers) == set(dimensions)
    table = data.table(language, "train")
    for dimension, said in answers.items():
        assert [word for word, _ in said] == list(data.words(language, "train"))
        values = [float(answer) for _, answer in said]
        np.testing.assert_allclose(values, table[dimension], atol=0.005)


def test_no_test_word_and_no_test_question_is_among_the_examples():
    data = worlds.dataset(10, 6)
    for recipe, language in (("En_FT", "en"), ("Nl_FT", "nl")):
        told = "".join(example.prompt for example in examples(data, recipe))
        assert not [word for word in data.words(language, "test") if f'"{word}"' in told]
    told = "".join(example.prompt for example in examples(data, "QA_FT"))
    assert "Which? 3" in told
    assert "Which? 4" not in told


@pytest.mark.parametrize(
    ("mean", "answer"),
    [(0, "0.0"), (5, "5.0"), (0.5, "0.5"), (1.947, "1.95"), (12 / 13, "0.92"), (8 / 11, "0.73")],
)
def test_answers_are_written_as_the_tuned_models_write_them(mean, answer):
    """As En_FT does the first four, and Nl_FT the last two, in the released outputs."""
    assert answer_of(mean) == answer


def test_answers_to_questions_are_letters():
    data = worlds.dataset(asked=8)
    assert [example.answer for example in examples(data, "QA_FT")] == ["A", "B", "C", "D"]


@pytest.mark.parametrize(("recipe", "language"), [("En_FT", "en"), ("Nl_FT", "nl"), ("QA_FT", "")])
def test_scrambled_answers_are_as_common_and_no_longer_the_words_own(recipe, language):
    data = worlds.dataset(60, 40, asked=80)
    plain = examples(data, recipe)
    dealt = examples(data, recipe, scrambled=np.random.default_rng(1))
    assert [e.prompt for e in plain] == [e.prompt for e in dealt]
    assert [e.answer for e in plain] != [e.answer for e in dealt]
    if language:
        before, after = by_template(plain, language), by_template(dealt, language)
        moves = set()
        for dimension, said in before.items():
            left, right = ([a for _, a in x] for x in (said, after[dimension]))
            assert Counter(left) == Counter(right)
            assert np.mean([a == b for a, b in zip(left, right, strict=True)]) < 0.4
            moves.add(tuple(np.argsort(np.argsort(right))))
        # Dealt for each dimension on its own: no word's whole profile goes to another.
        assert len(moves) == len(before)
        profiles = {tuple(data.table(language, "train").loc[i, list(before)]) for i in range(40)}
        rows = zip(*([float(a) for _, a in after[d]] for d in before), strict=True)
        rounded = {tuple(round(x, 2) for x in profile) for profile in profiles}
        assert not rounded & set(rows)
    else:
        assert Counter(e.answer for e in plain) == Counter(e.answer for e in dealt)


def test_the_same_seed_deals_the_same():
    data = worlds.dataset(60, 40)
    first, again, other = (
        examples(data, "En_FT", scrambled=np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_what_cannot_be_trained_is_refused():
    with pytest.raises(RatingError, match="Fr_FT"):
        examples(worlds.dataset(), "Fr_FT")
    with pytest.raises(RatingError, match=r"QA_FT.*no questions"):
        examples(worlds.dataset(questions=no_questions()), "QA_FT")
    with pytest.raises(RatingError, match=r"En_FT.*no words"):
        examples(worlds.dataset(4, 0), "En_FT")
