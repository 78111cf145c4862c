"""Hypothesis strategies shared by the tests: small integer grids, so that ties are exact."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

seeds = st.integers(0, 2**32 - 1)


def samples(least: int = 3, most: int = 25, low: int = -6, high: int = 6):
    """One sample of whole numbers, not constant."""
    return st.integers(least, most).flatmap(lambda n: _varied(n, low, high))


def paired_samples(least: int = 3, most: int = 25, low: int = -6, high: int = 6):
    """Two samples of equal length, neither constant."""
    return st.integers(least, most).flatmap(
        lambda n: st.tuples(_varied(n, low, high), _varied(n, low, high))
    )


def ratings(least: int = 3, most: int = 12, dimensions: int = 3, low: int = 1, high: int = 5):
    """Whole-number profiles, rows concepts; rows are neither zero nor constant."""
    row = arrays(float, dimensions, elements=_whole(low, high)).filter(lambda v: np.ptp(v) > 0)
    return st.lists(row, min_size=least, max_size=most).map(np.array)


def rdms(concepts: int, most: int = 6):
    """A condensed RDM of whole-number distances, not constant."""
    return _varied(concepts * (concepts - 1) // 2, 0, most)


@st.composite
def correlation_triples(draw):
    """(r12, r13, r23) that three variables can have, away from singular matrices."""
    r12 = draw(st.integers(-90, 90)) / 100
    r13 = draw(st.integers(-90, 90)) / 100
    place = draw(st.integers(-95, 95)) / 100
    return r12, r13, r12 * r13 + place * np.sqrt((1 - r12**2) * (1 - r13**2))


def p_values(most: int = 7):
    """Raw p values on a grid, with ties, zeros and ones."""
    return st.lists(st.integers(0, 40).map(lambda k: k / 40), min_size=1, max_size=most)


increasing = st.sampled_from(
    [np.cbrt, np.exp, lambda x: 3 * x + 7, lambda x: x**3, lambda x: np.arctan(x) - 1]
)


def _whole(low: int, high: int):
    return st.integers(low, high).map(float)


def _varied(n: int, low: int, high: int):
    return arrays(float, n, elements=_whole(low, high)).filter(lambda v: np.ptp(v) > 0)
