"""How much memory a training needs, roughly, told before it is begun."""

from __future__ import annotations

from typing import Any

from core.rating.finetuning.settings import Settings

#: A gradient and two moments of every trained weight, in bytes.
TRAINED = 12
#: Bytes per token and unit of width that a layer keeps for the way back, in 16-bit numbers, where
#: attention keeps no scores (Korthikanti et al. 2022, equation 2, without its second term).
KEPT = 34
#: Logits are held as they are made, in 32 bits, and once more as their gradient.
LOGITS = 10


def needed(model: Any, settings: Settings, longest: int, answer: int) -> tuple[int, int]:
    """Estimate the bytes that training takes at its peak.

    Parameters
    ----------
    model : Any
        With its adapters, if it has any.
    settings : Settings
    longest, answer : int
        Tokens of the longest example, and of the longest answer.

    Returns
    -------
    fixed, passing : int
        What weights, gradients and moments take, nearly exact; and an estimate of what a batch
        takes, of the right order.

    References
    ----------
    Korthikanti, V. et al. (2022). Reducing activation recomputation in large transformer models.
    arXiv:2205.05198.
    """
    weights = sum(x.numel() * x.element_size() for x in model.parameters())
    trained = sum(x.numel() for x in model.parameters() if x.requires_grad)
    config = model.config.get_text_config()
    tokens = settings.batch * longest
    layer = tokens * config.hidden_size * KEPT * (1 if settings.half else 2)
    layers = config.num_hidden_layers
    kept = layer * layers
    if settings.recompute:
        kept = layer + tokens * config.hidden_size * 4 * layers
    logits = settings.batch * (answer + 1) * config.vocab_size * LOGITS
    return weights + trained * TRAINED, kept + logits
