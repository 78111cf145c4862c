"""One run of calls to a server: a queue, some workers, one gate, one purse."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import openai

from core.rating.asking.backend import Outcome
from core.rating.asking.parsing import Completion, read_usage
from core.rating.asking.replies import Server, Trouble, read_reply, read_status, short
from core.rating.asking.requests import Request
from core.rating.asking.scrub import unlogged

if TYPE_CHECKING:
    from core.rating.asking.server import ServerBackend
    from core.rating.asking.store import AnswerStore

#: Calls given up one after the other, with no answer between, before the rest is not tried.
MOST_IN_A_ROW = 10
#: Seconds that calls under way are given to end once the run is stopped by hand or by a fault.
GRACE = 5.0
#: Seconds before a second try, about; doubled each time, up to the longest.
FIRST, LONGEST = 0.5, 30.0
#: Ends a run that has no answer yet. Later it is one prompt's own: some servers screen words so.
FORBIDDEN = "http 403"
LATER = "run it again later to go on"


class Run:
    """The state of one run; `go` is all there is to call.

    Parameters
    ----------
    backend : ServerBackend
    waiting : deque of Request
        What to ask, none of it twice.
    store : AnswerStore
    progress : callable
    """

    def __init__(
        self,
        backend: ServerBackend,
        waiting: deque[Request],
        store: AnswerStore,
        progress: Callable[[int], None],
    ) -> None:
        self.backend, self.waiting, self.store, self.progress = backend, waiting, store, progress
        self.source = f"{backend.name} {backend.base_url}"
        self.answered, self.in_a_row = 0, 0
        self.failed: dict[str, str] = {}
        self.stopped = ""
        self.noted: Counter[str] = Counter()
        self.spent = self.reserved = 0.0
        self.under_way = self.longest = 0
        # No call is made before this time, by any worker; and since when none gets through.
        self.gate, self.throttled = 0.0, None

    async def go(self, key: str) -> Outcome:
        """Make the calls.

        Raises
        ------
        RatingError
            If an answer cannot be kept; the calls under way may end first, for `GRACE`.
        asyncio.CancelledError
            If it is stopped by hand; what had come, or comes within `GRACE`, is kept.
        """
        backend = self.backend
        self.server = Server(backend.base_url, backend.model, backend.key_env, key)
        self.ending, self.settled = asyncio.Event(), asyncio.Event()
        client = openai.AsyncOpenAI(
            api_key=key, base_url=backend.base_url, max_retries=0, timeout=backend.timeout
        )
        with unlogged(key):
            async with client as self.client:
                await self._until_stopped()
        notes = tuple(
            f"{note} ({times} of {self.answered} answers)" for note, times in self.noted.items()
        )
        return Outcome(self.answered, self.failed, self.stopped, (*notes, *self._bill()))

    async def _until_stopped(self) -> None:
        work = asyncio.create_task(self._all())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop("stopped by hand")
            await asyncio.wait([work], timeout=GRACE)
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work
            raise

    async def _all(self) -> None:
        if self.waiting:
            await self._one(self.waiting.popleft())
        workers = min(self.backend.concurrency, len(self.waiting))
        if not workers:
            return
        tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        try:
            ended, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            if others:
                # One has failed; what the others have under way is paid for.
                self._stop("a fault")
                await asyncio.wait(others, timeout=GRACE)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in ended:
            task.result()

    async def _work(self) -> None:
        while self.waiting and not self.stopped:
            await self._one(self.waiting.popleft())

    async def _one(self, request: Request) -> None:
        """Ask until there is an answer, the tries are used up, or the run ends."""
        tries, odd, trouble = 0, 0, None
        while not self.stopped:
            await self._wait_at_gate()
            most = None if self.stopped else await self._reserve(request)
            if most is None:
                break
            trouble = await self._try(request, most)
            if trouble is None:
                return
            self.store.fail(request, trouble.kind, trouble.said, self.source)
            tries, odd = tries + (trouble.does != "wait"), odd + trouble.twice
            if trouble.does == "wait":
                self._close_gate(trouble)
            elif trouble.does == "stop" and not (trouble.kind == FORBIDDEN and self.answered):
                self._stop(trouble.ends)
            elif trouble.does == "retry" and tries < self.backend.max_tries and odd < 2:
                await self._pause(self._delay(tries))
            else:
                self._give_up(request, trouble.said, tries)
                return
        if trouble is not None:
            self.failed[request.key] = trouble.said

    async def _try(self, request: Request, most: float) -> Trouble | None:
        """Make one call and keep what came; None if it was an answer."""
        found: tuple[dict[str, Any], Completion] | Trouble
        try:
            found = await self._call(request)
            if isinstance(found, Trouble):
                self.spent += most if found.charged else 0
                return found
            self._keep(request, *found)
            return None
        except asyncio.CancelledError:
            self.spent += most
            raise
        finally:
            self.under_way -= 1
            self.reserved = self.reserved - most if self.under_way else 0.0
            self.settled.set()

    async def _call(self, request: Request) -> tuple[dict[str, Any], Completion] | Trouble:
        limit, key = self.backend.timeout, self.server.key
        try:
            # The client's own limit is for each read: a body that trickles would never end.
            async with asyncio.timeout(limit):
                chat = self.client.chat.completions.with_raw_response
                reply = await chat.create(**request.body)
                return read_reply(reply.text, self.server)
        except openai.APIStatusError as error:
            response = error.response
            return read_status(response.status_code, response.headers, response.text, self.server)
        except (openai.APITimeoutError, TimeoutError):
            said = f"no whole answer within {limit:g} s"
            return Trouble("retry", "timeout", said, charged=True)
        except openai.APIError as error:
            # Its cause says which, such as a refused connection or a body cut short.
            said, cause = short(f"{error} {error.__cause__ or ''}", key), error.__cause__
            return Trouble("retry", "connection", said, charged="Connect" not in repr(cause))

    def _keep(self, request: Request, body: dict[str, Any], answer: Completion) -> None:
        if self.backend.price is not None:
            usage = read_usage(body)
            self.spent += self.backend.price.cost(usage) if usage else self._most(request)
        self.longest = max(self.longest, answer.completion_tokens)
        # A second answer, where another process was faster, is kept out by the store.
        self.store.put(request, body, source=self.source)
        self.answered += 1
        self.in_a_row, self.throttled = 0, None
        self._note(request.body, answer)
        self.progress(1)

    def _note(self, asked: Mapping[str, Any], answer: Completion) -> None:
        """Notice where a server does not do what it was asked, and says nothing of it."""
        notes = []
        if asked.get("logprobs") and not answer.first_token and answer.status != "refusal":
            notes.append(
                "this server drops logprobs: greedy ratings only, without expected ratings"
            )
        limit = asked.get("max_completion_tokens")
        if limit is not None and answer.completion_tokens > limit:
            notes.append(f"this server ignores the limit of {limit} tokens")
        if answer.model and answer.model != asked["model"]:
            said = short(answer.model, self.server.key)
            notes.append(f"{asked['model']} was asked, and {said} answered")
        for note in notes:
            if note not in self.noted:
                self.backend.say(note)
            self.noted[note] += 1

    def _give_up(self, request: Request, said: str, tries: int) -> None:
        self.failed[request.key] = f"{said}, {tries} times" if tries > 1 else said
        self.progress(1)
        self.in_a_row += 1
        if self.in_a_row >= MOST_IN_A_ROW:
            self._stop(
                f"{self.in_a_row} calls in a row brought no answer, the last one: {said}; see to "
                "the server, then run it again to go on"
            )

    def _stop(self, why: str) -> None:
        # The first reason is the one to tell; calls under way end by themselves and are kept.
        self.stopped = self.stopped or why
        self.ending.set()
        self.settled.set()

    def _close_gate(self, trouble: Trouble) -> None:
        now, patience = self.backend.clock(), self.backend.patience
        since = self.throttled = now if self.throttled is None else self.throttled
        # As long as the server asks, and longer where it asks for too little again and again.
        wait = max(trouble.after or FIRST, min(now - since, LONGEST))
        if wait > patience:
            what = f"the server wants to be left alone for {wait:.0f} s"
            self._stop(f"{what}, longer than {patience:g} s ({trouble.said}); {LATER}")
        elif now + wait - since > patience:
            what = f"the server has let nothing through for {now - since:.0f} s"
            self._stop(f"{what} ({trouble.said}); {LATER}")
        self.gate = max(self.gate, now + wait * (1 + 0.1 * self.backend.rng.random()))

    async def _wait_at_gate(self) -> None:
        while not self.stopped and (wait := self.gate - self.backend.clock()) > 0:
            await self._pause(wait)

    async def _reserve(self, request: Request) -> float | None:
        """Set aside the most that a call can cost; None if the budget does not allow it.

        What is set aside is three to four times what it will be: calls under way are waited for.
        """
        budget = self.backend.budget
        while budget is not None and self.spent + self.reserved + self._most(request) > budget:
            if not self.under_way:
                self._stop(
                    f"the budget of {budget:g} dollars is used up: {self.spent:.6f} spent, and the "
                    f"next call may cost {self._most(request):.6f}; run it again to go on"
                )
            if self.stopped:
                return None
            self.settled.clear()
            await self.settled.wait()
        most = self._most(request)
        self.under_way += 1
        self.reserved += most
        return most

    def _most(self, request: Request) -> float:
        if self.backend.price is None:
            return 0.0
        body = request.body
        # Some servers ignore the limit: what they did once they may do again.
        if self.longest > body.get("max_completion_tokens", self.longest):
            body = {**body, "max_completion_tokens": self.longest}
        return self.backend.price.most(body)

    def _bill(self) -> tuple[str, ...]:
        if self.backend.price is None:
            return ()
        return (f"it cost {self.spent:.6f} dollars, or less where an answer never came",)

    def _delay(self, tries: int) -> float:
        return min(LONGEST, FIRST * 2 ** (tries - 1)) * (0.5 + self.backend.rng.random())

    async def _pause(self, seconds: float) -> None:
        """Sleep, unless the run ends before."""
        waits = [
            asyncio.ensure_future(self.backend.sleep(seconds)),
            asyncio.ensure_future(self.ending.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waits:
                each.cancel()
