"""What is asked, what is not asked again, and what came of it."""

from types import MappingProxyType

import pytest

from core.rating.asking.backend import Outcome
from core.rating.asking.requests import Item, chat_request
from core.rating.asking.run import ask, plan, reconcile
from core.rating.asking.store import AnswerStore


def completion(content):
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": {}}


class Scripted:
    """Answers "3" to every word but those it has a failure for; stops at "STOP"."""

    name, model, about = "scripted", "m", MappingProxyType({})

    def __init__(self, failures=()):
        self.failures, self.asked = dict(failures), []

    def request(self, item):
        return chat_request(item, self.model)

    def ask(self, requests, store, progress):
        answered, failed = 0, {}
        for request in requests:
            word = request.item.word
            self.asked.append((request.item.dimension, word))
            if word == "STOP":
                return Outcome(answered, failed, "the budget is used up")
            if word in self.failures:
                failed[request.key] = self.failures[word]
            else:
                store.put(request, completion("3"), source="test")
                answered += 1
            progress(1)
        return Outcome(answered, failed)


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as opened:
        yield opened


def test_a_plan_goes_dimension_by_dimension():
    assert plan(["A", "B"], "nl", ["Visual", "Haptic"]) == [
        Item("nl", "Visual", "A"),
        Item("nl", "Visual", "B"),
        Item("nl", "Haptic", "A"),
        Item("nl", "Haptic", "B"),
    ]


def test_only_what_is_missing_is_asked(store):
    backend = Scripted({"B": "timeout"})
    first = ask(backend, plan("AB", "en", ["Visual"]), store)
    assert (first.before, first.outcome.answered, first.complete) == (0, 1, False)
    assert [one.item.word for one in first.now.missing] == ["B"]
    assert [*first.outcome.failed.values()] == ["timeout"]

    backend.failures.clear()
    second = ask(backend, plan("ABC", "en", ["Visual"]), store)
    assert backend.asked == [("Visual", word) for word in "ABBC"]
    assert (second.before, second.outcome.answered, second.complete) == (1, 2, True)

    third = ask(backend, plan("ABC", "en", ["Visual"]), store)
    assert len(backend.asked) == 4
    assert (third.before, third.outcome.answered, third.complete) == (3, 0, True)


def test_answers_to_other_calls_are_none_of_its_business(store):
    ask(Scripted(), plan("A", "en", ["Visual"]), store)
    other = Scripted()
    other.model = "n"
    assert ask(other, plan("A", "en", ["Visual"]), store).before == 0
    assert other.asked == [("Visual", "A")]
    requests = [other.request(item) for item in plan("AB", "en", ["Visual"])]
    found = reconcile(requests, store)
    assert [one.item.word for one in found.answered] == ["A"]
    assert [one.item.word for one in found.missing] == ["B"]
    assert found.repeated == ()


def test_what_is_wanted_twice_is_asked_once(store):
    backend = Scripted()
    counted = []
    run = ask(backend, plan("ABA", "en", ["Visual"]), store, counted.append, counted.append)
    assert backend.asked == [("Visual", "A"), ("Visual", "B")]
    assert [one.item.word for one in run.now.repeated] == ["A"]
    assert len(run.now.answered) == 2
    assert sum(counted) == 3


def test_stopped_early_it_says_what_is_missing(store):
    run = ask(Scripted(), [Item("en", "Visual", w) for w in ("A", "STOP", "C")], store)
    assert run.outcome.stopped == "the budget is used up"
    assert [one.item.word for one in run.now.missing] == ["STOP", "C"]
    assert not run.complete


def test_progress_is_told_apart_from_what_was_there(store):
    backend, there, counted = Scripted(), [], []
    ask(backend, plan("AB", "en", ["Visual"]), store)
    ask(backend, plan("ABCD", "en", ["Visual"]), store, counted.append, there.append)
    assert (there, counted) == ([2], [1, 1])
