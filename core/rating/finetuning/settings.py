"""What a fine-tune follows from, besides its model and its examples; needs no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from core.rating.errors import RatingError

#: What is usual: epochs, examples at a time, and the learning rate at its peak. Of all weights; of
#: low-rank adapters; and of a model so small that it learns next to nothing at such rates.
USUAL, USUAL_LORA, USUAL_SMALL = (3, 32, 1e-5), (3, 32, 2e-4), (12, 16, 1e-3)
#: On questions a small model forgets, at a higher rate, that ratings are not letters.
USUAL_SMALL_QUESTIONS = (12, 16, 3e-4)
#: A model is small whose weights take fewer bytes than this.
SMALL = 40_000_000
#: The share of the steps over which the learning rate rises.
WARM_UP = 0.05
#: The gradient is shortened to this norm.
CLIP = 1.0
#: The share of the training words that the loss is measured on instead.
HELD_OUT = 0.02


def usual(recipe: str, size: int, lora: int) -> tuple[int, int, float]:
    """Return the epochs, the batch and the rate that are usual for a model.

    Parameters
    ----------
    recipe : {"En_FT", "Nl_FT", "QA_FT"}
    size : int
        Bytes that its weights take.
    lora : int
        Rank of adapters; 0 for none.
    """
    if size < SMALL:
        return USUAL_SMALL_QUESTIONS if recipe == "QA_FT" else USUAL_SMALL
    return USUAL_LORA if lora else USUAL


@dataclass(frozen=True)
class Settings:
    """How a model is trained on examples.

    Attributes
    ----------
    epochs : int
        Passes over the examples.
    batch : int
        Examples read at a time.
    accumulate : int
        Batches whose gradients are added up to one step of the optimiser. The loss is the mean
        over the supervised tokens of all of them, so `batch` 32 with `accumulate` 2 is the step
        of 64 at once.
    rate : float
        Learning rate at its peak.
    lora : int
        Rank of low-rank adapters; 0 trains all weights.
    seed : int
        Of the order of the examples, of dropout, and of the adapters' first weights.
    max_steps : int
        Stop after so many steps; 0 for none but the epochs'. The learning rate falls to zero by
        then.
    half : bool
        Whether activations are in bfloat16.
    recompute : bool
        Whether activations are computed again on the way back, which takes less memory and a
        third more time.
    """

    epochs: int = USUAL[0]
    batch: int = USUAL[1]
    accumulate: int = 1
    rate: float = USUAL[2]
    lora: int = 0
    seed: int = 0
    max_steps: int = 0
    half: bool = False
    recompute: bool = False

    def __post_init__(self) -> None:
        if min(self.epochs, self.batch, self.accumulate) < 1 or min(self.lora, self.max_steps) < 0:
            msg = "epochs, batch and accumulate must be at least 1; lora and max steps at least 0"
            raise RatingError(msg)
        if not 0 < self.rate < math.inf:
            msg = f"--rate {self.rate:g}: must be above zero, and finite"
            raise RatingError(msg)

    def learning_rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a step, of so many in all.

        It rises in a line over the first twentieth of the steps, then falls as half a cosine,
        towards zero after the last.
        """
        rise = max(1, round(WARM_UP * steps))
        if step < rise:
            return self.rate * (step + 1) / rise
        return self.rate * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))

    def table(self) -> dict[str, Any]:
        """Return the settings as manifests and checkpoints write them."""
        return asdict(self)
