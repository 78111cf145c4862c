import numpy as np
import pandas as pd
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.rating.splits import components, draw_whole, leaks, lemma, plain


def side(train, test):
    words = [*train, *test]
    return pd.DataFrame({"word": words, "split": ["train"] * len(train) + ["test"] * len(test)})


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("en", "CATS", "cat"),
        ("en", "WENT", "GO"),
        ("en", "SOCCER PLAYERS", "SOCCER PLAYER"),
        ("en", "TEA-BAG", "TEA BAG"),
        ("en", "CAFE\u0301", "CAF\u00c9"),
        ("nl", "tafels", "tafel"),
        ("nl", "liep", "lopen"),
        ("nl", "Kerstman", "kerstman"),
    ],
)
def test_forms_of_one_word_have_one_lemma(language, one, other):
    assert lemma(one, language) == lemma(other, language)


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [("en", "CAT", "CAR"), ("en", "TEA", "TEA BAG"), ("nl", "huis", "thuis")],
)
def test_other_words_do_not(language, one, other):
    assert lemma(one, language) != lemma(other, language)


def test_words_that_are_each_others_lemma_are_one(monkeypatch):
    other = {"a": "b", "b": "c", "c": "b"}
    monkeypatch.setattr("simplemma.lemmatize", lambda word, lang: other[word])
    assert {lemma(word, "en") for word in other} == {"b"}


def test_a_leak_is_named_with_both_its_forms():
    found = leaks(side(["CATS", "DOG"], ["CAT"]), side(["poes", "hond"], ["kat"]))
    assert found == ["en: CATS (train) and CAT (test)"]


def test_a_leak_by_translation_alone_is_found():
    found = leaks(side(["TABLE"], ["DESK"]), side(["tafel"], ["tafels"]))
    assert found == ["nl: tafel (train) and tafels (test)"]


def test_forms_on_one_side_are_no_leak():
    assert leaks(side(["CATS", "CAT"], ["DOG"]), side(["poes", "kat"], ["hond"])) == []


def test_the_form_compared_can_be_the_word_itself():
    sides = side(["CATS"], ["CAT"]), side(["poes"], ["kat"])
    assert leaks(*sides, by=plain) == []
    assert len(leaks(*sides)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_the_connected_components(seed):
    """Against SciPy's graph search, on words that share letters at random."""
    rng = np.random.default_rng(seed)
    n = 60
    english = [f"e{k}" for k in rng.integers(0, 50, n)]
    dutch = [f"d{k}" for k in rng.integers(0, 50, n)]
    linked = [
        (i, j)
        for i in range(n)
        for j in range(n)
        if english[i] == english[j] or dutch[i] == dutch[j]
    ]
    rows, columns = np.array(linked).T
    _, label = connected_components(coo_array((np.ones(len(rows)), (rows, columns)), (n, n)))
    expected = {frozenset(np.flatnonzero(label == k).tolist()) for k in set(label.tolist())}
    groups = components(english, dutch, by=plain)
    assert {frozenset(group.tolist()) for group in groups} == expected
    assert [int(group[0]) for group in groups] == sorted(int(group.min()) for group in groups)


def test_chains_hold_together():
    groups = components(["A", "B", "B", "C"], ["x", "x", "y", "z"], by=plain)
    assert [group.tolist() for group in groups] == [[0, 1, 2], [3]]


def test_whole_groups_are_drawn_up_to_the_size_asked():
    groups = [np.array([0, 1, 2]), np.array([3, 4]), *(np.array([k]) for k in range(5, 20))]
    seen = set()
    for seed in range(40):
        drawn = draw_whole(groups, 9, np.random.default_rng(seed))
        assert len(drawn) == 9
        assert drawn.tolist() == sorted(set(drawn.tolist()))
        assert len({0, 1, 2} & set(drawn.tolist())) in (0, 3)
        assert len({3, 4} & set(drawn.tolist())) in (0, 2)
        seen |= set(drawn.tolist())
    assert seen == set(range(20))


def test_a_group_too_large_is_passed_over():
    assert draw_whole([np.array([0, 1, 2])], 2, np.random.default_rng(0)).tolist() == []
