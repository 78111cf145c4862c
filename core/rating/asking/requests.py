"""What is asked of a model, and the one name by which an answer is found again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.rating.asking.scrub import is_openai
from core.rating.prompts import messages, rating_prompt

CHAT = "/v1/chat/completions"
#: Room for a number such as 3.94 in any tokenizer, and for a word that shows it is none.
MOST_TOKENS = 8
#: How many alternatives per token the paper's own runs asked for.
ALTERNATIVES = 5


@dataclass(frozen=True, order=True)
class Item:
    """One rating asked for: a word on a dimension.

    Attributes
    ----------
    language : {"en", "nl"}
    dimension : str
        English name, such as "Auditory", whatever the language.
    word : str
        As it is shown to the model.
    """

    language: str
    dimension: str
    word: str


@dataclass(frozen=True)
class Request:
    """An item and the call that asks about it.

    Attributes
    ----------
    item : Item
    endpoint : str
    body : mapping
        The whole call, as JSON: never a key, a time limit or a file's name.
    """

    item: Item
    endpoint: str
    body: Mapping[str, Any]

    @cached_property
    def key(self) -> str:
        """SHA-256 of the endpoint and the body: the same question of the same model, always."""
        return request_key(self.endpoint, self.body)


def request_key(endpoint: str, body: Mapping[str, Any]) -> str:
    """Return the name of a call: SHA-256 of its endpoint and body as canonical JSON."""
    return hashlib.sha256(canonical({"endpoint": endpoint, "body": body}).encode()).hexdigest()


def canonical(content: Any) -> str:
    """Return JSON with sorted keys, no blanks, and no NaN."""
    options: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    return json.dumps(content, ensure_ascii=False, **options)


def chat_request(item: Item, model: str, *, seed: int | None = None, base_url: str = "") -> Request:
    """Return the call that asks a chat model about an item, as the paper asked: temperature 0.

    Parameters
    ----------
    item : Item
    model : str
        The server's name of the model.
    seed : int, optional
        Sent along where given, so that the same question is asked anew.
    base_url : str
        The server's address; "" for OpenAI's own. Of any other it is part of the question: another
        server may well give another model the same name.
    """
    body: dict[str, Any] = {
        "model": model,
        "messages": messages(rating_prompt(item.language, item.dimension, item.word)),
        "temperature": 0,
        "max_completion_tokens": MOST_TOKENS,
        "logprobs": True,
        "top_logprobs": ALTERNATIVES,
    }
    if seed is not None:
        body["seed"] = seed
    openai = not base_url or is_openai(base_url)
    return Request(item, CHAT if openai else f"{base_url}/chat/completions", body)
