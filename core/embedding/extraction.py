"""From token ids to embeddings: padding, the forward pass, pooling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.agent.instructions import SENTENCES
from core.embedding.errors import EmbeddingError
from core.embedding.families import Family

#: How far a sentence's embedding may lie from itself when others are read along with it, as a
#: share of its length.
TOLERANCE = 1e-5


def embed(
    model: nn.Module,
    family: Family,
    ids: Sequence[Sequence[int]],
    *,
    batch: int = 16,
    progress: Callable[[int], Any] | None = None,
    where: str = "the model",
) -> dict[str, npt.NDArray[np.float32]]:
    """Embed sentences with one model, in all the ways of its family.

    Parameters
    ----------
    model : torch.nn.Module
        As `families.load` or `families.draw` gives it.
    family : Family
    ids : sequence of sequence of int
        The sentences' tokens, special ones included.
    batch : int
        Sentences read at a time; changes results by rounding only.
    progress : callable, optional
        Told the number of sentences after every batch.
    where : str
        What messages call the model: its folder.

    Returns
    -------
    dict of str to ndarray of float32, shape (sentences, width)
        By pooling. "mean": over all tokens of the last hidden state, special ones included.
        "cls": the last hidden state at the first token, not BERT's pooler. "eot": that at the
        last token. "projected": CLIP's projection of "eot" or BLIP's of "cls", not scaled to
        unit length.

    Raises
    ------
    EmbeddingError
        If a token is none of the model's, the result is NaN, infinite, zero or the same for
        different sentences, or padding changes it.
    """
    _check_ids(model, ids, where)
    parts: list[dict[str, Tensor]] = []
    for start in range(0, len(ids), batch):
        these = ids[start : start + batch]
        parts.append(read(model, family, these))
        if progress:
            progress(len(these))
    found = {name: torch.cat([part[name] for part in parts]).numpy() for name in parts[0]}
    for name, space in found.items():
        _check_space(space, name, ids, where)
    _check_padding(model, family, ids, where)
    return found


def read(model: nn.Module, family: Family, ids: Sequence[Sequence[int]]) -> dict[str, Tensor]:
    """Read one batch; see `embed`.

    The mask follows from the lengths, never from the ids: a model may pad with a token that means
    something elsewhere. Padding stands on the right, where it moves no position.
    """
    lengths = torch.tensor([len(row) for row in ids])
    mask = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
    padded = torch.zeros_like(mask)
    for row, sentence in zip(padded, ids, strict=True):
        row[: len(sentence)] = torch.tensor(sentence)
    with torch.inference_mode():
        hidden = _text_model(model, family)(input_ids=padded, attention_mask=mask).last_hidden_state
        return _pool(model, family, hidden, mask)


def parameters(model: nn.Module) -> int:
    """Return how many parameters a model has, tied ones once."""
    return sum(each.numel() for each in model.parameters())


def _text_model(model: Any, family: Family) -> nn.Module:
    name = {"clip": "text_model", "blip": "text_encoder"}.get(family.name)
    return getattr(model, name) if name else model


def _pool(model: Any, family: Family, hidden: Tensor, mask: Tensor) -> dict[str, Tensor]:
    if family.name == "clip":
        eot = hidden[torch.arange(len(hidden)), mask.sum(dim=1) - 1]
        return {"projected": model.text_projection(eot), "eot": eot}
    if family.name == "blip":
        cls = hidden[:, 0]
        return {"projected": model.text_proj(cls), "cls": cls}
    # In double precision, so that a sentence's place in a batch leaves no trace in the sum.
    total = (hidden.double() * mask[:, :, None]).sum(dim=1)
    mean = (total / mask.sum(dim=1, keepdim=True)).float()
    return {"mean": mean} if family.name == "decoder" else {"cls": hidden[:, 0], "mean": mean}


def _check_space(
    space: npt.NDArray[np.float32], name: str, ids: Sequence[Sequence[int]], where: str
) -> None:
    wrong, fault = ~np.isfinite(space).all(axis=1) | ~space.any(axis=1), ""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        text = SENTENCES[row] if len(ids) == len(SENTENCES) else f"sentence {row}"
        fault = f"gives NaN, infinity or all zeros ({name}) for {text!r}"
    elif (space == space[0]).all() and len(set(map(tuple, ids))) > 1:
        fault = f"gives the same ({name}) for every sentence"
    if fault:
        msg = (
            f"{where}: {fault}; its weights may be damaged: fetch or copy them again, or take "
            "another reading with --pooling"
        )
        raise EmbeddingError(msg)


def _check_ids(model: Any, ids: Sequence[Sequence[int]], where: str) -> None:
    largest, known = max(map(max, ids)), model.get_input_embeddings().weight.shape[0]
    if largest >= known:
        msg = (
            f"{where}: the tokeniser gives token {largest}, the model knows {known}: the tokeniser "
            "is of another model; copy the one that was saved with the weights"
        )
        raise EmbeddingError(msg)


def _check_padding(
    model: nn.Module, family: Family, ids: Sequence[Sequence[int]], where: str
) -> None:
    """Check that the shortest sentence is read alone as it is beside the longest."""
    lengths = [len(row) for row in ids]
    short, long = ids[int(np.argmin(lengths))], ids[int(np.argmax(lengths))]
    alone, padded = read(model, family, [short]), read(model, family, [short, long])
    for name, expected in alone.items():
        away = float((padded[name][0] - expected[0]).norm() / expected[0].norm())
        if away > TOLERANCE:
            msg = (
                f"{where}: reads a sentence otherwise when others are read along with it ({name}: "
                f"by {away:.1e} of its length): it does not heed the attention mask, or padding "
                "moves its positions; there is no reading for that"
            )
            raise EmbeddingError(msg)
