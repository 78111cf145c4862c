"""Procrustes analysis: how far two configurations of the same points are apart at best."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core.metrics._configurations import centred, components, narrow, standard
from core.metrics.checks import FloatArray, finite
from core.metrics.permutation import as_permutations

Spaces: TypeAlias = Sequence[npt.ArrayLike] | FloatArray
#: Products whose singular values are found at a time: bounds memory, not results.
CHUNK = 32


def residual(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Squared distance left after the best rotation, equations (7) and (8) of ALM to the letter.

    The smallest ||a R - b||_F^2 over orthogonal R, that is ||a||^2 + ||b||^2 less twice the
    nuclear norm of a' b. The paper writes points as columns, hence R A; here they are rows.
    Nothing is centred or scaled, so the value is in squared units of the spaces: unlike what the
    paper says of it, it does depend on their scale.

    Parameters
    ----------
    a, b : array_like, shape (n, d)
        The same n points in the same order.

    Returns
    -------
    float
        Not negative.

    Raises
    ------
    ValueError
        When the shapes differ, or a value is NaN or infinite.

    References
    ----------
    P. H. Schönemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 31
    (1966).
    """
    a, b = _paired(a, b)
    if a.shape != b.shape:
        msg = f"a is {a.shape[1]} wide and b {b.shape[1]}; equation (7) needs equal widths"
        raise ValueError(msg)
    # Only the products between rows matter, which spares an SVD as wide as the space.
    a, b = narrow(a), narrow(b)
    return max(0.0, float((a * a).sum() + (b * b).sum() - 2 * _nuclear(a, b)))


def disparity(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Procrustes disparity: both centred and of unit norm, best rotation and best scale.

    One less the squared nuclear norm of a' b. Where widths are equal it is the disparity of
    `scipy.spatial.procrustes`. Where they differ, it is that of the narrower space with columns of
    zeros added, which no choice of axes enters.

    Two spaces that both spread evenly over n - 1 dimensions match perfectly, whatever they are:
    unrelated spaces need not come near 1, and the wider they are the less so.

    Parameters
    ----------
    a, b : array_like, shapes (n, d) and (n, e)
        The same n points in the same order.

    Returns
    -------
    float
        In [0, 1]: 0 for the same shape, 1 where all axes of one are uncorrelated with all axes of
        the other. Symmetric; unchanged by rotation, reflection, shift and scale.

    Raises
    ------
    ValueError
        When the numbers of rows differ, all points of a space are the same, or a value is NaN or
        infinite.

    References
    ----------
    J. C. Gower, Generalized Procrustes analysis, Psychometrika 40 (1975).
    """
    a, b = _paired(a, b)
    return float(_disparity(_nuclear(standard(a, "a"), standard(b, "b"))))


def rotation_disparity(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """Residual of the best rotation once both spaces are centred and of unit norm.

    Equation (8) of ALM on standardised spaces, without a scale of its own: 2 less twice the
    nuclear norm of a' b. Widths may differ, as in `disparity`.

    Parameters
    ----------
    a, b : array_like, shapes (n, d) and (n, e)
        The same n points in the same order.

    Returns
    -------
    float
        In [0, 2]; never below `disparity`.

    Raises
    ------
    ValueError
        As `disparity`.
    """
    a, b = _paired(a, b)
    return max(0.0, 2 - 2 * _nuclear(standard(a, "a"), standard(b, "b")))


def reduce_to(x: npt.ArrayLike, width: int) -> FloatArray:
    """Scores of points on their first principal components.

    n points vary in n - 1 dimensions at most: with 108 sentences there are no 128 components, as
    the paper has them where it compares with its space of 128 dimensions. Columns beyond
    min(n - 1, d) are zero here.

    Parameters
    ----------
    x : array_like, shape (n, d)
        At least two points; they are centred first.
    width : int
        Columns wanted, at least 1.

    Returns
    -------
    ndarray, shape (n, width)
        Columns uncorrelated, in decreasing order of variance; the sign of a column means nothing.

    Raises
    ------
    ValueError
        When `width` is below 1, or `x` is not a finite matrix of at least two rows.
    """
    x = finite(x, "x", ndim=2, at_least=2)
    if width < 1:
        msg = f"width is {width}, must be at least 1"
        raise ValueError(msg)
    u, s, _ = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    kept = min(width, len(x) - 1, x.shape[1])
    scores = np.zeros((len(x), width))
    scores[:, :kept] = u[:, :kept] * s[:kept]
    return scores


def disparity_after_pca(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """`disparity` after the wider space is reduced to the width of the narrower, section 2.6.

    Where the narrower has n - 1 columns or more, the reduction loses nothing and the value is that
    of `disparity`.

    Parameters
    ----------
    a, b : array_like, shapes (n, d) and (n, e)
        The same n points in the same order.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    ValueError
        As `disparity`.
    """
    return disparity(*_equally_wide(*_paired(a, b)))


def pairwise_disparity(first: Spaces, second: Spaces, *, pca: bool = True) -> FloatArray:
    """`disparity_after_pca`, or `disparity`, of every space of one sequence with every other's.

    Each space is reduced and standardised once.

    Parameters
    ----------
    first, second : sequence of array_like, or ndarray, shapes (m, n, d) and (l, n, e)
        The same n points in the same order.
    pca : bool
        Reduce the wider spaces to the width of the narrower.

    Returns
    -------
    ndarray, shape (m, l)
        In [0, 1]. Scratch memory: 16 l min(n, d) min(n, e) bytes, and a copy of both.

    Raises
    ------
    ValueError
        As `disparity`, and when a sequence is empty or its spaces are not equally wide.
    """
    a, b = _alike(first, "first"), _alike(second, "second")
    _paired(a[0], b[0])
    width = min(a[0].shape[1], b[0].shape[1]) if pca else None
    a, b = (np.array([_ready(x, name, width) for x in spaces])
            for spaces, name in ((a, "first"), (b, "second")))  # fmt: skip
    return np.array([_disparity(_nuclear_norms(x.T @ b)) for x in a])


def permuted_disparity(
    a: npt.ArrayLike, b: npt.ArrayLike, permutations: npt.ArrayLike
) -> FloatArray:
    """`disparity_after_pca` of a with b[permutation], for many permutations.

    Both spaces are reduced and standardised once, for no permutation changes their components.

    Parameters
    ----------
    a, b : array_like, shapes (n, d) and (n, e)
        The same n points in the same order.
    permutations : array_like of int, shape (B, n)

    Returns
    -------
    ndarray, shape (B,)
        In [0, 1].

    Raises
    ------
    ValueError
        As `disparity`, and when a row of `permutations` is no permutation of the n rows.
    """
    a, b = _equally_wide(*_paired(a, b))
    permutations = as_permutations(permutations, len(a))
    a, b = (components(standard(x, name)) for x, name in ((a, "a"), (b, "b")))
    chunks = np.array_split(permutations, -(-len(permutations) // CHUNK))
    # NumPy lets go of the interpreter's lock in a decomposition, so that threads use every core.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda each: _nuclear_norms(a.T @ b[each]), chunks)
        return _disparity(np.concatenate(list(found)))


def _paired(a: npt.ArrayLike, b: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = finite(a, "a", ndim=2, at_least=2), finite(b, "b", ndim=2, at_least=2)
    if len(a) != len(b):
        msg = f"a has {len(a)} rows and b {len(b)}; they must pair up"
        raise ValueError(msg)
    return a, b


def _alike(spaces: Spaces, name: str) -> list[FloatArray]:
    """Return spaces of one shape, or say how they differ."""
    shapes = {np.shape(space) for space in spaces}
    if len(shapes) != 1:
        msg = f"{name} has spaces of the shapes {sorted(shapes)}; expected one, and the same"
        raise ValueError(msg)
    return [finite(space, f"{name}[{at}]", ndim=2) for at, space in enumerate(spaces)]


def _ready(x: FloatArray, name: str, width: int | None) -> FloatArray:
    """Reduce to a width if given and exceeded, and standardise."""
    if width is not None and x.shape[1] > width:
        x = reduce_to(centred(x, name), width)
    return standard(x, name)


def _equally_wide(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    # Centred first: a reduced space no longer shows that its points are the same but for rounding.
    a, b = centred(a, "a"), centred(b, "b")
    if a.shape[1] > b.shape[1]:
        return reduce_to(a, b.shape[1]), b
    return a, b if a.shape[1] == b.shape[1] else reduce_to(b, a.shape[1])


def _nuclear(a: FloatArray, b: FloatArray) -> float:
    return float(_nuclear_norms(a.T @ b))


def _nuclear_norms(products: FloatArray) -> FloatArray:
    """Return the sums of singular values of the matrices in the last two axes."""
    return np.linalg.svd(products, compute_uv=False).sum(axis=-1)


def _disparity(nuclear: FloatArray | float) -> FloatArray:
    return np.clip(1 - nuclear * nuclear, 0.0, 1.0)
