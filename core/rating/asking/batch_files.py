"""The files of the batch service: the calls that go in, and the lines that come out.

A line is known by its ``custom_id``, which here is the hash of the whole call and never a running
number: a line cannot be taken for the answer to another call, whatever file it stands in and in
whatever order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.rating.asking.parsing import parse_completion
from core.rating.asking.prices import likely_tokens
from core.rating.asking.replies import PASSING, short
from core.rating.asking.requests import CHAT, Request, canonical

#: What a batch may hold (https://developers.openai.com/api/docs/guides/batch), and how many tokens
#: of an organisation may wait for gpt-4o-mini at a time: the least that was reported.
MOST_REQUESTS, MOST_BYTES, WINDOW = 50_000, 200_000_000, 2_000_000
_ID = re.compile(r'"custom_id"\s*:\s*"([^"]*)"')


@dataclass(frozen=True)
class Lost:
    """What came in the place of an answer.

    Attributes
    ----------
    kind, said : str
        What happened, in a word and in a line.
    again : bool
        Whether another try may bring an answer.
    """

    kind: str
    said: str
    again: bool


@dataclass
class Lines:
    """What the lines of a batch's files come to.

    Attributes
    ----------
    answers : list of (str, dict)
        Key and chat completion, in the order of the lines; a key may come twice.
    lost : dict of str to Lost
        Calls that failed, by key.
    foreign : list of str
        What lines of other batches say they are.
    repeated : list of str
        The keys of lines after the first of their key.
    cut : list of str
        Lines that are no JSON of a batch, as "output line 3".
    usage : dict of str to Any
        What calls that were carried out say they used, by key, whether or not it is an answer that
        came of them.
    """

    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lost: dict[str, Lost] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)


def input_line(request: Request) -> bytes:
    """Return a call as a line of an input file."""
    line = {"custom_id": request.key, "method": "POST", "url": CHAT}
    return (canonical({**line, "body": request.body}) + "\n").encode()


def next_wave(
    requests: Iterable[Request],
    window: int,
    *,
    most: int = MOST_REQUESTS,
    size: int = MOST_BYTES,
) -> tuple[list[Request], int]:
    """Return as many calls from the front as one batch may hold, and about their tokens.

    Parameters
    ----------
    requests : iterable of Request
    window : int
        Tokens; a call that is longer goes alone.
    most, size : int
        Calls, and bytes of the input file.
    """
    wave: list[Request] = []
    tokens = bytes_ = 0
    for request in requests:
        tokens, bytes_ = tokens + likely_tokens(request.body), bytes_ + len(input_line(request))
        if wave and (tokens > window or bytes_ > size or len(wave) == most):
            return wave, tokens - likely_tokens(request.body)
        wave.append(request)
    return wave, tokens


def read_lines(texts: Mapping[str, str], keys: Collection[str], key: str) -> Lines:
    """Read the lines of a batch's files.

    Parameters
    ----------
    texts : mapping of str to str
        Each file's content, under what it is called in messages.
    keys : collection of str
        The calls that the batch was made of.
    key : str
        The account's key, to be taken out of messages.
    """
    found, seen = Lines(), set()
    for name, text in texts.items():
        # Not `splitlines`: text in JSON may hold other signs that end a line.
        for number, line in enumerate(text.split("\n"), start=1):
            if not line.strip():
                continue
            record = _record(line)
            if record is None:
                whose = _ID.search(line)
                found.cut.append(f"{name} line {number}" + (f" ({whose[1][:12]})" if whose else ""))
                continue
            one = record["custom_id"]
            if one not in keys:
                found.foreign.append(short(one, key))
                continue
            if one in seen:
                found.repeated.append(one)
            seen.add(one)
            _take(found, one, record, key)
    for one, _ in found.answers:
        found.lost.pop(one, None)
    return found


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or not isinstance(record.get("custom_id"), str):
        return None
    return record


def _take(found: Lines, one: str, record: Mapping[str, Any], key: str) -> None:
    response = record.get("response")
    response = response if isinstance(response, dict) else {}
    status, body = response.get("status_code"), response.get("body")
    if record.get("error") is None and status == 200 and isinstance(body, dict):
        found.usage[one] = body.get("usage")
        try:
            parse_completion(body)
        except (ValueError, KeyError) as error:
            found.lost[one] = Lost("no completion", f"not a chat completion ({error!r})", True)
            return
        found.answers.append((one, body))
        return
    code, said = _fault(record.get("error"), body)
    again = not (isinstance(status, int) and 400 <= status < 500) or status in (*PASSING, 429)
    kind = code or (f"http {status}" if status else "error")
    found.lost[one] = Lost(kind, short(f"{status or ''} {code}".strip() + f": {said}", key), again)


def _fault(*places: Any) -> tuple[str, str]:
    """Return the code and the message of an error, wherever the service put it."""
    for place in places:
        error = place.get("error", place) if isinstance(place, dict) else place
        if isinstance(error, dict):
            code = error.get("code") or error.get("type") or ""
            return str(code), str(error.get("message") or json.dumps(error))
        if error:
            return "", str(error)
    return "", "no answer, and no reason"


def reconciled(
    batch: str,
    keys: Collection[str],
    lines: Lines,
    left: Sequence[str],
    names: Mapping[str, str],
) -> str:
    """Return in a line how a batch's calls and the lines that came back go together.

    Parameters
    ----------
    batch : str
        What it is called.
    keys : collection of str
        The calls it was made of.
    lines : Lines
    left : sequence of str
        Those without an answer.
    names : mapping of str to str
        What to call a call.
    """

    def named(several: Sequence[str]) -> list[str]:
        return [names.get(one, one[:12]) for one in several]

    parts = [f"{len(keys):,} asked", f"{len({one for one, _ in lines.answers}):,} answered"]
    for what, several in (
        ("failed", named([one for one in left if one in lines.lost])),
        ("missing", named([one for one in left if one not in lines.lost])),
        ("foreign", named(lines.foreign)),
        ("repeated", named(lines.repeated)),
        ("cut", lines.cut),
    ):
        if several:
            more = ", ..." if several[3:] else ""
            parts.append(f"{len(several):,} {what} ({', '.join(several[:3])}{more})")
    return f"batch {batch}: {', '.join(parts)}"
