"""Fine-tuning at OpenAI: the paper's way, for as long as the service offers it."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence

import numpy as np

from core.rating.alone import alone
from core.rating.asking.prices import Price, budgeted, likely_tokens, most_tokens, read_prices
from core.rating.asking.scrub import KEY, address, read_key, unlogged
from core.rating.dataset import read_dataset
from core.rating.errors import RatingError
from core.rating.examples import Example, examples
from core.rating.finetuning.remote_job import NOTE, Job, Order
from core.rating.prompts import messages


def training_file(several: Sequence[Example]) -> bytes:
    """Return the training file: a line per example, the prompt and the answer to it."""
    lines = (
        json.dumps({"messages": conversation(each)}, ensure_ascii=False) + "\n" for each in several
    )
    return "".join(lines).encode()


def conversation(example: Example) -> list[dict[str, str]]:
    """Return an example as the messages of a chat."""
    return [*messages(example.prompt), {"role": "assistant", "content": example.answer}]


def finetune_remote(options: argparse.Namespace) -> int:
    """Tune a model at OpenAI and print its name.

    Parameters
    ----------
    options : Namespace
        With ``recipe``, ``model``, ``data``, ``out`` and ``seed``; and, where they are there,
        ``scrambled``, ``epochs``, ``key_env``, ``base_url``, ``budget`` and ``prices``.

    Raises
    ------
    RatingError
        If the service does not offer it, the budget does not allow it, the folder holds another
        fine-tune, or the job fails.
    """
    given = vars(options)
    dataset = read_dataset(options.data)
    dealt = np.random.default_rng(options.seed) if given.get("scrambled") else None
    several = examples(dataset, options.recipe, scrambled=dealt)
    content = training_file(several)
    server = address(given.get("base_url"))
    order = Order(
        *(options.recipe, options.model, dataset.digest, hashlib.sha256(content).hexdigest()),
        *(given.get("epochs"), options.seed, server),
    )
    price = budgeted(options.model, read_prices(given.get("prices")), given.get("budget"))
    for line in foreseen(several, order, price, given.get("budget")):
        print(line)
    import openai

    key = read_key(given.get("key_env") or KEY, server)
    client = openai.OpenAI(api_key=key, base_url=server, max_retries=0)
    with unlogged(key), client, alone(options.out):
        found = Job(order, options.out, client).carry(content)
    print(f"tuned: {found.fine_tuned_model}; wrote {options.out / NOTE}")
    if price is not None and price.training is not None and found.trained_tokens:
        cost = price.training_cost(found.trained_tokens)
        print(f"{found.trained_tokens:,} tokens trained on, {cost:.4f} dollars; {price.said}")
    print(f"next: claims rate --backend batch --model {found.fine_tuned_model} --as {order.recipe}")
    return 0


def foreseen(
    several: Sequence[Example], order: Order, price: Price | None, budget: float | None
) -> list[str]:
    """Return what a job would take, a line each.

    Raises
    ------
    RatingError
        If it may cost more than the budget, or nothing can be said of what it may cost.
    """
    bodies = [{"messages": conversation(each)} for each in several]
    likely, most = sum(map(likely_tokens, bodies)), sum(map(most_tokens, bodies))
    epochs = order.epochs or 1
    times = f"{order.epochs} epochs" if order.epochs else "an epoch; the service chooses how many"
    lines = [f"{order.recipe}: {len(several):,} examples, about {likely:,} tokens, {times}"]
    known = price is not None and price.training is not None
    if known:
        assert price is not None
        cost, limit = price.training_cost(likely * epochs), price.training_cost(most * epochs)
        each = "" if order.epochs else " an epoch"
        lines.append(f"cost: about {cost:.2f} dollars{each}, at most {limit:.2f}; {price.said}")
        if budget is not None and order.epochs and limit is not None and limit > budget:
            msg = f"{order.recipe}: may cost up to {limit:.2f} dollars, beyond the budget of"
            raise RatingError(f"{msg} {budget:g}; give a larger --budget")
    if budget is not None and not (known and order.epochs):
        lacking = "the number of epochs (--epochs)" if known else "a price of training (--prices)"
        raise RatingError(f"{order.recipe}: no budget can be kept without {lacking}")
    return lines
