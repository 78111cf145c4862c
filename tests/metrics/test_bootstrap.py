"""The percentile bootstrap, in general and of RSA."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics import bootstrap
from core.metrics._comparison import Comparison, _Lanes
from core.metrics.bootstrap import (
    bootstrap_rsa,
    bootstrap_rsa_by_rule,
    percentile_interval,
    resample,
)
from core.metrics.rdm import rdm, rsa, standardise
from core.metrics.words import mean_interval
from tests import oracles, strategies

SELF_PAIRS = pytest.mark.parametrize("self_pairs", ["keep", "drop"])


def drawn(n, n_resamples, seed):
    """The concepts of every resample, as `bootstrap_rsa` draws them from the same seed."""
    rng = np.random.default_rng(seed)
    return resample(lambda i: i, n, n_resamples=n_resamples, rng=rng).astype(int)


def random_rdm(n, seed, levels=6):
    """Ratings in few steps, so that the RDM is heavily tied."""
    return rdm(standardise(np.random.default_rng(seed).integers(0, levels, (n, 4))))


# --- percentile intervals


def test_percentile_by_hand():
    # 0..100: the 2.5th and 97.5th percentiles, linear between order statistics.
    assert_allclose(percentile_interval(np.arange(101)), (2.5, 97.5), atol=1e-12)
    assert_allclose(percentile_interval([1, 2], 0.5), (1.25, 1.75))


@given(strategies.samples(least=2), st.integers(1, 9), st.integers(-9, 9))
def test_percentile_nests_and_follows_the_data(draws, scale, shift):
    low, high = percentile_interval(draws)
    inner_low, inner_high = percentile_interval(draws, 0.8)
    assert low <= inner_low <= inner_high <= high
    assert_allclose(
        percentile_interval(draws * scale + shift), (low * scale + shift, high * scale + shift)
    )
    assert_allclose(percentile_interval(-draws), (-high, -low), atol=1e-12)


def test_percentile_refuses():
    with pytest.raises(ValueError, match="draws has 1 NaN"):
        percentile_interval([1, np.nan])
    with pytest.raises(ValueError, match="confidence is 95"):
        percentile_interval([1, 2], 95)
    with pytest.raises(ValueError, match="at least 1"):
        percentile_interval([])


# --- resampling


@given(strategies.paired_samples(), strategies.seeds)
def test_resample_repeats_and_keeps_pairs(pair, seed):
    x, y = pair

    def run(statistic):
        rng = np.random.default_rng(seed)
        return resample(statistic, len(x), n_resamples=20, rng=rng)

    both = run(lambda i: [x[i].mean(), y[i].mean()])
    assert both.shape == (20, 2)
    assert_array_equal(both[:, 0], run(lambda i: x[i].mean()))
    assert_allclose(run(lambda i: (x[i] - y[i]).mean()), both[:, 0] - both[:, 1], atol=1e-12)
    assert not run(lambda i: x[i].mean() - x[i].mean()).any()
    assert_allclose(run(lambda i: (3 * x + 2)[i].mean()), 3 * both[:, 0] + 2, atol=1e-12)
    assert np.ptp(run(lambda i: np.full(len(x), 1.5)[i].mean())) == 0


def test_resample_matches_a_plain_loop_over_indices():
    rng = np.random.default_rng(3)
    expected = [np.median(rng.integers(7, size=7)) for _ in range(5)]
    found = resample(np.median, 7, n_resamples=5, rng=np.random.default_rng(3))
    assert_array_equal(found, expected)


def test_resample_refuses():
    for n, n_resamples in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="at least 1"):
            resample(np.mean, n, n_resamples=n_resamples, rng=np.random.default_rng(0))


def test_global_random_state_is_untouched():
    def state():
        return np.random.get_state(legacy=False)["state"]  # noqa: NPY002 - must not be used

    before = state()
    human = random_rdm(8, 0)
    bootstrap_rsa(human, {"m": human}, n_resamples=3, rng=np.random.default_rng(1))
    resample(np.mean, 8, n_resamples=3, rng=np.random.default_rng(1))
    assert state()["pos"] == before["pos"]
    assert_array_equal(state()["key"], before["key"])


def test_self_pairs_and_distinct_concepts_have_their_expected_number():
    n, n_resamples = 40, 4000

    def count(indices):
        repeats = np.bincount(indices, minlength=n)
        return [(repeats * (repeats - 1) // 2).sum(), (repeats > 0).sum()]

    counts = resample(count, n, n_resamples=n_resamples, rng=np.random.default_rng(5))
    error = counts.std(axis=0) / np.sqrt(n_resamples)
    expected = [(n - 1) / 2, n * (1 - (1 - 1 / n) ** n)]
    assert (np.abs(counts.mean(axis=0) - expected) < 4 * error).all()


def test_percentile_interval_of_a_mean_covers_nearly_as_claimed():
    # The percentile interval is a little short: about .93 of the nominal .95 at n = 30.
    data = np.random.default_rng(9)
    rng = np.random.default_rng(10)
    trials, n = 300, 30
    hits = 0
    for _ in range(trials):
        x = data.standard_normal(n)
        draws = resample(lambda i, x=x: x[i].mean(), n, n_resamples=200, rng=rng)
        low, high = percentile_interval(draws)
        hits += low <= 0 <= high
        middle, t_low, t_high = mean_interval(x)
        assert abs((high - low) / (t_high - t_low) - 0.95) < 0.25
        assert low < middle < high
    assert oracles.covers_as_claimed(hits, trials, 0.93)


# --- RSA


@SELF_PAIRS
@pytest.mark.filterwarnings("ignore:.*draws are NaN:RuntimeWarning")
@given(st.integers(4, 9).flatmap(lambda n: st.tuples(*[strategies.rdms(n)] * 3)), strategies.seeds)
@example((np.arange(6.0), np.array([1.0, 1, 1, 1, 1, 2]), np.array([0.0, 0, 3, 0, 3, 3])), 0)
def test_equals_re_indexing(self_pairs, three, seed):
    human, a, b = three
    n = int((1 + np.sqrt(1 + 8 * len(human))) / 2)
    rng = np.random.default_rng(seed)
    found = bootstrap_rsa(human, {"a": a, "b": b}, n_resamples=10, rng=rng, self_pairs=self_pairs)
    drop = self_pairs == "drop"
    for name, model in (("a", a), ("b", b)):
        expected = [oracles.reindexed_rsa(human, model, i, drop=drop) for i in drawn(n, 10, seed)]
        assert_allclose(found.draws[name], expected, atol=1e-12)
        assert_allclose(found.rho[name], rsa(human, model), atol=1e-12)


@SELF_PAIRS
def test_equals_re_indexing_on_tied_ratings(self_pairs):
    n, seed = 60, 8
    human, model = random_rdm(n, 1), random_rdm(n, 2, levels=3)
    found = bootstrap_rsa(
        human, {"m": model}, n_resamples=20, rng=np.random.default_rng(seed), self_pairs=self_pairs
    )
    drop = self_pairs == "drop"
    expected = [oracles.reindexed_rsa(human, model, i, drop=drop) for i in drawn(n, 20, seed)]
    assert_allclose(found.draws["m"], expected, rtol=0, atol=1e-12)
    assert (found.n, found.n_resamples, found.self_pairs) == (n, 20, self_pairs)


def test_dropping_equals_leaving_out_nan_as_rsatoolbox_does():
    # rsatoolbox (0.3.2 gave these draws to 1e-15) makes a self-pair NaN and leaves NaN out.
    human, model = random_rdm(15, 3), random_rdm(15, 4)
    found = bootstrap_rsa(
        human, {"m": model}, n_resamples=20, rng=np.random.default_rng(2), self_pairs="drop"
    )
    expected = [oracles.rsatoolbox_rsa(human, model, i) for i in drawn(15, 20, 2)]
    assert_allclose(found.draws["m"], expected, rtol=0, atol=1e-12)


@SELF_PAIRS
def test_joint_order_of_models_and_company_do_not_matter(self_pairs):
    human, a, b = (random_rdm(12, seed) for seed in (1, 2, 3))

    def run(models):
        rng = np.random.default_rng(4)
        return bootstrap_rsa(human, models, n_resamples=15, rng=rng, self_pairs=self_pairs)

    together, alone = run({"a": a, "b": b, "again": a}), run({"b": b})
    assert_array_equal(together.draws["b"], alone.draws["b"])
    assert not together.difference("a", "again").any()
    assert_array_equal(together.difference("a", "b"), together.draws["a"] - together.draws["b"])
    assert_array_equal(together.interval("a", 0.8), percentile_interval(together.draws["a"], 0.8))
    low, high = together.interval("a")
    inner_low, inner_high = together.interval("a", 0.8)
    assert low <= inner_low <= inner_high <= high


def test_order_matters_for_a_fixed_seed():
    # Tempting and false: the same seed draws other concepts once they are listed otherwise.
    x = np.random.default_rng(6).integers(1, 6, (10, 3))
    y = np.random.default_rng(7).integers(1, 6, (10, 3))
    straight, turned = (
        bootstrap_rsa(
            rdm(x[o], "cityblock"),
            {"m": rdm(y[o], "cityblock")},
            n_resamples=5,
            rng=np.random.default_rng(0),
        )
        for o in (slice(None), slice(None, None, -1))
    )
    assert_allclose(straight.rho["m"], turned.rho["m"], atol=1e-12)
    assert not np.allclose(straight.draws["m"], turned.draws["m"])


def test_keeping_self_pairs_lifts_the_interval_of_unrelated_rdms():
    human, model = random_rdm(20, 11, levels=100), random_rdm(20, 12, levels=100)
    keep, drop = (
        bootstrap_rsa(
            human, {"m": model}, n_resamples=300, rng=np.random.default_rng(1), self_pairs=mode
        )
        for mode in ("keep", "drop")
    )
    lifted = keep.draws["m"] - drop.draws["m"]
    assert lifted.mean() > 0.05
    assert keep.interval("m")[0] > drop.interval("m")[0] + 0.03
    assert keep.rho == drop.rho
    # Averaged over resamples, dropping stays near the estimate.
    assert abs(drop.draws["m"].mean() - drop.rho["m"]) < 0.03


def test_the_percentile_interval_need_not_hold_the_estimate():
    # Distinct values: a resample can only lose some.
    x = np.arange(30)
    draws = resample(
        lambda i: len(np.unique(x[i])), 30, n_resamples=200, rng=np.random.default_rng(0)
    )
    assert percentile_interval(draws)[1] < len(np.unique(x))


def test_a_resample_without_spread_is_nan_with_a_warning():
    # Three concepts: one resample in nine repeats a single one.
    human = np.array([1.0, 2, 3])
    with pytest.warns(RuntimeWarning, match="draws are NaN"):
        found = bootstrap_rsa(
            human, {"m": human}, n_resamples=50, rng=np.random.default_rng(0), self_pairs="keep"
        )
    draws = found.draws["m"]
    assert_array_equal(np.isnan(draws), [len(set(i)) == 1 for i in drawn(3, 50, 0)])
    assert_allclose(draws[~np.isnan(draws)], 1)
    with pytest.raises(ValueError, match="NaN"):
        found.interval("m")


def test_constant_model_is_nan():
    human = random_rdm(6, 0)
    with pytest.warns(RuntimeWarning, match="constant RDM"):
        found = bootstrap_rsa(
            human,
            {"m": np.ones_like(human)},
            n_resamples=4,
            rng=np.random.default_rng(0),
            self_pairs="drop",
        )
    assert np.isnan(found.rho["m"])
    assert np.isnan(found.draws["m"]).all()


# --- 32 resamples at a time, against one by one in array arithmetic


def counts_of(n, rows, seed):
    rng = np.random.default_rng(seed)
    return np.array([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(rows)])


def untied_rdm(n, seed):
    return np.random.default_rng(seed).permutation(n * (n - 1) // 2).astype(np.float64) + 1


def with_zeros(distances, share, seed):
    """Some pairs at distance 0, where pairs of a concept with itself join them."""
    return np.where(np.random.default_rng(seed).random(len(distances)) < share, 0, distances)


WORLDS = {
    "untied": lambda n: (untied_rdm(n, 1), untied_rdm(n, 2)),
    "tied": lambda n: (random_rdm(n, 1), random_rdm(n, 2, levels=3)),
    "two values": lambda n: (random_rdm(n, 1, levels=2) > 1, random_rdm(n, 2) > 1),
    "zeros": lambda n: (with_zeros(untied_rdm(n, 1), 0.2, 3), with_zeros(untied_rdm(n, 2), 0.3, 4)),
    "one zero": lambda n: (untied_rdm(n, 1) - 1, untied_rdm(n, 2) - 1),
    "zeros in one": lambda n: (untied_rdm(n, 1), with_zeros(random_rdm(n, 2), 0.5, 4)),
}


@SELF_PAIRS
@pytest.mark.parametrize("world", WORLDS)
def test_lanes_equal_one_by_one(world, self_pairs):
    # 120 concepts make 7,140 pairs, several blocks of ranks; 70 resamples fill two rows and a bit.
    n = 120
    human, model = (np.asarray(x, dtype=np.float64) for x in WORLDS[world](n))
    models = {"a": model, "b": human, "c": model[::-1].copy()}
    counts = counts_of(n, 70, 5)
    exact = Comparison(human, models, n)
    (found,) = exact.rhos([self_pairs], counts)
    assert_array_equal(found, np.transpose([exact.plain(self_pairs, row) for row in counts]))
    assert_allclose(found[1], 1, atol=1e-15)
    doubles = Comparison(human, models, n, exact=False)
    assert_allclose(doubles.rhos([self_pairs], counts)[0], found, rtol=0, atol=1e-13)
    assert_allclose(doubles.plain(self_pairs, counts[0]), found[:, 0], rtol=0, atol=1e-13)
    for b in (0, 69):
        indices = np.repeat(np.arange(n), counts[b])
        expected = oracles.reindexed_rsa(human, model, indices, drop=self_pairs == "drop")
        assert_allclose(found[0, b], expected, rtol=0, atol=1e-12)


@SELF_PAIRS
def test_counts_beyond_what_lanes_hold_go_one_by_one(self_pairs):
    # Every concept three times: offsets leave 16 bits. One concept 60 times: products leave 32.
    n = 120
    human, model = untied_rdm(n, 1), untied_rdm(n, 2)
    compare = Comparison(human, {"m": model}, n)
    thrice, heap, usual = np.full(n, 3), np.r_[60, np.ones(n - 1, dtype=int)], counts_of(n, 1, 0)[0]
    found, heaped = (
        compare.rhos([self_pairs], np.array(rows))[0, 0]
        for rows in ([thrice, usual], [heap, usual])
    )
    for rho, counts in zip([*found, *heaped], [thrice, usual, heap, usual], strict=True):
        indices = np.repeat(np.arange(n), counts)
        expected = oracles.reindexed_rsa(human, model, indices, drop=self_pairs == "drop")
        assert_allclose(rho, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("n", "copies"), [(120, 40), (2200, 30)])
def test_many_copies_of_two_concepts(n, copies):
    # The cube of the weight of their pair leaves 32 bits, or its product with the last rank does.
    human = untied_rdm(n, 1)
    model = np.round(human / 4)
    human[0] = model[0] = human.max() + 1
    if n == 120:
        human[1] = model[1] = human[0]
    compare = Comparison(human, {"m": model, "same": human}, n)
    counts = counts_of(n, 1, 0)
    counts[0, :2] = copies
    counts[0, np.flatnonzero(counts[0, 2:] > 0)[: counts.sum() - n] + 2] -= 1
    found = compare.rhos(["drop"], counts)[0, :, 0]
    assert_allclose(found, compare.plain("drop", counts[0]), rtol=0, atol=1e-15)
    assert_allclose(found[1], 1, rtol=0, atol=1e-15)


def test_few_distances_stay_in_lanes():
    # After a tie group of 40,000 pairs, offsets from its rank would not fit.
    n = 400
    human = np.maximum(untied_rdm(n, 0), 40_000)
    _, lost = _Lanes(Comparison(human, {"m": untied_rdm(n, 1)}, n)).rhos(
        ["drop"], counts_of(n, 9, 1)
    )
    assert not lost.any()


def test_sums_of_cubes_from_their_remainder_and_a_double():
    lanes = _Lanes(Comparison(untied_rdm(9, 0), {}, 9, exact=False))
    sums = [3 * 10**20 + step for step in (-40_000, -7, 0, 5, 40_000)]
    lanes.cubes.view(np.uint64)[:5] = [one % 2**64 for one in sums]
    lanes.rough[:5] = sums
    assert lanes._cubes()[:5] == sums


def test_doubles_are_summed_in_blocks():
    n = 2250
    human, model = (np.round(untied_rdm(n, seed) / 3) for seed in (1, 2))
    models = {"same": human, "near": human + model / 4, "far": model}
    exact, doubles = (Comparison(human, models, n, exact=exact) for exact in (None, False))
    assert exact.exact
    counts = counts_of(n, 4, 1)
    assert_allclose(
        doubles.rhos(["keep"], counts), exact.rhos(["keep"], counts), rtol=0, atol=2e-15
    )


def test_a_model_may_be_called_human():
    human = random_rdm(6, 0)
    with pytest.raises(ValueError, match="human has a negative distance"):
        bootstrap_rsa(-human, {"human": human}, n_resamples=2, rng=np.random.default_rng(0))


def test_whoever_computes_the_batches_the_draws_are_the_same():
    human, model = random_rdm(30, 1), random_rdm(30, 2)

    def backwards(function, batches, *, shared):
        assert len(batches) == 3
        return [function(*shared, batch) for batch in batches[::-1]][::-1]

    usual, other = (
        bootstrap_rsa(human, {"m": model}, n_resamples=300, rng=np.random.default_rng(3), run=run)
        for run in (None, backwards)
    )
    assert_array_equal(usual.draws["m"], other.draws["m"])
    assert usual.rho == other.rho
    expected = [oracles.reindexed_rsa(human, model, i) for i in drawn(30, 300, 3)[-20:]]
    assert_allclose(usual.draws["m"][-20:], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [2299, 2300])
def test_the_largest_sums_fit_and_larger_ones_are_doubles(n):
    # Perfectly correlated untied RDMs make the largest sums: N^3 / 3.
    human = np.arange(n * (n - 1) // 2, dtype=float) + 1
    compare = Comparison(human, {"same": human, "turned": human[::-1].copy()}, n)
    assert compare.exact == (n == 2299)
    ((same, turned),) = compare.rhos(
        ["keep"], np.array([np.ones(n, dtype=int), counts_of(n, 1, 0)[0]])
    )
    assert_allclose(same, 1, rtol=0, atol=1e-12)
    assert_allclose(turned[0], -1, rtol=0, atol=1e-12)


@SELF_PAIRS
def test_doubles_keep_their_digits_where_nearly_everything_ties(self_pairs):
    # Sums of squares are differences of cubes near 1e20, here all but equal.
    n = 2400
    one, two = np.ones(n * (n - 1) // 2), np.ones(n * (n - 1) // 2)
    one[5], two[[5, 6]] = 0.5, 0.5
    compare = Comparison(one, {"one": one, "two": two}, n)
    assert not compare.exact
    counts = counts_of(n, 3, 1)
    counts[:, [0, 6, 7]] = 1  # so that the odd pairs are drawn
    same, near = compare.rhos([self_pairs], counts)[0]
    assert_allclose(same, 1, rtol=0, atol=1e-12)
    if self_pairs == "drop":
        # Correlations of a pair, and of two that hold it, with all others the same.
        totals = counts.sum(1) * (counts.sum(1) - 1) / 2 - (counts * (counts - 1) / 2).sum(1)
        assert_allclose(near, np.sqrt((totals - 2) / (2 * (totals - 1))), rtol=0, atol=1e-12)
        constant = Comparison(one, {"constant": np.ones_like(one)}, n)
        assert np.isnan(constant.rhos([self_pairs], counts)).all()


def test_many_copies_of_a_concept_stay_in_lanes_where_sums_are_doubles():
    n = 2320
    human, model = random_rdm(n, 1), random_rdm(n, 2)
    counts = counts_of(n, 1, 0)
    counts[0, :3] = [30, 0, 0]
    lanes = _Lanes(Comparison(human, {"m": model}, n))
    found, lost = lanes.rhos(["drop"], counts)
    assert not lost.any()
    assert_allclose(found[0, 0, 0], lanes.comparison.plain("drop", counts[0])[0], atol=1e-12)


@pytest.mark.parametrize("world", WORLDS)
def test_both_rules_at_once_are_each_alone(world):
    n = 90
    human, model = (np.asarray(x, dtype=np.float64) for x in WORLDS[world](n))
    options = {"n_resamples": 40, "rng": np.random.default_rng(2)}
    both = bootstrap_rsa_by_rule(human, {"m": model}, **options)
    for rule in ("keep", "drop"):
        options["rng"] = np.random.default_rng(2)
        alone = bootstrap_rsa(human, {"m": model}, self_pairs=rule, **options)
        assert_array_equal(both[rule].draws["m"], alone.draws["m"])
        assert both[rule].rho == alone.rho
        assert (both[rule].self_pairs, both[rule].n_resamples) == (rule, 40)
    assert both["keep"].rho == both["drop"].rho
    assert (both["keep"].draws["m"] != both["drop"].draws["m"]).all()


def test_refuses_more_concepts_than_16_bits_number(monkeypatch):
    monkeypatch.setattr(bootstrap, "LARGEST_N", 9)
    with pytest.raises(ValueError, match="10 concepts: at most 9 fit"):
        bootstrap_rsa(np.ones(45), {}, n_resamples=1, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("human", "model", "options", "message"),
    [
        (np.ones(5), np.ones(5), {}, "5 distances"),
        (np.ones(1), np.ones(1), {}, "at least 3 concepts"),
        (np.ones(6), np.ones(3), {}, r"models\['m'\] has 3 distances, human 6"),
        (np.ones(6), [1, 2, 3, 4, 5, np.nan], {}, r"models\['m'\] has 1 NaN"),
        (np.ones(6), [1, 2, 3, 4, 5, -1], {}, r"models\['m'\] has a negative distance"),
        (np.ones(6), np.ones(6), {"self_pairs": "halve"}, "self_pairs is 'halve'"),
        (np.ones(6), np.ones(6), {"n_resamples": 0}, "n_resamples 0"),
    ],
)
def test_refuses(human, model, options, message):
    arguments = {"n_resamples": 2, "rng": np.random.default_rng(0)} | options
    with pytest.raises(ValueError, match=message):
        bootstrap_rsa(human, {"m": model}, **arguments)
