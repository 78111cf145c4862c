"""P@k under relabelling, against working it out anew, and against NumPy on the neighbours."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from benchmarks import plain
from benchmarks.timing import Target, Way
from core.metrics.nearest import neighbour_list
from core.metrics.neighbours import precision_at_k
from core.metrics.permutation import permuted_precision, relabellings

K = 15
SENTENCES, DRAWS = 108, 10_000
WORDS, WORD_DRAWS = 10_000, 1_000


def spaces(n):
    """Return two spaces of n points that have neighbours in common, none of them tied."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 64))
    return x, x @ rng.normal(size=(64, 128)) + rng.normal(0, 6, (n, 128))


def sorted_anew(x, y, permutations):
    near_x = plain.nearest(x, K)
    return lambda: plain.precision(near_x, y, permutations)


def ours_anew(x, y, permutations):
    near_x = neighbour_list(x, K)
    return lambda: np.array([precision_at_k(near_x, y[one], K) for one in permutations])


def taken(x, y, permutations):
    near_x, near_y = plain.nearest(x, K), plain.is_near(plain.nearest(y, K))
    return lambda: plain.taken_precision(near_x, near_y, permutations)


@pytest.mark.parametrize(
    ("way", "some", "least", "note"),
    [
        (
            sorted_anew,
            50,
            600,
            "plain: SciPy's distances, sorted, and sets, anew for the one relabelled",
        ),
        # Not naive: it takes the neighbours of x as given, and those of y by our own code.
        (ours_anew, 50, None, "plain: our precision_at_k, anew for the one relabelled"),
        (taken, DRAWS, 2, "plain: NumPy's take from a table of bytes, neighbours given; ours not"),
    ],
    ids=["scipy", "anew", "taken"],
)
@pytest.mark.benchmark(group="permutation")
def test_sentences(race, way, some, least, note):
    x, y = spaces(SENTENCES)
    permutations = relabellings(SENTENCES, DRAWS, np.random.default_rng(1))
    other = Way(way(x, y, permutations[:some]), some, DRAWS)
    ours = Way(lambda: permuted_precision(x, y, K, permutations))
    assert_allclose(ours.run()[:some], other.run(), atol=1e-12, rtol=0)
    race(
        f"P@{K}, {DRAWS:,} relabellings",
        f"{SENTENCES} sentences",
        ours,
        {"plain": other},
        unit="relabellings",
        target=Target(plain=least),
        note=note,
    )


@pytest.fixture(scope="module")
def words():
    """Return two spaces of many words, and either's neighbours."""
    found = spaces(WORDS)
    return found, [neighbour_list(space, K) for space in found]


def by_row(near):
    return near.indices.astype(np.intp).reshape(WORDS, K)


@pytest.mark.benchmark(group="permutation")
def test_finding_neighbours(race, words):
    both, lists = words
    for space, near in zip(both, lists, strict=True):
        expected = np.sort(plain.nearest_by_blocks(space, K), axis=1)
        assert_array_equal(by_row(near), expected)
    race(
        f"finding {K} neighbours in two spaces",
        f"{WORDS:,} words",
        Way(lambda: [neighbour_list(space, K) for space in both]),
        {"plain": Way(lambda: [plain.nearest_by_blocks(space, K) for space in both])},
        note="plain: products of blocks and argpartition, ties as they come; ours shares them",
    )


@pytest.mark.benchmark(group="permutation")
def test_words(race, words):
    x, y = words[1]
    permutations = relabellings(WORDS, WORD_DRAWS, np.random.default_rng(1))
    some = 50
    near_x, near_y = by_row(x), plain.is_near(by_row(y))
    other = Way(
        lambda: plain.taken_precision(near_x, near_y, permutations[:some]), some, WORD_DRAWS
    )
    ours = Way(lambda: permuted_precision(x, y, K, permutations))
    assert_allclose(ours.run()[:some], other.run(), atol=1e-12, rtol=0)
    race(
        f"P@{K}, {WORD_DRAWS:,} relabellings, neighbours given",
        f"{WORDS:,} words",
        ours,
        {"plain": other},
        unit="relabellings",
        target=Target(seconds=1),
        note="plain: NumPy's take from a table of bytes; the finding is the row above, on neither",
    )
