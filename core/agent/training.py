"""Behavioural cloning of one agent: resumable, and the same whether interrupted or not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.agent.dataset import Demonstrations
from core.agent.model import Agent, Architecture
from core.agent.rooms import Starts
from core.agent.tiles import pad_views, tile_table
from core.agent.vision import ResNetEncoder
from core.evidence.errors import EvidenceError
from core.files import write_atomically

SCHEMA = 1
#: The updates at which the sentence embeddings are kept; the last update is always one.
SCHEDULE = (0, 100, 300, 1000, 2500, 5000, 10000, 20000)
#: A checkpoint is written, and progress told, every so many updates.
EVERY = 500
#: The learning curve holds the mean loss of every so many updates.
CURVE = 100


class TrainingError(RuntimeError):
    """A training run that cannot go on: says which, where, and what to do."""


class CheckpointError(EvidenceError):
    """A checkpoint that is not what it should be: names the file, the fault, the remedy."""


@dataclass(frozen=True)
class Recipe:
    """Everything that a trained agent follows from, besides the demonstrations.

    Attributes
    ----------
    seed : int
        Of the initial weights and of the order of the training steps.
    updates : int
        Optimiser steps; the paper's "20,000 training epochs" taken as updates.
    batch : int
        Training steps per update.
    learning_rate : float
        At its peak; it rises over 200 updates, then falls as a half cosine.
    stop_at : float
        Stop at the first point of the schedule where every task's success reaches this; above 1,
        never.
    architecture : Architecture
    vision_weights : str
        The file of ImageNet weights that the ResNet's first stages start from; "" for none, which
        is where this differs from the paper.
    """

    seed: int = 0
    updates: int = 20000
    batch: int = 64
    learning_rate: float = 1e-3
    stop_at: float = 2.0
    architecture: Architecture = field(default_factory=Architecture)
    vision_weights: str = ""

    def __post_init__(self) -> None:
        if self.vision_weights and self.architecture.vision != "resnet":
            msg = "ImageNet weights fit the ResNet only: --vision resnet"
            raise ValueError(msg)
        if self.updates < 1 or self.batch < 1 or not self.learning_rate > 0:
            msg = "updates, batch and learning rate must be above zero"
            raise ValueError(msg)

    def schedule(self) -> tuple[int, ...]:
        """Return the updates at which the embeddings are kept."""
        return (*(point for point in SCHEDULE if point < self.updates), self.updates)


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


@dataclass
class State:
    """A run between two updates: the network, its optimiser, and the learning curve so far."""

    recipe: Recipe
    agent: Agent
    optimiser: torch.optim.Optimizer
    update: int = 0
    losses: list[float] = field(default_factory=list)


#: Told at every point of the schedule: the run's state.
Observe = Callable[[State], bool]
#: Told how many updates are done, and the latest loss.
Progress = Callable[[int, float], None]


def begin(recipe: Recipe, device: str) -> State:
    """Return a run before its first update."""
    torch.manual_seed(recipe.seed)
    agent = Agent(recipe.architecture, tile_table()).to(device)
    if isinstance(agent.f_vis, ResNetEncoder) and recipe.vision_weights:
        agent.f_vis.load_imagenet(Path(recipe.vision_weights))
    optimiser = torch.optim.AdamW(agent.parameters(), lr=recipe.learning_rate, fused=True)
    return State(recipe, agent, optimiser)


def train(
    state: State,
    corpus: Corpus,
    observe: Observe,
    progress: Progress,
    checkpoint: Path | None = None,
) -> State:
    """Carry a run on to its end.

    Minibatches follow from the seed and the update's number alone, and nothing else is random, so
    a run that was cut and resumed gives the same bits as one that was not, on one device.

    Parameters
    ----------
    state : State
        From `begin` or `load`.
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
        if state.update == recipe.updates:
            break
        rows = torch.from_numpy(minibatch(recipe, len(corpus.actions), state.update)).to(device)
        losses.append(_step(state, *(column[rows] for column in data)))
        state.update += 1
        if state.update % CURVE == 0:
            state.losses.append(_finite(torch.stack(losses).mean().item(), state))
            losses = []
        if state.update % EVERY == 0:
            progress(state.update, state.losses[-1])
            if checkpoint is not None:
                save_run(state, corpus.sha256, checkpoint)
    if checkpoint is not None:
        save_run(state, corpus.sha256, checkpoint)
    return state


def minibatch(recipe: Recipe, steps: int, update: int) -> np.ndarray:
    """Return the rows of one update: every pass over the data takes them in an order of its own.

    The steps that do not fill a minibatch at the end of a pass are left out of it.
    """
    size = min(recipe.batch, steps)
    epoch, at = divmod(update, steps // size)
    return _order(recipe.seed, epoch, steps)[at * size : (at + 1) * size]


_ORDERS: dict[tuple[int, int, int], np.ndarray] = {}


def _order(seed: int, epoch: int, steps: int) -> np.ndarray:
    key = (seed, epoch, steps)
    if key not in _ORDERS:
        _ORDERS.clear()
        _ORDERS[key] = np.random.default_rng((seed, epoch)).permutation(steps)
    return _ORDERS[key]


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


def save_run(state: State, data: str, path: Path) -> None:
    """Write a run in one move: weights, the optimiser's moments, the learning curve."""
    moments = state.optimiser.state_dict()["state"]
    tensors = {f"agent.{name}": x for name, x in state.agent.state_dict().items()}
    tensors |= {f"{key}.{i}": x for i, each in moments.items() for key, x in each.items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    metadata = {
        "schema": str(SCHEMA),
        "recipe": json.dumps(asdict(state.recipe)),
        "update": str(state.update),
        "data": data,
    }
    kept = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    write_atomically(path, save(kept, metadata))


def load(path: Path, device: str = "cpu") -> tuple[State, str]:
    """Read a run; return it and the digest of the demonstrations that it learns from.

    Raises
    ------
    CheckpointError
        If the file is missing, cut short, of another schema, or holds another architecture's
        tensors than it says.
    """
    remedy = "delete it and train again"
    try:
        with safe_open(path, "pt", device=device) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        msg = f"{path}: cannot be read: {error}; {remedy}"
        raise CheckpointError(msg) from error
    if metadata.get("schema") != str(SCHEMA):
        msg = f"{path}: is no agent of schema {SCHEMA}; {remedy}"
        raise CheckpointError(msg)
    state = begin(recipe_of(json.loads(metadata["recipe"])), device)
    state.update = int(metadata["update"])
    state.losses = tensors.pop("losses").tolist()
    weights = {n.removeprefix("agent."): x for n, x in tensors.items() if n.startswith("agent.")}
    try:
        state.agent.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        msg = f"{path}: its tensors are of another architecture: {first}; {remedy}"
        raise CheckpointError(msg) from error
    _restore(state.optimiser, tensors)
    return state, metadata["data"]


def recipe_of(table: dict[str, Any]) -> Recipe:
    """Return a recipe from its table in a manifest or checkpoint."""
    fields = dict(table)
    architecture = Architecture(**fields.pop("architecture"))
    return replace(Recipe(**fields), architecture=architecture)


def _restore(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        key, _, number = name.rpartition(".")
        if not name.startswith("agent."):
            moments.setdefault(int(number), {})[key] = tensor
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
