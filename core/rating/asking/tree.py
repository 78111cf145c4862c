"""Answers to be scored, as a tree of tokens, and where they stand behind a prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Answers:
    """Answers to be scored, as a tree of tokens.

    Attributes
    ----------
    sequences : tuple of tuple of int
        Per answer its tokens, the one that ends it included.
    tokens, parents, depths : tuple of int, length t
        Per node of the tree, which is a proper beginning of an answer: its last token, the node
        before it (-1 for the prompt) and how many tokens it has. Parents come before children.
    children : mapping of (int, int) to int
        The node that a token leads to from a node.
    """

    sequences: tuple[tuple[int, ...], ...]
    tokens: tuple[int, ...] = ()
    parents: tuple[int, ...] = ()
    depths: tuple[int, ...] = ()
    children: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, sequences: Sequence[Sequence[int]]) -> Answers:
        """Return the tree of some answers, none of them without a token."""
        nodes: list[tuple[int, int, int]] = []
        children: dict[tuple[int, int], int] = {}
        for sequence in sequences:
            at = -1
            for depth, token in enumerate(sequence[:-1], start=1):
                if (at, token) not in children:
                    children[at, token] = len(nodes)
                    nodes.append((token, at, depth))
                at = children[at, token]
        tokens, parents, depths = zip(*nodes, strict=True) if nodes else ((), (), ())
        return cls(tuple(map(tuple, sequences)), tokens, parents, depths, children)

    def steps(self) -> tuple[list[int], list[int], list[int]]:
        """Return, for every token of every answer, the node it follows, itself, and the answer."""
        out: tuple[list[int], list[int], list[int]] = ([], [], [])
        for number, sequence in enumerate(self.sequences):
            node = -1
            for token in sequence:
                for column, value in zip(out, (node, token, number), strict=True):
                    column.append(value)
                node = self.children.get((node, token), -1)
        return out

    def sees(self, shared: int, own: int) -> npt.NDArray[np.bool_]:
        """Return what each token of a prompt's own, then each node of the tree, may see.

        A node sees the whole prompt, the nodes it comes from, and itself.

        Parameters
        ----------
        shared, own : int
            Tokens of the prompt that were read before, and that are read along with the tree.

        Returns
        -------
        (own + t, shared + own + t) array of bool
        """
        prompt, nodes = shared + own, len(self.tokens)
        out = np.zeros((own + nodes, prompt + nodes), dtype=bool)
        out[:own, :prompt] = np.tri(own, prompt, shared, dtype=bool)
        out[own:, :prompt] = True
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                out[own + node, prompt:] = out[own + parent, prompt:]
            out[own + node, prompt + node] = True
        return out
