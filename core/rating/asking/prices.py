"""What asking costs: dated prices, the cost of measured usage, and the most that a call can cost.

Money is counted in whole nano-dollars and always rounded up, so that no budget is passed by
rounding.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from core.rating.asking.requests import MOST_TOKENS
from core.rating.errors import RatingError

PRICES = Path(__file__).with_name("prices.toml")
#: Nano-dollars in a dollar, and tokens in the unit that prices are given for.
NANO, MILLION = 10**9, 10**6
#: Tokens that a chat's format may take besides the text, per message and per call: an upper bound.
PER_MESSAGE, PER_CALL = 8, 8
#: Characters per token, about: the released prompts have 4.3.
CHARACTERS = 4
_AMOUNTS = ("input", "cached", "output")


@dataclass(frozen=True)
class Price:
    """What a model costs, in nano-dollars per million tokens.

    Attributes
    ----------
    model : str
        The id that the price is given for.
    input, cached, output : int
        Tokens sent, tokens sent that were in the service's cache, and tokens answered.
    batch : int
        The batch service's price, as thousandths of that.
    training : int or None
        Tokens trained on; None where the model is not offered for training.
    source : str
        Where the price stands.
    date : date
        When it stood there.
    """

    model: str
    input: int
    cached: int
    output: int
    batch: int
    training: int | None
    source: str
    date: date

    def nano(self, usage: Mapping[str, Any], *, batch: bool = False) -> int:
        """Return the cost of measured usage in nano-dollars.

        Parameters
        ----------
        usage : mapping
            Of a chat completion (``prompt_tokens``, ``completion_tokens``, and in
            ``prompt_tokens_details`` the ``cached_tokens``), or of a batch (``input_tokens``,
            ``output_tokens``, ``input_tokens_details``). A count that is not there is taken as 0.
        batch : bool
            Whether it was the batch service that answered.
        """
        sent, cached, answered = _counts(usage)
        tokens = (sent - cached) * self.input + cached * self.cached + answered * self.output
        return _up(tokens * (self.batch if batch else 1000), MILLION * 1000)

    def cost(self, usage: Mapping[str, Any], *, batch: bool = False) -> float:
        """Return the cost of measured usage in dollars; see `nano`."""
        return self.nano(usage, batch=batch) / NANO

    def most(self, body: Mapping[str, Any], *, batch: bool = False) -> float:
        """Return the most that a chat call can cost, in dollars.

        A token of text is at least one byte, nothing is counted as cached, and the answer is as
        long as the call allows. For a rating this is three to four times what it does cost.
        """
        longest = body.get("max_completion_tokens", body.get("max_tokens", MOST_TOKENS))
        usage = {"prompt_tokens": most_tokens(body), "completion_tokens": longest}
        return self.cost(usage, batch=batch)

    def training_cost(self, tokens: int) -> float | None:
        """Return the cost of training on so many tokens, in dollars; None if none is known."""
        return None if self.training is None else _up(tokens * self.training, MILLION) / NANO

    @property
    def said(self) -> str:
        """Where and when the price stood, in a line."""
        return f"prices of {self.model} as of {self.date.isoformat()}, {self.source}"


@dataclass(frozen=True)
class Estimate:
    """What a number of calls take.

    Attributes
    ----------
    requests : int
    prompt_tokens, completion_tokens : int
        About: from the number of characters, and as answers of three tokens.
    cost : float or None
        About, in dollars; None where no price is known.
    most : float or None
        What they cannot exceed, in dollars; None where no price is known.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    most: float | None


#: How long an answer of a tuned model is in tokens: "1", ".", "53".
ANSWER_TOKENS = 3


def estimate(
    bodies: Iterable[Mapping[str, Any]], price: Price | None, *, batch: bool = False
) -> Estimate:
    """Return what chat calls take in tokens, and in money where their price is known."""
    calls, sent, answered, most = 0, 0, 0, 0
    for body in bodies:
        calls, answered = calls + 1, answered + ANSWER_TOKENS
        sent += likely_tokens(body)
        most += 0 if price is None else round(price.most(body, batch=batch) * NANO)
    if price is None:
        return Estimate(calls, sent, answered, None, None)
    usage = {"prompt_tokens": sent, "completion_tokens": answered}
    return Estimate(calls, sent, answered, price.cost(usage, batch=batch), most / NANO)


def likely_tokens(body: Mapping[str, Any]) -> int:
    """Return about how many tokens a chat call sends: one per four characters, and its format."""
    texts = _texts(body)
    return _up(sum(map(len, texts)), CHARACTERS) + 4 * len(texts) + 3


def most_tokens(body: Mapping[str, Any]) -> int:
    """Return how many tokens a chat call cannot exceed: one per byte of text, and its format."""
    texts = _texts(body)
    return sum(len(text.encode()) for text in texts) + PER_MESSAGE * len(texts) + PER_CALL


def price_of(model: str, prices: Sequence[Price]) -> Price | None:
    """Return a model's price, or None where none is known.

    A fine-tune, ``ft:BASE:organisation:name:id``, has the price listed for ``ft:BASE``. Nothing is
    guessed from a similar name.
    """
    known = {price.model: price for price in prices}
    if model in known:
        return known[model]
    # Fine-tunes of a fine-tune carry their base's name too.
    tuned = re.match(r"ft:[^:]+(?=:)", model)
    return known.get(tuned[0]) if tuned else None


def budgeted(model: str, prices: Sequence[Price], budget: float | None) -> Price | None:
    """Return a model's price, refusing a budget that nothing could be held against.

    Raises
    ------
    RatingError
        When there is a budget and no price, or the budget is not above 0.
    """
    price = price_of(model, prices)
    if budget is not None and not 0 < budget < float("inf"):
        msg = f"a budget of {budget:g} dollars buys nothing that can be counted"
        raise RatingError(f"{msg}; give an amount above 0")
    if budget is not None and price is None:
        msg = f"the price of {model} is not known, so no budget can be kept; state it in a file"
        raise RatingError(f"{msg} laid out as {PRICES.name} (--prices FILE), or leave out --budget")
    return price


def read_prices(path: Path | None = None) -> tuple[Price, ...]:
    """Read prices from a file: those that come with the suite where none is given.

    Raises
    ------
    RatingError
        On a file that cannot be read, a model listed twice, or an entry that lacks something or
        has an amount below 0; names the file and the model.
    """
    path = path or PRICES
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["price"]
        found = tuple(_price(entry) for entry in entries)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RatingError(f"{path}: cannot be read: {error}") from error
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        said = f"{path}: not a list of prices laid out as {PRICES.name}: {_fault(error)}"
        raise RatingError(said) from error
    names = [price.model for price in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise RatingError(f"{path}: {twice[0]} has two prices; leave one out")
    return found


def _price(entry: Mapping[str, Any]) -> Price:
    model = entry["model"]
    try:
        amounts = {name: _nano(entry[name]) for name in _AMOUNTS}
        training = entry.get("training")
        when, batch = entry["date"], Decimal(str(entry.get("batch", "1")))
        if type(when) is not date or not 0 <= batch <= 1:
            raise ValueError("date is no date, or batch not from 0 to 1")
        return Price(
            str(model),
            **amounts,
            batch=int((batch * 1000).to_integral_value(rounding="ROUND_CEILING")),
            training=None if training is None else _nano(training),
            source=str(entry["source"]),
            date=when,
        )
    except (KeyError, ValueError, InvalidOperation) as error:
        raise ValueError(f"{model}: {_fault(error)}") from error


def _nano(amount: Any) -> int:
    # Written as text, 0.15 is a decimal; as a number it would be a binary fraction near it.
    value = Decimal(str(amount)) * NANO
    if not value.is_finite() or value < 0:
        raise ValueError(f"{amount!r} is no amount of dollars")
    return int(value.to_integral_value(rounding="ROUND_CEILING"))


def _fault(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _counts(usage: Mapping[str, Any]) -> tuple[int, int, int]:
    sent = usage.get("prompt_tokens", usage.get("input_tokens")) or 0
    answered = usage.get("completion_tokens", usage.get("output_tokens")) or 0
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    # More in the cache than was sent is no usage; the dearer reading is taken.
    cached = min(details.get("cached_tokens") or 0, sent)
    return int(sent), int(cached), int(answered)


def _texts(body: Mapping[str, Any]) -> list[str]:
    return [
        text if isinstance(text := message.get("content"), str) else json.dumps(text)
        for message in body["messages"]
    ]


def _up(amount: int, unit: int) -> int:
    return -(-amount // unit)
