"""Which examples are read together, and when: the same for a seed, whatever was stopped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.rating.finetuning.encoding import Encoded

Rows = npt.NDArray[np.int64]
#: Examples are sorted by length within so many batches, so that their order stays random.
WITHIN = 32
#: The label of a token that no loss is taken on.
IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Examples as the network reads them, padded on the right.

    Attributes
    ----------
    ids, mask, labels : Tensor of int64, shape (examples, length)
        Tokens; 1 where there is one and 0 on padding; the token itself where it is supervised,
        else -100.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor


def collate(examples: Sequence[Encoded], padding: int) -> Batch:
    """Return examples as one batch.

    Parameters
    ----------
    examples : sequence of Encoded
        At least one.
    padding : int
        The token that fills up; it is masked and never supervised, so any will do.
    """
    longest = max(len(each.ids) for each in examples)
    ids = torch.full((len(examples), longest), padding)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, each in enumerate(examples):
        tokens, n = torch.tensor(each.ids), len(each.ids)
        ids[row, :n], mask[row, :n] = tokens, 1
        labels[row, each.start : n] = tokens[each.start :]
    return Batch(ids, mask, labels)


def order(lengths: npt.ArrayLike, batch: int, rng: np.random.Generator) -> list[Rows]:
    """Return the batches of one pass over the examples, each example once.

    Examples of like length go together: the pass is cut into stretches of 32 batches in random
    order, each is sorted by length, and its batches are shuffled again.

    Parameters
    ----------
    lengths : array_like of int, shape (n,)
        Tokens per example, n >= 1.
    batch : int
        Examples per batch; the last may have fewer.
    rng : Generator
        Two of the same state give the same batches.

    Returns
    -------
    list of ndarray of int64
        Rows of the examples, in the order in which they are read.
    """
    lengths = np.asarray(lengths)
    shuffled = rng.permutation(len(lengths))
    batches: list[Rows] = []
    for first in range(0, len(shuffled), batch * WITHIN):
        stretch = shuffled[first : first + batch * WITHIN]
        stretch = stretch[np.argsort(lengths[stretch], kind="stable")]
        batches += [stretch[i : i + batch] for i in range(0, len(stretch), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def steps_of(batches: Sequence[Rows], accumulate: int) -> list[list[Rows]]:
    """Return batches in the groups that make one step of the optimiser each."""
    return [list(batches[i : i + accumulate]) for i in range(0, len(batches), accumulate)]


def steps_per_epoch(examples: int, batch: int, accumulate: int) -> int:
    """Return how many steps one pass takes."""
    return math.ceil(math.ceil(examples / batch) / accumulate)
