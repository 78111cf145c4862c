"""A training run: what it follows from, its state between two updates, its file."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.agent.errors import RecipeError
from core.agent.model import Agent, Architecture
from core.agent.tiles import tile_table
from core.agent.vision import ResNetEncoder
from core.evidence.errors import EvidenceError
from core.files import write_atomically

SCHEMA = 1


#: The updates at which the sentence embeddings are kept; the last update is always one.
SCHEDULE = (0, 100, 300, 1000, 2500, 5000, 10000, 20000)


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
            raise RecipeError(msg)
        if self.updates < 1 or self.batch < 1 or not 0 < self.learning_rate < math.inf:
            msg = "updates, batch and learning rate must be above zero, and finite"
            raise RecipeError(msg)

    def schedule(self) -> tuple[int, ...]:
        """Return the updates at which the embeddings are kept."""
        return (*(point for point in SCHEDULE if point < self.updates), self.updates)


@dataclass
class State:
    """A run between two updates: the network, its optimiser, and the learning curve so far."""

    recipe: Recipe
    agent: Agent
    optimiser: torch.optim.Optimizer
    update: int = 0
    losses: list[float] = field(default_factory=list)


def begin(recipe: Recipe, device: str, *, pretrained: bool = True) -> State:
    """Return a run before its first update."""
    torch.manual_seed(recipe.seed)
    agent = Agent(recipe.architecture, tile_table()).to(device)
    if pretrained and isinstance(agent.f_vis, ResNetEncoder) and recipe.vision_weights:
        agent.f_vis.load_imagenet(Path(recipe.vision_weights))
    optimiser = torch.optim.AdamW(agent.parameters(), lr=recipe.learning_rate, fused=True)
    return State(recipe, agent, optimiser)


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


def load_run(path: Path, device: str = "cpu") -> tuple[State, str]:
    """Read a run; return it and the digest of the demonstrations that it learns from.

    Raises
    ------
    CheckpointError
        If the file is missing, cut short, of another schema, or holds another architecture's
        tensors than it says.
    """
    remedy = "delete it and train again"
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        msg = f"{path}: cannot be read: {error}; {remedy}"
        raise CheckpointError(msg) from error
    if metadata.get("schema") != str(SCHEMA):
        msg = f"{path}: is no agent of schema {SCHEMA}; {remedy}"
        raise CheckpointError(msg)
    try:
        recipe, data = recipe_of(json.loads(metadata["recipe"])), metadata["data"]
        state = begin(recipe, device, pretrained=False)
        state.update = int(metadata["update"])
        state.losses = tensors.pop("losses").tolist()
    except (KeyError, TypeError, ValueError, RecipeError) as error:
        msg = f"{path}: makes no sense: {error!r}; {remedy}"
        raise CheckpointError(msg) from error
    weights = {n.removeprefix("agent."): x for n, x in tensors.items() if n.startswith("agent.")}
    try:
        state.agent.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        msg = f"{path}: its tensors are of another architecture: {first}; {remedy}"
        raise CheckpointError(msg) from error
    if not all(x.isfinite().all() for x in weights.values()):
        msg = f"{path}: holds weights that are NaN or infinite; {remedy}"
        raise CheckpointError(msg)
    if not _restore(state, tensors):
        msg = f"{path}: lacks moments of the optimiser, or has others; {remedy}"
        raise CheckpointError(msg)
    return state, data


def recipe_of(table: dict[str, Any]) -> Recipe:
    """Return a recipe from its table in a manifest or checkpoint."""
    fields = dict(table)
    architecture = Architecture(**fields.pop("architecture"))
    return Recipe(**fields, architecture=architecture)


def _restore(state: State, tensors: dict[str, Tensor]) -> bool:
    """Set the optimiser's moments; return whether they fit the network."""
    moments: dict[int, dict[str, Tensor]] = {}
    parameters = list(state.agent.parameters())
    for name, tensor in tensors.items():
        key, _, number = name.rpartition(".")
        if name.startswith("agent."):
            continue
        if not number.isdecimal() or int(number) >= len(parameters):
            return False
        if key != "step" and tensor.shape != parameters[int(number)].shape:
            return False
        moments.setdefault(int(number), {})[key] = tensor
    # Before the first update there are none; parameters that get no gradient never have any.
    if any(each.keys() != {"step", "exp_avg", "exp_avg_sq"} for each in moments.values()):
        return False
    state.optimiser.load_state_dict(state.optimiser.state_dict() | {"state": moments})
    return bool(moments) == (state.update > 0)
