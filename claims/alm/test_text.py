"""The paper's text and Table 1 against themselves."""

from claims.alm import chance, table
from claims.alm import text as alm
from claims.sensorimotor import text


def test_given_twice(judge):
    """What the text gives more than once is one value."""
    judge(text.distinct_values)


def test_stated_count(judge):
    """A stated number is that of the things listed."""
    judge(text.count_gap)


def test_stated_product(judge):
    """A stated total is the product that the text gives."""
    judge(alm.product_gap)


def test_there(judge):
    """What the text says it has or does is there, and nothing of it is missing or wrong."""
    judge(text.number)


def test_changes(judge):
    """The word for a difference fits the printed figures."""
    judge(text.changes)


def test_order(judge):
    """Printed figures stand in the order that the text says."""
    judge(text.steps)


def test_range_end(judge):
    """A range in the text ends where the figures of Table 1 do."""
    judge(alm.table_end)


def test_range_somewhere(judge):
    """Both ends of a range in the text stand in Table 1."""
    judge(alm.ends_printed)


def test_range_possible(judge):
    """A range in the text is possible at some k, printed in Table 1 or not."""
    judge(alm.most_at_one_k)


def test_printed_mean(judge):
    """The word or figure for an alignment fits the printed mean over runs."""
    judge(table.means)


def test_over_chance(judge):
    """A printed mean is above what random neighbours give, or a multiple of that, or the same."""
    judge(table.over_chance)


def test_at_chance(judge):
    """A printed mean is that of random neighbours, the runs being independent draws."""
    judge(chance.chance_t)


def test_one_draw(judge):
    """A printed mean against random neighbours, all runs sharing one draw."""
    judge(chance.chance_z)


def test_chance_share(judge):
    """The stated chance level is that of the stated number of sentences."""
    judge(chance.chance_percentage)


def test_difference(judge):
    """One reference is aligned more than another, or as much."""
    judge(table.differences)


def test_times_random(judge):
    """A printed mean is the stated multiple of the printed random one."""
    judge(table.times_random)


def test_share_of_way(judge):
    """How far on the way from random to the decoders a figure lies."""
    judge(alm.share_of_way)


def test_reachable_level(judge):
    """A permutation test can reach the level that it is said to have."""
    judge(alm.smallest_p)


def test_certain_level(judge):
    """A permutation test without a single exceedance shows the level that it is said to have."""
    judge(alm.p_when_none)


def test_proportional(judge):
    """P@k grows in proportion to k."""
    judge(table.proportional_residuals)


def test_block(judge):
    """P@k is what a block of interchangeable neighbours, fitted at k = 15, predicts."""
    judge(table.block_t)


def test_interchangeable(judge):
    """Among how many interchangeable neighbours the printed means fit."""
    judge(table.interchangeable)


def test_components(judge):
    """There are as many principal components as the text asks for."""
    judge(alm.spare_components)


def test_possible_cells(judge):
    """The cells of Table 1 can come from the stated number of runs."""
    judge(alm.impossible_cells)


def test_possible_means(judge):
    """How many means of Table 1 a smaller number of runs can give."""
    judge(alm.possible_means)
