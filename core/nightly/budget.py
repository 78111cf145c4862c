"""What a night may still spend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.rating.asking.prices import Price, price_of
from core.rating.asking.store import AnswerStore


def left(budget: float, store: Path, prices: Sequence[Price], *, batch: bool) -> float:
    """Return what is left of a budget after all answers in a store.

    Tokens that came cheaper because the service had them in its cache count in full. A call that
    was sent and never answered stands in no store: `claims rate` counts it against what it was
    given, and the night does not.

    Parameters
    ----------
    budget : float
        Dollars.
    store : Path
        The night's own; all that is in it was paid for by this night.
    prices : sequence of Price
    batch : bool
        Whether it was asked in batches.
    """
    if not store.exists():
        return budget
    spent = 0.0
    with AnswerStore(store) as answers:
        for model, usage in answers.usages():
            price = price_of(model, prices)
            spent += price.cost(usage, batch=batch) if price else 0.0
    return budget - spent
