"""Neighbours counted plainly, and words renamed: what tests of simulated spaces measure with."""

import numpy as np

from core.agent.instructions import INSTRUCTIONS, SENTENCES

K = 15


def near(space, k=K):
    """Each row's k nearest others by cosine, as sets; no ties."""
    unit = space / np.sqrt((space * space).sum(axis=1, keepdims=True))
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1))
    np.fill_diagonal(angle, np.inf)
    return [set(row[:k].tolist()) for row in np.argsort(angle, axis=1)]


def shared(one, other, k=K):
    return sum(len(a & b) for a, b in zip(one, other, strict=True)) / (k * len(one))


def renamed_orders():
    """Where each sentence goes when words are renamed, forty renamings by plain words."""
    rng = np.random.default_rng(12)
    two = ["go to", "move towards", "pick up", "escape from", "stay away"]
    colours = ["red", "green", "grey", "yellow", "purple", "blue"]
    kinds = ["box", "key", "ball"]
    orders = []
    for _ in range(40):
        new = {
            word: other
            for group in (two, colours, kinds)
            for word, other in zip(group, rng.permutation(group).tolist(), strict=True)
        } | {"avoid": "avoid"}
        orders.append(
            [
                SENTENCES.index(f"{new[i.phrase]} the {new[i.colour]} {new[i.kind]}")
                for i in INSTRUCTIONS
            ]
        )
    return orders


def reached(agents, other):
    """Share of the renamings of a model's words under which as many neighbours are shared."""
    lists = [near(space) for space in agents]

    def mean(space):
        found = near(space)
        return np.mean([shared(one, found) for one in lists])

    seen = mean(other)
    return np.mean([mean(other[order]) >= seen for order in renamed_orders()])
