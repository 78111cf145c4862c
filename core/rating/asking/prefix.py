"""Answers to many prompts that begin alike, from one reading of what they share.

The prompts of a dimension differ in the word alone, which stands near their end. What they share
(as tokens, not as text) is read once and its keys and values are kept; every prompt then costs the
reading of its own last tokens. Behind those, in the same pass, stand the beginnings of all answers
that are to be scored: each sees the prompt and its own ancestors only, as in a tree, and has the
position that it would have alone. A greedy answer that runs through the tree is read off it.

Prompts of one length are read together, so there is no padding anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, cast

import numpy as np
import torch
from transformers import Cache, DynamicCache

from core.rating.asking.layers import Layer
from core.rating.asking.readings import Greedy, Reading, greedy_steps
from core.rating.asking.requests import MOST_TOKENS
from core.rating.asking.tree import Answers

#: Most logits held at a time: 1 GiB in float32, whatever the batch asked for.
MOST_LOGITS = 2**28


def common_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all prompts begin with, leaving each at least one of its own."""
    pairs = zip(min(map(tuple, prompts)), max(map(tuple, prompts)), strict=False)
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return min(alike, min(map(len, prompts)) - 1)


def read(
    model: Any,
    prompts: Sequence[Sequence[int]],
    answers: Answers,
    *,
    ends: Sequence[int],
    watch: Sequence[int] = (),
    batch: int = 32,
    most: int = MOST_TOKENS,
) -> Iterator[list[tuple[int, Reading]]]:
    """Read prompts that begin alike; yields the readings of a batch with the prompts' indices.

    Batches are of prompts of one length, the shortest first and of equals in order of their
    tokens: they depend on the prompts given and on `batch`, not on the prompts' order. Which
    prompts share a batch moves log-probabilities in the last bits of the arithmetic, no more.

    Scratch memory: the keys and values of a batch, in full length, and its logits, (t + 1) times
    the vocabulary per prompt in float32, up to `MOST_LOGITS` (a batch is made smaller for it).

    Parameters
    ----------
    model : causal language model of transformers
        In evaluation mode, with attention to all that came before.
    prompts : sequence of sequence of int
        Their tokens; at least the first is the same in all.
    answers : Answers
        What is to be scored.
    ends : sequence of int
        The tokens that end an answer.
    watch : sequence of int
        Tokens whose probability as the first one is wanted.
    batch : int
        Prompts at a time, at most.
    most : int
        Tokens of a greedy answer, the one that ends it included, at most.

    Raises
    ------
    ValueError
        If the prompts share no first token.
    FloatingPointError
        If a logit is not a number.
    """
    if not prompts:
        return
    shared = common_prefix(prompts)
    if shared < 1:
        raise ValueError("the prompts share no first token")
    reader = _Reader(model, answers, tuple(ends), tuple(watch), most)
    prefix = reader.prefix(prompts[0][:shared])
    for rows in batches(prompts, reader.most_rows(batch)):
        own = [prompts[i][shared:] for i in rows]
        yield list(zip(rows, reader.read(prefix, own), strict=True))


def batches(prompts: Sequence[Sequence[int]], batch: int) -> list[list[int]]:
    """Return the indices of prompts in batches of one length each."""
    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i]), tuple(prompts[i])))
    out: list[list[int]] = []
    for i in order:
        full = not out or len(out[-1]) == batch
        if full or len(prompts[out[-1][0]]) != len(prompts[i]):
            out.append([])
        out[-1].append(i)
    return out


def away(model: Any, prompt: Sequence[int], others: Sequence[Sequence[int]], of: Answers) -> float:
    """Return by how much scores read with a shared prefix differ from those read without.

    The other prompts are read along, so that the prefix is what they share. Every model that heeds
    masks and positions as given is away by rounding only; one that does not must not be read so.
    """
    found = [
        reading.scores
        for rows in read(model, [prompt, *others], of, ends=(), most=1)
        for i, reading in rows
        if i == 0
    ]
    with torch.inference_mode():
        plain = []
        for answer in of.sequences:
            ids = torch.tensor([[*prompt, *answer[:-1]]], device=model.device)
            logits = model(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].float()
            each = logits.log_softmax(-1).gather(1, _column(answer, model.device))
            plain.append(float(each.double().sum()))
    return float(np.abs(found[0] - np.array(plain)).max())


@dataclass
class _Reader:
    model: Any
    answers: Answers
    ends: tuple[int, ...]
    watch: tuple[int, ...]
    most: int

    def most_rows(self, batch: int) -> int:
        """Return how many prompts may be read at a time."""
        vocabulary = self.model.get_input_embeddings().weight.shape[0]
        return max(1, min(batch, MOST_LOGITS // ((len(self.answers.tokens) + 1) * vocabulary)))

    @torch.inference_mode()
    def prefix(self, ids: Sequence[int]) -> Cache:
        cache = DynamicCache()
        self._run([list(ids)], None, [list(range(len(ids)))], cache, 1)
        return cache

    @torch.inference_mode()
    def read(self, prefix: Cache, own: Sequence[Sequence[int]]) -> list[Reading]:
        shared, n, depth = prefix.get_seq_length(), len(own[0]), self.answers.depths
        room = n + len(depth) + self.most
        cache = Cache(layers=[Layer(layer, len(own), room) for layer in prefix.layers])
        places = [*range(shared, shared + n), *(shared + n - 1 + d for d in depth)]
        ids = [[*row, *self.answers.tokens] for row in own]
        mask = self._mask(self.answers.sees(shared, n)[None, None]).expand(len(own), 1, -1, -1)
        logits = self._run(ids, mask, [places] * len(own), cache, len(depth) + 1)
        totals = logits.logsumexp(-1)
        if not bool(totals.isfinite().all()):
            raise FloatingPointError("a logit is not a number, or is infinite")
        scores = self._scores(logits, totals)
        watched = _logprobs(logits[:, 0], totals[:, 0], self.watch)
        found = self._greedy(logits, cache, shared + n)
        return [
            Reading(tuple(one.steps), one.ended, scores[i], watched[i])
            for i, one in enumerate(found)
        ]

    def _scores(self, logits: torch.Tensor, totals: torch.Tensor) -> np.ndarray:
        count, device = len(self.answers.sequences), logits.device
        nodes, tokens, owners = (
            torch.tensor(x, dtype=torch.long, device=device) for x in self.answers.steps()
        )
        each = (logits[:, nodes + 1, tokens] - totals[:, nodes + 1]).double()
        out = torch.zeros((len(logits), count), dtype=torch.double, device=device)
        return out.index_add_(1, owners, each).cpu().numpy()

    def _greedy(self, logits: torch.Tensor, cache: Cache, prompt: int) -> list[Greedy]:
        """Take the greedy answers: off the tree as far as it goes, then token by token."""
        found = [Greedy() for _ in logits]
        within = list(range(len(found)))
        while within:
            nodes = [found[i].node + 1 for i in within]
            for i, step in zip(within, greedy_steps(logits[within, nodes]), strict=True):
                found[i].take(step, self.ends)
            within = [
                i
                for i in within
                if found[i].goes_on(self.most) and found[i].descend(self.answers, prompt)
            ]
        going = found
        while rows := [i for i, one in enumerate(going) if one.goes_on(self.most)]:
            self._keep(cache, rows, len(going))
            going = [going[i] for i in rows]
            for one, step in zip(
                going, greedy_steps(self._next(going, cache, prompt)), strict=True
            ):
                one.take(step, self.ends)
        return found

    def _keep(self, cache: Cache, rows: list[int], of: int) -> None:
        if len(rows) < of:
            at = torch.tensor(rows, device=self.model.device)
            for layer in cache.layers:
                cast(Layer, layer).keep(at)

    def _next(self, going: list[Greedy], cache: Cache, prompt: int) -> torch.Tensor:
        """Return the logits after the last token of each answer."""
        filled = cache.get_seq_length()
        sees = np.zeros((len(going), 1, 1, filled + 1), dtype=bool)
        sees[..., :prompt] = True
        for row, one in zip(sees, going, strict=True):
            one.seen.append(filled)
            row[..., one.seen] = True
        places = [[prompt + len(one.steps) - 1] for one in going]
        ids = [[one.steps[-1].token] for one in going]
        return self._run(ids, self._mask(sees), places, cache, 1)[:, 0]

    def _mask(self, sees: np.ndarray) -> torch.Tensor:
        dtype = self.model.dtype
        hidden = torch.from_numpy(~sees).to(self.model.device)
        return torch.zeros(sees.shape, dtype=dtype, device=hidden.device).masked_fill_(
            hidden, torch.finfo(dtype).min
        )

    def _run(
        self,
        ids: list[list[int]],
        mask: torch.Tensor | None,
        places: list[list[int]],
        cache: Cache,
        last: int,
    ) -> torch.Tensor:
        device = self.model.device
        out = self.model(
            input_ids=torch.tensor(ids, device=device),
            attention_mask=mask,
            position_ids=torch.tensor(places, device=device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
        )
        # Some models give them all, whatever was asked.
        return out.logits[:, -last:].float()


def _logprobs(logits: torch.Tensor, totals: torch.Tensor, tokens: Sequence[int]) -> np.ndarray:
    at = torch.tensor(tokens, dtype=torch.long, device=logits.device)
    return (logits[:, at] - totals[:, None]).double().cpu().numpy()


def _column(tokens: Sequence[int], device: Any) -> torch.Tensor:
    return torch.tensor(tokens, device=device)[:, None]
