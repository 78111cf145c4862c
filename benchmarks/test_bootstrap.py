"""The bootstrap of a difference of RSAs, against SciPy and rsatoolbox on the same draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks import plain
from benchmarks.timing import Target, Way
from core.metrics.bootstrap import bootstrap_rsa, bootstrap_rsa_by_rule, draw_counts
from core.metrics.linearised import linearised_rsa, ranked_rdm
from core.metrics.rdm import rdm

PAIR = ("En_FT", "QA_FT")
SEED = 0
#: So many resamples are timed of the slow ways.
PLAIN, TOOLBOX = 3, 2


RATINGS = "from the ratings: ours counts its three RDMs"
RDMS = "from the RDMs, on either side"
NONE = "bounds no noise ceiling, not even the one per call that it cannot be told to leave out"


def features(ratings):
    """Return people's ratings and those of the two models."""
    return ratings.human, {name: ratings.models[name] for name in PAIR}


def compared(human, models):
    """Return the human RDM and those of the models."""
    return rdm(human), {name: rdm(model) for name, model in models.items()}


@pytest.fixture(scope="session")
def rdms(ratings):
    """Return the RDMs, for what is timed without them."""
    return compared(*features(ratings))


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


@pytest.mark.parametrize(
    ("count", "rsa"),
    [(200, plain.rsa), (2000, plain.rsa), (200, plain.rsa_ranked_once)],
    ids=["200", "2000", "200, ranked once"],
)
@pytest.mark.benchmark(group="bootstrap")
def test_self_pairs_kept(race, ratings, rdms, count, rsa):
    given = features(ratings)
    sample = draws(len(ratings.human), PLAIN)
    once = rsa is plain.rsa_ranked_once

    def run():
        return plain.bootstrap(*given, sample, rsa)

    # Its distances differ in their last bits.
    agree(ours(rdms, PLAIN, "keep"), run(), 1e-6)
    race(
        f"bootstrap of a difference, {count:,} resamples",
        ratings.shape,
        Way(lambda: ours(compared(*given), count, "keep")),
        {"plain": Way(run, PLAIN, count)},
        unit="resamples",
        target=None if once else Target(plain=100),
        note=RATINGS + ("; plain ranks each human RDM once, not per model" if once else ""),
        rounds=2 if count < 1000 else 1,
    )


@pytest.mark.benchmark(group="bootstrap")
def test_both_rules(race, ratings):
    count, given = 200, features(ratings)
    sample = draws(len(ratings.human), PLAIN)

    def by_rule(resamples):
        human, models = compared(*given)
        rng = np.random.default_rng(SEED)
        return bootstrap_rsa_by_rule(human, models, n_resamples=resamples, rng=rng)

    def run():
        return plain.bootstrap_by_rule(*given, sample)

    theirs = run()
    for rule, found in by_rule(PLAIN).items():
        agree(found, theirs[rule], 1e-6)
    race(
        f"bootstrap by both rules, {count} resamples",
        ratings.shape,
        Way(lambda: by_rule(count)),
        {"plain": Way(run, PLAIN, count)},
        unit="resamples",
        note=RATINGS + "; plain: distances once, ranks with self-pairs and without",
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
        f"bootstrap without self-pairs, {count} resamples",
        ratings.shape,
        Way(lambda: ours(rdms, count, "drop")),
        {"rsatoolbox": Way(run, TOOLBOX, count)},
        unit="resamples",
        target=Target(rsatoolbox=200) if noise_ceiling else None,
        note=RDMS
        + "; rsatoolbox "
        + ("bounds the noise ceiling of every resample, its default" if noise_ceiling else NONE),
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
        note=f"{RDMS}; plain: our exact bootstrap; r = {r:.5f}, ratio of sd {spread:.4f}",
        rounds=1,
    )
