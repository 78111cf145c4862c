"""The tiny model's lessons: how answers are written, and nothing about words."""

import re
from collections import defaultdict

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from core.evidence.readers import dimensions_of
from core.rating.asking.parsing import parse_rating
from core.rating.finetuning import tiny
from core.rating.prompts import TEMPLATES, rating_prompt
from tests.rating.finetuning import small

QUESTION = "Read the question"


@pytest.fixture(scope="module")
def told():
    return tiny.lessons(np.random.default_rng(0))


def rated(told):
    """The answers to every rating prompt."""
    found = defaultdict(list)
    for each in told:
        if not each.prompt.startswith(QUESTION):
            found[each.prompt].append(each.answer)
    return found


def words_of(told):
    """The made-up words, rated, asked about and chosen from."""
    rated = (each.prompt.split('"')[1] for each in told if not each.prompt.startswith(QUESTION))
    asked = (
        word
        for each in told
        if each.prompt.startswith(QUESTION)
        for word in re.findall(r"(?<=Which is )\w+|(?<=^[A-D]\. )\w+", each.prompt, re.MULTILINE)
    )
    return {*rated, *asked}


def test_answers_are_ratings_and_letters(told):
    answers = [each.answer for each in told if not each.prompt.startswith(QUESTION)]
    ratings = [parse_rating(answer) for answer in set(answers)]
    assert {status for status, _ in ratings} == {"ok"}
    letters = [each.answer for each in told if each.prompt.startswith(QUESTION)]
    assert len(letters) == tiny.QUESTIONS
    for letter in "ABCD":
        # Within five standard errors of a quarter.
        assert abs(letters.count(letter) / len(letters) - 0.25) < 5 * (0.1875 / len(letters)) ** 0.5


def test_every_template_is_told_of(told):
    prompts = {each.prompt for each in told}
    for language, dimension in TEMPLATES:
        head = rating_prompt(language, dimension, "|").partition("|")[0]
        assert sum(prompt.startswith(head) for prompt in prompts) >= tiny.WORDS


def test_some_words_are_told_of_again_and_again_and_always_alike(told):
    found = rated(told)
    often = {prompt: answers for prompt, answers in found.items() if len(answers) > 1}
    each = len(dimensions_of("en")) + len(dimensions_of("nl"))
    assert len(often) == tiny.WORDS * each
    assert {len(answers) for answers in often.values()} == {tiny.TIMES}
    assert all(len(set(answers)) == 1 for answers in often.values())


def test_ratings_are_drawn_blindly(told):
    values = [float(answers[0]) for answers in rated(told).values()]
    assert kstest(values, "uniform", args=(0, 5)).pvalue > 1e-3


def test_words_to_avoid_are_avoided(told):
    avoid = {word.upper() for word in sorted(words_of(told))[::2]}
    again = words_of(tiny.lessons(np.random.default_rng(0), avoid))
    assert len(avoid) > 1000
    assert not {word.upper() for word in again} & avoid


def test_lessons_follow_from_the_generator(told):
    assert tiny.lessons(np.random.default_rng(0)) == told
    assert tiny.lessons(np.random.default_rng(1)) != told


def test_made_up_words_come_once():
    words = tiny.made_up_words(np.random.default_rng(0), 500)
    assert len(set(words)) == 500
    assert all(word.isascii() and word.islower() and 4 <= len(word) <= 8 for word in words)


def test_a_blank_model_follows_from_the_seed_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, tokenizer = tiny.blank(0)
    assert torch.equal(torch.get_rng_state(), before)
    assert small.same(first, tiny.blank(0)[0])
    assert not small.same(first, tiny.blank(1)[0])
    assert first.config.vocab_size == len(tokenizer)
    config = first.config
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (
        tokenizer.bos_token_id,
        tokenizer.eos_token_id,
        tokenizer.pad_token_id,
    )
