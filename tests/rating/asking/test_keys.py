import base64
import html
import json
import logging
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rating.asking.scrub import (
    HIDDEN,
    NO_KEY,
    OPENAI,
    address,
    read_key,
    scrub,
    scrubbed,
    unlogged,
)
from core.rating.asking.server import ServerBackend
from core.rating.asking.store import AnswerStore
from core.rating.asking.tables import bad_answers, long_table, unanswered
from core.rating.errors import RatingError
from tests.rating.asking.fault_server import FaultServer, Reply, completion, good
from tests.rating.asking.serving import MODEL, SECRET, backend, requests

#: One for each kind of reply; fewer of them fail than would end the run.
WORDS = [f"word{chr(97 + k)}" for k in range(12)]
#: Made up, in the pattern of a service whose keys could be names of variables.
IDENTIFIER = "gsk_AbC123made0up9xYz"


def forms(key):
    """The ways to write a key, each with the part of it that nothing beside the key is in."""
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in key)
    pages = html.escape(key), "".join(f"&#{ord(sign)};" for sign in key)
    plain = (key, json.dumps(key)[1:-1], key.encode().hex(), key.encode().hex().upper())
    for text in (*plain, quote(key), quote(key, safe=""), quote_plus(key), escaped, *pages):
        yield text, text
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in (b"", b"Bearer ", b"me:", b"ab"):
            whole = encode(before + key.encode() + b"!").decode()
            yield whole, whole[len(before) * 4 // 3 + 1 : len(before + key.encode()) * 4 // 3 - 1]


def echoes(call):
    """What a careless server might send back, in every kind of reply."""
    seen = call.authorization
    basic = base64.b64encode(seen.encode()).decode()
    text = f"bad request: {seen}, {quote(seen)}, {basic}"
    broken = {"error": {"message": text, "code": seen, seen: [seen]}}
    body = completion(f"3 for {seen}", model=f"tiny {seen}", echo={seen: [text]})
    escaped = json.dumps(body).replace(SECRET, "".join(f"\\u{ord(c):04x}" for c in SECRET))
    kinds = [
        Reply(body=body, good=True),
        Reply(body=escaped, good=True),
        good(f"{seen}"),
        good("3", system_fingerprint=seen),
        Reply(400, broken),
        Reply(500, broken),
        Reply(503, text),
        Reply(429, broken, {"Retry-After": "1"}),
        Reply(body=f"<html>{text}</html>"),
        Reply(body=f'{{"choices": "{seen}", '),
        Reply(body={"error": broken["error"]}),
        Reply(body=body, cut=0.6),
    ]
    reply = kinds[sum(map(ord, call.prompt)) % len(kinds)]
    headers = {**reply.headers, "X-Request-Id": seen, "X-Echo": seen}
    return Reply(reply.status, reply.body, headers, cut=reply.cut, good=reply.good)


def secrets_in(text, *, at=""):
    for _, form in forms(SECRET):
        assert form not in text, f"{at}: ...{text[max(0, text.find(form) - 60) :][:200]}"


@pytest.mark.parametrize("end", [None, 401, 403, 404])
def test_the_key_is_nowhere_but_in_the_call(end, tmp_path, monkeypatch, caplog, capfd):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    path, heard = tmp_path / "answers.sqlite", []

    def ending(call):
        return Reply(
            end, {"error": {"message": f"Incorrect API key provided: {call.authorization}"}}
        )

    with FaultServer(otherwise=ending if end else echoes) as server, AnswerStore(path) as store:
        asking = backend(server, say=heard.append)
        outcome = asking.ask(requests(WORDS, server), store, lambda _: None)
        assert {call.authorization for call in server.asked} == {f"Bearer {SECRET}"}
        # While it is open the newest rows are in the -wal file.
        files = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
        keys = [each.key for each in requests(WORDS, server)]
        rows = [str(each) for each in [*store.each(keys), *store.failures(keys)]]
        answers = long_table(requests(WORDS, server), store)
        shown = [*bad_answers(answers), *unanswered(requests(WORDS, server), outcome.failed)]
        table = answers.to_csv()
    assert "answers.sqlite-wal" in files
    assert rows
    assert outcome.failed
    if not end:
        assert any(HIDDEN in row for row in rows)
        assert outcome.answered
    for name, content in files.items():
        secrets_in(content.decode("latin-1"), at=name)
    out, err = capfd.readouterr()
    objects = f"{asking!r} {vars(asking)} {outcome!r} {outcome.stopped}"
    for at, text in {
        "rows": "\n".join(rows),
        "notes": "\n".join(heard),
        "report": "\n".join(shown),
        "table": table,
        "objects": objects,
        "out": out + err,
    }.items():
        secrets_in(text, at=at)
    assert caplog.records
    for record in caplog.records:
        secrets_in(f"{record.getMessage()} {record.exc_text} {record.exc_info}", at=record.name)


@given(
    st.text(string.ascii_letters + string.digits + "-_+/=.!&'<%", min_size=8, max_size=60),
    *[st.text(" <>&é\n", max_size=9)] * 2,
)
def test_however_a_key_is_written_it_is_taken_out(key, before, after):
    for form, core in forms(key):
        assert core in form
        assert core not in scrub(before + form + after, key)
        assert core not in scrub(json.dumps({"a": [before + form + after]}), key)
    plain = before + after
    assert scrub(plain, key) == plain


def test_json_content_is_scrubbed_down_to_the_names_of_its_fields():
    content = {"a": [1, None, {SECRET: f"x{SECRET}"}], "b": 0.5, "c": True}
    hidden = {"a": [1, None, {HIDDEN: f"x{HIDDEN}"}], "b": 0.5, "c": True}
    assert scrubbed(content, SECRET) == hidden


@pytest.mark.parametrize(
    "text", ["sk-abcd****wxyz", "sk-proj-Zm9v_YmFy-1", "Incorrect API key provided: sk-abc12345."]
)
def test_what_looks_like_a_key_is_taken_out_whatever_the_key(text):
    assert "sk-" not in scrub(text, "another-key")
    assert scrub("task-oriented and sk-8", "another-key") == "task-oriented and sk-8"


@pytest.mark.parametrize("key", ["", "3", NO_KEY, "EMPTY", "answer"])
def test_a_short_key_is_no_secret_and_takes_nothing_out_of_answers(key):
    body = completion("3")
    assert scrubbed(body, key) == body
    assert scrub("the answer is 3, none EMPTY", key) == "the answer is 3, none EMPTY"


@pytest.mark.parametrize(
    ("name", "value", "url", "said"),
    [
        ("MY_KEY", None, None, "environment variable MY_KEY"),
        ("MY_KEY", None, "https://api.openai.com/v1", "environment variable MY_KEY"),
        (SECRET, None, None, "takes the name of an environment variable"),
        (IDENTIFIER, None, None, "takes the name of an environment variable"),
        (IDENTIFIER, None, "http://localhost:8000/v1", "takes the name of an environment variable"),
        ("MY_KEY", f"{SECRET} {SECRET}", None, "what MY_KEY holds is no key"),
        ("MY_KEY", f"{SECRET}é", None, "what MY_KEY holds is no key"),
        ("OPENAI_API_KEY", SECRET, "http://example.org/v1", "sent there unencrypted"),
    ],
)
def test_a_key_that_is_none_or_would_be_given_away_is_refused(name, value, url, said, monkeypatch):
    if value:
        monkeypatch.setenv(name, value)
    with pytest.raises(RatingError, match=said) as refused:
        read_key(name, url)
    assert SECRET not in str(refused.value)
    assert IDENTIFIER not in str(refused.value)


def test_a_variable_in_small_letters_is_read_where_it_is_set(monkeypatch):
    monkeypatch.setenv("their_key", SECRET)
    assert read_key("their_key") == SECRET


def test_a_key_is_kept_out_of_loggers_made_later_and_of_those_that_hand_nothing_on(caplog):
    told = []

    class Kept(logging.Handler):
        def emit(self, record):
            told.append(self.format(record))

    with unlogged(SECRET):
        logger = logging.getLogger("made.later")
        logger.propagate = False
        logger.addHandler(Kept())
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.exception("sent %s", SECRET)
        logging.getLogger("httpx.made.later").warning("got %s", {"a": SECRET})
    assert "sent [key]" in told[0]
    assert "ValueError: [key]" in told[0]
    assert SECRET not in told[0]
    assert caplog.messages == ["got {'a': '[key]'}"]
    logger.warning("%s", SECRET)
    assert told[1] == SECRET


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, OPENAI),
        ("", OPENAI),
        ("HTTPS://API.OpenAI.com:443/v1/", OPENAI),
        ("http://Localhost:80/V1", "http://localhost/V1"),
        ("http://localhost:8000/v1//", "http://localhost:8000/v1"),
        ("http://localhost:443/v1", "http://localhost:443/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
    ],
)
def test_an_address_has_one_form(given, found):
    assert address(given) == found
    assert address(found) == found


@pytest.mark.parametrize(
    "given",
    [
        *("http://localhost:abc/v1", "http://localhost:99999/v1", "http://localhost:0/v1"),
        *("localhost:8000/v1", "ftp://localhost/v1", "http://", "http://[::1", "http://a b/v1"),
        *("http://:8000/v1", "sk-made-up-and-no-address"),
    ],
)
def test_what_is_no_address_is_refused(given):
    with pytest.raises(RatingError, match="no address of a server") as refused:
        address(given)
    assert "sk-made" not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        *(f"http://me:{SECRET}@host/v1", f"{SECRET}@host", f"http://{SECRET}@host:abc"),
        *(f"http://host/v1?key={SECRET}", f"http://host:abc?{SECRET}", f"http://[{SECRET}@::1"),
        *(f"http://me:p?a{SECRET}@host/v1", f"http://host/v1#{SECRET}", "http://zq7-made?@x"),
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_shown(given):
    with pytest.raises(RatingError, match="holds a password or a query; leave it out") as refused:
        address(given)
    assert "zq7-made" not in str(refused.value)


def test_a_server_at_home_needs_no_key(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with FaultServer() as server, AnswerStore(tmp_path / "a.sqlite") as store:
        outcome = backend(server).ask(requests(["cat"], server), store, lambda _: None)
    assert outcome.answered == 1
    assert server.asked[0].authorization == f"Bearer {NO_KEY}"


def test_one_that_does_want_a_key_says_so(monkeypatch, tmp_path):
    monkeypatch.delenv("THEIR_KEY", raising=False)
    with (
        FaultServer(otherwise=Reply(401, {"detail": "who?"})) as server,
        AnswerStore(tmp_path / "a.sqlite") as store,
    ):
        asking = backend(server, key_env="THEIR_KEY")
        stopped = asking.ask(requests(["cat"], server), store, lambda _: None).stopped
    assert "wants a key (401 who?); put it into THEIR_KEY" in stopped


def test_the_key_of_openai_is_asked_for_before_anything_is_sent(monkeypatch, tmp_path):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    wanted = pytest.raises(RatingError, match="into the environment variable OPENAI_API_KEY")
    with AnswerStore(tmp_path / "a.sqlite") as store, wanted:
        ServerBackend(None, MODEL).ask(requests(["cat"]), store, lambda _: None)


def test_another_variable_is_read_where_it_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "not-this-one")
    monkeypatch.setenv("THEIR_KEY", SECRET)
    with FaultServer(otherwise=good()) as server, AnswerStore(tmp_path / "a.sqlite") as store:
        backend(server, key_env="THEIR_KEY").ask(requests(["cat"], server), store, lambda _: None)
    assert server.asked[0].authorization == f"Bearer {SECRET}"
