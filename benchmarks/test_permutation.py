"""P@k under relabelling, against working it out anew, and against NumPy on the neighbours."""

from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks import plain
from benchmarks.timing import Target, Way
from core.metrics.nearest import neighbour_list
from core.metrics.neighbours import neighbour_weights, precision_at_k
from core.metrics.permutation import permuted_precision, relabellings

K = 15
SENTENCES, DRAWS = 108, 10_000
WORDS, WORD_DRAWS = 10_000, 1_000


def spaces(n):
    """Return two spaces of n points that have neighbours in common, none of them tied."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 64))
    return x, x @ rng.normal(size=(64, 128)) + rng.normal(0, 6, (n, 128))


def anew(x, y, k, permutations):
    return np.array([precision_at_k(x, y[relabelled], k) for relabelled in permutations])


@pytest.mark.parametrize(
    ("way", "some", "least", "note"),
    [
        (plain.precision, 50, 600, "plain: SciPy's distances, sorted, and sets, each time anew"),
        (anew, 50, 600, "plain: our precision_at_k, each time anew"),
        (plain.dense_precision, DRAWS, 2, "plain: NumPy, products of both matrices of neighbours"),
        (
            plain.gathered_precision,
            DRAWS,
            2,
            "plain: NumPy, a matrix where the other has neighbours",
        ),
    ],
    ids=["scipy", "anew", "products", "gathered"],
)
@pytest.mark.benchmark(group="permutation")
def test_sentences(race, way, some, least, note):
    x, y = spaces(SENTENCES)
    permutations = relabellings(SENTENCES, DRAWS, np.random.default_rng(1))
    found = way in (plain.precision, anew)
    given = (x, y) if found else (neighbour_weights(x, K), neighbour_weights(y, K))
    other = Way(lambda: way(*given, K, permutations[:some]), some, DRAWS)
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


@pytest.mark.benchmark(group="permutation")
def test_words(race):
    began = process_time()
    x, y = (neighbour_list(space, K) for space in spaces(WORDS))
    seconds = process_time() - began
    permutations = relabellings(WORDS, WORD_DRAWS, np.random.default_rng(1))
    some, of = 3, WORD_DRAWS
    near_x, near_y = (found.indices.astype(np.intp).reshape(WORDS, K) for found in (x, y))
    other = Way(lambda: plain.listed_precision(near_x, near_y, K, permutations[:some]), some, of)
    ours = Way(lambda: permuted_precision(x, y, K, permutations))
    assert_allclose(ours.run()[:some], other.run(), atol=1e-12, rtol=0)
    race(
        f"P@{K}, {WORD_DRAWS:,} relabellings",
        f"{WORDS:,} words",
        ours,
        {"plain": other},
        unit="relabellings",
        target=Target(seconds=1),
        note=f"neighbours found beforehand in {seconds:.1f} CPU s; plain: NumPy's isin of them",
    )
