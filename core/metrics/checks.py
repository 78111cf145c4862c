"""Refusals shared by the metrics: every one names the argument and what would be accepted."""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def finite(x: npt.ArrayLike, name: str, *, ndim: int = 1, at_least: int = 1) -> FloatArray:
    """Return `x` as a float array, or say why it cannot be used.

    Parameters
    ----------
    x : array_like
        Numbers without NaN or infinity.
    name : str
        The argument's name, for the message.
    ndim : int
        Number of axes wanted.
    at_least : int
        Fewest rows accepted.

    Returns
    -------
    ndarray of float64
        The values of `x`; never modified by the metrics.

    Raises
    ------
    ValueError
        On another shape, too few rows, or a value that is NaN or infinite.
    """
    array = np.asarray(x, dtype=np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} axes, expected {ndim}")
    if len(array) < at_least:
        raise ValueError(f"{name} has {len(array)} rows, needs at least {at_least}")
    bad = ~np.isfinite(array)
    if bad.any():
        where = np.argwhere(bad)[0].tolist()
        raise ValueError(
            f"{name} has {int(bad.sum())} NaN or infinite values, the first at index {where}; "
            "keep complete rows only"
        )
    return array


def concepts(distances: FloatArray, name: str) -> int:
    """Return the number n of concepts of a condensed RDM, or say why it is none.

    Parameters
    ----------
    distances : ndarray, shape (n * (n - 1) / 2,)
    name : str
        The argument's name, for the message.

    Returns
    -------
    int
        At least 3.

    Raises
    ------
    ValueError
        When no n fits, or it is below 3.
    """
    n = (1 + math.isqrt(1 + 8 * len(distances))) // 2
    if n < 3 or n * (n - 1) // 2 != len(distances):
        raise ValueError(
            f"{name} has {len(distances)} distances, not n (n - 1) / 2 of at least 3 concepts"
        )
    return n


def same_shape(x: FloatArray, y: FloatArray, names: str) -> None:
    """Refuse two samples that do not pair up.

    Raises
    ------
    ValueError
        When the shapes differ.
    """
    if x.shape != y.shape:
        raise ValueError(f"{names} have shapes {x.shape} and {y.shape}; they must pair up")


def fraction(value: float, name: str) -> None:
    """Refuse a probability outside the open interval from 0 to 1.

    Raises
    ------
    ValueError
        When `value` is not strictly between 0 and 1.
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}, must lie strictly between 0 and 1")


def correlation_and_size(r: float, n: int, name: str = "r") -> None:
    """Refuse what Fisher's z cannot take: a coefficient beyond 1 or fewer than four cases.

    Raises
    ------
    ValueError
        When `r` is NaN or outside [-1, 1], or `n` is below 4.
    """
    if not -1 <= r <= 1:
        raise ValueError(f"{name} is {r}, a correlation lies in [-1, 1]")
    if n < 4:
        raise ValueError(f"n is {n}, Fisher's z needs at least 4 cases")
