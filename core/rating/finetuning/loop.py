"""The training loop: plain, resumable, and the same to the bit whether stopped or not."""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from core.rating.errors import RatingError
from core.rating.finetuning.batches import (
    IGNORED,
    Batch,
    Rows,
    collate,
    order,
    steps_of,
    steps_per_epoch,
)
from core.rating.finetuning.encoding import Encoded
from core.rating.finetuning.settings import CLIP, Settings

#: Told after every step: how many are done, and its loss.
Progress = Callable[[int, float], None]
#: Told at every point where a run may be kept.
Keep = Callable[["State"], None]


@dataclass(frozen=True, eq=False)
class Corpus:
    """What is learned, and what the loss is measured on.

    Attributes
    ----------
    examples, held_out : sequence of Encoded
        The second may be empty.
    padding : int
        A token that fills up batches.
    """

    examples: Sequence[Encoded]
    held_out: Sequence[Encoded]
    padding: int

    def steps(self, settings: Settings) -> int:
        """Return how many steps the training takes."""
        each = steps_per_epoch(len(self.examples), settings.batch, settings.accumulate)
        whole = settings.epochs * each
        return min(whole, settings.max_steps or whole)


@dataclass
class State:
    """A run between two steps.

    Attributes
    ----------
    settings : Settings
    model : Any
        A causal language model of transformers, or of peft around one.
    optimiser : Optimizer
    step : int
        How many steps are done.
    losses : list of float
        The loss of each, per supervised token.
    held_out : list of float
        The loss on the held-out examples: before training, and after every epoch.
    random : dict of str to Tensor
        The states of torch's generators, which dropout draws from, by the device's kind.
    """

    settings: Settings
    model: Any
    optimiser: torch.optim.Optimizer
    step: int = 0
    losses: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    random: dict[str, Tensor] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def trained(self) -> dict[str, Tensor]:
        """Return the weights that are trained, by name; tied ones once."""
        return {name: x for name, x in self.model.named_parameters() if x.requires_grad}


def begin(model: Any, settings: Settings) -> State:
    """Return a run before its first step."""
    trained = [x for x in model.parameters() if x.requires_grad]
    fused = trained[0].device.type in ("cpu", "cuda")
    optimiser = torch.optim.AdamW(trained, lr=settings.rate, weight_decay=0.0, fused=fused)
    if settings.recompute:
        # Renamed within the versions of transformers that are allowed.
        now = hasattr(model, "activation_checkpointing_enable")
        name = "activation_checkpointing_enable" if now else "gradient_checkpointing_enable"
        getattr(model, name)({"use_reentrant": False})
    with _own_randomness(model, {}):
        torch.manual_seed(settings.seed)
        return State(settings, model, optimiser, random=_random_states(model))


def train(
    state: State, corpus: Corpus, progress: Progress, keep: Keep | None = None, every: int = 200
) -> State:
    """Carry a run on to its end.

    The order of the examples follows from the seed and the epoch alone, and what dropout draws
    from the generator's state, which is kept with the run: one that was killed and carried on
    ends in the same bits as one that was not, on a CPU with as many threads. The global generators
    are left as they were.

    Parameters
    ----------
    state : State
        From `begin`, or `core.rating.finetuning.checkpoints.restore`.
    corpus : Corpus
    progress : callable
    keep : callable, optional
        Called after every so many steps, and at the end of those that there are.
    every : int

    Raises
    ------
    RatingError
        If the loss is no longer finite, or the device's memory does not suffice; what was kept
        stays.
    """
    settings, steps = state.settings, corpus.steps(state.settings)
    each = steps_per_epoch(len(corpus.examples), settings.batch, settings.accumulate)
    plan: list[list[Rows]] = []
    with _own_randomness(state.model, state.random), _repeatably(state.device), _in_memory(state):
        if not state.held_out:
            _measure(state, corpus)
        while state.step < steps:
            epoch, at = divmod(state.step, each)
            if not plan or at == 0:
                plan = _plan(corpus, settings, epoch)
            state.losses.append(_step(state, corpus, plan[at], steps))
            state.step += 1
            progress(state.step, state.losses[-1])
            if state.step == steps or at == each - 1:
                _measure(state, corpus)
            if keep is not None and (state.step == steps or state.step % every == 0):
                state.random = _random_states(state.model)
                keep(state)
    return state


def loss_of(model: Any, batch: Batch) -> Tensor:
    """Return the sum of the losses of a batch's supervised tokens, in nats."""
    labels = batch.labels[:, 1:]
    # Logits are needed only where some example is supervised: they are the largest array.
    places = (labels != IGNORED).any(dim=0).nonzero().squeeze(1)
    options: dict[str, Any] = {"use_cache": False}
    if trimmed := _trims(model):
        options["logits_to_keep"] = places
    logits = model(input_ids=batch.ids, attention_mask=batch.mask, **options).logits
    logits = logits if trimmed else logits[:, places]
    return F.cross_entropy(
        logits.float().flatten(0, 1),
        labels[:, places].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )


@torch.no_grad()
def mean_loss(state: State, examples: Sequence[Encoded], padding: int) -> float:
    """Return the loss per supervised token on examples, without dropout."""
    state.model.eval()
    lengths = [len(each.ids) for each in examples]
    rows = np.argsort(lengths, kind="stable")
    batch, total = state.settings.batch, 0.0
    for first in range(0, len(rows), batch):
        some = _on(state, collate([examples[i] for i in rows[first : first + batch]], padding))
        with _half(state):
            total += loss_of(state.model, some).item()
    return total / supervised(examples)


def _step(state: State, corpus: Corpus, batches: Sequence[Rows], steps: int) -> float:
    """Take one step; return its loss."""
    state.model.train()
    for group in state.optimiser.param_groups:
        group["lr"] = state.settings.learning_rate(state.step, steps)
    state.optimiser.zero_grad(set_to_none=True)
    groups = [[corpus.examples[i] for i in rows] for rows in batches]
    tokens = sum(map(supervised, groups))
    total = torch.zeros((), device=state.device)
    for group in groups:
        with _half(state):
            # Over the tokens of all batches: their gradients add up to that of one large batch.
            loss = loss_of(state.model, _on(state, collate(group, corpus.padding))) / tokens
        loss.backward()
        total += loss.detach()
    trained = list(state.trained().values())
    norm = torch.nn.utils.clip_grad_norm_(trained, CLIP).item()
    found = total.item()
    # An infinite gradient would be shortened to NaN, and the weights with it.
    if not (math.isfinite(norm) and math.isfinite(found)):
        msg = f"the loss is {found:g} and its gradient {norm:g} at step {state.step + 1}; what was"
        raise RatingError(f"{msg} kept stays: lower --rate, and name another --out")
    state.optimiser.step()
    return found


def supervised(examples: Sequence[Encoded]) -> int:
    """Return how many tokens of examples a loss is taken on."""
    return sum(len(each.ids) - each.start for each in examples)


def _plan(corpus: Corpus, settings: Settings, epoch: int) -> list[list[Rows]]:
    lengths = [len(each.ids) for each in corpus.examples]
    rng = np.random.default_rng((settings.seed, epoch))
    return steps_of(order(lengths, settings.batch, rng), settings.accumulate)


def _measure(state: State, corpus: Corpus) -> None:
    if corpus.held_out:
        state.held_out.append(mean_loss(state, corpus.held_out, corpus.padding))


def _on(state: State, batch: Batch) -> Batch:
    device = state.device
    return Batch(batch.ids.to(device), batch.mask.to(device), batch.labels.to(device))


def _half(state: State) -> Any:
    return torch.autocast(state.device.type, torch.bfloat16, enabled=state.settings.half)


def _trims(model: Any) -> bool:
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(inner.forward).parameters


def _random_states(model: Any) -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    device = next(model.parameters()).device
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


@contextlib.contextmanager
def _own_randomness(model: Any, states: Mapping[str, Tensor]) -> Iterator[None]:
    """Draw from generators in these states, and leave the global ones as they were."""
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        if "cpu" in states:
            torch.set_rng_state(states["cpu"])
        if "cuda" in states and device.type == "cuda":
            torch.cuda.set_rng_state(states["cuda"], device)
        yield


@contextlib.contextmanager
def _repeatably(device: torch.device) -> Iterator[None]:
    """Ask a GPU to add in one order, where it can; a CPU does so anyway."""
    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*deterministic")
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


@contextlib.contextmanager
def _in_memory(state: State) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        # A CPU's allocator has no error of its own.
        if not isinstance(error, torch.OutOfMemoryError) and "t allocate memory" not in str(error):
            raise
        settings = state.settings
        msg = (
            f"the memory of {state.device} does not suffice for {settings.batch} examples at a "
            f"time; what was kept stays. Try --batch {max(1, settings.batch // 2)} --accumulate "
            f"{2 * settings.accumulate}, --recompute{'' if settings.lora else ', or --lora 16'}, "
            "and another --out"
        )
        raise RatingError(msg) from error
