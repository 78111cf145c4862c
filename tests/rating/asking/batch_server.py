"""The fault server with files, batches and fine-tuning: calls are carried out as they were sent."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from aiohttp import web

from core.rating.asking.batch import BatchBackend
from core.rating.asking.patience import Patience
from core.rating.asking.requests import CHAT, request_key
from tests.rating.asking.fault_server import MODEL, FaultServer, Reply, completion

TODAY = date(2026, 11, 1)
Line = dict[str, Any]


@dataclass(frozen=True)
class End:
    """What a batch comes to.

    `share` of its calls, from the front, are carried out. `output` and `errors` change the lines of
    the two files before they are written; a file without lines is not there, as at the service.
    `why` are the errors of a batch that failed as a whole, and `looks` says how often it is asked
    for before it ends. With `hidden`, the output file is not told of; with `gone`, it is not there.
    """

    status: str = "completed"
    share: float = 1.0
    output: Callable[[list[str]], list[str]] = lambda lines: lines
    errors: Callable[[list[Line]], list[Line]] = lambda calls: [expired(call) for call in calls]
    why: tuple[dict[str, Any], ...] = ()
    looks: int = 2
    hidden: bool = False
    gone: bool = False


def output_line(custom_id: str, content: str = "3", **changes: Any) -> str:
    body = completion(content, **changes)
    response = {"status_code": 200, "request_id": "r", "body": body}
    record = {"id": "b", "custom_id": custom_id, "response": response, "error": None}
    return json.dumps(record)


def failed(call: Line, status: int, code: str, message: str) -> Line:
    """A line of the error file about a call that the service answered with an error."""
    body = {"error": {"message": message, "type": code, "code": code}}
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "b", "custom_id": call["custom_id"], "response": response, "error": None}


def expired(call: Line) -> Line:
    """A line of the error file about a call that the service had no time for."""
    error = {"code": "batch_expired", "message": "This request could not be executed in time."}
    return {"id": "b", "custom_id": call["custom_id"], "response": None, "error": error}


@dataclass
class Kept:
    """A batch or a fine-tuning job as the server has it."""

    about: dict[str, Any]
    end: Any
    looks: int = 0
    carried_out: bool = False
    calls: list[Line] = field(default_factory=list)


class BatchServer(FaultServer):
    """A `FaultServer` that carries batches out, once each.

    Attributes
    ----------
    ends : deque of End
        What the next batches come to, in turn; then they are completed.
    room : int
        Calls that may wait at a time; a larger batch fails.
    paid : Counter
        How often each call was carried out, by its key.
    files : dict of str to bytes
    batches, jobs : dict of str to Kept
    trained : deque of dict
        What the next fine-tuning jobs come to, in turn; then they succeed.
    lose : int
        So many of the next batches and jobs are made, and the reply that says so is lost.
    """

    def __init__(self, ends: Iterable[End] = (), *, room: int = 10**9) -> None:
        super().__init__()
        self.ends, self.room = deque(ends), room
        self.paid: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Kept] = {}
        self.jobs: dict[str, Kept] = {}
        self.trained: deque[dict[str, Any]] = deque()
        self.numbers = itertools.count(1)
        self.lose = 0

    def routes(self) -> list[web.RouteDef]:
        return [
            *super().routes(),
            web.post("/v1/files", self.upload),
            web.get("/v1/files/{id}/content", self.content),
            web.post("/v1/batches", self.begin),
            web.get("/v1/batches", self.list_batches),
            web.get("/v1/batches/{id}", self.look),
            web.post("/v1/fine_tuning/jobs", self.train),
            web.get("/v1/fine_tuning/jobs", self.list_jobs),
            web.get("/v1/fine_tuning/jobs/{id}", self.look_at_job),
        ]

    def count(self, call: str) -> int:
        """How often a call was made, such as "POST /v1/batches"."""
        return sum(f"{each.method} {each.path}" == call for each in self.asked)

    def put(self, content: bytes) -> str:
        name = f"file-{next(self.numbers)}"
        self.files[name] = content
        return name

    async def upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        sent = form["file"]
        assert isinstance(sent, web.FileField)
        name = self.put(sent.file.read())
        about = {"filename": sent.filename, "purpose": form["purpose"], "bytes": 1}
        return web.json_response({"id": name, "object": "file", "created_at": 1, **about})

    async def content(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.files:
            return not_found(name)
        return web.Response(body=self.files[name], content_type="application/octet-stream")

    async def begin(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        if asked["input_file_id"] not in self.files:
            return not_found(asked["input_file_id"])
        name = f"batch_{next(self.numbers)}"
        lines = self.files[asked["input_file_id"]].decode().splitlines()
        end = self.ends.popleft() if self.ends else End()
        if len(lines) > self.room:
            said = f"Enqueued token limit reached: {self.room}."
            end = End("failed", why=({"code": "token_limit_exceeded", "message": said},))
        about = {"id": name, "object": "batch", "created_at": int(time.time()), **asked}
        calls = [json.loads(line) for line in lines]
        self.batches[name] = Kept({**about, "status": "validating"}, end, calls=calls)
        return await self.made(request, self.batches[name])

    async def made(self, request: web.Request, kept: Kept) -> web.StreamResponse:
        if self.lose:
            self.lose -= 1
            return await self.give(request, await self.call(request), Reply(drop=True))
        return web.json_response(kept.about)

    async def list_batches(self, request: web.Request) -> web.StreamResponse:
        return listed(self.batches, request)

    async def look(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.batches:
            return not_found(name)
        batch = self.batches[name]
        batch.looks += 1
        total = len(batch.calls)
        batch.about |= {"status": "in_progress"} if batch.looks < batch.end.looks else {}
        if batch.looks >= batch.end.looks and not batch.carried_out:
            self.carry_out(batch)
        if "request_counts" not in batch.about:
            counts = {"total": total, "completed": 0, "failed": 0}
            return web.json_response({**batch.about, "request_counts": counts})
        return web.json_response(batch.about)

    def carry_out(self, batch: Kept) -> None:
        """Answer a batch's calls and write its files."""
        end, calls = batch.end, batch.calls
        batch.carried_out = True
        done = 0 if end.status == "failed" else round(len(calls) * end.share)
        for call in calls[:done]:
            # What a client calls a request must be what it is, and one of a kind.
            assert call["url"] == CHAT
            where = (CHAT, f"{self.url}/chat/completions")
            assert call["custom_id"] in [request_key(each, call["body"]) for each in where]
            self.paid[call["custom_id"]] += 1
        output = end.output([output_line(call["custom_id"]) for call in calls[:done]])
        errors = [] if end.status == "failed" else end.errors(calls[done:])
        output_file = self.put("\n".join(output).encode()) if output and not end.hidden else None
        error_file = self.put("\n".join(map(json.dumps, errors)).encode()) if errors else None
        if end.gone and output_file:
            del self.files[output_file]
        batch.about |= {
            "status": end.status,
            "output_file_id": output_file,
            "error_file_id": error_file,
            "errors": {"object": "list", "data": list(end.why)} if end.why else None,
            "request_counts": {"total": len(calls), "completed": done, "failed": len(errors)},
        }

    async def train(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        name = f"ftjob-{next(self.numbers)}"
        end = self.trained.popleft() if self.trained else {"status": "succeeded"}
        about = {"id": name, "object": "fine_tuning.job", "created_at": int(time.time()), **asked}
        self.jobs[name] = Kept({**about, "status": "validating_files"}, end)
        return await self.made(request, self.jobs[name])

    async def list_jobs(self, request: web.Request) -> web.StreamResponse:
        return listed(self.jobs, request)

    async def look_at_job(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["id"]
        if name not in self.jobs:
            return not_found(name)
        job = self.jobs[name]
        job.looks += 1
        if job.looks == 2:
            tuned = f"ft:{job.about['model']}:made-up::{name[-1]}"
            done = {"fine_tuned_model": tuned, "trained_tokens": 1234}
            job.about |= (done if job.end["status"] == "succeeded" else {}) | job.end
        return web.json_response(job.about)


def listed(kept: dict[str, Kept], request: web.Request) -> web.StreamResponse:
    """A page of a list, newest first, two a page so that there is a second one."""
    names = list(kept)[::-1]
    after = request.query.get("after")
    names = names[names.index(after) + 1 :] if after else names
    data = [kept[name].about for name in names[:2]]
    ends = {"first_id": names[0], "last_id": names[: len(data)][-1]} if names else {}
    return web.json_response({"object": "list", "data": data, "has_more": len(names) > 2, **ends})


def not_found(name: str) -> web.StreamResponse:
    body = {"error": {"message": f"No such object: {name}", "code": None, "type": "invalid"}}
    return web.json_response(body, status=404)


def batch_backend(server: BatchServer, folder, **options) -> BatchBackend:
    """A backend in a time of its own: waiting takes none."""
    sleep = options.pop("sleep", lambda _: None)
    options = {"max_tries": 3, "today": lambda: TODAY, "timeout": 5.0, **options}
    patience = options.pop("patience", Patience(sleep, tries=3))
    return BatchBackend(
        options.pop("model", MODEL),
        folder,
        base_url=server.url,
        sleep=sleep,
        patience=patience,
        **options,
    )
