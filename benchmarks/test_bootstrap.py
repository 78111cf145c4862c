"""The bootstrap of a difference of RSAs, against SciPy and rsatoolbox on the same draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks import plain
from benchmarks.timing import Target, Way
from core.metrics.bootstrap import bootstrap_rsa, draw_counts
from core.metrics.linearised import linearised_rsa, ranked_rdm
from core.metrics.rdm import rdm

PAIR = ("En_FT", "QA_FT")
SEED = 0
#: So many resamples are timed of the slow ways.
PLAIN, TOOLBOX = 3, 2


@pytest.fixture(scope="session")
def rdms(ratings):
    """Return the human RDM and those of the two models."""
    return rdm(ratings.human), {name: rdm(ratings.models[name]) for name in PAIR}


def draws(n, count):
    """Return the concepts that a bootstrap from this seed draws."""
    rng = np.random.default_rng(SEED)
    return [rng.integers(n, size=n) for _ in range(count)]


def ours(rdms, count, self_pairs):
    human, models = rdms
    rng = np.random.default_rng(SEED)
    return bootstrap_rsa(human, models, n_resamples=count, rng=rng, self_pairs=self_pairs)


def agree(found, theirs, tolerance):
    """Assert that both have the same draws of the difference, and of either RSA."""
    for name, expected in theirs.items():
        assert_allclose(found.draws[name][: len(expected)], expected, atol=tolerance, rtol=0)
    a, b = PAIR
    expected = theirs[a] - theirs[b]
    found = found.difference(a, b)[: len(expected)]
    assert_allclose(found, expected, atol=2 * tolerance, rtol=0)


@pytest.fixture(scope="session")
def plainly(ratings, rdms):
    """Return the plain way, found to agree with ours; its distances differ in their last bits."""
    models = {name: ratings.models[name] for name in PAIR}
    sample = draws(len(ratings.human), PLAIN)

    def run():
        return plain.bootstrap(ratings.human, models, sample, keep=True)

    agree(ours(rdms, PLAIN, "keep"), run(), 1e-6)
    return run


@pytest.mark.parametrize("count", [200, 2000])
@pytest.mark.benchmark(group="bootstrap")
def test_self_pairs_kept(race, ratings, rdms, plainly, count):
    race(
        f"bootstrap of a difference, {count:,} resamples",
        ratings.shape,
        Way(lambda: ours(rdms, count, "keep")),
        {"plain": Way(plainly, PLAIN, count)},
        unit="resamples",
        target=Target(plain=100),
        rounds=2 if count < 1000 else 1,
    )


@pytest.mark.parametrize("noise_ceiling", [True, False], ids=["defaults", "no ceiling"])
@pytest.mark.benchmark(group="bootstrap")
def test_self_pairs_dropped(race, ratings, rdms, toolbox, noise_ceiling):
    # It always leaves out the pairs of a concept with itself.
    if not toolbox:
        pytest.skip("rsatoolbox is not installed")
    count, sample = 200, draws(len(ratings.human), TOOLBOX)

    def run():
        return toolbox.bootstrap(*rdms, sample, noise_ceiling)

    agree(ours(rdms, TOOLBOX, "drop"), run(), 1e-12)
    race(
        f"the same without self-pairs, {count} resamples",
        ratings.shape,
        Way(lambda: ours(rdms, count, "drop")),
        {"rsatoolbox": Way(run, TOOLBOX, count)},
        unit="resamples",
        target=Target(rsatoolbox=200) if noise_ceiling else None,
        note="rsatoolbox bounds the noise ceiling of every resample, as it does by default"
        if noise_ceiling
        else "rsatoolbox is told to leave out the noise ceiling",
        rounds=2 if noise_ceiling else 1,
    )


@pytest.mark.benchmark(group="bootstrap")
def test_linearised(race, ratings, rdms):
    count, (a, b) = 2000, PAIR

    def difference():
        human, models = rdms
        ranked = ranked_rdm(human)
        counts = draw_counts(len(ratings.human), count, np.random.default_rng(SEED))
        first, second = (linearised_rsa(ranked, models[name]).draws(counts) for name in PAIR)
        return first - second

    exact, found = ours(rdms, count, "keep").difference(a, b), difference()
    r, spread = np.corrcoef(exact, found)[0, 1], found.std() / exact.std()
    assert r > 0.999
    assert spread == pytest.approx(1, abs=0.02)
    race(
        f"linearised bootstrap, {count:,} resamples",
        ratings.shape,
        Way(difference),
        {"plain": Way(lambda: ours(rdms, count, "keep"))},
        note=f"in place of plain: our exact bootstrap; r = {r:.5f}, ratio of sd {spread:.4f}",
        rounds=1,
    )
