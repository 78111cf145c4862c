"""Keys and values of many prompts behind a beginning that they share."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer


class Layer(DynamicLayer):
    """Keys and values of one layer in room made beforehand, behind a prefix that stays.

    Transformers' own grow by a copy of all there is with every pass.

    Parameters
    ----------
    prefix : DynamicLayer
        The keys and values of what is shared, of one row.
    rows, room : int
        How many prompts, and how many tokens each may have behind the prefix.
    """

    def __init__(self, prefix: Any, rows: int, room: int) -> None:
        super().__init__()
        self.shared = self.filled = prefix.keys.shape[-2]
        self.is_initialized, self.dtype, self.device = True, prefix.keys.dtype, prefix.keys.device
        self._rooms = [self._room(part, rows, room) for part in (prefix.keys, prefix.values)]
        self._seen(rows)

    def _room(self, part: torch.Tensor, rows: int, room: int) -> torch.Tensor:
        _, heads, shared, width = part.shape
        out = part.new_empty((rows, heads, shared + room, width))
        out[:, :, :shared] = part
        return out

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Add tokens of the first rows; returns all keys and values there are of those."""
        start, self.filled = self.filled, self.filled + key_states.shape[-2]
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[: len(states), :, start : self.filled] = states
        return self._seen(len(key_states))

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with some of the rows, which move to the front; the prefix is every row's."""
        own = slice(self.shared, self.filled)
        for room in self._rooms:
            room[: len(rows), :, own] = room[rows, :, own]
        self._seen(len(rows))

    def _seen(self, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = (room[:n, :, : self.filled] for room in self._rooms)
        self.keys, self.values = keys, values
        return keys, values
