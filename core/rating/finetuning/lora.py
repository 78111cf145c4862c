"""Low-rank adapters through peft, merged into the weights when they are written."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from core.rating.errors import RatingError


def attach(model: Any, rank: int, seed: int) -> Any:
    """Return a model of which only low-rank adapters of its linear layers are trained.

    Their scale is twice the rank. They begin as no change at all: one factor is drawn from the
    seed, the other is zero. The global generator is left as it was.

    Raises
    ------
    RatingError
        If peft is not installed, or the model has no layers that it knows.

    References
    ----------
    Hu, E. J. et al. (2022). LoRA: Low-rank adaptation of large language models. ICLR.
    """
    try:
        from peft import LoraConfig, get_peft_model
    except ModuleNotFoundError as error:
        msg = f"--lora: {error.name} is not installed: pip install -e '.[lora]'"
        raise RatingError(msg) from error
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
        # GPT-2's layers hold their weights the other way round.
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in model.modules()),
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # Between peft and transformers, who renames what.
        warnings.filterwarnings("ignore", category=FutureWarning, message=".*is deprecated")
        torch.manual_seed(seed)
        try:
            return get_peft_model(model, config)
        except ValueError as error:
            why = " ".join(str(error).split())[:200]
            raise RatingError(f"--lora: does not fit this model: {why}") from error


def merge(model: Any) -> Any:
    """Return the model underneath, with what its adapters do added to its weights.

    In the weights' own precision: merged into bfloat16, the change is rounded to it.
    """
    return model.merge_and_unload(safe_merge=True)
