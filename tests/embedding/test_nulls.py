"""Spaces that know words, letters or positions: rows counted by hand, and what they share."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_extraction.text import CountVectorizer

from core.agent.instructions import INSTRUCTIONS, SENTENCES
from core.embedding.nulls import (
    NULLS,
    bag_of_words,
    character_ngrams,
    gaussian,
    object_only,
    phrase_only,
    task_and_object,
)
from core.metrics.nearest import cosine_similarity
from core.metrics.neighbours import precision_at_k

#: The words of the sentences in the alphabet's order: a column of the bag each.
WORDS = (
    *("avoid", "away", "ball", "blue", "box", "escape", "from", "go", "green", "grey", "key"),
    *("move", "pick", "purple", "red", "stay", "the", "to", "towards", "up", "yellow"),
)


def at(sentence):
    return SENTENCES.index(sentence)


def cosine(space, one, other):
    a, b = space[at(one)], space[at(other)]
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def columns_of(row):
    return np.flatnonzero(row).tolist()


def plain_precision(x, y, k):
    """P@k without ties, by sets."""
    near = []
    for space in (x, y):
        unit = space / np.sqrt((space**2).sum(axis=1))[:, None]
        product = unit @ unit.T
        near.append([set(sorted(range(108), key=lambda j: -r[j])[: k + 1]) for r in product])
    return np.mean([len((a & b) - {i}) / k for i, (a, b) in enumerate(zip(*near, strict=True))])


@pytest.mark.parametrize(
    ("name", "width"),
    [("bag of words", 21), ("phrase only", 6), ("object only", 18), ("task and object", 21)],
)
def test_a_null_is_a_space_of_the_sentences(name, width):
    space = NULLS[name]()
    assert space.shape == (108, width)
    assert space.dtype == np.float64
    assert (space >= 0).all()
    # Every row has a cosine, and every column tells something apart.
    assert space.any(axis=1).all()
    assert space.any(axis=0).all()


def test_the_nulls_are_these():
    assert list(NULLS) == [
        *("bag of words", "character n-grams", "phrase only", "object only", "task and object")
    ]


def test_words_are_counted_sentence_by_sentence():
    space = bag_of_words()
    for sentence in ("go to the red box", "avoid the grey key", "stay away the blue ball"):
        expected = [float(word in sentence.split()) for word in WORDS]
        assert space[at(sentence)].tolist() == expected
    assert space.sum(axis=0)[WORDS.index("the")] == 108
    assert space.sum(axis=0)[WORDS.index("avoid")] == 18
    assert space.sum(axis=0)[WORDS.index("yellow")] == 18
    assert space.sum(axis=0)[WORDS.index("key")] == 36


def test_bags_share_what_a_hand_counts():
    space = bag_of_words()
    # "the" and "red", of five words each; then of four and five.
    assert cosine(space, "go to the red box", "pick up the red ball") == pytest.approx(2 / 5)
    found = cosine(space, "avoid the red box", "pick up the red ball")
    assert found == pytest.approx(2 / 20**0.5)
    # All but the kind; and "to" is no part of "towards".
    assert cosine(space, "go to the red box", "go to the red key") == pytest.approx(4 / 5)
    found = cosine(space, "go to the red box", "move towards the blue key")
    assert found == pytest.approx(1 / 5)


def test_letters_are_counted_with_the_spaces_around():
    pairs = character_ngrams(2, 2)
    one, other = "avoid the red box", "avoid the red key"
    # 18 pairs in each, "d " twice; but for it, the 12 of " avoid the red" are common.
    assert (pairs[at(one)].sum(), (pairs[at(one)] ** 2).sum()) == (18, 20)
    assert pairs[at(one)] @ pairs[at(other)] == 12 + 2 * 2
    assert cosine(pairs, one, other) == pytest.approx(16 / 20)
    # Of 19 letters, spaces counted: 18 runs of two, 17 of three, 16 of four.
    assert character_ngrams()[at(one)].sum() == 51


@pytest.mark.parametrize("lengths", [(2, 4), (1, 1), (3, 5)])
def test_letters_are_as_sklearn_counts_them(lengths):
    counter: Any = CountVectorizer(analyzer="char", ngram_range=lengths, lowercase=False)
    expected = counter.fit_transform([f" {sentence} " for sentence in SENTENCES]).toarray()
    assert_array_equal(character_ngrams(*lengths), expected)
    if lengths == (2, 4):
        assert_array_equal(NULLS["character n-grams"](), expected)


def test_one_hot_codes_put_sentences_in_one_place():
    for space, kept in ((phrase_only(), "phrase"), (object_only(), "object")):
        assert_array_equal(space.sum(axis=1), np.ones(108))
        for i in range(0, 108, 7):
            told = [
                one.phrase if kept == "phrase" else (one.colour, one.kind) for one in INSTRUCTIONS
            ]
            same = [j for j in range(108) if told[j] == told[i]]
            assert len(same) == (18 if kept == "phrase" else 6)
            assert np.flatnonzero((space == space[i]).all(axis=1)).tolist() == same


def test_task_and_object_know_no_wording():
    space = task_and_object()
    assert_array_equal(space.sum(axis=1), np.full(108, 2))
    # "go to" and "move towards" ask for the same, "pick up" for something else.
    assert columns_of(space[at("go to the red box")]) == [0, 3]
    assert columns_of(space[at("move towards the red box")]) == [0, 3]
    assert columns_of(space[at("avoid the blue ball")]) == [2, 20]
    assert cosine(space, "go to the red box", "pick up the red box") == pytest.approx(1 / 2)
    assert cosine(space, "stay away the red box", "avoid the red key") == pytest.approx(1 / 2)
    assert cosine(space, "stay away the red box", "pick up the red key") == 0


def test_phrases_share_fifteen_of_seventeen_with_themselves():
    # 15 of 17 at one place, drawn by each space on its own: 15 * 15 / 17 are common.
    phrases = phrase_only()
    assert_allclose(precision_at_k(phrases, phrases, 15), 15 / 17, rtol=1e-12)
    rng = np.random.default_rng(8)
    # Other directions for the six phrases, the same memberships.
    other = rng.standard_normal((6, 40))[np.argmax(phrases, axis=1)]
    assert_allclose(precision_at_k(phrases, other, 15), 15 / 17, rtol=1e-12)
    # Ties broken by a little noise, which each space draws on its own.
    found = []
    for _ in range(20):
        noise = 1e-3 * rng.standard_normal((2, 108, 4))
        x, y = (np.hstack([phrases, each]) for each in noise)
        found.append(plain_precision(x, y, 15))
    assert np.mean(found) == pytest.approx(15 / 17, abs=0.005)


def test_gaussian_spaces_share_what_chance_gives():
    draws = gaussian(np.random.default_rng(5), 128, 100)
    assert draws.shape == (100, 108, 128)
    assert_array_equal(draws, gaussian(np.random.default_rng(5), 128, 100))
    assert draws.mean() == pytest.approx(0, abs=0.005)
    assert draws.std() == pytest.approx(1, abs=0.005)
    found = [plain_precision(x, y, 15) for x, y in zip(draws[::2], draws[1::2], strict=True)]
    # One pair has a standard deviation of about .008, so that fifty have one of .0012.
    assert np.mean(found) == pytest.approx(15 / 107, abs=0.005)
    assert np.std(found) < 0.015


def test_what_no_null_knows_ties_exactly():
    # The bag cannot tell colours from each other: all with four words in common are as near.
    near = cosine_similarity(bag_of_words())[at("go to the red box")]
    others = [s for s in SENTENCES if len({*s.split()} & {"go", "to", "the", "red", "box"}) == 4]
    assert len(others) == 2 + 5
    assert {near[at(s)] for s in others} == {0.8}
