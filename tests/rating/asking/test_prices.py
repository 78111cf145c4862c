"""What asking costs, against sums done by hand from the prices as they are printed."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rating.asking.prices import (
    Price,
    budgeted,
    estimate,
    likely_tokens,
    most_tokens,
    price_of,
    read_prices,
)
from core.rating.asking.requests import Item, chat_request
from core.rating.errors import RatingError

BASE = "gpt-4o-mini-2024-07-18"
TUNED = "ft:gpt-4o-mini-2024-07-18:somebody:en-ft:AbC123"
ENTRY = """
[[price]]
model = "made-up"
input = "1"
cached = "0.5"
output = "2"
source = "here"
date = 2026-01-02
"""


def price(model=BASE) -> Price:
    found = price_of(model, read_prices())
    assert found is not None
    return found


def body(word="apple", language="en"):
    return chat_request(Item(language, "Visual", word), BASE).body


def test_a_million_tokens_cost_what_is_printed():
    million = {"prompt_tokens": 10**6, "completion_tokens": 0}
    answers = {"prompt_tokens": 0, "completion_tokens": 10**6}
    cached = {"prompt_tokens": 10**6, "prompt_tokens_details": {"cached_tokens": 10**6}}
    costs = [price(m).cost(u) for m in (BASE, TUNED) for u in (million, cached, answers)]
    assert costs == [0.15, 0.075, 0.60, 0.30, 0.15, 1.20]
    assert price().cost(million, batch=True) == 0.075
    assert price().training_cost(2 * 10**6) == 6.0
    assert price(TUNED).training_cost(1) is None


def test_cached_tokens_are_part_of_those_sent():
    usage = {
        "prompt_tokens": 2000,
        "completion_tokens": 100,
        "prompt_tokens_details": {"cached_tokens": 1536},
    }
    # (2000 - 1536) x .15 + 1536 x .075 + 100 x .60, per million
    assert price().cost(usage) == pytest.approx(2.448e-4, rel=1e-12)
    assert price().nano(usage) == 244_800


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        ({}, 0),
        ({"prompt_tokens": None, "completion_tokens": None}, 0),
        ({"prompt_tokens": 80, "completion_tokens": 3, "prompt_tokens_details": None}, 13_800),
        ({"prompt_tokens": 80, "prompt_tokens_details": {"cached_tokens": None}}, 12_000),
        # More in the cache than was sent cannot be.
        ({"prompt_tokens": 80, "prompt_tokens_details": {"cached_tokens": 9999}}, 6_000),
        # A batch's own usage, by other names.
        (
            {
                "input_tokens": 80,
                "output_tokens": 3,
                "input_tokens_details": {"cached_tokens": 40},
            },
            10_800,
        ),
    ],
)
def test_every_shape_of_usage_is_read(usage, nano):
    assert price().nano(usage) == nano


@given(
    sent=st.integers(0, 10**7),
    answered=st.integers(0, 10**6),
    cached=st.integers(0, 10**7),
    batch=st.booleans(),
)
def test_the_cost_is_the_decimal_sum_rounded_up(sent, answered, cached, batch):
    usage = {
        "prompt_tokens": sent,
        "completion_tokens": answered,
        "prompt_tokens_details": {"cached_tokens": min(cached, sent)},
    }
    hit = min(cached, sent)
    dollars = (sent - hit) * Decimal("0.15") + hit * Decimal("0.075") + answered * Decimal("0.60")
    exact = dollars / 10**6 * (Decimal("0.5") if batch else 1)
    nano = price().nano(usage, batch=batch)
    assert 0 <= nano - exact * 10**9 < 1


@given(st.text(max_size=60))
def test_no_call_can_cost_more_than_its_bound(word):
    # A token of text is at least one byte, in any tokenizer that works on bytes.
    most = most_tokens(body(word))
    assert most >= len(body(word)["messages"][0]["content"].encode()) + 7
    usage = {"prompt_tokens": most, "completion_tokens": 8}
    assert price().most(body(word)) == price().cost(usage)
    assert price().most(body(word), batch=True) <= price().most(body(word))


def test_the_bound_holds_the_released_token_counts():
    # The released prompts took 72 to 85 tokens, words included.
    for language in ("en", "nl"):
        assert 65 <= likely_tokens(body(language=language)) <= 95
        assert most_tokens(body(language=language)) > 85


def test_an_estimate_adds_up():
    bodies = [body(word) for word in ("apple", "birch")]
    found = estimate(bodies, price(), batch=True)
    sent = sum(map(likely_tokens, bodies))
    assert (found.requests, found.prompt_tokens, found.completion_tokens) == (2, sent, 6)
    usage = {"prompt_tokens": sent, "completion_tokens": 6}
    assert found.cost is not None
    assert found.cost == price().cost(usage, batch=True)
    assert found.most == pytest.approx(sum(price().most(b, batch=True) for b in bodies), abs=2e-9)
    assert found.most is not None
    assert 0 < found.cost < found.most


def test_without_a_price_nothing_is_made_up():
    found = estimate([body()], None)
    assert (found.cost, found.most) == (None, None)
    assert found.prompt_tokens > 0


@pytest.mark.parametrize(
    ("model", "listed"),
    [
        (BASE, BASE),
        (TUNED, f"ft:{BASE}"),
        (f"ft:{BASE}:a::b", f"ft:{BASE}"),
        # A name alike is another model.
        ("gpt-4o-mini", None),
        ("gpt-4o-mini-2024-07-18-preview", None),
        (f"ft:{BASE}-2:a", None),
        (f"x{TUNED}", None),
        ("", None),
    ],
)
def test_a_price_is_of_the_model_named_or_of_none(model, listed):
    found = price_of(model, read_prices())
    assert (found.model if found else None) == listed


def test_a_budget_needs_a_price():
    with pytest.raises(RatingError, match=r"price of qwen is not known.*--prices FILE"):
        budgeted("qwen", read_prices(), 1.0)
    assert budgeted("qwen", read_prices(), None) is None
    assert budgeted(BASE, read_prices(), 1.0) == price()


@pytest.mark.parametrize("budget", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_is_an_amount(budget):
    with pytest.raises(RatingError, match="budget"):
        budgeted(BASE, read_prices(), budget)


def test_the_prices_that_come_along_say_where_and_when():
    for each in read_prices():
        assert each.source.startswith("https://")
        assert each.date > date(2025, 1, 1)
        assert each.date.isoformat() in each.said


def test_a_file_of_ones_own_takes_their_place(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(ENTRY)
    (found,) = read_prices(path)
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    assert found.nano(usage) == found.nano(usage, batch=True) == 5000
    assert found.date == date(2026, 1, 2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("not toml [", "cannot be read"),
        ("", "'price' is missing"),
        ("price = 3", "not a list of prices"),
        (ENTRY.replace('input = "1"', ""), "made-up: 'input' is missing"),
        (ENTRY.replace('"1"', '"-1"'), "made-up: '-1' is no amount"),
        (ENTRY.replace('"1"', '"much"'), "made-up"),
        (ENTRY.replace('"1"', '"inf"'), "made-up"),
        (ENTRY.replace("2026-01-02", '"lately"'), "made-up: .*date"),
        (ENTRY + 'batch = "2"', "made-up: .*batch"),
        (ENTRY + ENTRY, "made-up has two prices"),
        (ENTRY.replace('model = "made-up"', ""), "'model' is missing"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused_by_name(tmp_path, text, says):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(RatingError, match=says) as caught:
        read_prices(path)
    assert "mine.toml" in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RatingError, match=r"none\.toml: cannot be read"):
        read_prices(tmp_path / "none.toml")
