"""Asking in batches: what is sent, what is kept, and what is never sent twice."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap

import pytest

from core.paths import ROOT
from core.rating.asking.batch import BatchBackend
from core.rating.asking.batch_files import input_line, next_wave, read_lines, reconciled
from core.rating.asking.prices import read_prices
from core.rating.asking.requests import CHAT, Item, chat_request, request_key
from core.rating.asking.run import ask
from core.rating.asking.server import ServerBackend
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError
from tests.rating.asking.batch_server import BatchServer, End, batch_backend, expired, output_line
from tests.rating.asking.fault_server import MODEL, completion, error
from tests.rating.asking.serving import SECRET

WORDS = ("apple", "birch", "cloud", "drum", "ember", "flute")
BASE = "gpt-4o-mini-2024-07-18"


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as opened:
        yield opened


def calls(model=MODEL, words=WORDS):
    return [chat_request(Item("en", "Visual", word), model) for word in words]


def asked(backend, store, requests=None, progress=lambda _: None):
    return backend.ask(requests or calls(backend.model), store, progress)


def test_every_call_is_answered_once_and_known_by_its_own_hash(store, tmp_path):
    steps = []
    with BatchServer() as server:
        outcome = asked(batch_backend(server, tmp_path / "b"), store, progress=steps.append)
    assert outcome.answered == sum(steps) == len(WORDS)
    assert (outcome.failed, outcome.stopped) == ({}, "")
    assert server.paid == dict.fromkeys([call.key for call in calls()], 1)
    kept = store.get([call.key for call in calls()])
    assert {one.response["choices"][0]["message"]["content"] for one in kept.values()} == {"3"}
    assert {one.source for one in kept.values()} == {"batch batch_2"}
    assert outcome.notes == ("batch batch_2, completed: 6 asked, 6 answered",)
    assert not list((tmp_path / "b").glob("*.jsonl"))


def test_a_line_of_the_input_file_is_the_call_and_its_hash():
    (call,) = calls(words=["apple"])
    line = json.loads(input_line(call))
    assert line["custom_id"] == request_key(CHAT, line["body"])
    assert (line["method"], line["url"]) == ("POST", CHAT)
    assert "apple" in line["body"]["messages"][0]["content"]
    assert SECRET not in input_line(call).decode()


def test_what_is_answered_is_not_sent(store, tmp_path):
    for call in calls()[:4]:
        store.put(call, completion("1"), source="before")
    steps = []
    with BatchServer() as server:
        outcome = asked(batch_backend(server, tmp_path / "b"), store, progress=steps.append)
    assert set(server.paid) == {call.key for call in calls()[4:]}
    assert outcome.answered == 2
    assert steps == [4, 2]


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        ({}, [6]),
        ({"most": 4}, [4, 2]),
        ({"size": 2 * len(input_line(calls()[0])) + 5}, [2, 2, 2]),
    ],
)
def test_a_wave_stays_within_calls_and_bytes(limits, sizes):
    todo, waves = calls(), []
    while todo:
        wave, tokens = next_wave(todo, 10**9, **limits)
        waves.append(len(wave))
        assert 60 * len(wave) < tokens < 100 * len(wave)
        todo = todo[len(wave) :]
    assert waves == sizes


def test_waves_go_one_after_the_other_within_the_window(store, tmp_path):
    # A prompt is of about 80 tokens: two fit into 200, and three do not.
    with BatchServer() as server:
        outcome = asked(batch_backend(server, tmp_path / "b", window=200), store)
        sizes = [len(batch.calls) for batch in server.batches.values()]
        order = [f"{call.method} {call.path}" for call in server.asked]
    assert sizes == [2, 2, 2]
    assert outcome.answered == 6
    begun = [i for i, each in enumerate(order) if each == "POST /v1/batches"]
    fetched = [i for i, each in enumerate(order) if each.endswith("/content")]
    assert begun[0] < fetched[0] < begun[1] < fetched[1] < begun[2] < fetched[2]


def test_a_call_longer_than_the_window_goes_alone():
    wave, _ = next_wave(calls(), 10)
    assert len(wave) == 1


def test_a_queue_that_is_too_small_makes_waves_smaller(store, tmp_path):
    slept = []
    with BatchServer(room=2) as server:
        outcome = asked(batch_backend(server, tmp_path / "b", sleep=slept.append), store)
        sizes = [len(batch.calls) for batch in server.batches.values()]
    assert outcome.answered == 6
    assert outcome.stopped == ""
    assert sizes[0] == 6
    assert max(sizes[2:]) <= 2
    assert set(server.paid.values()) == {1}
    assert max(slept) >= 4
    assert any("token_limit_exceeded" in note for note in outcome.notes)


def test_the_looks_at_a_batch_become_rarer(store, tmp_path):
    slept = []
    with BatchServer([End(looks=12)]) as server:
        asked(batch_backend(server, tmp_path / "b", sleep=slept.append, poll=(5.0, 60.0)), store)
    assert slept[0] == 5.0
    assert slept == sorted(slept)
    assert slept[-1] == 60.0


def test_what_happens_is_told_while_it_happens(store, tmp_path):
    told = []
    with BatchServer([End(looks=5)]) as server:
        asked(batch_backend(server, tmp_path / "b", say=told.append), store)
    assert told == [
        "batch batch_2: 6 calls sent",
        "batch batch_2: validating",
        "batch batch_2: in_progress, 0 of 6 answered",
        "batch batch_2, completed: 6 asked, 6 answered",
    ]


def priced(server, tmp_path, budget, **options):
    (price, _) = read_prices()
    server.models[BASE] = {}
    return batch_backend(server, tmp_path / "b", model=BASE, price=price, budget=budget, **options)


def test_a_wave_beyond_the_budget_is_not_sent(store, tmp_path):
    with BatchServer() as server:
        backend = priced(server, tmp_path, 1e-4)
        most = backend.most(calls(BASE))
        assert most is not None
        assert most > 1e-4
        outcome = asked(backend, store)
        assert server.count("POST /v1/files") == server.count("POST /v1/batches") == 0
        assert f"{most:.6f} dollars" in outcome.stopped
        assert "larger --budget" in outcome.stopped
        outcome = asked(priced(server, tmp_path, most), store)
    assert outcome.answered == 6
    assert set(server.paid.values()) == {1}


def test_the_budget_counts_what_answers_cost_by_their_usage(store, tmp_path):
    # Six answers of 80 and 3 tokens, in batches at half of .15 and .60 dollars a million:
    # 6 (80 x 75 + 3 x 300) = 41,400 nano-dollars, of which two waves cost two thirds.
    with BatchServer() as server:
        backend = priced(server, tmp_path, None, window=200)
        most = backend.most(calls(BASE)[:2])
        assert most is not None
        backend.budget = most + 2 * 13_800e-9 - 1e-9
        outcome = asked(backend, store)
        assert outcome.answered == 4
        assert "budget" in outcome.stopped
        assert "cost 0.000028 dollars" in outcome.notes[-1]
        backend.budget = most + 1e-9
        outcome = asked(backend, store)
    assert outcome.answered == 2
    assert set(server.paid.values()) == {1}


def unread(lines):
    """The second answer is no completion, of which the service tells the usage."""
    record = json.loads(lines[1])
    record["response"]["body"]["choices"] = []
    return [lines[0], json.dumps(record), *lines[2:]]


def without_usage(lines):
    record = json.loads(lines[1])
    record["response"]["body"] |= {"choices": [], "usage": ["odd"]}
    return [lines[0], json.dumps(record), *lines[2:]]


def test_what_cannot_be_read_is_paid_for_too(store, tmp_path):
    # As above, 6,900 nano-dollars a call.
    with BatchServer([End(output=unread)]) as server:
        outcome = asked(priced(server, tmp_path, None, max_tries=1), store)
    assert outcome.answered == 5
    assert "cost 0.000041 dollars" in outcome.notes[-1]


def test_what_does_not_tell_its_usage_costs_the_most_that_it_can(store, tmp_path):
    with BatchServer([End(output=without_usage)]) as server:
        backend = priced(server, tmp_path, None, max_tries=1)
        outcome = asked(backend, store)
        most = backend.most(calls(BASE)[1:2])
    assert most is not None
    assert f"cost {5 * 6900e-9 + most:.6f} dollars" in outcome.notes[-1]


def test_what_is_wanted_no_longer_is_paid_for_too(store, tmp_path):
    with BatchServer([End(looks=10)]) as server:
        with pytest.raises(KeyboardInterrupt):
            asked(priced(server, tmp_path, None, sleep=interrupted_after(1)), store)
        outcome = asked(priced(server, tmp_path, None), store, calls(BASE)[:2])
    assert outcome.answered == 2
    assert "cost 0.000041 dollars" in outcome.notes[-1]


def test_a_budget_without_a_price_is_refused(tmp_path):
    with pytest.raises(RatingError, match="no price of x"):
        BatchBackend("x", tmp_path, budget=1.0)


def test_two_processes_do_not_ask_through_the_same_batches(store, tmp_path):
    with BatchServer() as server:
        first = batch_backend(server, tmp_path / "b")
        second = batch_backend(server, tmp_path / "b")
        refused = []

        def meanwhile(_):
            try:
                asked(second, store)
            except RatingError as error:
                refused.append(str(error))

        first.sleep = meanwhile
        asked(first, store)
    assert "another process" in refused[0]
    assert set(server.paid.values()) == {1}


def test_the_model_of_another_run_is_left_alone(store, tmp_path):
    with BatchServer([End(looks=10**6)]) as server:
        first = batch_backend(server, tmp_path / "b", sleep=interrupted_after(1))
        with pytest.raises(KeyboardInterrupt):
            asked(first, store)
        server.models["other"] = {}
        outcome = asked(batch_backend(server, tmp_path / "b", model="other"), store)
        assert outcome.answered == 6
        assert server.batches["batch_2"].looks == 1


def test_a_batch_at_another_server_is_left_alone(store, tmp_path):
    with BatchServer([End(looks=10**6)]) as one, BatchServer() as other:
        with pytest.raises(KeyboardInterrupt):
            asked(batch_backend(one, tmp_path / "b", sleep=interrupted_after(1)), store)
        assert asked(batch_backend(other, tmp_path / "b"), store).answered == 6
        assert one.batches["batch_2"].looks == 1


def interrupted_after(n):
    times = iter(range(n))

    def sleep(_):
        if next(times, None) is None:
            raise KeyboardInterrupt

    return sleep


def test_stopped_while_waiting_the_next_run_goes_on_with_the_same_batch(store, tmp_path):
    with BatchServer([End(looks=6)]) as server:
        with pytest.raises(KeyboardInterrupt):
            asked(batch_backend(server, tmp_path / "b", sleep=interrupted_after(2)), store)
        outcome = asked(batch_backend(server, tmp_path / "b"), store)
        assert server.count("POST /v1/files") == server.count("POST /v1/batches") == 1
    assert outcome.answered == 6
    assert set(server.paid.values()) == {1}


def test_more_words_later_do_not_ask_again_what_a_batch_holds(store, tmp_path):
    with BatchServer([End(looks=6)]) as server:
        stopped = batch_backend(server, tmp_path / "b", sleep=interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            asked(stopped, store, calls()[:3])
        outcome = asked(batch_backend(server, tmp_path / "b"), store)
        assert [len(batch.calls) for batch in server.batches.values()] == [3, 3]
    assert outcome.answered == 6
    assert set(server.paid.values()) == {1}


KILLED = textwrap.dedent(
    """
    import os, signal, sys
    from datetime import date
    from pathlib import Path
    from core.rating.asking.batch import BatchBackend
    from core.rating.asking.batch_service import Service
    from core.rating.asking.requests import Item, chat_request
    from core.rating.asking.store import AnswerStore

    url, folder, when, where, model = sys.argv[1:6]
    whole = getattr(Service, where)

    def dies(self, *given, **named):
        if when == "after":
            whole(self, *given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(Service, where, dies)
    backend = BatchBackend(model, Path(folder) / "b", base_url=url, sleep=lambda _: None,
                           today=lambda: date(2026, 11, 1))
    calls = [chat_request(Item("en", "Visual", word), model) for word in sys.argv[6:]]
    with AnswerStore(Path(folder) / "answers.sqlite") as store:
        backend.ask(calls, store, lambda _: None)
    """
)


@pytest.mark.parametrize(
    ("when", "where", "uploads"),
    [
        # A file that was uploaded and never used costs nothing.
        ("after", "upload", 2),
        ("before", "create", 1),
        ("after", "create", 1),
        ("before", "waited", 1),
        ("after", "waited", 1),
        ("after", "text", 1),
    ],
    ids=lambda value: str(value),
)
def test_fault_killed(when, where, uploads, tmp_path, fault_table):
    with BatchServer() as server:
        told = [server.url, str(tmp_path), when, where, MODEL, *WORDS]
        done = subprocess.run(
            [sys.executable, "-c", KILLED, *told],
            env={**os.environ, "OPENAI_API_KEY": SECRET},
            cwd=ROOT,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
        created = (when, where) not in (("after", "upload"), ("before", "create"))
        assert len(server.batches) == created
        with AnswerStore(tmp_path / "answers.sqlite") as store:
            outcome = asked(batch_backend(server, tmp_path / "b"), store)
        assert server.count("POST /v1/files") == uploads
        assert server.count("POST /v1/batches") == 1
    assert outcome.answered == len(WORDS)
    assert set(server.paid.values()) == {1}
    step = {"waited": "waiting", "create": "creating", "upload": "uploading", "text": "fetching"}
    fault_table(
        f"batch: killed right {when} {step[where]}",
        kept=f"{outcome.answered} of {len(WORDS)}",
        said=f"{server.count('POST /v1/batches')} batch made; {outcome.notes[0]}",
        exit=0,
    )


def test_a_batch_that_ended_on_another_day_is_not_taken_for_a_new_one(tmp_path):
    with BatchServer() as server:
        for name in ("monday", "tuesday"):
            with AnswerStore(tmp_path / f"{name}.sqlite") as store:
                asked(batch_backend(server, tmp_path / name), store)
        assert len(server.batches) == 2


def test_a_batch_under_way_is_found_though_the_store_is_lost(tmp_path):
    with BatchServer([End(looks=10)]) as server:
        with AnswerStore(tmp_path / "lost.sqlite") as store, pytest.raises(KeyboardInterrupt):
            asked(batch_backend(server, tmp_path / "a", sleep=interrupted_after(3)), store)
        with AnswerStore(tmp_path / "new.sqlite") as store:
            assert asked(batch_backend(server, tmp_path / "b"), store).answered == 6
        assert len(server.batches) == 1


def test_a_batch_of_long_ago_is_found_on_a_later_page(store, tmp_path):
    with BatchServer() as server:
        for word in ("x", "y", "z"):
            asked(batch_backend(server, tmp_path / "b"), store, calls(words=[word]))
        assert len(server.batches) == 3
        pages = server.count("GET /v1/batches")
        asked(batch_backend(server, tmp_path / "b"), store, calls(words=["w"]))
        # Two a page: all three are looked through.
        assert server.count("GET /v1/batches") == pages + 2


def test_an_input_file_that_is_gone_costs_nothing(store, tmp_path):
    with BatchServer() as server:
        server.faults["POST /v1/files"].extend([error(400, "no")])
        assert (
            "uploading 6 calls: 400" in asked(batch_backend(server, tmp_path / "b"), store).stopped
        )
        (path,) = (tmp_path / "b").glob("*.jsonl")
        path.write_text("something else")
        assert asked(batch_backend(server, tmp_path / "b"), store).answered == 6
    assert set(server.paid.values()) == {1}


def test_an_uploaded_file_that_the_service_has_lost_is_sent_again(store, tmp_path):
    with BatchServer() as server:
        server.faults["POST /v1/batches"].extend([error(401, "no")])
        assert asked(batch_backend(server, tmp_path / "b"), store).stopped
        server.files.clear()
        assert asked(batch_backend(server, tmp_path / "b"), store).answered == 6
        assert server.count("POST /v1/files") == 2
    assert set(server.paid.values()) == {1}


def test_lines_are_told_apart():
    one, two = (call.key for call in calls(words=["apple", "birch"]))
    texts = {
        "output": "\n".join(
            [
                output_line(two, "4"),
                output_line("Finetuning_task_7"),
                output_line(two, "5"),
                output_line(one)[:200],
                "[]",
                "",
            ]
        ),
        "error": json.dumps(expired({"custom_id": one})),
    }
    lines = read_lines(texts, {one, two}, SECRET)
    assert [(key, body["choices"][0]["message"]["content"]) for key, body in lines.answers] == [
        (two, "4"),
        (two, "5"),
    ]
    assert lines.foreign == ["Finetuning_task_7"]
    assert lines.repeated == [two]
    assert lines.cut == [f"output line 4 ({one[:12]})", "output line 5"]
    assert lines.lost[one].kind == "batch_expired"
    assert lines.lost[one].again
    said = reconciled("b, expired", {one, two}, lines, [one], {one: "'apple' on Visual"})
    assert said == (
        "batch b, expired: 2 asked, 1 answered, 1 failed ('apple' on Visual), "
        f"1 foreign (Finetuning_t), 1 repeated ({two[:12]}), "
        f"2 cut (output line 4 ({one[:12]}), output line 5)"
    )


def test_an_answer_counts_more_than_an_error_to_the_same_call():
    (one,) = (call.key for call in calls(words=["apple"]))
    for order in (("error", "output"), ("output", "error")):
        texts = {"output": output_line(one), "error": json.dumps(expired({"custom_id": one}))}
        lines = read_lines({name: texts[name] for name in order}, {one}, SECRET)
        assert [key for key, _ in lines.answers] == [one]
        assert not lines.lost


def test_a_line_may_hold_signs_that_end_a_line_elsewhere():
    (one,) = (call.key for call in calls(words=["apple"]))
    line = json.dumps(json.loads(output_line(one, "3\u2028\x85")), ensure_ascii=False)
    lines = read_lines({"output": line}, {one}, SECRET)
    assert lines.answers[0][1]["choices"][0]["message"]["content"] == "3\u2028\x85"
    assert not lines.cut


def test_the_end_of_the_model_is_told(store, tmp_path):
    with BatchServer() as server:
        server.models[MODEL] = {"shutdown_date": "2026-11-20"}
        outcome = asked(batch_backend(server, tmp_path / "b"), store)
    assert outcome.answered == 6
    assert any("shut down on 2026-11-20, in 19 days" in note for note in outcome.notes)


def test_answers_of_a_model_that_has_ended_since_are_still_fetched(store, tmp_path):
    with BatchServer([End(looks=6)]) as server:
        stopped = batch_backend(server, tmp_path / "b", sleep=interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            asked(stopped, store, calls()[:3])
        server.models[MODEL] = {"shutdown_date": "2026-10-20"}
        outcome = asked(batch_backend(server, tmp_path / "b"), store)
    assert outcome.answered == 3
    assert "was shut down on 2026-10-20" in outcome.stopped
    assert "claims finetune" in outcome.stopped


ITEMS = [Item("en", "Visual", word) for word in WORDS]


@pytest.mark.parametrize("url", [None, "https://api.openai.com/v1/", "http://127.0.0.1:9/v1"])
def test_a_call_is_known_as_the_same_servers_own(tmp_path, url):
    here, there = BatchBackend(MODEL, tmp_path, base_url=url), ServerBackend(url, MODEL)
    assert here.request(ITEMS[0]) == there.request(ITEMS[0])
    assert json.loads(input_line(here.request(ITEMS[0])))["url"] == CHAT


def test_another_servers_answers_are_not_taken_for_openais(tmp_path):
    with BatchServer() as one, BatchServer() as other, AnswerStore(tmp_path / "a") as store:
        for server in (one, other):
            run = ask(batch_backend(server, tmp_path / "b"), ITEMS, store)
            assert run.outcome.answered == len(ITEMS)


def test_what_is_under_way_in_a_batch_is_asked_of_no_server(store, tmp_path):
    with BatchServer([End(looks=6)]) as server:
        stopped = batch_backend(server, tmp_path / "b", sleep=interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            ask(stopped, ITEMS[:3], store)
        at_once = ServerBackend(server.url, MODEL)
        with pytest.raises(RatingError, match=r"3 of these ratings are under way.*--backend batch"):
            ask(at_once, ITEMS, store)
        assert server.count("POST /v1/chat/completions") == 0
        assert ask(at_once, ITEMS[3:], store).complete
        assert ask(batch_backend(server, tmp_path / "b"), ITEMS, store).complete
        assert ask(at_once, ITEMS, store).complete
        assert server.count("POST /v1/chat/completions") == 3
    assert set(server.paid.values()) == {1}


def test_what_was_planned_and_never_sent_may_be_asked_of_the_server(store, tmp_path):
    with BatchServer() as server:
        server.faults["POST /v1/files"].extend([error(400, "no")])
        assert ask(batch_backend(server, tmp_path / "b"), ITEMS, store).outcome.stopped
        assert ask(ServerBackend(server.url, MODEL), ITEMS, store).complete


def test_an_address_with_a_password_is_refused_and_not_shown(tmp_path):
    with pytest.raises(RatingError, match="holds a password") as found:
        BatchBackend(MODEL, tmp_path, base_url=f"https://me:{SECRET}@host/v1")
    assert SECRET not in str(found.value)


def test_the_key_is_not_logged(store, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with BatchServer() as server:
        server.faults["POST /v1/files"].extend([error(500, "out", X_Echo=SECRET)])
        assert asked(batch_backend(server, tmp_path / "b"), store).answered == 6
    assert "[key]" in caplog.text
    assert SECRET not in caplog.text
