import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rating.asking.parsing import STATUSES, parse_completion, parse_rating, read_usage
from tests.rating.asking.fault_server import completion, refusal, without_logprobs


@pytest.mark.parametrize(
    ("content", "status", "rating"),
    [
        ("0", "ok", 0.0),
        ("3", "ok", 3.0),
        ("3.94", "ok", 3.94),
        ("5.000", "ok", 5.0),
        ("6", "out_of_range", None),
        ("06", "non_numeric", None),
        ("05", "non_numeric", None),
        ("00", "non_numeric", None),
        ("-0", "out_of_range", None),
        ("-1", "out_of_range", None),
        ("5.01", "out_of_range", None),
        ("3,5", "non_numeric", None),
        ("3.", "non_numeric", None),
        (" 3", "non_numeric", None),
        ("3\n", "non_numeric", None),
        ("four", "non_numeric", None),
        ("vier", "non_numeric", None),
        ("4 out of 5", "non_numeric", None),
        ("", "non_numeric", None),
    ],
)
def test_only_a_plain_number_on_the_scale_is_a_rating(content, status, rating):
    found = parse_rating(content)
    assert found[0] == status
    assert found[1] == rating if rating is not None else math.isnan(found[1])
    assert parse_completion(completion(content)).status == status


@pytest.mark.parametrize("content", ["3", "3.9", "four", "6", ""])
def test_what_was_cut_or_held_back_is_no_rating_whatever_it_says(content):
    for finish, status in (("length", "truncated"), ("content_filter", "refusal")):
        found = parse_rating(content, finish)
        assert found[0] == status
        assert math.isnan(found[1])
        body = completion(content)
        body["choices"][0]["finish_reason"] = finish
        assert parse_completion(body).status == status


def test_a_refusal_keeps_its_words_even_where_it_is_cut():
    body = refusal("I cannot say.").body
    body["choices"][0]["finish_reason"] = "length"
    found = parse_completion(body)
    assert (found.status, found.content) == ("refusal", "I cannot say.")


def test_every_status_has_its_place_in_the_list():
    assert set(STATUSES) == {
        *("ok", "refusal", "non_numeric", "out_of_range", "truncated", "error")
    }


def test_an_answer_keeps_what_the_server_said_of_it():
    found = parse_completion(completion("4"))
    assert (found.content, found.rating, found.finish_reason) == ("4", 4.0, "stop")
    assert (found.model, found.fingerprint, found.created) == ("made-up-1", "fp_1", 1765458920)
    assert (found.prompt_tokens, found.completion_tokens) == (80, 3)
    assert (found.greedy, found.first_token) == (True, "4")
    # 0.6 on "4", 0.2 on "5", 0.1 on "x".
    assert found.digit_mass == pytest.approx(0.8)
    assert found.expected == pytest.approx((4 * 0.6 + 5 * 0.2) / 0.8)


@given(st.lists(st.floats(-20, 0), min_size=6, max_size=6), st.permutations("012345"))
def test_the_expected_rating_is_the_mean_digit_under_the_first_tokens_mass(logprobs, digits):
    top = [{"token": d, "logprob": p} for d, p in zip(digits, logprobs, strict=True)]
    noise = [{"token": t, "logprob": -0.5} for t in ("6", "12", " 3", "٣", "x")]
    body = completion("3")
    first = {"token": "3", "logprob": -1.0, "top_logprobs": [*noise, *top]}
    later = {"token": "9", "logprob": 0.0, "top_logprobs": [{"token": "1", "logprob": 0.0}]}
    body["choices"][0]["logprobs"]["content"] = [first, later]
    found = parse_completion(body)
    masses = np.exp(logprobs)
    assert found.digit_mass == pytest.approx(masses.sum())
    mean = np.average([int(d) for d in digits], weights=masses)
    assert found.expected == pytest.approx(mean)


def test_what_servers_leave_out_may_be_missing():
    found = parse_completion({"choices": [{"message": {"content": "2.5"}}]})
    assert (found.status, found.rating) == ("ok", 2.5)
    assert (found.model, found.fingerprint, found.created) == ("", "", 0)
    assert (found.prompt_tokens, found.completion_tokens, found.finish_reason) == (0, 0, "")
    assert (found.greedy, found.first_token) == (False, "")
    assert math.isnan(found.digit_mass)
    assert math.isnan(found.expected)


def test_without_log_probabilities_only_the_greedy_rating_is_known():
    found = parse_completion(without_logprobs("3").body)
    assert found.rating == 3.0
    assert math.isnan(found.expected)


@pytest.mark.parametrize("others", [None, []])
def test_a_token_without_alternatives_says_nothing_of_the_digits(others):
    body = completion("3")
    body["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = others
    found = parse_completion(body)
    assert (found.first_token, found.greedy) == ("3", False)
    assert math.isnan(found.digit_mass)


def test_null_content_is_an_empty_answer():
    found = parse_completion(completion(None))
    assert (found.content, found.status) == ("", "non_numeric")


def two():
    body = completion("3")
    return {**body, "choices": body["choices"] * 2}


def parts(*several):
    body = completion("3")
    body["choices"][0]["message"]["content"] = list(several)
    return body


def test_a_message_in_parts_is_put_together():
    text = {"type": "text"}
    found = parse_completion(parts({**text, "text": "3."}, {**text, "text": "5"}))
    assert (found.content, found.status, found.rating) == ("3.5", "ok", 3.5)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"usage": [1]}, {"prompt_tokens": 0, "completion_tokens": 0}),
        ({"usage": {"prompt_tokens": 80, "completion_tokens": "3"}}, {"completion_tokens": 0}),
        ({"usage": {"prompt_tokens": 2**70, "completion_tokens": 3}}, {"prompt_tokens": 0}),
        ({"usage": {"prompt_tokens": math.inf, "completion_tokens": 3}}, {"prompt_tokens": 0}),
        ({"usage": {"prompt_tokens": -1, "completion_tokens": 3}}, {"prompt_tokens": 0}),
        ({"created": math.inf}, {"created": 0}),
        ({"created": "today"}, {"created": 0}),
        ({"model": 7}, {"model": ""}),
        ({"system_fingerprint": {"a": 1}}, {"fingerprint": ""}),
    ],
)
def test_what_cannot_be_read_counts_as_missing(changes, missing):
    found = parse_completion(completion("3", **changes))
    assert (found.status, found.rating) == ("ok", 3.0)
    assert {name: getattr(found, name) for name in missing} == missing


@pytest.mark.parametrize(
    "odd",
    [
        *({"5": -0.1}, [{"token": "5", "logprob": 1000}], [{"token": 5, "logprob": -1.0}]),
        *([{"token": "5", "logprob": "-1"}], [{"logprob": -1.0}], ["5"], [{"token": "5"}], 3),
    ],
)
def test_log_probabilities_that_cannot_be_read_count_as_missing(odd):
    body = completion("3")
    body["choices"][0]["logprobs"]["content"][0]["top_logprobs"] = odd
    none = parse_completion(without_logprobs("3").body)
    assert repr(parse_completion(body)) == repr(none)
    body["choices"][0]["logprobs"] = odd
    assert repr(parse_completion(body)) == repr(none)


def test_usage_is_read_whole_or_not_at_all():
    usage = {"prompt_tokens": 80, "completion_tokens": 3, "prompt_tokens_details": [1]}
    read = read_usage({"usage": usage})
    assert read == {**usage, "prompt_tokens_details": {"cached_tokens": 0}}
    cached = {**usage, "prompt_tokens_details": {"cached_tokens": 64}}
    assert read_usage({"usage": cached}) == cached
    assert read_usage({"usage": {**usage, "completion_tokens": None}}) is None
    assert read_usage({"usage": "80"}) is None


@pytest.mark.parametrize(
    "body",
    [
        *({}, [], "3", None, {"error": {"message": "no"}}),
        *({"choices": []}, {"choices": None}, {"choices": [None]}, {"choices": [{}]}),
        *({"choices": [{"message": None}]}, two()),
        *(parts({"type": "image"}), parts("3"), parts(3)),
    ],
)
def test_what_is_no_completion_with_one_choice_is_refused(body):
    with pytest.raises((ValueError, KeyError)):
        parse_completion(body)
