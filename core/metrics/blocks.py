"""How much of what two spaces share is blocks: groups of rows that both keep together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.metrics.neighbours import neighbour_weights


@dataclass(frozen=True)
class BlockPrecision:
    """How much of P@k is a matter of labels: of blocks that both spaces gather.

    Attributes
    ----------
    shared_same : float
        Share of the k places taken by a neighbour that both spaces have and that carries the
        row's label.
    shared_other : float
        The same for neighbours with another label; the two add up to P@k.
    expected : float
        The P@k that would be left if each space kept how many neighbours of each row carry its
        label, and which ones they are were random.
    """

    shared_same: float
    shared_other: float
    expected: float


def block_precision(
    x: npt.ArrayLike, y: npt.ArrayLike, labels: npt.ArrayLike, k: int
) -> BlockPrecision:
    """Part P@k by whether the shared neighbours carry the row's label.

    A row with s others of its label, of which x takes a and y takes b among its neighbours, shares
    a * b / s of them on average when chance picks which; likewise for other labels.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n things in the same order.
    labels : array_like, shape (n,)
        A label per thing; labels that stand alone, and one label for all, are fine.
    k : int
        Neighbours per thing, 1 to n - 1; ties as in `neighbour_weights`.

    Returns
    -------
    BlockPrecision
        All three in [0, 1].

    Raises
    ------
    ValueError
        As `precision_at_k`, and when labels and rows differ in number.
    """
    near_x, near_y, label = neighbour_weights(x, k), neighbour_weights(y, k), np.asarray(labels)
    n = len(near_x)
    if len(near_y) != n or label.shape != (n,):
        msg = f"x has {n} rows, y {len(near_y)}, labels shape {label.shape}; they must pair up"
        raise ValueError(msg)
    both, same = near_x * near_y, label[:, None] == label
    others = ~same
    np.fill_diagonal(same, val=False)
    expected = 0.0
    for group in (same, others):
        size = group.sum(axis=1)
        a, b = (near_x * group).sum(axis=1), (near_y * group).sum(axis=1)
        expected += float((a * b / np.maximum(size, 1)).sum())
    return BlockPrecision(
        shared_same=float((both * same).sum() / (k * n)),
        shared_other=float((both * others).sum() / (k * n)),
        expected=expected / (k * n),
    )
