"""How many words a claim about the words of a study must rest on."""

from __future__ import annotations

from core.evidence.errors import NotGiven

#: Fewer complete words judge nothing: on these, the interval of a correlation is .4 wide.
FEWEST_WORDS = 80


def fewest(words: int) -> int:
    """Return how many of so many words must be complete: half, and never below `FEWEST_WORDS`."""
    return max(FEWEST_WORDS, (words + 1) // 2)


def require(n: int, words: int, what: str) -> None:
    """Refuse a measure on too few words.

    Parameters
    ----------
    n, words : int
        Words that are left, and of how many.
    what : str
        What those that are left have.

    Raises
    ------
    NotGiven
        If they are fewer than `fewest`.
    """
    if n < (least := fewest(words)):
        said = f"{what} of only {n} of {words} words"
        raise NotGiven(said, remedy=f"{said}; at least {least} must have them")
