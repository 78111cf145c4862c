"""Answers as tables."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.rating.asking.requests import chat_request
from core.rating.asking.run import plan
from core.rating.asking.store import AnswerStore
from core.rating.asking.tables import (
    COLUMNS,
    NAMED,
    bad_answers,
    counts,
    first_few,
    long_table,
    unanswered,
    wide_table,
)


def completion(content, finish="stop", refusal=None, top=(), **more):
    message = {"role": "assistant", "content": content, "refusal": refusal}
    tokens = [{"token": content, "logprob": 0.0, "top_logprobs": list(top)}] if top else []
    choice = {"index": 0, "message": message, "finish_reason": finish}
    choice["logprobs"] = {"content": tokens}
    usage = {"prompt_tokens": 70, "completion_tokens": 1}
    body = {"model": "m", "created": 7, "system_fingerprint": "fp", "usage": usage}
    return body | {"choices": [choice]} | more


SAID = {
    "OK": completion("3.5", top=[{"token": "3", "logprob": np.log(0.6)}]),
    "WORD": completion("four"),
    "CUT": completion("3.53535", finish="length"),
    "HIGH": completion("6"),
    "NO": completion(None, refusal="I cannot"),
    "ODD": {"choices": []},
}


@pytest.fixture
def asked(tmp_path):
    """Requests in the order of the words above, and a word without an answer."""
    requests = [chat_request(item, "m") for item in plan([*SAID, "GONE"], "en", ["Visual"])]
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        # Put in another order than asked.
        for request in reversed(requests[:-1]):
            store.put(request, SAID[request.item.word], source="test")
        yield requests, store


def test_a_row_per_answer_in_the_order_of_the_requests(asked):
    table: Any = long_table(*asked)
    assert list(table.columns) == list(COLUMNS)
    assert list(table["word"]) == list(SAID)
    statuses = ["ok", "non_numeric", "truncated", "out_of_range", "refusal", "error"]
    assert list(table["status"]) == statuses
    assert_array_equal(table["rating"], [3.5, *[np.nan] * 5])
    assert list(table["content"][:5]) == ["3.5", "four", "3.53535", "6", "I cannot"]
    assert table["content"][5].startswith("no completion: ValueError")
    assert_allclose(table["digit_mass"][0], 0.6)
    assert_allclose(table["expected"][0], 3)
    assert table["prompt_tokens"][0] == 70
    assert table["fingerprint"][0] == "fp"
    assert list(table["key"]) == [request.key for request in asked[0][:-1]]


def test_counts_have_every_status(asked):
    assert counts(long_table(*asked)) == {
        "ok": 1,
        "refusal": 1,
        "non_numeric": 1,
        "out_of_range": 1,
        "truncated": 1,
        "error": 1,
    }


def test_every_bad_answer_is_named(asked):
    lines = bad_answers(long_table(*asked))
    assert lines[:4] == [
        "WORD on Visual: non_numeric, 'four'",
        "CUT on Visual: truncated, '3.53535'",
        "HIGH on Visual: out_of_range, '6'",
        "NO on Visual: refusal, 'I cannot'",
    ]
    assert len(lines) == 5


def test_what_has_no_answer_is_named(asked):
    requests, _ = asked
    assert unanswered(requests[-2:], {requests[-2].key: "http 500, 5 times"}) == [
        "ODD on Visual: http 500, 5 times",
        "GONE on Visual: not asked",
    ]


def test_figures_of_the_backends_own_are_kept(tmp_path):
    (request,) = [chat_request(item, "m") for item in plan(["A"], "en", ["Visual"])]
    own = {"expected_whole": 2.5, "mass_whole": None, "expected": 9.0}
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        store.put(request, completion("3", ratings=own), source="test")
        table: Any = long_table([request], store)
    assert list(table.columns) == [*COLUMNS, "expected_whole", "mass_whole"]
    assert table["expected_whole"][0] == 2.5
    assert np.isnan(table["mass_whole"][0])
    # What every backend's answers are read for is not the backend's to say.
    assert np.isnan(table["expected"][0])


def test_no_answer_is_an_empty_table(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        table = long_table([chat_request(item, "m") for item in plan("A", "en", ["Visual"])], store)
    assert table.empty
    assert list(table.columns) == list(COLUMNS)


def test_a_request_twice_has_two_rows(asked):
    requests, store = asked
    assert list(long_table([requests[0], requests[1], requests[0]], store)["word"]) == [
        "OK",
        "WORD",
        "OK",
    ]


def test_wide_table(asked):
    wide = wide_table(long_table(*asked), ["HIGH", "OK", "OTHER"], ["Foot", "Visual"])
    assert list(wide.columns) == ["word", "Foot", "Visual"]
    assert list(wide["word"]) == ["HIGH", "OK", "OTHER"]
    assert_array_equal(wide[["Foot", "Visual"]], [[np.nan] * 2, [np.nan, 3.5], [np.nan] * 2])


@pytest.mark.parametrize("more", [0, 1, 1234])
def test_first_few(more):
    lines = [f"line {k}" for k in range(NAMED + more)]
    found = first_few(lines, "answers.csv")
    assert found[:NAMED] == lines[:NAMED]
    rest = {0: [], 1: ["and 1 more, in answers.csv"], 1234: ["and 1,234 more, in answers.csv"]}
    assert found[NAMED:] == rest[more]
