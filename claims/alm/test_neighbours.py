"""How many neighbours the agents share with language models and vision-language models."""

from claims.alm import alignment, conservative


def test_precision(judge):
    """How many neighbours are shared."""
    judge(alignment.precision)


def test_table(judge):
    """Whether a column of Table 1 is met."""
    judge(alignment.table_cells)


def test_over_chance(judge):
    """Whether more neighbours are shared than random ones, at every k."""
    judge(alignment.over_chance)


def test_difference(judge):
    """Whether one model is aligned more than others, or as much."""
    judge(alignment.difference)


def test_among(judge):
    """How many neighbours models share among themselves."""
    judge(alignment.among)


def test_below_among(judge):
    """How far the agents are below what models share among themselves."""
    judge(alignment.below_among)


def test_permutation(judge):
    """Whether relabelled sentences share as many."""
    judge(alignment.permutation)


def test_permutation_among(judge):
    """Whether relabelled sentences of one model share as many with another."""
    judge(alignment.permutation_among)


def test_random(judge):
    """Whether random spaces share what chance gives."""
    judge(alignment.random_spaces)


def test_spread(judge):
    """How much agents differ."""
    judge(alignment.spread)


def test_conservative(judge):
    """Whether P@k is lower than other measures."""
    judge(conservative.conservative)


def test_untrained_pairs(judge):
    """How many neighbours two models share that learned nothing."""
    judge(alignment.untrained_pairs)


def test_untrained_agents(judge):
    """How many an agent and a model share that learned nothing."""
    judge(alignment.untrained_agents)
