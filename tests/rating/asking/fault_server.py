"""A small real server on loopback that speaks OpenAI's interface and fails as it is told to.

`FaultServer` answers `/v1/chat/completions` and `/v1/models/ID`. What it answers is scripted: by
the word asked about (`script`), or by method and path (`faults`, for any route). A subclass adds
routes by extending `routes`; its handlers may call `give` to fail in the same ways.
"""

from __future__ import annotations

import asyncio
import json
import math
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from core.rating.asking.requests import CHAT, request_key

MODEL = "made-up-1"


@dataclass(frozen=True)
class Asked:
    """One call as it reached the server."""

    method: str
    path: str
    body: Any
    headers: Mapping[str, str]

    @property
    def key(self) -> str:
        return request_key(f"http://{self.headers['Host']}{self.path}", self.body)

    @property
    def prompt(self) -> str:
        return " ".join(str(message["content"]) for message in self.body["messages"])

    @property
    def authorization(self) -> str:
        return self.headers.get("Authorization", "")


@dataclass(frozen=True)
class Reply:
    """What to do with one call.

    `body` is sent as JSON, or as it stands when it is text, or is made from the call when it is a
    function. `before` seconds pass first. With `cut`, only so much of the body is sent, as a share,
    and then `then` happens: "drop" the connection, or "stall" for `stall` seconds before the rest.
    With `trickle`, a byte is sent every so many seconds. `drop` sends nothing at all. `good` marks
    what a client should keep.
    """

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    before: float = 0.0
    cut: float = 1.0
    stall: float = 0.0
    trickle: float = 0.0
    drop: bool = False
    good: bool = False


def completion(content: str | None, *, model: str = MODEL, **changes: Any) -> dict[str, Any]:
    """A whole chat completion whose first token is the content's first character."""
    first = (content or "x")[0]
    top = [
        {"token": token, "logprob": math.log(p), "bytes": list(token.encode())}
        for token, p in ((first, 0.6), ("5", 0.2), ("x", 0.1))
    ]
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1765458920,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None},
                "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 80, "completion_tokens": 3, "total_tokens": 83},
        "system_fingerprint": "fp_1",
    }
    return {**body, **changes}


def good(content: str = "3", **changes: Any) -> Reply:
    """An answer that a client should keep, whatever it says."""
    return Reply(body=completion(content, **changes), good=True)


def refusal(words: str = "I cannot.") -> Reply:
    body = completion(None)
    body["choices"][0]["message"]["refusal"] = words
    body["choices"][0]["logprobs"] = None
    return Reply(body=body, good=True)


def without_logprobs(content: str = "3") -> Reply:
    body = completion(content)
    body["choices"][0]["logprobs"] = None
    return Reply(body=body, good=True)


def error(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """An error in the shape that OpenAI's interface gives it."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"error": {"message": message, "type": code, "param": None, "code": code}}
    return Reply(status, body, shown)


class FaultServer:
    """The server, in a thread of its own, for as long as its `with` block lasts.

    Attributes
    ----------
    script : dict of str to list of Reply
        By a word that the prompt holds: what its calls get, in turn; then `otherwise`.
    faults : dict of str to deque of Reply
        By "POST /v1/files" and the like: what the next calls to it get, before anything else.
    models : dict of str to dict
        What `/v1/models/ID` knows of a model, such as its shutdown_date; any other is not found.
    asked : list of Asked
        Every call, in order.
    answers : Counter
        How many replies marked good went out, by the key of the chat call.
    most : int
        The largest number of chat calls that were open at the same time.
    """

    def __init__(
        self,
        script: Mapping[str, Iterable[Reply]] | None = None,
        *,
        otherwise: Reply | Callable[[Asked], Reply] | None = None,
    ) -> None:
        self.script = {word: deque(replies) for word, replies in (script or {}).items()}
        self.faults: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self.otherwise = otherwise or good()
        self.models: dict[str, dict[str, Any]] = {MODEL: {}}
        self.asked: list[Asked] = []
        self.answers: Counter[str] = Counter()
        self.open = self.most = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10), "the server did not start"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the server did not stop"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def chats(self) -> Counter[str]:
        """How often each chat call was made, by its key."""
        return Counter(call.key for call in self.asked if call.path == CHAT)

    def routes(self) -> list[web.RouteDef]:
        """The routes; a subclass adds its own to them."""
        return [web.post(CHAT, self.chat), web.get("/v1/models/{id}", self.model)]

    async def chat(self, request: web.Request) -> web.StreamResponse:
        call = await self.call(request)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            for word, replies in self.script.items():
                if word in call.prompt and replies:
                    return await self.give(request, call, replies.popleft())
            reply = self.otherwise if isinstance(self.otherwise, Reply) else self.otherwise(call)
            return await self.give(request, call, reply)
        finally:
            self.open -= 1

    async def model(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.models:
            reply = error(404, f"The model '{name}' does not exist", "model_not_found")
            return await self.give(request, await self.call(request), reply)
        about = {"id": name, "object": "model", "created": 0, "owned_by": "made-up"}
        return web.json_response({**about, **self.models[name]})

    async def call(self, request: web.Request) -> Asked:
        """Return the call with its body, if it is JSON; else its text."""
        text = await request.text() if request.content_type == "application/json" else ""
        body = json.loads(text) if text else None
        return Asked(request.method, request.path, body, dict(request.headers))

    async def give(self, request: web.Request, call: Asked, reply: Reply) -> web.StreamResponse:
        """Carry a reply out."""
        await asyncio.sleep(reply.before)
        transport = request.transport
        assert transport is not None
        if reply.drop:
            transport.abort()
            return web.Response()
        body = reply.body(call) if callable(reply.body) else reply.body
        text = body if isinstance(body, str) else json.dumps(body)
        kind = "text/html" if text.startswith("<") else "application/json"
        content = text.encode()
        response = web.StreamResponse(status=reply.status, headers=dict(reply.headers))
        response.content_type, response.content_length = kind, len(content)
        await response.prepare(request)
        if reply.good:
            self.answers[call.key] += 1
        if reply.trickle:
            for byte in content:
                await response.write(bytes([byte]))
                await asyncio.sleep(reply.trickle)
        elif reply.cut < 1:
            some = int(len(content) * reply.cut)
            await response.write(content[:some])
            if not reply.stall:
                transport.close()
                return response
            await asyncio.sleep(reply.stall)
            await response.write(content[some:])
        else:
            await response.write(content)
        await response.write_eof()
        return response

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(middlewares=[self._scripted], client_max_size=2**28)
        app.add_routes(self.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = runner.addresses[0][1]
        self._ready.set()
        await self._ended.wait()
        await runner.cleanup()

    @web.middleware
    async def _scripted(self, request: web.Request, handler: Any) -> web.StreamResponse:
        call = await self.call(request)
        self.asked.append(call)
        replies = self.faults[f"{request.method} {request.path}"]
        try:
            if replies:
                return await self.give(request, call, replies.popleft())
            return await handler(request)
        except (ConnectionError, asyncio.CancelledError):
            # The client went away first, as it should from a reply that never ends.
            if request.transport is None or request.transport.is_closing():
                return web.Response()
            raise
