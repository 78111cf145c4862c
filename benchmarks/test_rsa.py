"""RSA and Kendall's tau of whole tables, against SciPy and rsatoolbox."""

import pytest
from numpy.testing import assert_allclose

from benchmarks import plain, points
from benchmarks.ratings import made
from benchmarks.timing import Seconds, Target, Way
from core.metrics.correlation import kendall
from core.metrics.rdm import rdm, rsa_many, rsa_of_features
from core.metrics.streamed import streamed_rsa

# Distances of other code differ in their last bits, which breaks ties of ratings.
OTHER_DISTANCES = 1e-6
#: Words of the Lancaster norms.
LEXICON = 39_707


def by_rdms(human, models):
    return rsa_many(rdm(human), {name: rdm(model) for name, model in models.items()})


@pytest.mark.parametrize("way", [rsa_of_features, by_rdms], ids=["features", "rdms"])
@pytest.mark.benchmark(group="rsa")
def test_four_models(race, ratings, toolbox, way):
    given = ratings.human, ratings.models
    others = {"plain": Way(lambda: plain.rsa(*given))}
    if toolbox and way is rsa_of_features:
        others["rsatoolbox"] = Way(lambda: toolbox.rsa(*given))
    found = way(*given)
    for other in others.values():
        assert found == pytest.approx(other.run(), abs=OTHER_DISTANCES, rel=0)
    race(
        "RSA of four models" + (", RDMs kept" if way is by_rdms else ""),
        ratings.shape,
        Way(lambda: way(*given)),
        others,
        target=None if way is by_rdms else Target(plain=8),
        note="plain: spearmanr four times, which ranks the human RDM each time",
    )


@pytest.mark.benchmark(group="rsa")
def test_ranked_once(race, ratings):
    given = ratings.human, ratings.models
    other = Way(lambda: plain.rsa_ranked_once(*given))
    assert rsa_of_features(*given) == pytest.approx(other.run(), abs=OTHER_DISTANCES, rel=0)
    race(
        "RSA of four models",
        ratings.shape,
        Way(lambda: rsa_of_features(*given)),
        {"plain": other},
        note="plain: the human RDM ranked once, and dot products",
    )


@pytest.mark.benchmark(group="kendall")
def test_kendall(race, ratings, toolbox):
    a, b = rdm(ratings.human), rdm(ratings.models["En_FT"])
    others = {"plain": Way(lambda: plain.stats.kendalltau(a, b).statistic)}
    if toolbox:
        others["rsatoolbox"] = Way(lambda: toolbox.correlate(a, b, "tau-b"))
    for other in others.values():
        assert_allclose(kendall(a, b), other.run(), atol=1e-12, rtol=0)
    race(
        "Kendall's tau-b of two RDMs",
        f"{len(a):,} pairs, {ratings.name}",
        Way(lambda: kendall(a, b)),
        others,
    )


@pytest.mark.benchmark(group="lexicon")
def test_whole_lexicon(race):
    some = made(2000)
    found = streamed_rsa(some.human, some.models[points.MODEL])
    exact = plain.rsa(some.human, {points.MODEL: some.models[points.MODEL]})[points.MODEL]
    assert abs(found.rho - exact) <= found.bound + OTHER_DISTANCES
    measured = points.measure("RSA, streamed", LEXICON, limits=False)
    race(
        "RSA of one model, RDMs never kept",
        f"{LEXICON:,} x 11, made",
        Way(lambda: Seconds(measured.cpu, measured.wall)),
        {},
        rounds=1,
        note=(
            f"a process of its own, {measured.peak:,.0f} MB at most, imports and all; "
            f"rho within {measured.found['bound']:.1e}"
        ),
    )
