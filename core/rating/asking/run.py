"""One run of asking: what is wanted, what is there, what is asked, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.rating.asking import batch_table
from core.rating.asking.backend import Backend, Outcome
from core.rating.asking.requests import Item, Request
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError


@dataclass(frozen=True)
class Reconciled:
    """Requests against the answers in a store, by their keys and nothing else.

    Attributes
    ----------
    answered, missing : tuple of Request
        Those with an answer and those without, each key once.
    repeated : tuple of Request
        Those whose key came before: one answer is every one's.
    """

    answered: tuple[Request, ...]
    missing: tuple[Request, ...]
    repeated: tuple[Request, ...]


@dataclass(frozen=True)
class Run:
    """What came of asking.

    Attributes
    ----------
    before : int
        How many requests were answered before anything was asked.
    outcome : Outcome
        What the backend says of it.
    now : Reconciled
        What the store says of it.
    """

    before: int
    outcome: Outcome
    now: Reconciled

    @property
    def complete(self) -> bool:
        """Whether every request has an answer, good or bad."""
        return not self.now.missing


def plan(words: Iterable[str], language: str, dimensions: Iterable[str]) -> list[Item]:
    """Return the ratings wanted, dimension by dimension: their prompts begin alike."""
    words = list(words)
    return [Item(language, dimension, word) for dimension in dimensions for word in words]


def reconcile(requests: Sequence[Request], store: AnswerStore) -> Reconciled:
    """Compare requests with the answers in a store.

    Answers to other calls, which a store may hold too, are nobody's here.
    """
    first = {request.key: request for request in reversed(requests)}
    there = store.answered(first)
    seen: Counter[str] = Counter()
    sorted_out: tuple[list[Request], ...] = ([], [], [])
    for request in requests:
        which = 2 if seen[request.key] else 0 if request.key in there else 1
        sorted_out[which].append(request)
        seen[request.key] += 1
    return Reconciled(*map(tuple, sorted_out))


def ask(
    backend: Backend,
    items: Sequence[Item],
    store: AnswerStore,
    progress: Callable[[int], None] = lambda _: None,
    there: Callable[[int], None] = lambda _: None,
) -> Run:
    """Ask about the items that have no answer in the store yet, and about no other.

    Parameters
    ----------
    backend : Backend
    items : sequence of Item
    store : AnswerStore
        Every answer is in it before the next is asked for; stopped at any point, the same call
        goes on where it was.
    progress : callable
        Called with how many more items are done with.
    there : callable
        Called once before, with how many need not be asked.

    Raises
    ------
    RatingError
        If nothing can be asked at all, or a batch is under way with some of it.
    """
    requests = [backend.request(item) for item in items]
    before = reconcile(requests, store)
    waited = batch_table.under_way(store, [request.key for request in before.missing])
    if waited and backend.name != "batch":
        msg = f"{len(waited):,} of these ratings are under way in a batch, and would be paid twice"
        raise RatingError(f"{msg}; fetch them first, with --backend batch")
    there(len(before.answered) + len(before.repeated))
    outcome = backend.ask(before.missing, store, progress) if before.missing else Outcome(0)
    return Run(len(before.answered), outcome, reconcile(requests, store))
