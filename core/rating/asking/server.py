"""Asking a server that speaks OpenAI's interface: many calls at a time, none of them in vain.

What a call comes to is decided in `core.rating.asking.replies`; here is who waits for whom. The
client's own retries are off: they would ask a spent quota again, and would not let one call's
"wait" hold the others back.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from core.rating.alone import alone
from core.rating.asking.backend import Outcome
from core.rating.asking.requests import Item, Request, chat_request
from core.rating.asking.scrub import KEY, address, read_key
from core.rating.errors import RatingError

if TYPE_CHECKING:
    from core.rating.asking.store import AnswerStore


class Priced(Protocol):
    """What calls cost, in the money of the budget: `core.rating.asking.prices.Price` is one."""

    def cost(self, usage: Mapping[str, Any]) -> float:
        """Return the cost of measured usage."""
        ...

    def most(self, body: Mapping[str, Any]) -> float:
        """Return the most that a call can cost."""
        ...


class ServerBackend:
    """Asks a server over HTTP, some calls at a time.

    Parameters
    ----------
    base_url : str or None
        Such as "http://localhost:8000/v1"; OpenAI's own if None.
    model : str
        The server's name of the model.
    key_env : str
        The environment variable that holds the key. It is read when asking begins and is kept
        nowhere else.
    concurrency : int
        Calls under way at a time.
    budget : float, optional
        What a run may cost; needs a price. Counted are the usage that was measured, the most that
        calls under way can cost, and as much for a call that was sent and never answered.
    price : Priced, optional
    seed : int, optional
        Sent along, so that the same is asked anew.
    max_tries : int
        Tries of one call; being told to wait is none.
    patience : float
        Seconds to wait for a server that lets nothing through before the run is ended.
    timeout : float
        Seconds for one call, first to last byte.
    say : callable, optional
        Is told at once what `Outcome.notes` says at the end.
    rng : Generator, optional
        Of how long to wait between tries; nothing else depends on it.
    sleep, clock : callable
        Waits for so many seconds; tells seconds.

    Raises
    ------
    RatingError
        If the address is none, a number is not above 0, or there is a budget and no price.
    """

    name = "server"
    #: A service does not say what its models are made of.
    about: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        base_url: str | None,
        model: str,
        *,
        key_env: str = KEY,
        concurrency: int = 16,
        budget: float | None = None,
        price: Priced | None = None,
        seed: int | None = None,
        max_tries: int = 5,
        patience: float = 120.0,
        timeout: float = 120.0,
        say: Callable[[str], None] | None = None,
        rng: np.random.Generator | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url, self.model, self.key_env = address(base_url), model, key_env
        if min(concurrency, max_tries, timeout) <= 0:
            raise RatingError("calls at a time, tries and the time limit must be above 0")
        if budget is not None and price is None:
            raise RatingError(f"no price of {model} is known, so no budget can be kept")
        self.concurrency, self.max_tries = concurrency, max_tries
        self.budget, self.price, self.seed = budget, price, seed
        self.patience, self.timeout = patience, timeout
        self.say = say or (lambda _: None)
        self.rng = rng or np.random.default_rng()
        self.sleep, self.clock = sleep, clock

    def request(self, item: Item) -> Request:
        """Return the call that asks about an item, as the paper asked."""
        return chat_request(item, self.model, seed=self.seed, base_url=self.base_url)

    def ask(
        self, requests: Sequence[Request], store: AnswerStore, progress: Callable[[int], None]
    ) -> Outcome:
        """Ask, and keep every answer in the store as it comes; see `Backend.ask`.

        The first call is made alone: what is wrong with all of them shows at once. Ctrl-C lets
        the calls under way end, for a little while, since they are paid for. One process at a
        time asks for a store: two would pay for the same.
        """
        try:
            from core.rating.asking.calls import Run
        except ModuleNotFoundError as error:
            msg = f"{error.name} is not installed: pip install -e '.[openai]'"
            raise RatingError(msg) from error
        key = read_key(self.key_env, self.base_url)
        calls = {request.key: request for request in requests}
        path = store.path.resolve()
        with alone(path.parent, f".{path.name}.asking"):
            known = store.answered(calls)
            if len(requests) > len(calls) - len(known):
                progress(len(requests) - len(calls) + len(known))
            waiting = deque(request for name, request in calls.items() if name not in known)
            return asyncio.run(Run(self, waiting, store, progress).go(key))
