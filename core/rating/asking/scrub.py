"""A key to a service: where it is read from, and how it is kept out of everything else."""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from core.rating.errors import RatingError

#: OpenAI's own address.
OPENAI = "https://api.openai.com/v1"
#: The environment variable that holds the key, unless another is named.
KEY = "OPENAI_API_KEY"
#: Sent to a server that wants none.
NO_KEY = "none"
#: What stands where a key stood.
HIDDEN = "[key]"
#: A shorter text is no secret, such as the "EMPTY" that servers at home are given: taking it out
#: of answers would take parts of the answers.
SHORTEST = 8
_PORTS = {"http": 80, "https": 443}
_HOME = ("localhost", "127.0.0.1", "::1")
#: OpenAI's keys, and what it shows of a key that it refuses ("sk-abc***xyz").
_LIKE_A_KEY = r"\bsk-[\w*.\-]{6,}"

Content = TypeVar("Content")


def read_key(name: str = KEY, base_url: str | None = None) -> str:
    """Return the key that an environment variable holds, `NO_KEY` for a server that needs none.

    Parameters
    ----------
    name : str
        The variable.
    base_url : str, optional
        The server that the key is for; OpenAI's own if none is named.

    Raises
    ------
    RatingError
        If the name is none (capitals, digits and "_", unless it is set); if it is not set and the
        server is OpenAI's; if it holds what can be no key; or if it is OpenAI's variable and would
        go to another machine unencrypted. The value is never shown.
    """
    if not re.fullmatch("[A-Z_][A-Z0-9_]*", name) and name not in os.environ:
        # Most likely the key itself: it is not shown.
        raise RatingError("--key-env takes the name of an environment variable, not a key")
    key = os.environ.get(name, "").strip()
    if not key:
        if base_url is None or is_openai(base_url):
            raise RatingError(
                f"no key: put it into the environment variable {name}, or name another variable "
                "with --key-env"
            )
        return NO_KEY
    if not key.isascii() or not key.isprintable() or " " in key:
        raise RatingError(f"what {name} holds is no key: blanks or signs that no key has")
    if base_url is not None and name == KEY and _in_the_open(base_url):
        raise RatingError(
            f"{base_url}: {KEY} would be sent there unencrypted; use https, or name the variable "
            "that holds this server's own key with --key-env"
        )
    return key


def address(base_url: str | None) -> str:
    """Return a server's address in the one form that its answers are kept under.

    Scheme and host are in small letters, and neither a default port nor a last slash is there.

    Parameters
    ----------
    base_url : str or None
        Such as "http://localhost:8000/v1"; OpenAI's own if None or empty.

    Raises
    ------
    RatingError
        If it is no address, or holds a user, a password or a query, which are not shown.
    """
    given = (base_url or OPENAI).strip()
    if re.search("[@?#]", given):
        # Nothing of it is shown: where the secret begins, a broken address does not tell.
        raise RatingError(
            "the address holds a password or a query; leave it out and name the variable that "
            "holds the key with --key-env"
        )
    parts = _split(given)
    if parts is None or not parts.hostname:
        raise RatingError(
            f"{scrub(given, NO_KEY)}: no address of a server; give one such as "
            "http://localhost:8000/v1"
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = "" if parts.port in (None, _PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}{parts.path.rstrip('/')}"


def is_openai(base_url: str) -> bool:
    """Return whether an address is OpenAI's."""
    host = urlsplit(base_url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def scrub(text: str, key: str) -> str:
    """Return a text without a key, as it is or as it may be written in addresses and headers.

    Keys of OpenAI's pattern are taken out whatever the key; one shorter than `SHORTEST` is none.
    Scrub before cutting a text short: half a key is not found.
    """
    return _forms(key).sub(HIDDEN, text)


def scrubbed(content: Content, key: str) -> Content:
    """Return JSON content without a key in any of its texts, names of fields included."""
    return _scrubbed(content, _forms(key))


@contextmanager
def unlogged(key: str) -> Iterator[None]:
    """Keep a key out of all that is logged, by whatever logger, as long as it lasts.

    The client's libraries hide the header that it is sent in, and not one in which a server sends
    it back.
    """
    forms, before = _forms(key), logging.getLogRecordFactory()

    def hiding(*args: Any, **options: Any) -> logging.LogRecord:
        record = before(*args, **options)
        record.msg, record.args = forms.sub(HIDDEN, record.getMessage()), ()
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_info, record.exc_text = None, forms.sub(HIDDEN, text)
        return record

    # No filter: a logger made later, or one whose handlers are its own, would not have it.
    logging.setLogRecordFactory(hiding)
    try:
        yield
    finally:
        logging.setLogRecordFactory(before)


def _split(given: str) -> SplitResult | None:
    """Return the parts of an address of a server; None if it is none."""
    try:
        parts = urlsplit(given)
        good = parts.scheme in _PORTS and parts.port != 0 and not re.search(r"[\s\\]", given)
    except ValueError:
        return None
    return parts if good else None


def _scrubbed(content: Any, forms: re.Pattern[str]) -> Any:
    if isinstance(content, str):
        return forms.sub(HIDDEN, content)
    if isinstance(content, dict):
        return {forms.sub(HIDDEN, str(k)): _scrubbed(v, forms) for k, v in content.items()}
    if isinstance(content, list):
        return [_scrubbed(each, forms) for each in content]
    return content


def _in_the_open(base_url: str) -> bool:
    address = urlsplit(base_url)
    return address.scheme == "http" and address.hostname not in _HOME


def _forms(key: str) -> re.Pattern[str]:
    """Return a pattern of a key however it is written, and of what looks like one.

    Each sign may stand as it is or as addresses, JSON and pages write it, whichever do: some leave
    the slash, some the dot, some nothing.
    """
    if len(key) < SHORTEST:
        return re.compile(_LIKE_A_KEY)
    signs = "".join(
        f"(?:{re.escape(c)}|(?i:%{ord(c):02x}|\\\\u{ord(c):04x}|&#{ord(c)};|&#x0*{ord(c):x};|"
        f"{re.escape(json.dumps(c)[1:-1])}|{re.escape(escape(c))}))"
        for c in key
    )
    whole = (signs, f"(?i:{key.encode().hex()})", *map(re.escape, _base64(key)), _LIKE_A_KEY)
    return re.compile("|".join(whole))


def _base64(key: str) -> Iterator[str]:
    """Yield what is the same of a key in Base64 whatever stands before and after it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for before in range(3):
            written = encode(b"\0" * before + key.encode()).decode().rstrip("=")
            # A sign holds six bits: those that share some with a neighbour are left out.
            whole = len(key) + before
            yield written[-(-before * 8 // 6) : whole * 8 // 6]
