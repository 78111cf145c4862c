"""What a model said, read strictly: nothing is coerced, and what is no rating says why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.evidence.tables import HIGHEST, LOWEST

STATUSES = ("ok", "refusal", "non_numeric", "out_of_range", "truncated", "error")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DIGITS = frozenset("012345")
#: No count; what SQLite and others hold as an integer ends before it.
_TOO_MANY = 2**63
#: The log-probability of what is certain, and room for its rounding.
_CERTAIN = 0.01


@dataclass(frozen=True)
class Completion:
    """One answer.

    Attributes
    ----------
    content : str
        What was said, or the words of a refusal.
    status : str
        One of `STATUSES`; "error" is what a backend gives to an item without an answer.
    rating : float
        In [0, 5]; NaN unless the status is "ok".
    model, fingerprint : str
        As the server named itself; "" where it did not.
    prompt_tokens, completion_tokens : int
        0 where the server did not count both.
    finish_reason : str
    greedy : bool
        Whether the token chosen is, at every position, a most probable one of its alternatives;
        False where there are none to compare with.
    first_token : str
        "" without log-probabilities.
    digit_mass : float
        The probability that the first token's alternatives give to the digits 0 to 5; NaN without
        alternatives.
    expected : float
        The mean digit under them, renormalised; NaN without such a digit.
    created : int
        Seconds since 1970, UTC; 0 where the server did not say.
    """

    content: str
    status: str
    rating: float
    model: str
    fingerprint: str
    prompt_tokens: int
    completion_tokens: int
    finish_reason: str
    greedy: bool
    first_token: str
    digit_mass: float
    expected: float
    created: int


def parse_rating(content: str, finish_reason: str = "stop") -> tuple[str, float]:
    """Return the status and the rating of an answer's text.

    Only a plain decimal number is a rating: digits, a point, ASCII, nothing before or after, no
    sign and no zero in front.

    Parameters
    ----------
    content : str
    finish_reason : str
        As the server gave it. A text cut at the limit ("length") is no rating, whatever it says:
        what came next might have been another digit. One held back ("content_filter") is a
        refusal.

    Returns
    -------
    status : {"ok", "out_of_range", "non_numeric", "truncated", "refusal"}
    rating : float
        In [0, 5]; NaN unless the status is "ok".
    """
    if finish_reason == "length":
        return "truncated", math.nan
    if finish_reason == "content_filter":
        return "refusal", math.nan
    if not _NUMBER.fullmatch(content):
        return "non_numeric", math.nan
    rating = float(content)
    good = LOWEST <= rating <= HIGHEST and not content.startswith("-")
    return ("ok", rating) if good else ("out_of_range", math.nan)


def parse_completion(body: Mapping[str, Any]) -> Completion:
    """Read a chat completion, as OpenAI's interface gives it.

    What servers leave out (log-probabilities, a fingerprint, usage, a refusal) may be missing, and
    what cannot be read of it counts as missing; one choice with a message may not. A message in
    parts is read if all of them are text.

    Raises
    ------
    ValueError, KeyError
        If it is no completion with exactly one choice.
    """
    try:
        return _parsed(body)
    except (TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"not a chat completion ({error})") from error


def read_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the usage of a completion, every count an integer; None if it cannot be read."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    sent, answered = (_count(usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
    if sent is None or answered is None:
        return None
    details = usage.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return {
        "prompt_tokens": sent,
        "completion_tokens": answered,
        "prompt_tokens_details": {"cached_tokens": cached or 0},
    }


def _parsed(body: Mapping[str, Any]) -> Completion:
    (choice,) = body["choices"]
    message = choice["message"]
    refusal = message.get("refusal")
    content = _joined(message.get("content")) or refusal or ""
    if not isinstance(content, str):
        raise ValueError(f"the message is no text but a {type(content).__name__}")
    finish = _text(choice.get("finish_reason"))
    status, rating = ("refusal", math.nan) if refusal else parse_rating(content, finish)
    tokens = _tokens(choice.get("logprobs"))
    usage = read_usage(body) or {}
    first, mass, expected = _first(tokens)
    return Completion(
        content=content,
        status=status,
        rating=rating,
        model=_text(body.get("model")),
        fingerprint=_text(body.get("system_fingerprint")),
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        finish_reason=finish,
        greedy=bool(tokens) and all(map(_most_probable, tokens)),
        first_token=first,
        digit_mass=mass,
        expected=expected,
        created=_count(body.get("created")) or 0,
    )


def _text(given: Any) -> str:
    return given if isinstance(given, str) else ""


def _count(given: Any) -> int | None:
    good = isinstance(given, int | float) and 0 <= given < _TOO_MANY
    return int(given) if good else None


def _joined(content: Any) -> Any:
    if not isinstance(content, list):
        return content
    if any(part.get("type") != "text" for part in content):
        raise ValueError("a part of the message is no text")
    return "".join(part["text"] for part in content)


def _tokens(logprobs: Any) -> list[dict[str, Any]]:
    """Return the tokens with their log-probabilities; none where any of them cannot be read."""
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(tokens, list) or not all(map(_is_token, tokens)):
        return []
    others = [token.get("top_logprobs") or [] for token in tokens]
    good = all(isinstance(each, list) and all(map(_is_token, each)) for each in others)
    return tokens if good else []


def _is_token(given: Any) -> bool:
    if not isinstance(given, dict) or not isinstance(given.get("token"), str):
        return False
    logprob = given.get("logprob")
    return isinstance(logprob, int | float) and logprob <= _CERTAIN


def _most_probable(token: Mapping[str, Any]) -> bool:
    others = token.get("top_logprobs") or []
    return bool(others) and all(token["logprob"] >= other["logprob"] for other in others)


def _first(tokens: Sequence[Mapping[str, Any]]) -> tuple[str, float, float]:
    """Return the first token, the mass of its digit alternatives, and their mean."""
    if not tokens:
        return "", math.nan, math.nan
    first = tokens[0]
    others = first.get("top_logprobs")
    if not others:
        return first["token"], math.nan, math.nan
    digits = [
        (int(other["token"]), math.exp(other["logprob"]))
        for other in others
        if other["token"] in _DIGITS
    ]
    mass = math.fsum(p for _, p in digits)
    mean = math.fsum(d * p for d, p in digits) / mass if mass > 0 else math.nan
    return first["token"], mass, mean
