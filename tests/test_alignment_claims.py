"""What the claims on alignment measure, on spaces where it is known or plainly counted."""

import gc
import weakref
from itertools import combinations, product
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import procrustes

from claims.alm import alignment, conservative, disparity, lexical
from core.agent.instructions import INSTRUCTIONS, SENTENCES
from core.evidence.embedded import Space, Table
from core.metrics.crossed import crossed_interval
from core.metrics.neighbours import precision_at_k
from core.metrics.permutation import relabellings
from core.verdict.criterion import Criterion, Verdict, judge
from tests.oracles import stats

PHRASES = ("go to", "move towards", "pick up", "escape from", "stay away", "avoid")
COLOURS = ("red", "green", "grey", "yellow", "purple", "blue")
KINDS = ("box", "key", "ball")
WORDS = (*PHRASES, *COLOURS, *KINDS)
#: One-hot codes of each sentence's phrase, colour and kind.
CODES = np.array([[float(w in (i.phrase, i.colour, i.kind)) for w in WORDS] for i in INSTRUCTIONS])
PHRASE, COLOUR, KIND = CODES[:, :6], CODES[:, 6:12], CODES[:, 12:]
OBJECT = np.array([np.kron(c, k) for c, k in zip(COLOUR, KIND, strict=True)])


class Hand:
    """A body of evidence from spaces at hand: one per agent, or one per agent and update."""

    def __init__(self, agents, models, *, copies=None, table=None, draws=None):
        spaces = np.array(agents)
        if spaces.ndim == 3:
            # What an agent was before its training must count in no measure of the trained.
            before = np.random.default_rng(77).standard_normal(spaces.shape)
            spaces = np.stack([before, spaces], axis=1)
        updates = tuple(100 * at for at in range(spaces.shape[1]))
        self._agents = SimpleNamespace(embeddings=spaces, updates=updates)
        self._models, self._copies, self._table = models, copies or {}, table
        self._draws = draws

    def agents(self, variant):
        assert variant == "baseline"
        return self._agents

    def embedding(self, reference, pooling=""):
        key = f"{reference}/{pooling}" if pooling else reference
        return Space(key, self._models[key])

    def untrained(self, reference):
        copies = enumerate(self._copies[reference])
        return tuple(Space(f"{reference}, untrained {at}", each) for at, each in copies)

    def table(self, reference):
        return self._table

    def random(self, draws):
        assert self._draws is not None
        return self._draws[:draws]


def random(seed, width=9):
    return np.random.default_rng(seed).standard_normal((108, width))


def noisy(space, seed, size):
    return space + size * np.random.default_rng(seed).standard_normal(space.shape)


def near(space, k):
    """Each row's k nearest others by cosine, as sets; no ties."""
    unit = space / np.sqrt((space * space).sum(axis=1, keepdims=True))
    product = unit @ unit.T
    np.fill_diagonal(product, -2)
    return [set(np.argsort(-row)[:k].tolist()) for row in product]


def plain(one, other, k):
    pairs = zip(near(one, k), near(other, k), strict=True)
    return sum(len(a & b) for a, b in pairs) / (k * 108)


def overlap(lists, space):
    found = near(space, 15)
    return np.mean([[len(a & b) / 15 for a, b in zip(one, found, strict=True)] for one in lists])


MODEL, OTHER, THIRD = random(1), random(2, 12), noisy(random(1), 3, 0.5)
AGENTS = [noisy(MODEL, seed, 0.2 + seed / 20) for seed in range(10)]


@pytest.fixture
def hand():
    return Hand(AGENTS, {"a": MODEL, "b": OTHER, "c": THIRD, "a/cls": OTHER})


def is_t(found, values, confidence=0.95):
    """An estimate is the mean of these values with Student's interval."""
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    assert_allclose((found.low, found.high), expected, atol=1e-12)
    assert (found.n, found.df, found.confidence) == (len(values), len(values) - 1, confidence)


def of_agents(other, k=15):
    return np.array([plain(agent, other, k) for agent in AGENTS])


def is_wider_t(found, values, sd):
    """Student's interval, and beside it a spread that all agents share, squared and added."""
    assert found.value == pytest.approx(np.mean(values), abs=1e-12)
    assert (found.n, found.df, found.confidence) == (len(values), len(values) - 1, 0.95)
    n = len(values)
    half = stats.t(n - 1).ppf(0.975) * np.sqrt(np.var(values, ddof=1) / n + sd**2)
    # The spread is estimated from 200 relabellings there and from 300 of our own here.
    assert_allclose((found.value - found.low, found.high - found.value), half, rtol=0.2)


def apart(agents, other, k, draws=300):
    """The agents' mean P@k with a space whose sentences are shuffled, the same for all agents."""
    rng, found = np.random.default_rng(0), near(other, k)
    held = np.array([[[j in row for j in range(108)] for row in near(one, k)] for one in agents])
    mean = held.mean(axis=0)
    there = np.array([[j in row for j in range(108)] for row in found])
    orders = [rng.permutation(108) for _ in range(draws)]
    return np.array([(mean * there[np.ix_(o, o)]).sum() / (108 * k) for o in orders])


#: Mean disparity of two clouds of 108 points in nine dimensions, drawn apart.
UNRELATED = np.mean([procrustes(random(seed), random(seed + 500))[2] for seed in range(200, 300)])
#: Agents alike for reasons of their own, which a model drawn apart knows nothing of.
ALIKE = [noisy(random(31), seed, 0.2) for seed in range(10)]


def test_precision_is_the_mean_over_trained_agents(hand):
    found = alignment.precision(hand, "a", 15)
    is_t(found, of_agents(MODEL))
    assert found.label == "a"
    assert found.value > 0.5
    is_t(alignment.precision(hand, "a", 5, confidence=0.9), of_agents(MODEL, 5), 0.9)
    is_t(alignment.precision(hand, "a", 15, "cls"), of_agents(OTHER))


def test_neighbours_are_kept_by_body_point_and_number_and_go_with_the_body():
    first, second = Hand(AGENTS, {}), Hand(AGENTS[::-1], {})
    for body, k, point in product((first, second), (5, 15), (0, -1)):
        spaces = body.agents("baseline").embeddings[:, point]
        for _ in range(2):
            found = alignment.neighbours(body, k, point)
            assert len(found) == len(spaces)
            for one, space in zip(found, spaces, strict=True):
                assert [set(row) for row in one.indices.reshape(108, k)] == near(space, k)
    gone = weakref.ref(first)
    del first, body
    gc.collect()
    assert gone() is None


def test_spaces_that_share_phrases_alone_share_fifteen_of_seventeen():
    found = alignment.precision(Hand([PHRASE, 3 * PHRASE], {"a": PHRASE}), "a", 15)
    assert_allclose((found.value, found.low, found.high), 15 / 17, rtol=1e-12)


def test_table_cells_are_distances_in_printed_deviations(hand):
    table = Table((1, 15), (0.5, 0.25), (0.1, 0.02))
    same = Hand([MODEL, 2 * MODEL], {"a": MODEL}, table=table)
    first, last = alignment.table_cells(same, "a")
    assert (first.value, last.value) == (pytest.approx(5), pytest.approx(37.5))
    assert first.label == "a, k = 1"
    told = Hand(AGENTS, {"a": MODEL, "a/cls": OTHER}, table=table)
    for pooling, model in (("", MODEL), ("cls", OTHER)):
        cells = alignment.table_cells(told, "a", pooling)
        is_t(cells[0], (of_agents(model, 1) - 0.5) / 0.1)
        is_t(cells[1], (of_agents(model) - 0.25) / 0.02)


def test_chance_is_taken_off_at_every_k(hand):
    found = alignment.over_chance(hand, "a", 4)
    assert [one.label for one in found] == [f"a, k = {k}" for k in (1, 2, 3, 4)]
    for k, one in zip((1, 2, 3, 4), found, strict=True):
        is_wider_t(one, of_agents(MODEL, k) - k / 107, apart(AGENTS, MODEL, k).std(ddof=1))
        assert one.seed == 15
    (tenfold,) = alignment.over_chance(hand, "a", 1, times=10)
    is_wider_t(tenfold, of_agents(MODEL, 1) - 10 / 107, apart(AGENTS, MODEL, 1).std(ddof=1))
    (last,) = alignment.over_chance(hand, "a", 15, 15)
    is_wider_t(last, of_agents(MODEL) - 15 / 107, apart(AGENTS, MODEL, 15).std(ddof=1))


def test_what_agents_have_in_common_meets_a_model_by_chance():
    (found,) = alignment.over_chance(Hand(ALIKE, {"a": OTHER}), "a", 15, 15)
    values = np.array([plain(one, OTHER, 15) for one in ALIKE]) - 15 / 107
    spread = apart(ALIKE, OTHER, 15).std(ddof=1)
    # Of the two spreads it is the one that all agents share that makes the interval.
    assert spread > 3 * np.std(values, ddof=1) / np.sqrt(10)
    is_wider_t(found, values, spread)
    # Agents that differ in nothing leave that spread alone.
    (same,) = alignment.over_chance(Hand([MODEL] * 10, {"a": OTHER}), "a", 15, 15)
    is_wider_t(same, [plain(MODEL, OTHER, 15) - 15 / 107] * 10, apart([MODEL], OTHER, 15).std())


def alike_by_themselves(world):
    """Five agents near to each other, and a model that has nothing to do with them."""
    base, model = random(1000 + world), random(2000 + world)
    return Hand([noisy(base, 5 * world + seed, 0.1) for seed in range(5)], {"a": model})


@pytest.mark.parametrize(
    ("measure", "of_seeds"),
    [
        (
            lambda body: alignment.over_chance(body, "a", 15, 15)[0],
            lambda one, other: plain(one, other, 15) - 15 / 107,
        ),
        (
            lambda body: disparity.less_permuted(body, "a"),
            # What relabelling gives is much the same for all spaces of this width.
            lambda one, other: procrustes(one, other)[2] - UNRELATED,
        ),
    ],
    ids=["neighbours", "shape"],
)
def test_agents_alike_for_reasons_of_their_own_are_not_taken_for_aligned(measure, of_seeds):
    worlds, covered, narrow = 30, 0, 0
    for world in range(worlds):
        body = alike_by_themselves(world)
        found = measure(body)
        covered += found.low <= 0 <= found.high
        ends, other = body.agents("baseline").embeddings[:, -1], body.embedding("a").values
        values = [of_seeds(one, other) for one in ends]
        low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        narrow += low <= 0 <= high
    assert covered >= 27
    assert narrow <= 15


def test_random_spaces_are_held_against_chance_over_agents_and_draws():
    draws = np.random.default_rng(8).standard_normal((120, 108, 7))
    five, last = alignment.random_spaces(Hand(ALIKE, {}, draws=draws), [5, 15])
    for one, k in ((five, 5), (last, 15)):
        mine, theirs = ([near(x, k) for x in spaces] for spaces in (ALIKE, draws[:100]))
        values = [
            [sum(map(len, map(set.__and__, a, b))) / (108 * k) - k / 107 for b in theirs]
            for a in mine
        ]
        mean, low, high, df = crossed_interval(values)
        assert_allclose((one.value, one.low, one.high, one.df), (mean, low, high, df), atol=1e-12)
        assert abs(one.value) < 0.005
        assert (one.n, one.label, one.confidence) == (10, f"k = {k}", 0.95)
    (narrower,) = alignment.random_spaces(Hand(ALIKE, {}, draws=draws), [15], 0.9)
    assert last.low < narrower.low < narrower.high < last.high
    assert narrower.confidence == 0.9
    # Spaces that are not random do not pass for it.
    near_by = np.array([noisy(random(31), seed, 0.3) for seed in range(50, 150)])
    (found,) = alignment.random_spaces(Hand(ALIKE, {}, draws=near_by), [15])
    assert found.low > 0.3


def test_differences_are_paired_agent_by_agent(hand):
    first, second = alignment.difference(hand, "a", ["b", "c"], 15, 0.9)
    is_t(first, of_agents(MODEL) - of_agents(OTHER), 0.9)
    is_t(second, of_agents(MODEL) - of_agents(THIRD), 0.9)
    assert (first.label, second.label) == ("a over b", "a over c")
    assert first.value > 0.2


def test_models_agree_pair_by_pair_without_sampling(hand):
    found = alignment.among(hand, ["a", "b", "c"], 15)
    assert [one.label for one in found] == ["a and b", "a and c", "b and c"]
    for one, (x, y) in zip(found, combinations((MODEL, OTHER, THIRD), 2), strict=True):
        assert one.value == one.low == one.high == pytest.approx(plain(x, y, 15))
        assert (one.n, one.confidence) == (108, 1.0)


def test_agents_are_held_against_all_pairs_of_models(hand):
    pairs = {
        (x, y): plain(hand.embedding(x).values, hand.embedding(y).values, 15)
        for x, y in combinations("abc", 2)
    }
    (found,) = alignment.below_among(hand, ["a"], ["b", "c"], 15)
    is_t(found, of_agents(MODEL) - np.mean(list(pairs.values())))
    first, second = alignment.below_among(hand, ["a", "c"], [], 15, 0.9)
    is_t(first, of_agents(MODEL) - pairs["a", "c"], 0.9)
    is_t(second, of_agents(THIRD) - pairs["a", "c"], 0.9)
    assert (first.label, second.label) == ("a", "c")


def test_relabelled_sentences_share_less_where_there_is_something_to_share(hand, monkeypatch):
    found = alignment.permutation(hand, "a", 15)
    assert found.value == pytest.approx(1 / 10_001)
    # Wilson's interval without a single case of 10,000: z^2 / (10,000 + z^2) with z = 1.95996.
    assert found.low == 0
    assert found.high == pytest.approx(3.8415 / 10_003.8415, rel=1e-4)
    assert found.high < 0.001
    assert (found.n, found.seed, found.label, found.confidence) == (10, 15, "a", 0.95)
    # Agents that mirror the model's neighbours for other sentences are no better than chance.
    turned = Hand([MODEL[::-1], np.roll(MODEL, 50, axis=0)], {"a": MODEL})
    chance = alignment.permutation(turned, "a", 15)
    assert chance.low < chance.value < chance.high
    assert chance.low > 0.01
    # Where all sentences are at one place, every relabelling does as well.
    monkeypatch.setattr(alignment, "P_DRAWS", 100)
    flat = alignment.permutation(Hand([np.ones((108, 3))] * 2, {"a": MODEL}), "a", 15)
    assert (flat.value, flat.high) == (1, 1)
    assert flat.low == pytest.approx(100 / 103.8415, rel=1e-5)
    assert flat.method.endswith("exact null 0.140, sd 0.0000")


def test_the_exact_null_is_told_beside_p_and_is_that_of_the_draws(hand):
    agents, draws = alignment.neighbours(hand, 15), 4000
    exact = alignment.exact_null(agents, MODEL, 15)
    assert exact.mean == pytest.approx(15 / 107, rel=1e-12)
    drawn = relabellings(108, draws, np.random.default_rng(3))
    null = alignment.relabelled(agents, MODEL, 15, drawn)
    # Four standard errors, of the mean and of the variance about a known mean.
    assert abs(null.mean() - exact.mean) < 4 * exact.sd / np.sqrt(draws)
    square = ((null - exact.mean) / exact.sd) ** 2
    assert abs(square.mean() - 1) < 4 * square.std() / np.sqrt(draws)
    # Against sets of neighbours, without the suite's; few draws, so that the sd is rough.
    few = apart(AGENTS[:3], MODEL, 15)
    three = alignment.exact_null(alignment.near(AGENTS[:3], 15), MODEL, 15)
    assert abs(few.mean() - three.mean) < 4 * three.sd / np.sqrt(len(few))
    assert few.std() == pytest.approx(three.sd, rel=0.2)
    told = alignment.permutation(hand, "a", 15).method
    z = (of_agents(MODEL).mean() - 15 / 107) / null.std()
    assert float(told.rpartition("z ")[2]) == pytest.approx(z, rel=0.05)
    assert f"; exact null 0.140, sd {exact.sd:.4f}, z " in told


def test_models_are_held_against_relabelled_sentences_pair_by_pair(hand):
    found = alignment.permutation_among(hand, ["a", "b", "c"], 15)
    assert [one.label for one in found] == ["a and b", "a and c", "b and c"]
    assert [one.n for one in found] == [1, 1, 1]
    for one, (x, y) in zip(found, combinations((MODEL, OTHER, THIRD), 2), strict=True):
        null = apart([x], y, 15)
        share = np.mean(null >= plain(x, y, 15) - 1e-12)
        # Four standard errors of a share of 300.
        error = 4 * np.sqrt(max(share * (1 - share), 1 / 300) / 300)
        assert one.value == pytest.approx(share, abs=error)
        assert one.low <= one.value <= one.high
    assert found[1].value == pytest.approx(1 / 10_001)
    assert found[0].value > 0.01


def test_all_agents_meet_the_same_relabelling():
    # Ten of one agent are one agent: drawn apart, their mean would hardly vary.
    agent = noisy(MODEL, 5, 8.0)
    one = alignment.permutation(Hand([agent] * 2, {"a": MODEL}), "a", 15)
    ten = alignment.permutation(Hand([agent] * 10, {"a": MODEL}), "a", 15)
    assert one.value == ten.value
    # Against relabellings of our own, without the suite's.
    rng, mine = np.random.default_rng(0), [near(agent, 15)]
    null = [overlap(mine, MODEL[rng.permutation(108)]) for _ in range(300)]
    share = np.mean(np.array(null) >= overlap(mine, MODEL) - 1e-12)
    assert 0.005 < share < 0.995
    assert one.value == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 300))


def test_spread_has_the_textbooks_interval(hand):
    found = alignment.spread(hand, "a", 15)
    sd = np.std(of_agents(MODEL), ddof=1)
    assert found.value == pytest.approx(sd, rel=1e-12)
    # Chi square with 9 degrees of freedom, as tables print its 2.5 and 97.5 per cent points.
    assert found.low == pytest.approx(sd * np.sqrt(9 / 19.023), rel=1e-4)
    assert found.high == pytest.approx(sd * np.sqrt(9 / 2.700), rel=1e-3)
    assert found.n == 10


FAMILY = ["agents among themselves", "agents and a", "untrained agents and a"]


@pytest.mark.parametrize("measure", sorted(conservative.MEASURES))
def test_no_measure_is_more_conservative_where_spaces_are_the_same(measure):
    body = Hand(np.stack([[MODEL, 3 * MODEL]] * 3), {"a": MODEL})
    found = conservative.conservative(body, "a", measure, 15)
    assert [one.label for one in found] == FAMILY
    for one in found:
        assert_allclose((one.value, one.low, one.high), 0, atol=1e-9)


def pearson(x, y):
    upper = np.triu_indices(108, 1)
    # Beside its own negative a row has the mean zero, and correlations are cosines.
    cosines = [np.corrcoef(np.hstack([s, -s]))[upper] for s in (x, y)]
    return np.corrcoef(cosines)[0, 1]


def test_measures_are_compared_as_shares_of_the_way_from_chance():
    starts = [noisy(MODEL, 50 + seed, 1 + seed / 5) for seed in range(10)]
    body = Hand(np.stack([starts, AGENTS], axis=1), {"b": THIRD})
    pairs, ends, before = conservative.conservative(body, "b", "Pearson correlation", 15)

    def gap(x, y):
        return (plain(x, y, 15) - 15 / 107) / (1 - 15 / 107) - pearson(x, y)

    is_t(ends, [gap(agent, THIRD) for agent in AGENTS])
    is_t(before, [gap(start, THIRD) for start in starts])
    assert abs(ends.value - before.value) > 0.005
    # Every pair counts once, and an agent's doubt is that of leaving it out with all its pairs.
    values = {both: gap(*(AGENTS[i] for i in both)) for both in combinations(range(10), 2)}

    def mean(without=None):
        return np.mean([value for both, value in values.items() if without not in both])

    assert pairs.value == pytest.approx(mean())
    pseudo = [10 * mean() - 9 * mean(without) for without in range(10)]
    expected = stats.ttest_1samp(pseudo, 0).confidence_interval(0.95)
    assert_allclose((pairs.low, pairs.high), expected, atol=1e-9)
    assert [each.n for each in (pairs, ends, before)] == [10] * 3
    assert pairs.df == 9


def test_unrelated_spaces_are_at_chance_by_every_measure():
    body = Hand([random(seed) for seed in range(20, 30)], {"a": MODEL})
    for measure in conservative.MEASURES:
        found = conservative.conservative(body, "a", measure, 15)
        assert [one.label for one in found] == FAMILY
        for one in found:
            assert abs(one.value) < 0.03


def test_copies_of_two_untrained_models_are_crossed_samples():
    llama, qwen = [MODEL, OTHER, random(71)], [noisy(MODEL, 72, 0.3), THIRD]
    body = Hand(AGENTS, {}, copies={"llama": llama, "qwen": qwen})
    found = alignment.untrained_pairs(body, "llama", "qwen", 15)
    values = [[plain(x, y, 15) for y in qwen] for x in llama]
    mean, low, high, df = crossed_interval(values)
    assert_allclose((found.value, found.low, found.high, found.df), (mean, low, high, df))
    assert (found.n, found.label, found.confidence) == (6, "llama and qwen", 0.95)
    # Which of the two comes first does not matter.
    back = alignment.untrained_pairs(body, "qwen", "llama", 15)
    assert_allclose((back.value, back.low, back.high), (mean, low, high))
    assert back.label == "qwen and llama"
    # Six pairs of five copies are no six samples.
    plainly = stats.ttest_1samp(np.ravel(values), 0).confidence_interval(0.95)
    assert found.high - found.low > 1.5 * (plainly.high - plainly.low)


def test_untrained_agents_are_those_before_any_training():
    spaces = np.stack([[noisy(MODEL, s, 0.5), OTHER[:, :9]] for s in range(5)])
    body = Hand(spaces, {}, copies={"llama": [MODEL, THIRD]})
    found = alignment.untrained_agents(body, "llama", 15)
    starts = spaces[:, 0]
    is_t(found, [(plain(s, MODEL, 15) + plain(s, THIRD, 15)) / 2 for s in starts])
    assert found.label == "llama"


def turned(space, seed):
    """The same shape, turned, moved and of another size."""
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((space.shape[1],) * 2))[0]
    return 3 * space @ q + seed


def test_disparity_is_scipys_and_its_median_has_order_statistics():
    other = random(9)
    body = Hand(AGENTS, {"a": other})
    values = sorted(procrustes(agent, other)[2] for agent in AGENTS)
    found = disparity.median(body, "a")
    assert found.value == pytest.approx((values[4] + values[5]) / 2)
    # Of ten, the second from either end: 1 - 2 * 11 / 1024.
    assert (found.low, found.high) == (pytest.approx(values[1]), pytest.approx(values[8]))
    assert found.confidence == pytest.approx(1 - 22 / 1024)
    assert found.n == 10
    same = disparity.median(Hand([turned(other, s) for s in range(3)], {"a": other}), "a")
    assert_allclose((same.value, same.low, same.high), 0, atol=1e-9)


def test_a_wider_model_is_brought_to_the_agents_width():
    # Variance in nine dimensions, and as much again that no agent can have.
    wide = np.hstack([10 * MODEL, OTHER[:, :3]])
    body = Hand([MODEL, turned(MODEL, 4)], {"a": MODEL, "a/mean": wide})
    found = disparity.median(body, "a", "mean")
    centred = wide - wide.mean(axis=0)
    scores = centred @ np.linalg.eigh(centred.T @ centred)[1][:, :-10:-1]
    assert found.value == pytest.approx(procrustes(MODEL, scores)[2])


def test_disparities_differ_agent_by_agent(hand):
    body = Hand(AGENTS, {"a": MODEL, "c": THIRD})
    (found,) = disparity.difference(body, "c", ["a"], 0.9)
    gaps = [procrustes(x, THIRD)[2] - procrustes(x, MODEL)[2] for x in AGENTS]
    is_t(found, gaps, 0.9)
    assert found.label == "c over a"
    assert found.value > 0


def test_disparity_is_held_against_relabelled_sentences():
    body = Hand([turned(MODEL, 1), turned(MODEL, 2)], {"a": MODEL})
    found = disparity.less_permuted(body, "a")
    rng = np.random.default_rng(0)
    level = np.mean([procrustes(MODEL, MODEL[rng.permutation(108)])[2] for _ in range(300)])
    assert level < 0.95
    assert found.value == pytest.approx(-level, abs=0.01)
    apart = disparity.less_permuted(Hand([random(s) for s in range(40, 50)], {"a": MODEL}), "a")
    assert abs(apart.value) < 0.02


def test_all_agents_meet_the_same_relabellings_in_shape_too():
    # Ten of one agent have no spread but that of relabelling, and no less of it for being ten.
    found = disparity.less_permuted(Hand([turned(MODEL, 1)] * 10, {"a": OTHER[:, :9]}), "a")
    rng, other = np.random.default_rng(0), OTHER[:, :9]
    null = [procrustes(MODEL, other[rng.permutation(108)])[2] for _ in range(300)]
    seen = procrustes(MODEL, other)[2]
    assert found.value == pytest.approx(seen - np.mean(null), abs=0.005)
    half = stats.t(9).ppf(0.975) * np.std(null, ddof=1)
    assert_allclose((found.value - found.low, found.high - found.value), half, rtol=0.2)
    assert (found.n, found.df, found.seed, found.label) == (10, 9, 15, "a")


def test_a_line_has_nothing_but_chance_in_common_with_a_cloud():
    line = np.zeros((108, 4))
    line[:, 0] = random(3, 1)[:, 0]
    draws = np.random.default_rng(5).standard_normal((30, 108, 4))
    found = disparity.random_spaces(Hand([line, line], {}, draws=draws))
    # Four directions among the 107 in which 108 centred points can vary, one scored at a time.
    assert found.value == pytest.approx(np.mean([procrustes(line, d)[2] for d in draws[:20]]))
    assert found.n == 2
    assert found.low < found.value < found.high


def test_disparities_from_random_spaces_are_over_agents_and_draws():
    draws = np.random.default_rng(6).standard_normal((25, 108, 9))
    found = disparity.random_spaces(Hand(AGENTS, {}, draws=draws))
    values = [[procrustes(agent, one)[2] for one in draws[:20]] for agent in AGENTS]
    assert_allclose((found.value, found.low, found.high, found.df), crossed_interval(values))
    assert (found.n, found.confidence) == (10, 0.95)


def two_points(before, after, agents=3):
    width = max(before.shape[1], after.shape[1])
    points = [np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (before, after)]
    return np.stack([points] * agents)


def test_agents_that_training_leaves_alone_gain_exactly_nothing():
    spaces = np.stack([[agent, agent] for agent in AGENTS])
    found = lexical.over_null(Hand(spaces, {"a": MODEL}), "a", "untrained agent", 15)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert (found.n, found.label) == (10, "a")


def test_agents_that_are_a_null_gain_exactly_nothing_over_it():
    body = Hand([PHRASE, 2 * PHRASE], {"a": MODEL})
    found = lexical.over_null(body, "a", "phrase only", 15)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_the_gain_over_a_null_is_that_of_expected_neighbours():
    found = lexical.over_null(Hand([MODEL, MODEL], {"a": MODEL}), "a", "phrase only", 15)
    # A phrase's other 17 sentences are each taken with probability 15/17.
    same = [
        sum(INSTRUCTIONS[j].phrase == INSTRUCTIONS[i].phrase for j in row)
        for i, row in enumerate(near(MODEL, 15))
    ]
    assert found.value == pytest.approx(1 - np.mean(same) * (15 / 17) / 15)


def renamed_orders(draws, seed):
    """Where each sentence goes when words are renamed, by the words themselves."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        new = {
            word: other
            for group in (PHRASES[:-1], COLOURS, KINDS)
            for word, other in zip(group, rng.permutation(group).tolist(), strict=True)
        } | {"avoid": "avoid"}
        yield [
            SENTENCES.index(f"{new[i.phrase]} the {new[i.colour]} {new[i.kind]}")
            for i in INSTRUCTIONS
        ]


def words(seed, width=40, weights=(3, 1, 1)):
    """A space where every word has a vector and a sentence is their sum."""
    vectors = np.random.default_rng(seed).standard_normal((15, width))
    vectors *= np.repeat(weights, (6, 6, 3))[:, None]
    return CODES @ vectors


def test_the_interval_over_a_null_takes_in_which_word_means_what():
    model = words(1)
    body = Hand(two_points(CODES, model), {"a": model})
    found = lexical.over_null(body, "a", "untrained agent", 15)
    # The codes stay as they are whatever words are called; agents are all alike.
    mine = near(model, 15)
    moved = []
    for order in renamed_orders(500, 3):
        other = near(model[order], 15)
        moved.append(sum(len(a & b) for a, b in zip(mine, other, strict=True)) / (15 * 108))
    half = (found.high - found.low) / 2
    assert half > stats.norm.ppf(0.975) * np.std(moved) * 0.85
    # Sentences are a sample, too: their spread comes on top, squared.
    values = [len(a & b) for a, b in zip(mine, mine, strict=True)]
    assert np.std(values) == 0
    assert found.low + half == pytest.approx(found.value)
    # A model that knows no meaning has no renaming to vary with.
    codes = Hand(two_points(PHRASE, model), {"a": CODES})
    plainly = lexical.over_null(codes, "a", "untrained agent", 15)
    assert (plainly.high - plainly.low) < half


def test_the_best_words_do_at_least_as_well_as_any():
    for weights in ((3, 1, 1), (1, 3, 1), (1, 1, 3), (0, 1, 1)):
        model = words(5, weights=weights)
        best = lexical.best_words(model, 15)
        assert best.shape == (108, 15)
        reached = precision_at_k(best, model, 15)
        for code in (CODES, PHRASE, COLOUR, KIND, np.hstack([3 * PHRASE, COLOUR, KIND])):
            assert reached >= precision_at_k(code, model, 15) - 1e-12
    # Where colours weigh most, so they do in the best code.
    best = lexical.best_words(words(5, weights=(1, 3, 1)), 15)
    sizes = [np.abs(best[:, block]).max() for block in (slice(6), slice(6, 12), slice(12, 15))]
    assert sizes[1] == max(sizes)
    assert sizes[1] > sizes[0]


def letters(sentence):
    padded = f" {sentence} "
    return [padded[i : i + n] for n in (2, 3, 4) for i in range(len(padded) - n + 1)]


def counted(tokens):
    known = sorted({token for sentence in SENTENCES for token in tokens(sentence)})
    rows = [[tokens(sentence).count(token) for token in known] for sentence in SENTENCES]
    return np.array(rows, dtype=float)


def vectors(counts, width, seed=0):
    """A space where everything counted has a vector of its own and a sentence is their sum."""
    return counts @ np.random.default_rng(seed).standard_normal((counts.shape[1], width))


BAG = counted(str.split)
MEAN_OF_WORDS = vectors(BAG / BAG.sum(axis=1, keepdims=True), 40)
LETTERS = vectors(counted(letters), 400)


def slots(weights):
    """Words of a sentence, counted, those of its phrase, colour and kind weighed."""
    known = sorted({word for sentence in SENTENCES for word in sentence.split()})
    phrase, colour, kind = weights
    return BAG * [
        colour if word in COLOURS else kind if word in KINDS else phrase for word in known
    ]


@pytest.mark.parametrize(
    "model",
    [
        *(words(5, weights=weights) for weights in ((3, 1, 1), (1, 3, 1), (2, 0, 3))),
        # A sentence as the mean of its words, and as what its letters are.
        MEAN_OF_WORDS,
        LETTERS,
    ],
    ids=["phrases", "colours", "kinds", "bag", "letters"],
)
def test_the_best_words_do_at_least_as_well_as_each_that_there_is(model):
    reached = precision_at_k(lexical.best_words(model, 15), model, 15)
    some = [each for each in product((0, 1, 3), repeat=3) if any(each)]
    codes = [np.hstack([p * PHRASE, c * COLOUR, k * KIND]) for p, c, k in some]
    bags = [slots(each) for each in some if each[0]]
    for null in (*codes, *bags, counted(letters)):
        assert reached >= precision_at_k(null, model, 15) - 1e-12


def test_no_bag_of_words_beats_the_best_of_them():
    model = words(4)
    codes = np.hstack([3 * PHRASE, COLOUR, KIND])
    found = lexical.over_null(Hand([codes, codes], {"a": model}), "a", "best of words", 15)
    assert found.value <= 1e-12
    better = lexical.over_null(Hand([model, model], {"a": model}), "a", "best of words", 15)
    assert better.value > 0.1


def test_renaming_words_is_renaming_and_nothing_else():
    drawn = lexical.renamings(300, np.random.default_rng(2))
    assert drawn.shape == (300, 108)
    firsts = []
    for order in drawn:
        new = {}
        for i, j in zip(INSTRUCTIONS, order, strict=True):
            other = INSTRUCTIONS[j]
            for a, b in (
                (i.phrase, other.phrase),
                (i.colour, other.colour),
                (i.kind, other.kind),
            ):
                assert new.setdefault(a, b) == b
        assert len(set(new.values())) == 15
        assert new["avoid"] == "avoid"
        firsts.append((new["go to"], new["red"], new["box"]))
    # Every name of its group is as likely as another.
    for at, group in enumerate((PHRASES[:-1], COLOURS, KINDS)):
        counts = [sum(first[at] == word for first in firsts) for word in group]
        assert stats.chisquare(counts).pvalue > 0.001


ABOVE = Criterion.parse({"kind": "above", "bound": 0})


@pytest.mark.parametrize(
    "code",
    [
        *(CODES, PHRASE, OBJECT),
        np.hstack([3 * PHRASE, COLOUR, KIND]),
        # The one phrase of a single word may be known by its length.
        np.hstack([9 * PHRASE[:, 5:], CODES]),
    ],
)
def test_what_knows_no_meaning_is_aligned_as_well_with_words_renamed(code):
    # One of the two suffices, whatever the other is.
    for agent, model in ((code, words(1)), (words(1), code)):
        found = lexical.renamed(Hand([agent, agent], {"a": model}), "a", 15)
        # Rounding must not pass for meaning.
        assert (found.value, found.low, found.high) == (0, 0, 0)
        assert judge(found, ABOVE) is not Verdict.SUPPORTED
        assert "p = 1.000" in found.method
        assert (found.n, found.seed, found.confidence) == (2, 15, 0.9)


def above_null(found, seen, null):
    """An estimate is how far a figure is above a null of our own draws."""
    low, high = np.quantile(null, [0.95, 0.05])
    error = 4 * np.std(null) / np.sqrt(len(null))
    assert found.value == pytest.approx(seen - np.mean(null), abs=error)
    # Quantiles of the tails stray more than means do.
    assert found.low == pytest.approx(seen - low, abs=3 * error)
    assert found.high == pytest.approx(seen - high, abs=3 * error)


def test_a_figure_is_above_its_null_where_it_is_beyond_the_95_per_cent_point(monkeypatch):
    body = Hand([MODEL, MODEL], {"a": MODEL})
    for shift, verdict in ((-0.01, Verdict.SUPPORTED), (0.01, Verdict.INCONCLUSIVE)):
        # P@15 is 1; of this null the 95 per cent point is 1 + shift, the 5 per cent point .1 + it.
        null = np.linspace(0.05, 1.05, 101) + shift
        monkeypatch.setattr(lexical, "relabelled", lambda *_, null=null: null)
        found = lexical.renamed(body, "a", 15)
        assert_allclose((found.low, found.high), (-shift, 0.9 - shift), atol=1e-12)
        assert judge(found, ABOVE) is verdict


def test_shared_meaning_shows_when_words_are_renamed():
    model = words(1)
    agents = [noisy(model, seed, 1.0) for seed in range(3)]
    found = lexical.renamed(Hand(agents, {"a": model}), "a", 15)
    lists = [near(agent, 15) for agent in agents]
    null = [overlap(lists, model[order]) for order in renamed_orders(300, 5)]
    above_null(found, overlap(lists, model), null)
    assert judge(found, ABOVE) is Verdict.SUPPORTED
    assert "p = 0.001" in found.method
    apart = lexical.renamed(Hand([words(s) for s in range(10, 16)], {"a": model}), "a", 15)
    assert apart.low < 0 < apart.high


def test_more_than_phrases_is_shared_where_objects_matter():
    other = np.random.default_rng(3).standard_normal((6, 7))
    phrases = lexical.within_phrase(Hand([PHRASE, PHRASE], {"a": PHRASE @ other}), "a", 15)
    assert (phrases.value, phrases.low, phrases.high) == (0, 0, 0)
    model = words(1)
    found = lexical.within_phrase(Hand([model, 2 * model], {"a": model}), "a", 15)
    rng, mine = np.random.default_rng(7), near(model, 15)
    blocks = np.arange(108).reshape(6, 18)
    null = [overlap([mine], model[rng.permuted(blocks, axis=1).ravel()]) for _ in range(300)]
    above_null(found, 1, null)
    assert judge(found, ABOVE) is Verdict.SUPPORTED


def cosines(space):
    unit = space / np.linalg.norm(space, axis=1)[:, None]
    return (unit @ unit.T).round(12)


def test_partial_correlations_hold_words_and_letters_fixed():
    upper = np.triu_indices(108, 1)
    given = [block @ block.T for block in (PHRASE, COLOUR, KIND)]
    given += [cosines(counted(str.split)), cosines(counted(letters))]
    for mine, expected in zip(lexical.lexical_matrices(), given, strict=True):
        assert_allclose(mine[upper], expected[upper], atol=1e-9)
    design = np.column_stack(
        [np.ones(len(upper[0])), *(stats.rankdata(each[upper]) for each in given)]
    )

    def rest(space):
        ranks = stats.rankdata(cosines(space)[upper])
        return ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]

    model = words(1)
    agents = [noisy(model, s, 0.5 + s / 2) for s in range(3)]
    found = lexical.beyond_words(Hand(agents, {"a": model}), "a")
    expected = np.mean([np.corrcoef(rest(agent), rest(model))[0, 1] for agent in agents])
    assert f"{expected:.3f}" in found.method
    targets = [rest(model[order]) for order in renamed_orders(60, 9)]
    mine = [rest(agent) for agent in agents]
    null = [np.mean([np.corrcoef(one, other)[0, 1] for one in mine]) for other in targets]
    assert found.value == pytest.approx(expected - np.mean(null), abs=0.5 * float(np.std(null)))
    assert (found.n, found.label, found.confidence) == (3, "a", 0.9)
    assert judge(found, ABOVE) is Verdict.SUPPORTED
    apart = lexical.beyond_words(Hand([words(s) for s in range(10, 16)], {"a": model}), "a")
    assert apart.low < 0 < apart.high


def test_shared_neighbours_are_those_of_the_phrase():
    phrases = lexical.block_share(Hand([PHRASE, 2 * PHRASE], {"a": PHRASE}), "a", 15)
    assert_allclose((phrases.value, phrases.low, phrases.high), 1)
    # Five others have the object, of the other 102 ten are drawn by each space, 17 of the phrase.
    objects = lexical.block_share(Hand([OBJECT, OBJECT], {"a": OBJECT}), "a", 15)
    drawn = (10 / 102) ** 2
    assert objects.value == pytest.approx(17 * drawn / (5 + 102 * drawn))


def test_what_phrases_leave_is_what_their_sizes_do_not_explain():
    phrases = lexical.over_blocks(Hand([PHRASE, PHRASE], {"a": PHRASE}), "a", 15, 0.9)
    assert_allclose((phrases.value, phrases.low, phrases.high), 0, atol=1e-12)
    assert phrases.confidence == 0.9
    objects = lexical.over_blocks(Hand([OBJECT, OBJECT], {"a": OBJECT}), "a", 15, 0.9)
    drawn, of_phrase = (10 / 102) ** 2, 17 * 10 / 102
    kept = 5 + 102 * drawn
    shuffled = of_phrase**2 / 17 + (15 - of_phrase) ** 2 / 90
    assert objects.value == pytest.approx((kept - shuffled) / 15)


def test_the_course_is_the_end_less_each_earlier_point():
    # Objects share with phrases what chance leaves: 10 of 102 of the phrase.
    low, high = 10 / 102, 15 / 17
    wide = [np.pad(space, ((0, 0), (0, 18 - space.shape[1]))) for space in (PHRASE, OBJECT)]
    spaces = np.stack([[wide[1], wide[0], wide[1], wide[0]]] * 3)
    found = lexical.course(Hand(spaces, {"a": PHRASE}), "a", 15)
    assert [one.label for one in found] == [f"a, update {update}" for update in (0, 100, 200)]
    for one, gap in zip(found, (high - low, 0, high - low), strict=True):
        assert_allclose((one.value, one.low, one.high), gap, atol=1e-12)
    falling = lexical.course(Hand(spaces[:, 1:3], {"a": PHRASE}), "a", 15)
    assert [one.value for one in falling] == [pytest.approx(low - high)]


def test_a_null_alone_has_no_sample(hand):
    found = lexical.null_alone(Hand([PHRASE], {"a": PHRASE}), "a", "phrase only", 15)
    assert found.value == found.low == found.high == pytest.approx(15 / 17)
    assert (found.n, found.confidence, found.label) == (108, 1.0, "a")
    # Bags tie, so the plain count is of what ties leave: here five of the object.
    bag = lexical.null_alone(Hand([PHRASE], {"a": OBJECT}), "a", "object only", 5)
    assert bag.value == pytest.approx(1)


def test_codes_are_of_the_sentences_in_their_order():
    assert_array_equal(CODES.sum(axis=1), np.full(108, 3))
    assert_array_equal(lexical.COLOUR_OF, COLOUR.argmax(axis=1))
    assert_array_equal(lexical.KIND_OF, KIND.argmax(axis=1))
