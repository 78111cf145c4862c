"""The backend that the options of a command name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from core.rating.asking.backend import Backend
from core.rating.asking.prices import Price, budgeted, estimate, read_prices
from core.rating.asking.requests import Request
from core.rating.asking.scrub import address, is_openai
from core.rating.errors import RatingError

#: Seconds that a server is taken to need for an answer: an assumption, and said to be one.
ASSUMED = 1.0


def kind(options: argparse.Namespace) -> str:
    """Return which backend is meant: "local", "server" or "batch".

    Raises
    ------
    RatingError
        If other options do not go with it.
    """
    named = options.backend or ("server" if options.base_url else "local")
    fault = ""
    if named == "local" and options.base_url:
        fault = "--base-url is of a server; leave it out, or name --backend server"
    elif named == "local" and options.budget is not None:
        fault = "a model on this machine costs nothing; leave out --budget"
    elif named != "local" and options.revision:
        fault = f"--revision is of a model on this machine, not of --backend {named}"
    if fault:
        raise RatingError(fault)
    return named


def make(options: argparse.Namespace, say: Callable[[str], None]) -> Backend:
    """Return the backend, with nothing asked and no weights loaded.

    Parameters
    ----------
    options : Namespace
        With what `core.rating.asking.options.add_backend` adds, and `model` and `store`.
    say : callable
        Told what the user should know while asking goes on.

    Raises
    ------
    RatingError
        If there is no such model, an option does not go with the backend, or a budget cannot be
        kept because no price is known.
    """
    named = kind(options)
    if named == "local":
        return _local(options)
    price = _price(options)
    shared: dict[str, Any] = {
        "base_url": options.base_url,
        "key_env": options.key_env,
        "budget": options.budget,
        "price": price,
        "seed": options.seed,
        "say": say,
    }
    if named == "server":
        from core.rating.asking.server import ServerBackend

        return ServerBackend(model=options.model, concurrency=options.concurrency, **shared)
    from core.rating.asking.batch import BatchBackend

    return BatchBackend(options.model, options.store.parent / "batches", **shared)


def foreseen(
    options: argparse.Namespace, backend: Backend, missing: Sequence[Request]
) -> list[str]:
    """Return what asking would take, in tokens, money and time, a line each."""
    if not missing:
        return []
    if kind(options) == "local":
        from core.rating.asking.local import LocalBackend

        assert isinstance(backend, LocalBackend)
        pace = backend.pace(missing)
        return [
            f"tokens: {pace.tokens:,} of prompts, counted by the model's tokenizer",
            "cost: none, the model is on this machine",
            f"time: about {duration(pace.seconds)} on {backend.device} ({pace.tried} timed)",
        ]
    batch = kind(options) == "batch"
    price = _price(options)
    expected = estimate((one.body for one in missing), price, batch=batch)
    tokens = (
        f"tokens: about {expected.prompt_tokens:,} of prompts and "
        f"{expected.completion_tokens:,} of answers (a token for four characters: an estimate)"
    )
    lines = [tokens, _cost(options, price, expected.cost, expected.most)]
    if batch:
        return [*lines, "time: the service promises a batch within 24 hours"]
    seconds = len(missing) * ASSUMED / options.concurrency
    time = (
        f"time: about {duration(seconds)}, if an answer takes {ASSUMED:g} s (assumed) and "
        f"{options.concurrency} are under way at a time"
    )
    return [*lines, time]


def duration(seconds: float) -> str:
    """Return a length of time for people: 8 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _price(options: argparse.Namespace) -> Price | None:
    """Return the model's price: the listed ones are OpenAI's, and of no other server."""
    listed = options.prices or is_openai(address(options.base_url))
    prices = read_prices(options.prices) if listed else ()
    return budgeted(options.model, prices, options.budget)


def _local(options: argparse.Namespace) -> Backend:
    from core.rating.asking.local import LocalBackend

    return LocalBackend(
        options.model,
        revision=options.revision,
        device=options.device,
        dtype=options.dtype,
        candidates=options.candidates,
        batch=options.batch,
    )


def _cost(
    options: argparse.Namespace, price: Price | None, likely: float | None, most: float | None
) -> str:
    if price is None or likely is None or most is None:
        where = "" if is_openai(address(options.base_url)) else " of this server"
        return f"cost: not known, no price of {options.model}{where} is listed (--prices FILE)"
    return f"cost: about {likely:.2f} dollars, at most {most:.2f}; {price.said}"
