"""A model on this machine, asked for ratings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from core.rating.asking.backend import Outcome
from core.rating.asking.candidates import CANDIDATES
from core.rating.asking.local_model import DTYPES, LocalModel, out_of_memory
from core.rating.asking.prefix import common_prefix
from core.rating.asking.readings import Reading
from core.rating.asking.requests import ALTERNATIVES, MOST_TOKENS, Item, Request
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError
from core.rating.finetuning import loading
from core.rating.finetuning.folders import tuning
from core.rating.finetuning.loading import digest, find
from core.rating.prompts import messages, rating_prompt

ENDPOINT = "local"
#: How many requests are timed to tell how long all would take.
TRIED = 8


@dataclass(frozen=True)
class Pace:
    """How fast a model answers, from a few requests.

    Attributes
    ----------
    tokens : int
        Of all the prompts.
    seconds : float
        For all of them, foreseen.
    tried : int
        How many were timed.
    """

    tokens: int
    seconds: float
    tried: int


class LocalBackend:
    """A model in a folder or from the hub, loaded when it is first asked.

    Parameters
    ----------
    model : str
        A folder with config.json, safetensors and a tokenizer, or a repository on the hub.
    revision : str
        A commit on the hub; "" for the main branch.
    device : {"auto", "cpu", "cuda"} or None
        "auto" and None for cuda if there is one.
    dtype : {"float32", "bfloat16", "float16"}
        Only in float32 is a rating the same whatever is asked along with it.
    candidates : {"whole", "half", "tenth", "hundredth"}
        Which answers are scored beside the one given.
    batch : int
        Prompts read at a time; fewer where memory does not suffice.

    Raises
    ------
    RatingError
        If there is no such model or device, or no safetensors of it.
    """

    name = "local"

    def __init__(
        self,
        model: str,
        *,
        revision: str = "",
        device: str | None = None,
        dtype: str = "float32",
        candidates: str = "whole",
        batch: int = 32,
    ) -> None:
        for said, known in ((dtype, DTYPES), (candidates, CANDIDATES)):
            if said not in known:
                msg = f"{said!r} is none of {', '.join(known)}"
                raise RatingError(msg)
        self.device = loading.device(device)
        self.dtype, self.candidates, self.batch = dtype, candidates, batch
        self._source = find(model, revision)
        self._digest = digest(self._source)

    @property
    def model(self) -> str:
        """The repository or the folder's name, with the beginning of its commit or digest."""
        source = self._source
        return f"{source.model}@{(source.revision if source.fetched else self._digest)[:12]}"

    @property
    def about(self) -> Mapping[str, Any]:
        """The model's digest, and how it was tuned if `claims finetune` made it."""
        tuned = tuning(self._source.folder)
        return {"digest": self._digest} | ({"tuned": tuned} if tuned else {})

    def request(self, item: Item) -> Request:
        """Return the call that asks about an item.

        It names the model by what it is made of: one that was moved is not asked again, and other
        weights in the same folder are.
        """
        body = {
            "model": self._digest,
            "messages": messages(rating_prompt(item.language, item.dimension, item.word)),
            "temperature": 0,
            "max_tokens": MOST_TOKENS,
            "logprobs": True,
            "top_logprobs": ALTERNATIVES,
            "dtype": self.dtype,
            "candidates": self.candidates,
        }
        return Request(item, ENDPOINT, body)

    def ask(
        self, requests: Sequence[Request], store: AnswerStore, progress: Callable[[int], None]
    ) -> Outcome:
        """Ask, a dimension at a time; a batch is in the store before the next is read.

        Asked again after a stop, what is missing falls into other batches than it would have: that
        moves log-probabilities in the last bits, and an answer only where two were equal to those.

        Raises
        ------
        RatingError
            If the model does not load or cannot be read so, or memory does not suffice for one
            prompt.
        """
        answered, before = 0, self.batch
        for group in groups(requests):
            prompts = self._prompts(group)
            for rows in self._read(prompts):
                pairs = [(group[i], self._completion(prompts[i], found)) for i, found in rows]
                store.put_many(pairs, source=f"{self.name}:{self.model}")
                answered += len(pairs)
                progress(len(pairs))
        notes = []
        if self.dtype != "float32":
            notes.append(
                f"{self.dtype}: expected ratings are good to two digits, and an answer may depend "
                "on what is asked along with it; --dtype float32 is exact"
            )
        if self.batch < before:
            notes.append(f"memory sufficed for {self.batch} prompts at a time, not for {before}")
        return Outcome(answered, notes=tuple(notes))

    def pace(self, requests: Sequence[Request]) -> Pace:
        """Return how long requests would take, from a few of them; keeps no answer.

        Raises
        ------
        RatingError
            As `ask` does.
        """
        prompts = [self._prompts(group) for group in groups(requests)]
        few = prompts[0][:TRIED]
        for _ in range(2):  # the first time, memory is taken and kernels are chosen
            began = time.perf_counter()
            for _ in self._read(few):
                pass
        each = (time.perf_counter() - began) / self._work(few)
        seconds = each * sum(map(self._work, prompts))
        return Pace(sum(len(one) for group in prompts for one in group), seconds, len(few))

    @cached_property
    def _model(self) -> LocalModel:
        return LocalModel.of(self._source, self.device, self.dtype, self.candidates)

    def _prompts(self, requests: Sequence[Request]) -> list[list[int]]:
        return self._model.prompts([one.body["messages"][0]["content"] for one in requests])

    def _completion(self, prompt: Sequence[int], reading: Reading) -> dict[str, Any]:
        return self._model.completion(self.model, len(prompt), reading)

    def _work(self, prompts: Sequence[Sequence[int]]) -> int:
        """Return how many tokens are read for prompts, what they share once."""
        shared, nodes = common_prefix(prompts), len(self._model.answers.tokens)
        return shared + sum(len(prompt) - shared + nodes for prompt in prompts)

    def _read(self, prompts: Sequence[Sequence[int]]) -> Iterator[list[tuple[int, Reading]]]:
        """Yield readings, of fewer prompts at a time once memory does not suffice."""
        left = list(range(len(prompts)))
        while left:
            at, full = tuple(left), False
            try:
                for rows in self._model.read([prompts[i] for i in at], self.batch):
                    left = [i for i in left if i not in {at[j] for j, _ in rows}]
                    yield [(at[j], reading) for j, reading in rows]
            except RuntimeError as error:
                full = out_of_memory(error)
                if not full:
                    raise
            # Outside the handler: the error holds on to what was allocated.
            if full:
                self._halve()

    def _halve(self) -> None:
        if self.batch == 1:
            msg = (
                f"{self.model}: the memory of {self.device} does not suffice for one prompt; name "
                "a smaller model, --dtype bfloat16, or --device cpu"
            )
            raise RatingError(msg)
        self.batch //= 2
        if self.device == "cuda":
            torch.cuda.empty_cache()


def groups(requests: Sequence[Request]) -> list[list[Request]]:
    """Return requests by language and dimension, in the order in which these come first."""
    out: dict[tuple[str, str], list[Request]] = {}
    for request in requests:
        out.setdefault((request.item.language, request.item.dimension), []).append(request)
    return list(out.values())
