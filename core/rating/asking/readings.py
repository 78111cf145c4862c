"""What a model makes of a prompt: its greedy answer, token by token, and scores of others."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

import numpy as np
import torch

from core.rating.asking.requests import ALTERNATIVES
from core.rating.asking.tree import Answers


@dataclass(frozen=True)
class Step:
    """One token of a greedy answer.

    Attributes
    ----------
    token : int
    logprob : float
        Natural logarithm.
    top : tuple of (int, float)
        The most probable tokens with their log-probabilities, the likeliest first; of equals the
        lowest token. The token taken is the first.
    """

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Reading:
    """What a model makes of one prompt.

    Attributes
    ----------
    steps : tuple of Step
        The greedy answer, without the token that ends it; of equals the lowest token is taken.
    ended : bool
        Whether it ended by itself, and not at the most tokens allowed.
    scores : (c,) array
        Log-probability of each answer to be scored, its end included.
    watched : (w,) array
        Log-probability of each watched token as the first one.
    """

    steps: tuple[Step, ...]
    ended: bool
    scores: np.ndarray
    watched: np.ndarray


@dataclass
class Greedy:
    """A greedy answer on its way.

    Attributes
    ----------
    node : int
        Where it stands in the tree; -1 before its first token.
    steps : list of Step
    ended : bool
    seen : list of int
        The columns behind the prompt that its next token may see.
    """

    node: int = -1
    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    seen: list[int] = field(default_factory=list)

    def take(self, step: Step, ends: Container[int]) -> None:
        """Add a token, or end."""
        if step.token in ends:
            self.ended = True
        else:
            self.steps.append(step)

    def goes_on(self, most: int) -> bool:
        """Return whether another token may follow."""
        return not self.ended and len(self.steps) < most

    def descend(self, answers: Answers, prompt: int) -> bool:
        """Go to the node of the last token, if the tree behind a prompt has one there."""
        node = answers.children.get((self.node, self.steps[-1].token))
        if node is None:
            return False
        self.node = node
        self.seen.append(prompt + node)
        return True


def greedy_steps(logits: torch.Tensor) -> list[Step]:
    """Return the greedy step of every row of logits, (n, vocabulary)."""
    totals = logits.logsumexp(-1, keepdim=True)
    values, tokens = logits.topk(min(ALTERNATIVES, logits.shape[-1]), dim=-1)
    # topk says nothing of equals; argmax takes the first of them.
    columns = (values - totals, tokens, logits.argmax(-1))
    return [_step(*row) for row in zip(*(x.cpu().tolist() for x in columns), strict=True)]


def _step(values: list[float], tokens: list[int], taken: int) -> Step:
    top = dict(zip(tokens, values, strict=True))
    if taken not in top:
        top[taken] = top.pop(tokens[-1])
    ordered = sorted(top.items(), key=lambda pair: (-pair[1], pair[0]))
    return Step(taken, top[taken], tuple(ordered))
