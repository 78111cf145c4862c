import numpy as np
import pandas as pd
import pytest

from core.evidence import mapping
from core.evidence.errors import EvidenceError
from core.evidence.tables import Ratings
from tests.evidence.synthetic import POOL, evaluated, pool_words


def test_the_split_is_scikit_learns():
    # RandomState(42).permutation(10) = [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]; the first five are left out.
    train, test = mapping.evaluation_order(10)
    kept = [2, 9, 4, 3, 6]
    # RandomState(42).permutation(5) = [1, 4, 2, 0, 3]; the first two are evaluated.
    assert test.tolist() == [kept[1], kept[4]]
    assert train.tolist() == [kept[2], kept[0], kept[3]]


def test_the_papers_counts_follow_from_its_pool():
    train, test = mapping.evaluation_order(7861)  # Methods: 7,861 pairs, 2,358 and 1,572 words
    assert (len(train), len(test)) == (2358, 1572)
    assert len(set(train) | set(test)) == 3930


def test_only_the_right_pool_puts_the_words_in_alphabetical_order():
    assert mapping.order_breaks(evaluated(), POOL) == 0
    assert (mapping.order_breaks(evaluated(), POOL - 1) or 0) > 0
    assert mapping.order_breaks(evaluated(), POOL + 20) is None


def test_trained_words_are_found_when_the_pool_is_known():
    pool = pool_words()
    train, _ = mapping.evaluation_order(POOL)
    found = mapping.trained_words(evaluated(), pool, pool, POOL)
    assert set(found) == {pool[i] for i in train}


def test_trained_words_are_never_wrong_when_the_pool_is_half_known():
    pool = pool_words()
    train, _ = mapping.evaluation_order(POOL)
    truth = {pool[i] for i in train}
    rng = np.random.default_rng(1)
    some = 0
    for _ in range(50):
        strangers = [f"{pool[i]}X" for i in rng.choice(POOL, 5, replace=False)]
        known = rng.choice(pool, 25, replace=False).tolist()
        found = set(mapping.trained_words(evaluated(), pool + strangers, known, POOL))
        assert found <= truth
        some += len(found)
    assert some > 50


def test_an_order_that_cannot_come_from_the_pool_is_refused():
    pool, words = pool_words(), evaluated()
    with pytest.raises(EvidenceError, match="not alphabetical"):
        mapping.trained_words(words[::-1], pool, pool, POOL)
    with pytest.raises(EvidenceError, match="no candidates"):
        mapping.trained_words([*words[:-1], "ELSE"], pool, pool, POOL)
    with pytest.raises(EvidenceError, match="not that of this pool"):
        mapping.trained_words(words, words, words, POOL)


COLUMNS = ["file", "language", "model", "dimension", "task", "word", "status", "rating"]


def completions(rows):
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS))


def row(task, rating, status="ok", dimension="Foot"):
    return (f"{dimension}.jsonl", "en", "Base", dimension, task, "", status, rating)


def test_rebuilt_ratings_leave_out_what_is_repeated_missing_or_bad():
    table = completions(
        [
            *(row(1, 1.5), row(2, 2.0), row(2, 2.0), row(3, np.nan, "refusal"), row(5, 5.0)),
            row(1, 3.0, dimension="Hand"),
        ]
    )
    rebuilt = mapping.rebuild_ratings(table, "en", list("abcde"))
    assert rebuilt.index.tolist() == list("abcde")
    expected = [1.5, np.nan, np.nan, np.nan, 5.0]
    np.testing.assert_array_equal(rebuilt["Base", "Foot"], expected)
    np.testing.assert_array_equal(rebuilt["Base", "Hand"], [3.0, *[np.nan] * 4])


def test_a_file_without_one_good_answer_keeps_its_column():
    rebuilt = mapping.rebuild_ratings(
        completions([row(1, np.nan, "error"), row(1, 2.0, dimension="Hand")]), "en", ["a"]
    )
    assert rebuilt["Base", "Foot"].isna().tolist() == [True]


def ratings(values):
    return Ratings(
        "en", ("a", "b"), ("x", "y"), ("Foot", "Hand"), np.ones((2, 2)), {"Base": values}
    )


def test_differences_are_named_cell_by_cell_and_nan_equals_nan():
    left = mapping.ratings_table(ratings(np.array([[1.0, 2.0], [np.nan, 4.0]])))
    assert mapping.differences(left, left.iloc[::-1, ::-1]).empty
    right = mapping.ratings_table(ratings(np.array([[1.0, 2.5], [3.0, 4.0]])))
    found = mapping.differences(left, right).to_numpy().tolist()
    assert [cell[:3] for cell in found] == [["a", "Base", "Hand"], ["b", "Base", "Foot"]]
    assert found[0][3:] == [2.0, 2.5]
    assert len(mapping.differences(left, right.iloc[:1])) == 2


WORDS = ["a", "bb", "cccccccccc", "dddd", "eeeeeeee", "ff", "ggggg", "h", "iiiiiii", "jjj"]


def prompts(words):
    rows = [
        (f"{d}.jsonl", "en", "Base", d, k, word, "ok", 1.0, template + 1 + len(WORDS[k - 1]) // 2)
        for d, template in (("Foot", 70), ("Hand", 73), ("Head", 70))
        for k, word in enumerate(words, start=1)
    ]
    return pd.DataFrame(rows, columns=pd.Index([*COLUMNS, "prompt_tokens"]))


def test_token_counts_witness_the_right_words_and_no_shifted_ones():
    right = mapping.mapping_witnesses(prompts(WORDS), "en")
    assert right.exceptions == ()
    assert right.offsets == {"Foot.jsonl": 0, "Hand.jsonl": 3, "Head.jsonl": 0}
    assert (right.files, right.tasks) == (3, len(WORDS))
    assert right.rho > 0.95 > right.shifted
    moved = mapping.mapping_witnesses(prompts(WORDS[1:] + WORDS[:1]), "en")
    assert moved.rho < 0.5 < moved.shifted


def test_a_count_that_is_not_template_plus_word_is_an_exception():
    table = prompts(WORDS)
    table.loc[4, "prompt_tokens"] += 1
    assert mapping.mapping_witnesses(table, "en").exceptions == (("Foot.jsonl", 5),)


def test_one_order_for_files_some_of_which_lack_a_word():
    orders = {"f": list("cab"), "g": list("cb")}
    assert mapping.complete_order(orders) == ("c", "a", "b")
    for other in (list("bc"), list("cc"), list("cx")):
        with pytest.raises(EvidenceError, match="h: its words"):
            mapping.complete_order(orders | {"h": other})
