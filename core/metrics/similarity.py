"""What ALM calls less conservative than P@k: three measures on matrices of cosines.

Section 2.6 names them (pairwise matching accuracy, percentile rank, Pearson correlation) without
saying how they would be taken between spaces of different width. Here sentences of one space are
looked for in the other by their similarities to all the other sentences, which both spaces have in
common: that is our reading.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from core.metrics.checks import FloatArray, same_shape
from core.metrics.correlation import pearson
from core.metrics.nearest import cosine_similarity

#: Correlations are rounded to so many decimals before they are compared, so that rounding breaks no
#: tie.
DECIMALS = 10
#: Rows whose standard deviation is below this fraction of the largest similarity are constant.
FLAT = 1e-7


def matrix_correlation(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Pearson's correlation between the cosines of all pairs in two spaces.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n >= 3 things in the same order, no row zero.

    Returns
    -------
    float
        In [-1, 1], symmetric; unrelated spaces give 0 on average.

    Raises
    ------
    ValueError
        As `cosine_similarity`; when the numbers of rows differ, there are fewer than three, or all
        cosines of a space are equal.
    """
    cosines = []
    for similarity, name in zip(_cosines(x, y, 3), "xy", strict=True):
        condensed = similarity[np.triu_indices(len(similarity), 1)]
        if condensed.min() == condensed.max():
            raise ValueError(f"all cosines of {name} are equal: nothing correlates with them")
        cosines.append(condensed)
    return pearson(*cosines)


def percentile_rank(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """How near the top a thing's own row in y comes when it is looked for by its row in x.

    Thing i is described by its cosines to the others. Each rival j is compared with i by how well
    its row in y correlates with row i in x; both correlations leave out entries i and j, so that
    they are over the same n - 2 things. The rank of i is 1, plus the rivals that do better, plus
    half of those that do as well; ours after the measure in Minnema and Herbelot (2019), who learn
    a mapping instead.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n >= 4 things in the same order, no row zero.

    Returns
    -------
    float
        Mean of (n - rank) / (n - 1), in [0, 1]; over all relabellings of y it is 1/2 on average.
        Swapping x and y may change it.

    Raises
    ------
    ValueError
        As `cosine_similarity`; when the numbers of rows differ, there are fewer than four, or a
        thing is equally similar to all others but one.

    References
    ----------
    G. Minnema and A. Herbelot, From brain space to distributional space: the perilous journeys of
    fMRI decoding, ACL Student Research Workshop 2019.
    """
    own, rival = _second_order(x, y)
    # Row i of `own` is what i scores itself when j is the rival.
    return _share_won((own - rival)[~np.eye(len(own), dtype=bool)])


def pairwise_matching_accuracy(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Share of pairs of things that are told apart: the two-against-two test.

    Things i and j of x are matched with i and j of y, the right way or crosswise, whichever has
    the larger sum of correlations between their rows of cosines; all four leave out entries i and
    j. A draw counts one half.

    Parameters
    ----------
    x, y : array_like, shapes (n, d) and (n, e)
        The same n >= 4 things in the same order, no row zero.

    Returns
    -------
    float
        In [0, 1], symmetric; over all relabellings of y it is 1/2 on average.

    Raises
    ------
    ValueError
        As `percentile_rank`.

    References
    ----------
    T. M. Mitchell et al., Predicting human brain activity associated with the meanings of nouns,
    Science 320 (2008): the test, there between observed and predicted images.
    """
    own, rival = _second_order(x, y)
    return _share_won((own + own.T - (rival + rival.T))[np.triu_indices(len(own), 1)])


def _cosines(x: npt.ArrayLike, y: npt.ArrayLike, least: int) -> tuple[FloatArray, FloatArray]:
    first, second = cosine_similarity(x), cosine_similarity(y)
    same_shape(first, second, "the cosines of x and y")
    if len(first) < least:
        raise ValueError(f"x and y have {len(first)} rows, need at least {least}")
    return first, second


def _share_won(margin: FloatArray) -> float:
    margin = margin.round(DECIMALS)
    return float(((margin > 0) + (margin == 0) / 2).mean())


def _second_order(x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Correlations of rows of cosines, entries i and j left out.

    Returns
    -------
    own, rival : ndarray, shape (n, n)
        Entry (i, j): row i of x with row i of y, and row i of x with row j of y. The diagonals
        mean nothing.
    """
    first, second = (_levelled(each) for each in _cosines(x, y, 4))
    spread_x, spread_y = _spread(first, "x"), _spread(second, "y")
    sum_x, sum_y = (each.sum(axis=1, keepdims=True) - each for each in (first, second))
    m = len(first) - 2
    # The zero diagonals leave i out of row i, and i and j out of the product of two rows.
    both = first * second
    own = both.sum(axis=1, keepdims=True) - both - sum_x * sum_y / m
    rival = first @ second - sum_x * sum_y.T / m
    return own / (spread_x * spread_y), rival / (spread_x * spread_y.T)


def _levelled(similarity: FloatArray) -> FloatArray:
    """Subtract the mean over pairs, which no correlation notices; zeros on the diagonal."""
    n = len(similarity)
    out = similarity - (similarity.sum() - np.trace(similarity)) / (n * (n - 1))
    np.fill_diagonal(out, 0.0)
    return out


def _spread(levelled: FloatArray, name: str) -> FloatArray:
    """Root of the sum of squares about the mean of row i without entries i and j."""
    n = len(levelled)
    total = levelled.sum(axis=1, keepdims=True) - levelled
    squares = levelled**2
    squares = squares.sum(axis=1, keepdims=True) - squares - total**2 / (n - 2)
    np.fill_diagonal(squares, np.inf)
    flat = squares <= (n - 2) * (FLAT * np.abs(levelled).max()) ** 2
    if flat.any():
        i, j = np.argwhere(flat)[0].tolist()
        raise ValueError(f"row {i} of {name} is equally similar to all rows but itself and {j}")
    return np.sqrt(squares)
