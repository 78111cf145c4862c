import json
import os
import signal
import subprocess
import sys
import threading
import time as real_time
from argparse import Namespace
from pathlib import Path

import pytest

from core.rating.asking import calls
from core.rating.asking.backends import make
from core.rating.asking.prices import PRICES, read_prices
from core.rating.asking.replies import retry_after
from core.rating.asking.requests import CHAT, MOST_TOKENS, Item
from core.rating.asking.server import ServerBackend
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError
from tests.rating.asking.fault_server import FaultServer, Reply, completion, error, good
from tests.rating.asking.serving import MODEL, SECRET, Time, backend, requests, said

ROOT = Path(__file__).parents[3]
MANY = [f"word{k:03d}" for k in range(40)]


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as opened:
        yield opened


def ask(server, store, words=MANY, time=None, progress=lambda _: None, **options):
    return backend(server, time, **options).ask(requests(words, server), store, progress)


def test_the_server_gets_the_call_whose_hash_is_the_key_and_its_answer_is_kept_as_it_came(store):
    odd = completion("3", something_new={"a": [1, None, "ü"]})
    with FaultServer(otherwise=Reply(body=odd, good=True)) as server:
        outcome = ask(server, store, ["cat"])
    (call,) = server.asked
    (request,) = requests(["cat"], server)
    assert request == backend(server).request(request.item)
    assert call.body == request.body
    assert call.authorization == f"Bearer {SECRET}"
    assert store.get([request.key])[request.key].response == odd
    assert (outcome.answered, dict(outcome.failed), outcome.stopped) == (1, {}, "")
    assert outcome.notes == ()


def test_many_calls_are_under_way_at_a_time_and_no_more_than_allowed(store):
    with FaultServer(otherwise=Reply(body=completion("3"), good=True, before=0.05)) as server:
        assert ask(server, store, concurrency=5).answered == len(MANY)
    assert server.most == 5


def test_the_first_call_is_made_alone(store):
    with FaultServer(otherwise=error(401, "no")) as server:
        outcome = ask(server, store, concurrency=16)
    assert len(server.asked) == 1
    assert outcome.answered == 0
    assert "refuses the key in OPENAI_API_KEY" in outcome.stopped


def test_what_is_wrong_with_all_answers_is_said_after_the_first(store):
    heard = []

    def say(note):
        heard.append((note, len(server.asked)))

    body = completion("3", model="tiny-2")
    body["choices"][0]["logprobs"] = None
    with FaultServer(otherwise=Reply(body=body, good=True)) as server:
        outcome = ask(server, store, say=say)
    assert [asked for _, asked in heard] == [1, 1]
    assert "drops logprobs" in heard[0][0]
    assert "tiny-2 answered" in heard[1][0]
    assert all("(40 of 40 answers)" in note for note in outcome.notes)


def test_progress_tells_of_answers_that_are_in_the_store_and_of_calls_given_up(store, tmp_path):
    seen = []
    with (
        FaultServer({"word007": [error(400, "no")]}) as server,
        AnswerStore(tmp_path / "answers.sqlite") as other,
    ):

        def progress(n):
            kept = other.answered(each.key for each in requests(MANY, server))
            seen.append((n, len(kept)))

        outcome = ask(server, store, progress=progress, concurrency=1)
    assert sum(n for n, _ in seen) == len(MANY)
    assert [kept for _, kept in seen] == [*range(1, 8), 7, *range(8, 40)]
    assert list(outcome.failed.values()) == ["400 no"]


def test_what_is_answered_or_wanted_twice_is_not_asked_again(store):
    done = []
    with FaultServer() as server:
        ask(server, store, MANY[:10])
        outcome = ask(server, store, [*MANY, *MANY[:15]], progress=done.append)
    assert set(server.chats.values()) == {1}
    assert outcome.answered == 30
    assert sum(done) == 55


def test_another_seed_asks_the_same_anew(store):
    with FaultServer() as server:
        ask(server, store, ["cat"])
        backend(server, seed=7).ask(requests(["cat"], server, seed=7), store, lambda _: None)
    assert [call.body.get("seed") for call in server.asked] == [None, 7]


def test_one_who_is_told_to_wait_holds_the_others_back(store):
    time, at = Time(), []

    def limited(call):
        at.append(time.now)
        return error(429, "wait", Retry_After="20") if len(at) == 10 else good()

    with FaultServer(otherwise=limited) as server:
        assert ask(server, store, time=time, concurrency=4).answered == len(MANY)
    # Up to 3 others were under way; none was sent before the time that the server named.
    late = [moment for moment in at if moment > at[0]]
    assert len(late) >= len(MANY) - 9 - 3
    assert min(late) >= at[0] + 20


def test_waits_are_no_tries(store):
    replies = [error(429, "wait", Retry_After="1")] * 4 + [error(500, "no")] * 4
    with FaultServer({"word007": replies}) as server:
        assert ask(server, store, concurrency=1).answered == len(MANY)


def test_a_server_that_lets_something_through_now_and_then_is_waited_for(store):
    # 40 s before every answer: more than the patience of 120 s in all, never in one go.
    replies = {word: [error(429, "wait", Retry_After="40")] for word in MANY}
    time = Time()
    with FaultServer(replies) as server:
        assert ask(server, store, time=time, concurrency=1).answered == len(MANY)
    assert sum(time.slept) >= 40 * len(MANY)


def test_calls_given_up_among_others_answered_do_not_end_the_run(store):
    replies = {word: [error(400, "no")] for word in MANY[1::2]}
    with FaultServer(replies) as server:
        outcome = ask(server, store, concurrency=1)
    assert outcome.stopped == ""
    assert (outcome.answered, len(outcome.failed)) == (20, 20)


def test_tries_are_further_and_further_apart(store):
    time = Time()
    with FaultServer({"cat": [error(500, "no")] * 4}) as server:
        assert ask(server, store, ["cat"], time=time).answered == 1
    assert len(time.slept) == 4
    for tries, slept in enumerate(time.slept):
        assert 0.25 * 2**tries <= slept <= 0.75 * 2**tries


def test_a_server_out_of_order_is_not_asked_everything(store):
    with FaultServer(otherwise=error(500, "broken")) as server:
        outcome = ask(server, store, concurrency=2, max_tries=2)
    assert "10 calls in a row" in outcome.stopped
    assert "500 broken" in outcome.stopped
    assert 10 <= len(server.chats) <= 12
    assert set(outcome.failed) == set(server.chats)


def test_a_server_that_is_not_there_is_named(store, unused_port):
    silent = ServerBackend(
        f"http://127.0.0.1:{unused_port}/v1", MODEL, sleep=Time().sleep, clock=Time().clock
    )
    outcome = silent.ask(requests(MANY[:2]), store, lambda _: None)
    assert len(outcome.failed) == 2
    assert all("Connection error" in said for said in outcome.failed.values())


@pytest.fixture
def unused_port():
    # One that was in use a moment ago.
    server = FaultServer()
    with server:
        pass
    return server.port


def test_a_word_that_is_screened_does_not_end_the_run(store):
    with FaultServer({"word007": [error(403, "screened")]}) as server:
        outcome = ask(server, store)
    assert outcome.answered == len(MANY) - 1
    assert outcome.stopped == ""
    assert list(outcome.failed.values()) == ["403 screened"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "9", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_time_to_wait_is_read_as_the_server_gives_it(headers, seconds):
    assert retry_after(headers) == seconds


def test_the_time_to_wait_may_be_a_date():
    # RFC 9110, section 10.2.3, allows seconds or a date.
    assert retry_after({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}) == 0.0
    assert (retry_after({"retry-after": "Fri, 31 Dec 2100 23:59:59 GMT"}) or 0) > 1e8


# -- money


class Flat:
    """A price with figures that add up without rounding: 1/64 a token, prompts at most 40."""

    def cost(self, usage):
        return (usage["prompt_tokens"] + usage["completion_tokens"]) / 64

    def most(self, body):
        return (40 + body["max_completion_tokens"]) / 64


def spend(server, store, budget, **options):
    return ask(server, store, budget=budget, price=Flat(), **options)


def paid(prompt=20, answer=4, **changes):
    return good("3", usage={"prompt_tokens": prompt, "completion_tokens": answer}, **changes)


def test_a_run_stops_before_the_call_that_might_cost_too_much(store):
    # A call costs 24/64 and may cost 48/64: after 5, 120/64 are spent, and 168/64 allowed.
    with FaultServer(otherwise=paid()) as server:
        outcome = spend(server, store, budget=167 / 64, concurrency=1)
    assert len(server.asked) == outcome.answered == 5
    assert "budget of 2.60938 dollars is used up: 1.875000 spent" in outcome.stopped
    assert outcome.failed == {}
    assert "cost 1.875000 dollars" in outcome.notes[0]


def test_what_a_call_under_way_may_cost_is_set_aside(store):
    most, budget = 48 / 64, 6.0
    with FaultServer(otherwise=Reply(body=paid().body, good=True, before=0.02)) as server:
        outcome = spend(server, store, budget=budget, concurrency=16)
    assert server.most <= budget / most
    # All that is set aside and not spent is given back: the budget is used to the last call.
    assert outcome.answered == (budget - most) // (24 / 64) + 1
    assert outcome.answered * 24 / 64 <= budget


def test_a_call_that_was_sent_and_never_answered_counts_in_full(store):
    replies = {"word000": [Reply(drop=True)] * 3}
    with FaultServer(replies, otherwise=paid()) as server:
        outcome = spend(server, store, budget=4 * 48 / 64, concurrency=1)
    # 3 x 48 gone, 24 for the answer in the end, and another 48 would be too much.
    assert (outcome.answered, len(server.asked)) == (1, 4)
    assert "2.625000 spent" in outcome.stopped


@pytest.mark.parametrize("reply", [error(500, "no"), error(429, "wait", Retry_After="1")])
def test_a_call_that_was_turned_away_costs_nothing(store, reply):
    with FaultServer({"word000": [reply] * 3}, otherwise=paid()) as server:
        outcome = spend(server, store, budget=48 / 64, concurrency=1)
    assert (outcome.answered, len(server.asked)) == (1, 4)


def test_a_server_that_does_not_count_is_taken_to_have_used_the_most(store):
    with FaultServer(otherwise=good("3", usage=None)) as server:
        outcome = spend(server, store, budget=3 * 48 / 64, concurrency=1)
    assert outcome.answered == 3


def test_a_server_that_ignores_the_limit_is_expected_to_do_so_again(store):
    assert MOST_TOKENS == 8
    # The first costs 120/64, after which a call may cost 140/64: 260 are allowed, 379 are not.
    with FaultServer(otherwise=paid(20, 100)) as server:
        outcome = spend(server, store, budget=379 / 64, concurrency=1)
    assert outcome.answered == 2


def test_the_listed_prices_fit():
    price = next(each for each in read_prices() if each.model.startswith("gpt-4o-mini"))
    ServerBackend(None, price.model, budget=1.0, price=price)


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        (None, {"budget": 1.0}, "no price of made-up-1 is known"),
        (None, {"concurrency": 0}, "must be above 0"),
        ("localhost:8000/v1", {}, "no address of a server"),
        ("http://", {}, "no address of a server"),
        ("http://[::1", {}, "no address of a server"),
        ("https://me:pass9word@example.org/v1", {}, "address holds a password"),
    ],
)
def test_a_backend_that_cannot_work_is_refused(url, options, said):
    with pytest.raises(RatingError, match=said) as refused:
        ServerBackend(url, MODEL, **options)
    assert "pass9word" not in str(refused.value)


def test_what_is_not_installed_is_named_with_the_command_that_installs_it(store, monkeypatch):
    monkeypatch.delitem(sys.modules, "core.rating.asking.calls")
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(
        RatingError, match=r"openai is not installed: pip install -e '\.\[openai\]'"
    ):
        ServerBackend(None, MODEL).ask(requests(["cat"]), store, lambda _: None)


# -- stopped by hand

ASKER = """
import os, sys
from core.rating.asking.requests import Item
from core.rating.asking.server import ServerBackend
from core.rating.asking.store import AnswerStore
backend = ServerBackend(sys.argv[1], "made-up-1", concurrency=4)
items = [Item("en", "Visual", f"word{k:03d}") for k in range(400)]
with AnswerStore(sys.argv[2]) as store:
    try:
        backend.ask([backend.request(item) for item in items], store, lambda n: None)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def test_what_is_under_way_when_stopped_by_hand_is_kept(tmp_path):
    path = tmp_path / "answers.sqlite"
    with FaultServer(otherwise=Reply(body=completion("3"), good=True, before=0.1)) as server:
        process = subprocess.Popen(
            [sys.executable, "-c", ASKER, server.url, str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        until = real_time.monotonic() + 30
        while len(server.asked) < 9 and real_time.monotonic() < until:
            real_time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        asked = set(server.chats)
    with AnswerStore(path) as store:
        assert store.answered(asked) == asked
    assert 9 <= len(asked) < 100


def test_a_call_that_does_not_end_when_stopped_by_hand_is_left(store, monkeypatch):
    monkeypatch.setattr(calls, "GRACE", 0.2)
    replies = {"word002": [Reply(before=30)]}

    def interrupt():
        until = real_time.monotonic() + 20
        while len(server.asked) < 3 and real_time.monotonic() < until:
            real_time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    with FaultServer(replies) as server:
        stopper = threading.Thread(target=interrupt)
        stopper.start()
        start = real_time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            ask(server, store, MANY[:3], timeout=60.0)
        assert real_time.monotonic() - start < 20
        stopper.join()
    assert set(said(store, MANY, server)) == {"word000", "word001"}


def test_an_answer_that_cannot_be_kept_ends_the_run_with_the_reason(store):
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    long = good(json.dumps(list(range(3000))))
    with FaultServer(otherwise=long) as server, pytest.raises(RatingError, match="full"):
        ask(server, store)


def test_what_is_paid_for_is_kept_where_one_call_fails_in_a_way_of_its_own(store, monkeypatch):
    read = calls.read_reply

    def faulty(text, server):
        if "oops" in text:
            raise ZeroDivisionError
        return read(text, server)

    monkeypatch.setattr(calls, "read_reply", faulty)
    replies = {"word002": [good("oops")]}
    slow = Reply(body=completion("3"), good=True, before=0.3)
    with FaultServer(replies, otherwise=slow) as server:
        with pytest.raises(ZeroDivisionError):
            ask(server, store, concurrency=4)
        asked = {call.prompt for call in server.asked}
    kept = said(store, MANY, server)
    assert len(kept) == len(asked) - 1 == sum(server.answers.values()) - 1 == 4


def test_one_odd_answer_is_one_answer_without_what_is_odd(store):
    usage = {"prompt_tokens": 2**70, "completion_tokens": "3"}
    odd = {**completion("3", usage=usage, created="x", system_fingerprint={"a": 1}), "model": 7}
    with FaultServer({"word007": [Reply(body=odd, good=True)]}) as server:
        outcome = ask(server, store, price=Flat(), budget=1000.0)
    assert (outcome.answered, dict(outcome.failed), outcome.stopped) == (len(MANY), {}, "")
    # 83/64 for each of 39, and for one that was not counted the most, 48/64.
    assert f"it cost {(39 * 83 + 48) / 64:.6f} dollars" in outcome.notes[0]


def test_two_do_not_ask_for_the_same_store_at_a_time(store, tmp_path):
    refused = []

    def second(_):
        with AnswerStore(tmp_path / "answers.sqlite") as other:
            try:
                ask(server, other)
            except RatingError as error:
                refused.append(str(error))

    with FaultServer() as server:
        ask(server, store, progress=second)
        assert ask(server, store).answered == 0
    assert set(server.chats.values()) == {1}
    assert len(refused) == len(MANY)
    assert all("/.answers.sqlite.asking: held by another process" in said for said in refused)


def test_the_listed_prices_are_of_openai_alone():
    given = {"backend": "server", "budget": 1.0, "revision": None, "key_env": "OPENAI_API_KEY"}
    given |= {"model": "gpt-4o-mini-2024-07-18", "prices": None, "seed": None, "concurrency": 4}
    assert make(Namespace(base_url=None, **given), print)
    assert make(Namespace(base_url="https://api.openai.com/v1", **given), print)
    with pytest.raises(RatingError, match=r"price of gpt-4o-mini.* is not known"):
        make(Namespace(base_url="http://localhost:8000/v1", **given), print)
    stated = Namespace(base_url="http://localhost:8000/v1", **{**given, "prices": PRICES})
    assert make(stated, print)


def test_another_server_is_asked_though_its_model_has_the_same_name():
    item = Item("en", "Visual", "cat")
    here, there = (
        ServerBackend(f"http://localhost:{port}/v1", MODEL).request(item) for port in (8000, 8001)
    )
    assert here.body == there.body
    assert here.key != there.key
    openai = ServerBackend("https://api.openai.com/v1", MODEL).request(item)
    # A batch of OpenAI's answers the same question.
    assert openai.endpoint == CHAT
