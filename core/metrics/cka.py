"""Centred kernel alignment with linear kernels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray, finite

#: What is left of inner products below this fraction of them is rounding.
NOTHING = 1e-12


def linear_cka(x: npt.ArrayLike, y: npt.ArrayLike, *, debiased: bool = False) -> float:
    """Linear centred kernel alignment of two spaces.

    The cosine between the two matrices of inner products after centring, which is
    ||x'y||^2 / (||x'x|| ||y'y||) on centred columns. With few points and many dimensions it is
    well above 0 for unrelated spaces; `debiased` puts the unbiased estimator of HSIC in its three
    places, which leaves the diagonals out.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n points in the same order; n >= 2, or 4 when debiased.
    debiased : bool
        Whether to use the unbiased estimator.

    Returns
    -------
    float
        In [0, 1]; debiased in [-1, 1], about 0 for unrelated spaces. 1 for spaces that differ by
        rotation, reflection, shift and scale only. Symmetric. Other linear maps do change it.

    Raises
    ------
    ValueError
        When the numbers of rows differ, there are too few, a value is NaN or infinite, all points
        of a space are the same, or, debiased, they are all at right angles to each other as seen
        from somewhere: equally far from each other, say, or the same but for one.

    References
    ----------
    S. Kornblith, M. Norouzi, H. Lee and G. Hinton, Similarity of neural network representations
    revisited, ICML 2019.
    L. Song, A. Smola, A. Gretton, J. Bedo and K. Borgwardt, Feature selection via dependence
    maximization, JMLR 13 (2012): the unbiased estimator.
    A. Murphy, J. Zylberberg and A. Fyshe, Correcting biased centered kernel alignment measures in
    biological and artificial neural networks, 2024 (arXiv 2405.01012).
    """
    least = 4 if debiased else 2
    x, y = finite(x, "x", ndim=2, at_least=least), finite(y, "y", ndim=2, at_least=least)
    if len(x) != len(y):
        msg = f"x has {len(x)} rows and y {len(y)}; they must pair up"
        raise ValueError(msg)
    k, l = _gram(x, "x"), _gram(y, "y")  # noqa: E741
    if debiased:
        k, l = _unbiased(k, "x"), _unbiased(l, "y")  # noqa: E741
    cka = float((k * l).sum() / (np.linalg.norm(k) * np.linalg.norm(l)))
    return min(1.0, max(-1.0 if debiased else 0.0, cka))


def _gram(x: FloatArray, name: str) -> FloatArray:
    centred = x - x.mean(axis=0)
    largest = np.abs(centred).max(initial=0.0)
    if largest <= np.finfo(float).eps * max(x.shape) * np.abs(x).max(initial=0.0):
        msg = f"all points of {name} are the same: nothing can align with them"
        raise ValueError(msg)
    # First to a size whose fourth power neither vanishes nor overflows.
    centred /= largest
    return centred @ centred.T


def _unbiased(gram: FloatArray, name: str) -> FloatArray:
    """Centre without the diagonal; products of the results are HSIC's unbiased estimator.

    References
    ----------
    G. J. Székely and M. L. Rizzo, Partial distance correlation with methods for dissimilarities,
    Annals of Statistics 42 (2014).
    """
    n, scale = len(gram), np.linalg.norm(gram)
    out = gram.copy()
    np.fill_diagonal(out, 0.0)
    rows = out.sum(axis=1)
    out += rows.sum() / ((n - 1) * (n - 2)) - (rows[:, None] + rows) / (n - 2)
    np.fill_diagonal(out, 0.0)
    if np.linalg.norm(out) <= NOTHING * scale:
        msg = f"points of {name} are all at right angles to each other: debiased CKA is undefined"
        raise ValueError(msg)
    return out
