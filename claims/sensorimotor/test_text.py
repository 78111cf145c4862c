"""The paper's text against itself."""

from claims.sensorimotor import text


def test_given_twice(judge):
    """What the text gives more than once is one value."""
    judge(text.distinct_values)


def test_stated_count(judge):
    """A stated number is that of the things listed."""
    judge(text.count_gap)


def test_stated_product(judge):
    """A stated total is the sum of the products that the text gives."""
    judge(text.product_gap)


def test_share(judge):
    """A stated percentage is that of the stated numbers."""
    judge(text.percentage)


def test_at_least_one(judge):
    """What the text says it has or does is there."""
    judge(text.number)


def test_change(judge):
    """The word for a change fits the printed figures."""
    judge(text.change)


def test_changes(judge):
    """The word for several changes fits each pair of printed figures."""
    judge(text.changes)


def test_contrast(judge):
    """Of two changes, the one called larger is the larger one in print."""
    judge(text.contrast)


def test_rank(judge):
    """A value said to be the lowest or highest is so among the printed ones."""
    judge(text.margin)


def test_order(judge):
    """Printed figures stand in the order that the text says."""
    judge(text.steps)


def test_word_for_figure(judge):
    """The word for a figure fits it."""
    judge(text.values)


def test_printed_significance(judge):
    """A printed coefficient has the stated significance at the stated number of words."""
    judge(text.printed_interval)


def test_reachable_level(judge):
    """A test by resampling can reach the level that it is used at."""
    judge(text.smallest_level)


def test_own_rule(judge):
    """What the text calls ineffective is so by its own rule."""
    judge(text.rule_broken)


def test_references(judge):
    """References named for a purpose are among those that serve it."""
    judge(text.missing_references)


def test_ratio(judge):
    """What is compared is comparable in size."""
    judge(text.ratios)
