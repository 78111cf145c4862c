"""The 108 sentences and their tokens."""

from collections import Counter

import numpy as np
import pytest

from core.agent.instructions import (
    INSTRUCTIONS,
    OBJECT_OF,
    OBJECTS,
    PHRASE_OF,
    SENTENCES,
    TASK_OF,
    TASKS,
    tokenise,
)


def words(tokenisation):
    tokens, vocabulary = tokenise(tokenisation)
    return [[vocabulary[token] for token in row if token >= 0] for row in tokens]


def test_there_are_108_sentences_in_this_order():
    assert len(SENTENCES) == len(set(SENTENCES)) == 108
    assert SENTENCES[:4] == (
        "go to the red box",
        "go to the red key",
        "go to the red ball",
        "go to the green box",
    )
    assert [SENTENCES[18 * k] for k in range(1, 6)] == [
        "move towards the red box",
        "pick up the red box",
        "escape from the red box",
        "stay away the red box",
        "avoid the red box",
    ]
    assert [sentence.split()[-2] for sentence in SENTENCES[:18:3]] == [
        "red",
        "green",
        "grey",
        "yellow",
        "purple",
        "blue",
    ]
    assert SENTENCES[-1] == "avoid the blue ball"


def test_each_sentence_asks_for_its_task():
    asked = {
        "go": "GO-TO",
        "move": "GO-TO",
        "pick": "PICK-UP",
        "escape": "ESCAPE",
        "stay": "ESCAPE",
        "avoid": "ESCAPE",
    }
    tasks = [asked[sentence.split()[0]] for sentence in SENTENCES]
    assert [instruction.task for instruction in INSTRUCTIONS] == tasks
    assert [TASKS[task] for task in TASK_OF] == tasks
    assert Counter(tasks) == {"GO-TO": 36, "PICK-UP": 18, "ESCAPE": 54}


def test_the_tables_of_phrases_and_objects_follow_the_sentences():
    phrases = ("go to", "move towards", "pick up", "escape from", "stay away", "avoid")
    assert (
        tuple(
            f"{phrases[phrase]} the {' '.join(OBJECTS[thing])}"
            for phrase, thing in zip(PHRASE_OF, OBJECT_OF, strict=True)
        )
        == SENTENCES
    )


@pytest.mark.parametrize(
    ("tokenisation", "lengths", "size"),
    [
        ("words", [5, 5, 5, 5, 5, 4], 21),
        ("words-from", [5, 5, 5, 5, 6, 4], 21),
        ("phrases", [4, 4, 4, 4, 4, 4], 16),
    ],
)
def test_lengths_and_vocabularies(tokenisation, lengths, size):
    tokens, vocabulary = tokenise(tokenisation)
    assert [len(sentence) for sentence in words(tokenisation)] == list(np.repeat(lengths, 18))
    assert len(vocabulary) == len(set(vocabulary)) == size
    assert tokens.dtype == np.int64
    assert tokens.shape == (108, max(lengths))
    assert set(tokens.ravel()) - {-1} == set(range(size))
    # Nothing follows an end.
    assert ((tokens[:, 1:] == -1) | (tokens[:, :-1] >= 0)).all()


def test_tokens_spell_the_sentences():
    assert tuple(" ".join(sentence) for sentence in words("words")) == SENTENCES
    assert tuple(" ".join(sentence) for sentence in words("phrases")) == SENTENCES
    assert words("words")[0] == ["go", "to", "the", "red", "box"]
    assert words("phrases")[0] == ["go to", "the", "red", "box"]
    assert tokenise("words")[0][0].tolist() == [0, 1, 2, 3, 4]


def test_from_is_added_to_the_stay_away_sentences_only():
    for plain, with_from in zip(words("words"), words("words-from"), strict=True):
        if plain[0] == "stay":
            assert with_from == ["stay", "away", "from", *plain[2:]]
        else:
            assert with_from == plain


def test_an_unknown_tokenisation_is_refused():
    with pytest.raises(ValueError, match=r"'letters'; known: words, words-from, phrases"):
        tokenise("letters")
