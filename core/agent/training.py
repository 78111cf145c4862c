"""Behavioural cloning of one agent: resumable, and the same whether interrupted or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.agent.errors import TrainingError
from core.agent.rooms import Starts
from core.agent.runs import Recipe, State, save_run
from core.agent.shards import Demonstrations
from core.agent.tiles import pad_views

#: A checkpoint is written every so many updates.
EVERY = 500
#: The learning curve holds the mean loss of every so many updates; progress is told as often.
CURVE = 100


@dataclass(frozen=True)
class Corpus:
    """Demonstrations as the network takes them: one row per training step.

    Attributes
    ----------
    tiles : Tensor of uint8, shape (steps, 64)
    instruction, actions : Tensor of int64, shape (steps,)
    sha256 : str
        Digest of the demonstrations.
    starts : Starts
        Where their episodes begin, so that none is evaluated on.
    """

    tiles: Tensor
    instruction: Tensor
    actions: Tensor
    sha256: str
    starts: Starts

    @classmethod
    def of(cls, demonstrations: Demonstrations, view: str) -> Corpus:
        """Return the training steps of demonstrations, in the partial or the full view."""
        full = view == "full"
        tiles = demonstrations.full_views() if full else pad_views(demonstrations.views)
        return cls(
            torch.from_numpy(tiles),
            torch.from_numpy(demonstrations.instruction),
            torch.from_numpy(demonstrations.actions.astype(np.int64)),
            demonstrations.sha256(),
            demonstrations.starts,
        )


#: Told at every point of the schedule: the run's state.
Observe = Callable[[State], bool]
#: Told how many updates are done, and the latest loss.
Progress = Callable[[int, float], None]


def train(
    state: State,
    corpus: Corpus,
    observe: Observe,
    progress: Progress,
    checkpoint: Path | None = None,
) -> State:
    """Carry a run on to its end.

    Minibatches follow from the seed and the update's number alone, and nothing else is random, so
    a run that was cut and resumed gives the same bits as one that was not, on a CPU. A GPU may add
    in another order.

    Parameters
    ----------
    state : State
        From `begin` or `load_run`.
    corpus : Corpus
    observe : callable
        Called at every point of the schedule; the run ends early if it returns True.
    progress : callable
    checkpoint : Path, optional
        Where to keep the run; it is written every `EVERY` updates and at the end.

    Raises
    ------
    TrainingError
        If the loss is no longer finite; the last checkpoint is kept.
    """
    recipe, device = state.recipe, next(state.agent.parameters()).device
    points, losses = set(recipe.schedule()), []
    data = [x.to(device) for x in (corpus.tiles, corpus.instruction, corpus.actions)]
    while True:
        if state.update in points and observe(state):
            break
        if state.update >= recipe.updates:
            break
        rows = torch.from_numpy(minibatch(recipe, len(corpus.actions), state.update)).to(device)
        losses.append(_step(state, *(column[rows] for column in data)))
        state.update += 1
        if state.update % CURVE == 0:
            state.losses.append(_finite(torch.stack(losses).mean().item(), state))
            losses = []
            progress(state.update, state.losses[-1])
        if state.update % EVERY == 0:
            _keep(state, corpus, checkpoint)
    if losses:
        progress(state.update, _finite(torch.stack(losses).mean().item(), state))
    _keep(state, corpus, checkpoint)
    return state


def _keep(state: State, corpus: Corpus, checkpoint: Path | None) -> None:
    # A finite loss can lead to weights that are not, which would spoil the checkpoint.
    _finite(sum(x.detach().abs().sum().item() for x in state.agent.parameters()), state)
    if checkpoint is not None:
        save_run(state, corpus.sha256, checkpoint)


def minibatch(recipe: Recipe, steps: int, update: int) -> np.ndarray:
    """Return the rows of one update: every pass over the data takes them in an order of its own.

    The steps that do not fill a minibatch at the end of a pass are left out of it.
    """
    size = min(recipe.batch, steps)
    epoch, at = divmod(update, steps // size)
    return _order(recipe.seed, epoch, steps)[at * size : (at + 1) * size]


@lru_cache(maxsize=1)
def _order(seed: int, epoch: int, steps: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(steps)


def _step(state: State, tiles: Tensor, instruction: Tensor, actions: Tensor) -> Tensor:
    for group in state.optimiser.param_groups:
        group["lr"] = learning_rate(state.recipe, state.update)
    # On a CPU with minibatches of 64, bfloat16 gains a tenth at most and costs exactness.
    with torch.autocast(tiles.device.type, torch.bfloat16, enabled=tiles.is_cuda):
        loss = F.cross_entropy(state.agent(tiles.long(), instruction).float(), actions)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.agent.parameters(), 1.0)
    state.optimiser.step()
    return loss.detach()


def learning_rate(recipe: Recipe, update: int) -> float:
    """Return the learning rate of an update."""
    rise = min(1.0, (update + 1) / 200)
    return recipe.learning_rate * rise * 0.5 * (1 + np.cos(np.pi * update / recipe.updates))


def _finite(loss: float, state: State) -> float:
    if not np.isfinite(loss):
        msg = (
            f"seed {state.recipe.seed}: the loss is {loss} at update {state.update}; the last "
            "checkpoint is kept: lower --learning-rate and start in a new folder"
        )
        raise TrainingError(msg)
    return loss
