"""What a model said, read strictly: nothing is coerced, and what is no rating says why."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.evidence.tables import HIGHEST, LOWEST

STATUSES = ("ok", "refusal", "non_numeric", "out_of_range", "truncated", "error")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DIGITS = frozenset("012345")


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
        0 where the server did not count.
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

    Only a plain decimal number is a rating: digits, a point, ASCII, nothing before or after.

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
    return ("ok", rating) if LOWEST <= rating <= HIGHEST else ("out_of_range", math.nan)


def parse_completion(body: Mapping[str, Any]) -> Completion:
    """Read a chat completion, as OpenAI's interface gives it.

    What servers leave out (log-probabilities, a fingerprint, usage, a refusal) may be missing; one
    choice with a message may not.

    Raises
    ------
    ValueError, KeyError
        If it is no completion with exactly one choice.
    """
    try:
        return _parsed(body)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not a chat completion ({error})") from error


def _parsed(body: Mapping[str, Any]) -> Completion:
    (choice,) = body["choices"]
    message = choice["message"]
    refusal = message.get("refusal")
    content = message.get("content") or refusal or ""
    if not isinstance(content, str):
        raise ValueError(f"the message is no text but a {type(content).__name__}")
    finish = choice.get("finish_reason") or ""
    status, rating = ("refusal", math.nan) if refusal else parse_rating(content, finish)
    tokens = (choice.get("logprobs") or {}).get("content") or []
    usage = body.get("usage") or {}
    first, mass, expected = _first(tokens)
    return Completion(
        content=content,
        status=status,
        rating=rating,
        model=body.get("model") or "",
        fingerprint=body.get("system_fingerprint") or "",
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        finish_reason=finish,
        greedy=bool(tokens) and all(map(_most_probable, tokens)),
        first_token=first,
        digit_mass=mass,
        expected=expected,
        created=int(body.get("created") or 0),
    )


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
