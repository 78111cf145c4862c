"""Who answers: the one face that a model here, a server, and a batch service show alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from core.rating.asking.requests import Item, Request
    from core.rating.asking.store import AnswerStore


@dataclass(frozen=True)
class Outcome:
    """How asking ended.

    Attributes
    ----------
    answered : int
        How many answers came and are in the store.
    failed : mapping of str to str
        What happened to each request that was tried and has no answer, by its key.
    stopped : str
        Why asking ended before every request was tried (the budget, a refused key, a quota), with
        the remedy; "" when all were tried.
    notes : tuple of str
        What the user should hear of an outcome that is otherwise good, a sentence each, such as a
        server that leaves out the log-probabilities.
    """

    answered: int
    failed: Mapping[str, str] = field(default_factory=dict)
    stopped: str = ""
    notes: tuple[str, ...] = ()


class Backend(Protocol):
    """Something that answers requests and puts every answer into a store as it comes."""

    @property
    def name(self) -> str:
        """Which kind of backend: "local", "server" or "batch"."""
        ...

    @property
    def model(self) -> str:
        """The model as manifests name it: its id, or its folder's name and digest."""
        ...

    @property
    def about(self) -> Mapping[str, Any]:
        """What a study's manifest says of the model besides its name, as JSON."""
        ...

    def request(self, item: Item) -> Request:
        """Return the call that asks about an item."""
        ...

    def ask(
        self, requests: Sequence[Request], store: AnswerStore, progress: Callable[[int], None]
    ) -> Outcome:
        """Ask, and keep every answer in the store as it comes.

        Parameters
        ----------
        requests : sequence of Request
            None of them answered yet.
        store : AnswerStore
            Holds each answer, durably, before it is counted.
        progress : callable
            Called with how many more requests are done with, answered or given up.

        Raises
        ------
        RatingError
            When nothing can be asked at all.
        """
        ...
