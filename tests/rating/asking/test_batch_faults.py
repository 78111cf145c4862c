"""Every fault of the batch service: what is kept, what is said, how it ends, what was paid.

`pytest tests/rating/asking -k fault` prints the table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.rating.asking.requests import Item, chat_request
from core.rating.asking.run import Run, ask
from core.rating.asking.store import AnswerStore
from tests.rating.asking.batch_server import (
    BatchServer,
    End,
    batch_backend,
    expired,
    failed,
    output_line,
)
from tests.rating.asking.fault_server import MODEL, Reply, completion, error
from tests.rating.asking.serving import SECRET

WORDS = ("apple", "birch", "cloud", "drum", "ember", "flute")
ITEMS = [Item("en", "Visual", word) for word in WORDS]
HALF = WORDS[:3]
QUOTA = "You exceeded your current quota, please check your plan and billing details."
INCOMPLETE = 3


def words_of(server: BatchServer) -> dict[str, str]:
    """The words by the keys of their calls."""
    backend = batch_backend(server, "unused")
    return {backend.request(item).key: item.word for item in ITEMS}


def said(store: AnswerStore, words: Mapping[str, str]) -> dict[str, str]:
    """What the store holds for each of the words that have an answer."""
    return {
        words[key]: message["content"] or message["refusal"]
        for key, each in store.get(words).items()
        for message in [each.response["choices"][0]["message"]]
    }


def shuffled(lines: list[str]) -> list[str]:
    return lines[::-1]


def doubled(lines: list[str]) -> list[str]:
    return [*lines, *lines[:2]]


def contradicted(lines: list[str]) -> list[str]:
    return [*lines, output_line(json.loads(lines[0])["custom_id"], "5")]


def cut(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1][:300]]


def of_another_file(lines: list[str]) -> list[str]:
    stray = chat_request(Item("en", "Visual", "stray"), MODEL).key
    return [output_line("Finetuning_task_1", "1"), output_line(stray, "2"), *lines[1:]]


def with_the_key(lines: list[str]) -> list[str]:
    return [line.replace('"fp_1"', json.dumps(f"fp Bearer {SECRET}")) for line in lines]


def no_choices(lines: list[str]) -> list[str]:
    one = json.loads(lines[0])["custom_id"]
    return [output_line(one, choices=[]), *lines[1:]]


def refused(lines: list[str]) -> list[str]:
    body = completion(None)
    body["choices"][0]["message"]["refusal"] = "I cannot."
    record = json.loads(lines[0])
    record["response"]["body"] = body
    return [json.dumps(record), *lines[1:]]


def every(status: int, code: str, message: str) -> Callable[[list[Any]], list[Any]]:
    return lambda calls: [failed(call, status, code, message) for call in calls]


@dataclass(frozen=True)
class Fault:
    """A fault of the batch service and what should come of it.

    `ends` are what the batches come to, in turn, before good ones. `kept` are the words with an
    answer at the end, `paid` those that were carried out more than once, `batches` how many were
    made. `faults` are replies to calls, by method and path; `model` is what the service knows of
    it. `mended` says whether the next run, the service being well again, asks what is missing.
    """

    name: str
    ends: Sequence[End] = ()
    says: str = ""
    kept: Sequence[str] = WORDS
    paid: Sequence[str] = ()
    batches: int = 1
    exit: int = 0
    faults: Mapping[str, Sequence[Reply]] = field(default_factory=dict)
    model: Mapping[str, Any] | None = field(default_factory=dict)
    lose: int = 0
    room: int = 10**9
    mended: bool = True


def stopped(name: str, ends: Sequence[End] = (), **options: Any) -> Fault:
    return Fault(name, ends, **{"kept": (), "exit": INCOMPLETE, **options})


DOWN, LONG = Reply(drop=True), error(429, "busy", Retry_After="3600")
PAGE = Reply(body="<html>Welcome to the hotel's network</html>")
UPLOAD, CREATE, LOOK = "POST /v1/files", "POST /v1/batches", "GET /v1/batches/batch_2"
OUTPUT = "GET /v1/files/file-3/content"
LIMIT = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached."}
LINE = {"code": "invalid_json_line", "message": "This line is not parseable.", "line": 2}

FAULTS = [
    stopped(
        "failed: a line is invalid",
        [End("failed", why=(LINE,))],
        says="failed as a whole .* invalid_json_line: This line is not parseable. .line 2",
    ),
    stopped("failed, without a reason", [End("failed")], says="gave no reason"),
    Fault(
        "failed: too many tokens wait",
        says="token_limit_exceeded: Enqueued token limit reached: 3",
        batches=3,
        room=3,
    ),
    stopped(
        "failed: too many tokens wait, for ever",
        [End("failed", why=(LIMIT,))] * 20,
        says="the 8th in a row, .*token_limit_exceeded",
        batches=8,
    ),
    Fault(
        "expired with half the output",
        [End("expired", share=0.5)],
        says=r"expired: 6 asked, 3 answered, 3 failed .* \| .*: 3 asked, 3 answered",
        batches=2,
    ),
    Fault(
        "expired with half, no error file",
        [End("expired", share=0.5, errors=lambda _: [])],
        says="expired: 6 asked, 3 answered, 3 missing",
        batches=2,
    ),
    Fault("expired with nothing", [End("expired", share=0.0)], says="6 failed", batches=2),
    Fault(
        "expired with nothing, always",
        [End("expired", share=0.0)] * 20,
        says="batch_expired: This request could not be executed in time",
        kept=(),
        batches=3,
        exit=INCOMPLETE,
    ),
    Fault(
        "cancelled with half the output",
        [End("cancelled", share=0.5)],
        says="was cancelled at the service; what it had answered is kept",
        kept=HALF,
        exit=INCOMPLETE,
    ),
    Fault(
        "completed with no output file: all were refused",
        [End(share=0.0, errors=every(400, "invalid_request", "bad parameter"))],
        says="400 invalid_request: bad parameter",
        kept=(),
        exit=INCOMPLETE,
    ),
    Fault(
        "completed, half with 500",
        [End(share=0.5, errors=every(500, "server_error", "The server had an error"))],
        says="3 answered, 3 failed",
        batches=2,
    ),
    Fault(
        "completed, half with 429 and a spent quota",
        [End(share=0.5, errors=every(429, "insufficient_quota", QUOTA))],
        says="quota is used up .*add to it",
        kept=HALF,
        exit=INCOMPLETE,
    ),
    stopped(
        "completed with no output file, and calls paid",
        [End(hidden=True)],
        says="6 calls were answered, says the service, and there is no output file",
        mended=False,
    ),
    stopped(
        "completed, the output file is gone",
        [End(gone=True)],
        says="6 calls were answered.*there is no output file.*output file is no longer there",
        mended=False,
    ),
    Fault("lines shuffled", [End(output=shuffled)]),
    Fault("lines doubled", [End(output=doubled)], says="2 repeated"),
    Fault("lines that contradict each other", [End(output=contradicted)], says="1 repeated"),
    Fault(
        "a line cut",
        [End(output=cut)],
        says="1 missing .'flute' on Visual., 1 cut .output line 6",
        paid=["flute"],
        batches=2,
    ),
    Fault(
        "custom_id of another file",
        [End(output=of_another_file)],
        says="2 foreign .Finetuning_t",
        paid=["apple"],
        batches=2,
    ),
    Fault(
        "an answer without choices",
        [End(output=no_choices)],
        says="5 answered, 1 failed",
        paid=["apple"],
        batches=2,
    ),
    Fault("a refusal", [End(output=refused)]),
    Fault("the key in the answers", [End(output=with_the_key)]),
    stopped("401", faults={LOOK: [], "GET /v1/models/made-up-1": [error(401, f"Bad key {SECRET}")]},
            says="401: Bad key .key.*--key-env names", batches=0),
    stopped("403 on creating", faults={CREATE: [error(403, "not allowed")]},
            says="403: not allowed; check the project", batches=0),
    stopped("404, no such model", model=None, says="404 model_not_found.*claims replay", batches=0),
    stopped(
        "a shutdown date in the past",
        model={"shutdown_date": "2026-10-23"},
        says="was shut down on 2026-10-23.*open weights.*claims finetune.*claims replay",
        batches=0,
    ),
    Fault("a shutdown date soon", model={"shutdown_date": "2026-12-01"}, says="in 30 days"),
    stopped("429, the quota is used up", faults={CREATE: [error(429, QUOTA, "insufficient_quota")]},
            says="quota is used up; add to it", batches=0),
    stopped("429, Retry-After 3600 s", faults={UPLOAD: [LONG]}, says="alone for 3600 s", batches=0),
    Fault("500 on uploading, twice", faults={UPLOAD: [error(500, "out")] * 2}),
    stopped("500 on uploading, always", faults={UPLOAD: [error(500, "out")] * 3},
            says="uploading 6 calls: 500: out, 3 times", batches=0),
    Fault("dropped connection on creating", faults={CREATE: [DOWN]}),
    Fault("the reply to creating is lost", lose=1),
    Fault("a page while it is waited for", faults={LOOK: [PAGE, PAGE]}),
    Fault("broken JSON while it is waited for", faults={LOOK: [Reply(body='{"id": "ba')]}),
    Fault("the output file drops off half way", faults={OUTPUT: [Reply(body="x" * 900, cut=0.5)]}),
    Fault("the output file arrives cut once", faults={OUTPUT: [Reply(body='{"custom_id": "a')]}),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, tmp_path, monkeypatch, fault_table, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    path = tmp_path / "answers.sqlite"
    told: list[str] = []
    with BatchServer(fault.ends, room=fault.room) as server:
        server.models = {} if fault.model is None else {MODEL: dict(fault.model)}
        server.lose = fault.lose
        for call, replies in fault.faults.items():
            server.faults[call].extend(replies)
        with AnswerStore(path) as store:
            run = ask(batch_backend(server, tmp_path / "b", say=told.append), ITEMS, store)
            there = said(store, words := words_of(server))
        assert_kept_and_named(fault, run, there, words)
        assert len(server.batches) == fault.batches
        again = {words[key] for key, times in server.paid.items() if times > 1}
        assert again == set(fault.paid)
        outcome = run.outcome
        lines = filter(None, [outcome.stopped, *outcome.failed.values(), *outcome.notes])
        text = " | ".join(dict.fromkeys(lines))
        assert re.search(fault.says, text), text
        assert_the_rest_is_asked_next(fault, server, tmp_path, there)
    output = capfd.readouterr()
    shown = [text, *told, output.out, output.err, repr(run), *map(file_text, files(tmp_path))]
    assert not [each for each in shown if SECRET in each]
    good = {"a refusal": "refusal"}.get(fault.name, "")
    fault_table(
        f"batch: {fault.name}",
        kept=f"{len(there)} of {len(WORDS)} {good}".strip(),
        said=text,
        exit=0 if run.complete else INCOMPLETE,
    )


def assert_kept_and_named(fault: Fault, run: Run, there: dict[str, str], words: Mapping[str, str]):
    """Every good answer is kept, the first where there are two; every call without one is named."""
    assert set(there) == set(fault.kept)
    assert run.outcome.answered == len(there)
    assert run.complete == (fault.exit == 0)
    assert set(there.values()) <= {"3", "I cannot."}
    tried = {words[key] for key in run.outcome.failed}
    missing = set(WORDS) - set(there)
    assert tried == missing or (run.outcome.stopped and not tried)


def assert_the_rest_is_asked_next(fault, server: BatchServer, tmp_path, there: dict[str, str]):
    """Once the service is well, what is missing is asked, and that alone."""
    before, server.ends, server.room = server.paid.copy(), type(server.ends)(), 10**9
    server.models = {MODEL: {}}
    for replies in server.faults.values():
        replies.clear()
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        run = ask(batch_backend(server, tmp_path / "b"), ITEMS, store)
        now = said(store, words := words_of(server))
    new = {words[key] for key in server.paid if server.paid[key] > before[key]}
    missing = set(WORDS) - set(there)
    assert new == (missing if fault.mended else set())
    assert run.complete == fault.mended
    assert {word: answer for word, answer in now.items() if word in there} == there


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def file_text(path) -> str:
    return path.read_bytes().decode("latin-1")


def test_the_store_is_searched_for_the_key_where_it_would_be(tmp_path, monkeypatch):
    # What is stored is compressed: the search above would not see a key in an answer.
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with BatchServer([End(output=with_the_key)]) as server, AnswerStore(tmp_path / "a") as store:
        ask(batch_backend(server, tmp_path / "b"), ITEMS, store)
        kept = store.get(words_of(server))
    prints = {one.response["system_fingerprint"] for one in kept.values()}
    assert prints == {"fp Bearer [key]"}


def test_a_second_answer_to_a_call_is_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    with BatchServer([End(output=contradicted)]) as server, AnswerStore(tmp_path / "a") as store:
        ask(batch_backend(server, tmp_path / "b"), ITEMS, store)
        (logged,) = store.failures(words := words_of(server))
    assert (words[logged.key], logged.kind) == ("apple", "duplicate")
    assert "'3' is kept, '5' came after it" in logged.detail


def test_lines_of_the_error_file_are_logged(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    ends = [End("expired", share=0.5, errors=lambda calls: [expired(calls[0])])]
    with BatchServer(ends) as server, AnswerStore(tmp_path / "a") as store:
        ask(batch_backend(server, tmp_path / "b"), ITEMS, store)
        words = words_of(server)
        logged = {words[each.key]: (each.kind, each.source) for each in store.failures(words)}
    assert logged == {
        "drum": ("batch_expired", "batch batch_2"),
        "ember": ("missing", "batch batch_2"),
        "flute": ("missing", "batch batch_2"),
    }
