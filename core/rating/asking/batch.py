"""Asking through OpenAI's batch service: files of calls, answered within a day at half the price.

The calls go in waves, one after the other, each within the tokens that the service lets wait. What
one wave comes to is in `core.rating.asking.batch_run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from core.rating.alone import alone
from core.rating.asking.backend import Outcome
from core.rating.asking.batch_files import WINDOW
from core.rating.asking.patience import Patience
from core.rating.asking.prices import NANO, Price
from core.rating.asking.requests import Item, Request, chat_request
from core.rating.asking.scrub import KEY, address, read_key, unlogged
from core.rating.errors import RatingError

if TYPE_CHECKING:
    from core.rating.asking.store import AnswerStore

#: Where input files lie until their batch has ended.
FOLDER = Path("runs/batches")


class BatchBackend:
    """Asks OpenAI's batch service, or one that speaks its interface.

    Stopped at any point, the same call goes on with the batches that were begun: a batch is noted
    in the store before it is sent, the service's ids as soon as they are known, and where one was
    created and its id never arrived, it is found by the hash of its input file that it carries.

    Parameters
    ----------
    model : str
        The service's name of the model.
    folder : Path
        Where input files lie until their batch has ended. One process at a time uses it.
    base_url : str, optional
        OpenAI's own by default.
    key_env : str
        The environment variable that holds the key. It is read when asking begins and is kept
        nowhere else.
    budget : float, optional
        What a run may cost, in dollars; needs a price. Counted are what the answers that it fetches
        cost by their measured usage, and before a wave is sent, the most that it can cost: a wave
        that might go beyond the budget is not sent.
    price : Price, optional
    seed : int, optional
        Sent along, so that the same is asked anew.
    window : int
        Tokens that may wait at a time; halved whenever the service says that it is too much.
    max_tries : int
        Batches that a call may be in, in one run, before it is given up.
    patience : Patience, optional
        How often the service is tried where it is out of order.
    poll : (float, float)
        Seconds between two looks at a batch, at first and at most.
    sleep : callable
        Waits for a number of seconds.
    today : callable
        Tells the date, which the model's end is held against.
    say : callable, optional
        Is told what happens while it happens, in lines.
    timeout : float
        Seconds that one call to the service may take.

    Raises
    ------
    RatingError
        If the address is none, a number is not above 0, or there is a budget and no price.
    """

    name = "batch"
    #: A service does not say what its models are made of.
    about: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        model: str,
        folder: Path = FOLDER,
        *,
        base_url: str | None = None,
        key_env: str = KEY,
        budget: float | None = None,
        price: Price | None = None,
        seed: int | None = None,
        window: int = WINDOW,
        max_tries: int = 3,
        patience: Patience | None = None,
        poll: tuple[float, float] = (5.0, 60.0),
        sleep: Callable[[float], object] = time.sleep,
        today: Callable[[], date] = date.today,
        say: Callable[[str], None] | None = None,
        timeout: float = 600.0,
    ) -> None:
        if min(window, max_tries, *poll, timeout) <= 0:
            raise RatingError("the window, tries, looks and the time limit must be above 0")
        if budget is not None and price is None:
            raise RatingError(f"no price of {model} is known, so no budget can be kept")
        self.model, self.folder, self.key_env = model, Path(folder), key_env
        self.base_url = address(base_url)
        self.budget, self.price, self.seed = budget, price, seed
        self.window, self.max_tries, self.poll = window, max_tries, poll
        self.sleep, self.today, self.timeout = sleep, today, timeout
        self.patience = patience or Patience(sleep)
        self.say = say or (lambda _: None)

    def request(self, item: Item) -> Request:
        """Return the call that asks about an item, as the paper asked."""
        return chat_request(item, self.model, seed=self.seed, base_url=self.base_url)

    def ask(
        self, requests: Sequence[Request], store: AnswerStore, progress: Callable[[int], None]
    ) -> Outcome:
        """Ask, and keep the answers in the store as each wave ends; see `Backend.ask`.

        Batches that an earlier run left are seen to first, whatever has become of the model.
        """
        import openai

        from core.rating.asking.batch_run import Run
        from core.rating.asking.batch_service import Service

        key = read_key(self.key_env, self.base_url)
        # The client's own tries would create a batch twice.
        client = openai.OpenAI(
            api_key=key, base_url=self.base_url, max_retries=0, timeout=self.timeout
        )
        with unlogged(key), client, alone(self.folder):
            return Run(self, Service(self, client), store, progress).go(requests)

    def most(self, requests: Sequence[Request]) -> float | None:
        """Return what calls can cost at most, in dollars; None where no price is known."""
        if self.price is None:
            return None
        several = (round(self.price.most(each.body, batch=True) * NANO) for each in requests)
        return sum(several) / NANO
