"""What a server's reply to one call means: an answer, something to try again, or the end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from core.rating.asking.parsing import Completion, parse_completion
from core.rating.asking.scrub import NO_KEY, scrub, scrubbed

#: Codes of a 429 that no waiting mends.
SPENT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
#: Statuses that another try may mend, besides 429 and everything from 500.
PASSING = (408, 409, 425)
_LONGEST_SAID = 200
_CONTINUE = "then run it again: nothing that was answered is asked twice"


@dataclass(frozen=True)
class Trouble:
    """A call that brought no answer.

    Attributes
    ----------
    does : {"retry", "wait", "fail", "stop"}
        Try it again; wait as every other call should, then try it again; give this call up; or end
        the run, since every other call would fare the same.
    kind : str
        For the log, such as "http 500".
    said : str
        For people, in a line. Holds no key.
    ends : str
        For "stop": why the run ends, and what would mend it.
    after : float, optional
        Seconds that the server asks to be left alone.
    charged : bool
        Whether it may have cost as much as an answer.
    twice : bool
        For "retry": whether a second one like it is enough, since at temperature 0 a third will be
        no other.
    """

    does: Literal["retry", "wait", "fail", "stop"]
    kind: str
    said: str
    ends: str = ""
    after: float | None = None
    charged: bool = False
    twice: bool = False


@dataclass(frozen=True)
class Server:
    """Whom a call was made to: what messages say of it, and the key that they must not say."""

    url: str
    model: str
    key_env: str
    key: str = field(repr=False)


def read_reply(text: str, server: Server) -> tuple[dict[str, Any], Completion] | Trouble:
    """Return the answer in the body of a 200, less the key, and as it reads, or what is wrong."""
    shown = short(text, server.key)
    try:
        body = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("<"):
            return Trouble("retry", "no json", f"a page came back, no JSON: {shown}", charged=True)
        said = f"broken JSON came back ({error}): {shown}"
        return Trouble("retry", "no json", said, charged=True)
    except (ValueError, RecursionError) as error:
        return _odd("no json", f"JSON that cannot be kept came back ({error}): {shown}")
    try:
        return scrubbed(body, server.key), parse_completion(body)
    except (ValueError, KeyError, RecursionError):
        if isinstance(body, dict) and body.get("error"):
            said = f"an error in the place of an answer: {short(_message(body), server.key)}"
            return Trouble("retry", "error", said, charged=True)
        if isinstance(body, dict) and body.get("choices") == []:
            return _odd("no choices", "an answer without choices")
        return _odd("no completion", f"not a chat completion: {shown}")


def read_status(status: int, headers: Mapping[str, str], text: str, server: Server) -> Trouble:
    """Return what a reply with an error status means, and what would mend it."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = {}
    body = body if isinstance(body, dict) else {}
    said = f"{status} {short(_message(body) if body else text, server.key)}".strip()
    kind = f"http {status}"
    after = retry_after(headers)
    remedy = _final(status, body, server)
    if remedy:
        what, do = remedy
        return Trouble("stop", kind, said, f"{what} ({said}); {do}, {_CONTINUE}")
    if status == 429 or (after is not None and _passing(status)):
        return Trouble("wait", kind, said, after=after)
    return Trouble("retry" if _passing(status) else "fail", kind, said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to be left alone; None where it does not say.

    Both forms are read, seconds and a date, and the milliseconds that OpenAI gives beside them.
    """
    said = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    for text, unit in zip(said, (1000, 1), strict=True):
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    try:
        date = parsedate_to_datetime(said[1])
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def short(text: str, key: str) -> str:
    """Return a text in one line, without a key, and cut to a length that can be read."""
    # JSON can hold half a character, which neither the store nor a terminal takes.
    whole = text.encode(errors="replace").decode()
    line = " ".join(scrub(whole, key).split())
    return line if len(line) <= _LONGEST_SAID else line[: _LONGEST_SAID - 1] + "…"


def _odd(kind: str, said: str) -> Trouble:
    return Trouble("retry", kind, said, charged=True, twice=True)


def _passing(status: int) -> bool:
    return status in PASSING or status >= 500


def _final(status: int, body: Mapping[str, Any], server: Server) -> tuple[str, str] | None:
    """Return what happened and what to do, for what would happen to every other call too."""
    if status == 429 and _code(body) in SPENT:
        return "the account's quota is used up", "add to it"
    if status == 401 and server.key == NO_KEY:
        what = f"{server.url} wants a key"
        return what, f"put it into {server.key_env} or name another variable with --key-env"
    if status == 401:
        return f"{server.url} refuses the key in {server.key_env}", "put the right one there"
    if status == 402:
        return "the account has nothing left to pay with", "add to it"
    if status == 403:
        what = f"{server.url} does not let this key ask {server.model}"
        return what, "check the key's project and permissions or name another model"
    if status == 404:
        what = f"{server.url} knows no model {server.model}, or no chat completions"
        return what, "check the name and the address"
    return None


def _message(body: Mapping[str, Any]) -> str:
    error = body.get("error", body)
    if isinstance(error, dict):
        return str(error.get("message") or error.get("detail") or json.dumps(error))
    return str(error)


def _code(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    found = (error.get("code"), error.get("type")) if isinstance(error, dict) else ()
    return next((code for code in found if code in SPENT), "")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
