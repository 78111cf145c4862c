import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from core.rating.asking.requests import Item, Request, chat_request
from core.rating.asking.store import DUPLICATE, AnswerStore
from core.rating.errors import RatingError
from tests.rating.asking.fault_server import completion

ROOT = Path(__file__).parents[3]


def request(word="cat", **changes):
    return chat_request(Item("en", "Visual", word), "made-up-1", **changes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs" / "answers.sqlite"


@pytest.fixture
def store(path):
    with AnswerStore(path) as opened:
        yield opened


def test_an_answer_is_found_again_by_the_hash_of_the_whole_call(store, path):
    assert store.put(request(), completion("3"), source="server x")
    store.close()
    with AnswerStore(path) as again:
        (stored,) = again.get([request().key]).values()
        assert stored.response == completion("3")
        assert (stored.key, stored.source) == (request().key, "server x")
        assert stored.received.endswith("Z")
        # Another seed is another question.
        assert again.answered([request().key, request(seed=1).key]) == {request().key}


def test_what_one_reads_in_the_file_is_who_answered_what_and_for_how_many_tokens(store):
    store.put(request("kat"), completion("3"), source="x")
    rows = store.connection.execute(
        "SELECT language, dimension, word, endpoint, model, fingerprint, prompt_tokens, "
        "completion_tokens FROM requests JOIN answers USING (key)"
    ).fetchall()
    expected = ("en", "Visual", "kat", "/v1/chat/completions", "made-up-1", "fp_1", 80, 3)
    assert rows == [expected]


def test_the_same_answer_again_changes_nothing(store):
    assert store.put(request(), completion("3"), source="first")
    assert store.put(request(), completion("3"), source="second")
    assert store.get([request().key])[request().key].source == "first"
    assert store.failures([request().key]) == []


def test_the_first_answer_stays_and_a_different_one_is_logged(store):
    store.put(request(), completion("3"), source="first")
    assert not store.put(request(), completion("4"), source="second")
    stored = store.get([request().key])[request().key]
    assert stored.response == completion("3")
    (failure,) = store.failures([request().key])
    assert (failure.kind, failure.source, failure.times) == (DUPLICATE, "second", 1)
    assert "'3'" in failure.detail
    assert "'4'" in failure.detail


def test_two_answers_in_one_go_are_as_two_in_turn(store):
    pairs = [(request(), completion("3")), (request("dog"), completion("1"))]
    assert store.put_many([*pairs, (request(), completion("4"))], source="x") == (request().key,)
    assert store.get([request().key])[request().key].response == completion("3")


def test_of_several_answers_all_are_kept_or_none(store):
    pairs = [(request(), completion("3")), (request("dog"), {"usage": float("nan")})]
    with pytest.raises(RatingError, match=r"not JSON"):
        store.put_many(pairs, source="x")
    assert store.answered([request().key]) == set()
    assert store.connection.execute("SELECT count(*) FROM requests").fetchone() == (0,)


def test_a_request_changed_after_it_got_its_key_is_refused(store):
    changed = request()
    assert changed.key
    changed.body["seed"] = 5  # pyright: ignore[reportIndexIssue]
    with pytest.raises(RatingError, match=r"cat.*changed after it got its key"):
        store.put(changed, completion("3"), source="x")


def test_an_answer_without_usage_or_fingerprint_is_kept(store):
    bare = {"choices": [{"message": {"content": "3"}}]}
    store.put(request(), bare, source="x")
    assert store.get([request().key])[request().key].response == bare


def test_a_failed_try_is_counted_and_is_no_answer(store):
    for _ in range(3):
        store.fail(request(), "http 500", "500 out of order", "server x")
    store.fail(request().key, "timeout", "no answer within 5 s", "server x")
    found = [(each.kind, each.times) for each in store.failures([request().key])]
    assert sorted(found) == [("http 500", 3), ("timeout", 1)]
    assert store.answered([request().key]) == set()
    assert store.failures([request("dog").key]) == []


def test_thousands_of_keys_are_looked_up_in_their_order(store):
    requests = [request(f"w{k}") for k in range(1200)]
    store.put_many([(each, completion(str(k % 6))) for k, each in enumerate(requests)], source="x")
    keys = [each.key for each in requests][::-1]
    assert store.answered([*keys, "none"]) == set(keys)
    assert list(store.get([*keys, "none"])) == keys
    said = [each.response["choices"][0]["message"]["content"] for each in store.get(keys).values()]
    assert said == [str(k % 6) for k in range(1200)][::-1]


def test_nothing_of_a_broken_transaction_is_kept(store):
    def half():
        with store.transaction() as connection:
            connection.execute("CREATE TABLE batches (id TEXT)")
            store.put(request(), completion("3"), source="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert store.answered([request().key]) == set()
    tables = store.connection.execute("SELECT name FROM sqlite_schema").fetchall()
    assert ("batches",) not in tables


def test_every_commit_is_on_the_disk_before_it_is_acknowledged(store):
    said = [
        store.connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    # https://www.sqlite.org/pragma.html: 2 is FULL, which syncs the WAL at every commit.
    assert said == ["wal", 2, 1]


def text(path):
    path.write_text("word,Visual\ncat,3\n" * 100)


def another(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (id)")
    connection.close()


def later(path):
    AnswerStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()


def torn(path):
    with AnswerStore(path) as store:
        store.put_many([(request(f"w{k}"), completion("3")) for k in range(200)], source="x")
    data = bytearray(path.read_bytes())
    for at in range(4096, len(data), 4096):
        data[at : at + 64] = bytes(range(64))
    path.write_bytes(data)


def folder(path):
    path.mkdir()


def marked(path):
    AnswerStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE answers")
        connection.execute("CREATE TABLE answers (id)")
    connection.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (text, "no store of answers; name another file"),
        (another, "a database, but no store of answers; name another file"),
        (later, r"written by a later version \(layout 99, here 1\); update"),
        (torn, "damaged .*; move it away"),
        (folder, r"a folder; name a file to keep answers in, such as .*answers\.sqlite/answers"),
        (marked, "marked as a store of answers, but its tables are others; name another file"),
    ],
)
def test_a_file_that_is_no_sound_store_is_refused_and_left_alone(make, said, tmp_path):
    path = tmp_path / "answers.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(RatingError, match=rf"answers\.sqlite: {said}"):
        AnswerStore(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_where_its_folder_should_be_is_told(tmp_path):
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RatingError, match=r"answers\.sqlite: its folder cannot be made .*another"):
        AnswerStore(tmp_path / "runs" / "answers.sqlite")


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"model": 7}, (None, "fp_1", 80, 3)),
        ({"model": "\ud83c"}, ("?", "fp_1", 80, 3)),
        ({"system_fingerprint": {"a": 1}}, ("made-up-1", None, 80, 3)),
        ({"usage": [1]}, ("made-up-1", "fp_1", None, None)),
        (
            {"usage": {"prompt_tokens": 2**63, "completion_tokens": "3"}},
            ("made-up-1", "fp_1", None, None),
        ),
        (
            {"usage": {"prompt_tokens": 2**63 - 1, "completion_tokens": 2.5}},
            ("made-up-1", "fp_1", 2**63 - 1, None),
        ),
    ],
)
def test_an_answer_with_odd_facts_is_kept_as_it_came_without_them(store, changes, kept):
    store.put(request(), completion("3", **changes), source="x")
    assert store.get([request().key])[request().key].response == completion("3", **changes)
    columns = "model, fingerprint, prompt_tokens, completion_tokens"
    assert store.connection.execute(f"SELECT {columns} FROM answers").fetchone() == kept


def test_a_damaged_answer_is_named(store):
    store.put(request(), completion("3"), source="x")
    store.connection.execute("UPDATE answers SET response = x'00'")
    with pytest.raises(RatingError, match=rf"answers\.sqlite: the answer {request().key} is dam"):
        store.get([request().key])


def test_a_disk_that_is_full_is_told_and_what_was_there_stays(store):
    store.put(request(), completion("3"), source="x")
    pages = store.connection.execute("PRAGMA page_count").fetchone()[0]
    store.connection.execute(f"PRAGMA max_page_count = {pages}")
    pairs = [(request(f"w{k}"), completion("3")) for k in range(500)]
    with pytest.raises(RatingError, match=r"answers\.sqlite: cannot be used \(.*full"):
        store.put_many(pairs, source="x")
    assert store.answered([each.key for each, _ in pairs]) == set()
    assert store.answered([request().key]) == {request().key}


def test_one_who_waits_too_long_for_another_writer_is_told_so(store, path, monkeypatch):
    monkeypatch.setattr("core.rating.asking.database.PATIENCE", 0.05)
    late = pytest.raises(RatingError, match="another process has been writing")
    with AnswerStore(path) as other, store.transaction(), late:
        other.put(request(), completion("3"), source="x")


WRITER = """
import sys
from core.rating.asking.requests import Item, chat_request
from core.rating.asking.store import AnswerStore
path, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with AnswerStore(path) as store:
    for k in range(first, last):
        request = chat_request(Item("en", "Visual", f"w{k}"), "made-up-1")
        store.put(request, {"choices": [{"message": {"content": str(k)}}]}, source="x")
        print(k, request.key, flush=True)
"""


def writer(path, first, last):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def said_in(store, keys):
    found = store.get(keys)
    return {key: each.response["choices"][0]["message"]["content"] for key, each in found.items()}


def test_processes_that_write_at_the_same_time_lose_nothing(path):
    writers = [writer(path, first, first + 60) for first in (0, 60, 120)]
    said = [each.communicate(timeout=60)[0] for each in writers]
    keys = dict(line.split()[::-1] for out in said for line in out.splitlines())
    assert len(keys) == 180
    with AnswerStore(path) as store:
        assert said_in(store, keys) == keys


def test_what_was_acknowledged_outlives_twenty_kills(path):
    rng = random.Random(6)
    acknowledged: dict[str, str] = {}
    for _ in range(20):
        process = writer(path, len(acknowledged), 10**6)
        assert process.stdout is not None
        for _ in range(rng.randrange(1, 40)):
            number, key = process.stdout.readline().split()
            acknowledged[key] = number
        os.kill(process.pid, signal.SIGKILL)
        # What it had still said before it died was acknowledged, too; the last line may be cut.
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                number, key = line.split()
                acknowledged[key] = number
        process.wait()
        process.stdout.close()
        with AnswerStore(path) as store:
            assert said_in(store, acknowledged) == acknowledged
    assert len(acknowledged) > 100


def test_the_key_does_not_depend_on_the_order_of_fields(store):
    body = dict(request().body)
    shuffled = Request(request().item, request().endpoint, dict(reversed(body.items())))
    store.put(request(), completion("3"), source="x")
    assert store.answered([shuffled.key]) == {shuffled.key}
    assert json.dumps(shuffled.body) != json.dumps(body)


def test_half_a_character_is_kept_as_it_came(store):
    answer = completion("3")
    answer["choices"][0]["message"]["content"] = "\ud83c"
    assert store.put(request(), answer, source="server")
    assert store.get([request().key])[request().key].response == answer
