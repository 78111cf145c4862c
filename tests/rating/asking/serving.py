"""A backend against the fault server, in a time of its own: waiting takes none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from core.rating.asking.requests import CHAT, Item, Request, chat_request
from core.rating.asking.server import ServerBackend
from tests.rating.asking.fault_server import MODEL, FaultServer

#: Made up, in OpenAI's pattern and beyond it, so that only knowing it takes it out.
SECRET = "zq7-made+up/key=Wm3x9"


class Time:
    """A clock that only sleeping moves on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def backend(server: FaultServer, time: Time | None = None, **options) -> ServerBackend:
    time = time or Time()
    options = {"model": MODEL, "timeout": 5.0, "concurrency": 4, **options}
    rng = np.random.default_rng(6)
    return ServerBackend(server.url, rng=rng, sleep=time.sleep, clock=time.clock, **options)


def requests(words: Sequence[str], at: FaultServer | None = None, **options) -> list[Request]:
    """The calls that ask about the words: to a server, or OpenAI."""
    here = f"{at.url}/chat/completions" if at else CHAT
    items = [Item("en", "Visual", word) for word in words]
    return [replace(chat_request(item, MODEL, **options), endpoint=here) for item in items]


def said(store, words: Sequence[str], at: FaultServer | None = None) -> dict[str, str]:
    """What the store holds for each of the words that have an answer."""
    keys = {request.key: request.item.word for request in requests(words, at)}
    found = store.get(keys)
    return {
        keys[key]: message["content"] or message["refusal"]
        for key, each in found.items()
        for message in [each.response["choices"][0]["message"]]
    }
