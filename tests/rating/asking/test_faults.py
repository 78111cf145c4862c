"""Every fault of a server to one call, or to all: what is kept, what is said, how it ends.

`pytest tests/rating/asking -k fault` prints the table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from core.rating.asking.commands import INCOMPLETE
from core.rating.asking.requests import Item
from core.rating.asking.run import Run, ask
from core.rating.asking.store import AnswerStore
from core.rating.asking.tables import bad_answers, long_table
from tests.rating.asking.fault_server import (
    FaultServer,
    Reply,
    completion,
    error,
    good,
    refusal,
    without_logprobs,
)
from tests.rating.asking.serving import SECRET, Time, backend, requests, said

WORDS = ("apple", "birch", "cloud", "drum", "ember", "flute")
#: The one that the fault hits, where it hits one; not the first, which is asked alone.
HIT = "cloud"
ITEMS = [Item("en", "Visual", word) for word in WORDS]
OTHERS = tuple(word for word in WORDS if word != HIT)
QUOTA = "You exceeded your current quota, please check your plan and billing details."
PAGE = "<!DOCTYPE html><html><body>Welcome to the hotel's network</body></html>"
CUT = '{"id": "chatcmpl-1", "choices": [{"index": 0, "mess'


@dataclass(frozen=True)
class Fault:
    """A fault and what should come of it.

    `replies` are what the word that is hit gets, in turn, before good answers; with `all`, what
    every word gets, always. `kept` are the words that should have an answer at the end, `status`
    what the answer to the word that is hit reads as, `says` a part of what is said, `tries` how
    often the word that is hit is asked, and `slept` the least time waited for.
    """

    name: str
    replies: Sequence[Reply]
    kept: Sequence[str] = WORDS
    status: str = "ok"
    says: str = ""
    tries: int = 1
    slept: float = 0.0
    all: bool = False
    options: tuple[tuple[str, object], ...] = ()


def five(reply: Reply) -> list[Reply]:
    return [reply] * 5


LIMITED = error(429, "Rate limit reached", "rate_limit_exceeded", Retry_After="2")
LONG = error(429, "Rate limit reached", "rate_limit_exceeded", Retry_After="3600")
OUT = error(500, "The server had an error")
SPENT = error(429, QUOTA, "insufficient_quota")
HALF = Reply(body=completion("3"), cut=0.5)
STALLS = Reply(body=completion("3"), cut=0.5, stall=30)
TRICKLES = Reply(body=completion("3"), trickle=0.05)
ODD = Reply(body={"choices": [{}]})
CREATED = "1765458920"
INFINITE = Reply(body=json.dumps(completion("3")).replace(CREATED, "1e999"))
#: Python's own JSON reads as deep as this, and nothing else does.
NESTED = (most := int(0.8 * sys.getrecursionlimit())) * "[" + most * "]"
DEEP = Reply(body=json.dumps(completion("3")).replace(CREATED, NESTED))
HALVED = error(400, "no \ud83c")
SLOW = Reply(before=30)
SOON, TWICE = (("timeout", 1.0),), (("timeout", 1.0), ("max_tries", 2))

FAULTS = [
    Fault("429, Retry-After 2 s", [LIMITED, LIMITED], tries=3, slept=4.0),
    Fault(
        *("429, Retry-After 3600 s", [LONG], OTHERS),
        says="left alone for 3600 s, longer than 120 s .429 Rate limit reached",
    ),
    Fault(
        "429 to everything, for ever",
        [LIMITED],
        (),
        says="let nothing through for [0-9]+ s",
        all=True,
    ),
    Fault("429, the quota is used up", [SPENT], OTHERS, says="quota is used up .*add to it"),
    Fault("500, twice", [OUT, OUT], tries=3, slept=0.5),
    Fault(
        *("500, always", five(OUT), OTHERS), says="500 The server had an error, 5 times", tries=5
    ),
    Fault("400 with a text", [Reply(400, "out of tea")], OTHERS, says="400 out of tea"),
    Fault("503, Retry-After 2 s", [error(503, "busy", Retry_After="2")], tries=2, slept=2.0),
    Fault("502 with a page", [Reply(502, PAGE)], tries=2),
    Fault("500 to everything", [OUT], (), says="10 calls in a row|500 The server", all=True),
    Fault("dropped connection", [Reply(drop=True)], tries=2),
    Fault(
        *("dropped connection, always", five(Reply(drop=True)), OTHERS),
        *("ok", "Server disconnected .*, 5 times", 5),
    ),
    Fault("no first byte in time", [SLOW], tries=2, options=SOON),
    Fault(
        *("no first byte in time, always", [SLOW, SLOW], OTHERS),
        *("ok", "no whole answer within 1 s, 2 times", 2),
        options=TWICE,
    ),
    Fault("body that stalls", [STALLS], tries=2, options=SOON),
    Fault("body that trickles", [TRICKLES], tries=2, options=SOON),
    Fault("body cut short", [HALF], tries=2),
    Fault("body cut short, always", five(HALF), OTHERS, says="complete message body", tries=5),
    Fault("500 whose body is cut short", [replace(HALF, status=500)], tries=2),
    Fault("200 with broken JSON", [Reply(body=CUT)], tries=2),
    Fault("200 with broken JSON, always", five(Reply(body=CUT)), OTHERS, says="JSON", tries=5),
    Fault("200 with a page", [Reply(body=PAGE)], tries=2),
    Fault("200 with a page, always", five(Reply(body=PAGE)), OTHERS, says="a page came", tries=5),
    Fault("200 with no body", [Reply()], tries=2),
    Fault("200 with no choices", [Reply(body=completion("3", choices=[]))], tries=2),
    Fault(
        *("200 with no choices, always", [Reply(body=completion("3", choices=[]))] * 2, OTHERS),
        *("ok", "without choices, 2 times", 2),
    ),
    Fault("200 that is no completion", [ODD], tries=2),
    Fault(
        *("200 that is no completion, always", [ODD, ODD], OTHERS),
        *("ok", "not a chat completion: .*, 2 times", 2),
    ),
    Fault(
        *("200 with a number that is none", [INFINITE] * 2, OTHERS),
        *("ok", "1e999 is too large a number.*, 2 times", 2),
    ),
    Fault(
        *("200 nested without end", [Reply(body="[" * 100_000)] * 2, OTHERS),
        *("ok", "JSON that cannot be kept .*, 2 times", 2),
    ),
    Fault(
        *("200 nested too deep to be kept", [DEEP] * 2, OTHERS),
        *("ok", "not a chat completion: .*, 2 times", 2),
    ),
    Fault("400 nested without end", [Reply(400, "[" * 100_000)], OTHERS, says=r"400 \[\["),
    Fault("half a character in an error", [HALVED], OTHERS, says=r"400 no \?"),
    Fault("200 with an error in it", [replace(OUT, status=200)], tries=2),
    Fault("refusal", [refusal()], status="refusal"),
    Fault("words for a number", [good("four")], status="non_numeric"),
    Fault("6", [good("6")], status="out_of_range"),
    Fault("-1", [good("-1")], status="out_of_range"),
    Fault("3,5", [good("3,5")], status="non_numeric"),
    Fault("06", [good("06")], status="non_numeric"),
    Fault(
        "null for an answer",
        [Reply(body=completion(None), good=True)],
        status="non_numeric",
    ),
    Fault(*("400 to one prompt", [error(400, "flagged")], OTHERS), says="400 flagged"),
    Fault(
        "401",
        [error(401, "Incorrect API key provided")],
        (),
        all=True,
        says="refuses the key in OPENAI_API_KEY .*put the right one there",
    ),
    Fault(
        "403",
        [error(403, "not allowed", "training_not_available")],
        (),
        all=True,
        says="does not let this key ask made-up-1 .*permissions",
    ),
    Fault("403 to one prompt", [error(403, "screened")], OTHERS, says="403 screened"),
    Fault(
        "404, no such model",
        [error(404, "no model")],
        (),
        all=True,
        says="knows no model made-up-1",
    ),
    Fault(
        "logprobs dropped silently",
        [without_logprobs()],
        all=True,
        says="drops logprobs: greedy ratings only",
    ),
    Fault(
        "length limit ignored silently",
        [good("3", usage={"prompt_tokens": 80, "completion_tokens": 90})],
        all=True,
        says="ignores the limit of 8 tokens",
    ),
    Fault(
        "another model answers",
        [good("3", model="tiny-2")],
        all=True,
        says="made-up-1 was asked, and tiny-2 answered",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, tmp_path, monkeypatch, fault_table: Callable[..., None]):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    first, time = fault.replies[0], Time()
    with (
        FaultServer(
            {} if fault.all else {HIT: fault.replies}, otherwise=first if fault.all else None
        ) as server,
        AnswerStore(tmp_path / "answers.sqlite") as store,
    ):
        asking = backend(server, time, **dict(fault.options))
        run = ask(asking, ITEMS, store)
        there = said(store, WORDS, server)
        assert_kept_and_named(fault, run, server, there)
        assert_asked(fault, server, store)
        assert sum(time.slept) >= fault.slept
        told = assert_said(fault, run, store, keys(server))
        assert_the_rest_is_asked_next(server, store, there)
    fault_table(
        f"server: {fault.name}",
        kept=f"{len(there)} of {len(WORDS)}" + ("" if fault.status == "ok" else f" {fault.status}"),
        said=told,
        exit=0 if run.complete else INCOMPLETE,
    )


def keys(server: FaultServer) -> dict[str, str]:
    return {each.key: each.item.word for each in requests(WORDS, server)}


def assert_kept_and_named(fault: Fault, run: Run, server: FaultServer, there: dict[str, str]):
    """Every good answer that went out is kept; every other call that was made is named."""
    words = keys(server)
    assert {words[key] for key in server.answers} == set(there)
    # Where the run is stopped, what is under way ends, and how much that is depends on chance.
    stopped = bool(run.outcome.stopped)
    assert set(there) <= set(fault.kept) if stopped else set(there) == set(fault.kept)
    asked = {words[key] for key in server.chats}
    assert {words[key] for key in run.outcome.failed} == asked - set(there)
    assert run.outcome.answered == len(there)
    assert run.complete == (set(there) == set(WORDS))


def assert_asked(fault: Fault, server: FaultServer, store: AnswerStore):
    """Nothing is asked again that was answered, and the rest as often as may help."""
    assert set(server.answers.values()) <= {1}
    (hit,) = [key for key, word in keys(server).items() if word == HIT]
    if fault.all:
        return
    assert server.chats[hit] == fault.tries
    tries_without = fault.tries - server.answers[hit]
    assert sum(each.times for each in store.failures([hit])) == tries_without


def assert_said(fault: Fault, run: Run, store: AnswerStore, asked: dict[str, str]) -> str:
    """What cannot be mended by itself is told; what was, is in the log."""
    outcome = run.outcome
    text = " | ".join(
        dict.fromkeys(filter(None, [outcome.stopped, *outcome.failed.values(), *outcome.notes]))
    )
    assert re.search(fault.says, text) if fault.says else not text, text
    bad = bad_answers(long_table(run.now.answered, store))
    assert [line.split(":")[0] for line in bad] == [f"{HIT} on Visual"] * (fault.status != "ok")
    assert all(f": {fault.status}," in line for line in bad)
    log = [
        f"(in the log: {each.kind}, {each.times} x)" for each in store.failures(asked) if not text
    ]
    found = text or " ".join([*bad, *log])
    assert found
    assert SECRET not in found
    return found


def assert_the_rest_is_asked_next(server: FaultServer, store: AnswerStore, there: dict[str, str]):
    """Once the server is well, what is missing is asked, and that alone."""
    before = server.chats
    server.otherwise = good("1")
    assert ask(backend(server), ITEMS, store).complete
    words = keys(server)
    new = {words[key] for key, times in server.chats.items() if times > before[key]}
    assert new == set(WORDS) - set(there)
    kept = said(store, WORDS, server)
    assert {word: kept[word] for word in there} == there
