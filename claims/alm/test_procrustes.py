"""How far the agents' spaces are from other models' after the best rotation."""

from claims.alm import disparity


def test_median(judge):
    """The median disparity."""
    judge(disparity.median)


def test_difference(judge):
    """Whether one model is farther than others."""
    judge(disparity.difference)


def test_less_permuted(judge):
    """Whether the sentences' labels matter for it."""
    judge(disparity.less_permuted)


def test_random(judge):
    """What random spaces give."""
    judge(disparity.random_spaces)
