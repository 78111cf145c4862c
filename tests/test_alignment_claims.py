"""What the claims on alignment measure, on spaces where it is known or plainly counted."""

from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial import procrustes

from claims.alm import alignment, disparity, lexical
from core.agent.instructions import INSTRUCTIONS, SENTENCES
from core.evidence.embedded import Space, Table
from core.metrics.neighbours import precision_at_k
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

    def __init__(self, agents, models, *, copies=None, table=None):
        spaces = np.array(agents)
        if spaces.ndim == 3:
            # What an agent was before its training must count in no measure of the trained.
            before = np.random.default_rng(77).standard_normal(spaces.shape)
            spaces = np.stack([before, spaces], axis=1)
        updates = tuple(100 * at for at in range(spaces.shape[1]))
        self._agents = SimpleNamespace(embeddings=spaces, updates=updates)
        self._models, self._copies, self._table = models, copies or {}, table

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


def test_precision_is_the_mean_over_trained_agents(hand):
    found = alignment.precision(hand, "a", 15)
    is_t(found, of_agents(MODEL))
    assert found.label == "a"
    assert found.value > 0.5
    is_t(alignment.precision(hand, "a", 5, confidence=0.9), of_agents(MODEL, 5), 0.9)
    is_t(alignment.precision(hand, "a", 15, "cls"), of_agents(OTHER))


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
        is_t(one, of_agents(MODEL, k) - k / 107)
    (tenfold,) = alignment.over_chance(hand, "a", 1, times=10)
    is_t(tenfold, of_agents(MODEL, 1) - 10 / 107)
    (last,) = alignment.over_chance(hand, "a", 15, 15)
    is_t(last, of_agents(MODEL) - 15 / 107)


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


def test_relabelled_sentences_share_less_where_there_is_something_to_share(hand):
    found = alignment.permutation(hand, "a", 15)
    assert found.value == found.low == found.high == pytest.approx(1 / 1001)
    assert (found.n, found.seed) == (1000, 15)
    # Where all sentences are at one place, every relabelling does as well.
    flat = Hand([np.ones((108, 3))] * 2, {"a": MODEL})
    assert alignment.permutation(flat, "a", 15).value == 1
    # Agents that mirror the model's neighbours for other sentences are no better than chance.
    turned = Hand([MODEL[::-1], np.roll(MODEL, 50, axis=0)], {"a": MODEL})
    assert alignment.permutation(turned, "a", 15).value > 0.01


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


@pytest.mark.parametrize("measure", sorted(alignment.MEASURES))
def test_no_measure_is_more_conservative_where_spaces_are_the_same(measure):
    body = Hand([MODEL, 3 * MODEL, MODEL], {"a": MODEL})
    model, agents = alignment.conservative(body, ["a", "agents"], measure, 15)
    for one, label in ((model, "a"), (agents, "another agent")):
        assert_allclose((one.value, one.low, one.high), 0, atol=1e-9)
        assert one.label == label


def pearson(x, y):
    upper = np.triu_indices(108, 1)
    # Beside its own negative a row has the mean zero, and correlations are cosines.
    cosines = [np.corrcoef(np.hstack([s, -s]))[upper] for s in (x, y)]
    return np.corrcoef(cosines)[0, 1]


def test_measures_are_compared_as_shares_of_the_way_from_chance(hand):
    model, agents = alignment.conservative(hand, ["b", "agents"], "Pearson correlation", 15)

    def gap(x, y):
        return (plain(x, y, 15) - 15 / 107) / (1 - 15 / 107) - pearson(x, y)

    is_t(model, [gap(agent, OTHER) for agent in AGENTS])
    # Each with another: in a ring, so that every agent comes twice.
    is_t(agents, [gap(AGENTS[i], AGENTS[i - 1]) for i in range(10)])


def test_unrelated_spaces_are_at_chance_by_every_measure():
    body = Hand([random(seed) for seed in range(20, 30)], {"a": MODEL})
    for measure in alignment.MEASURES:
        (found,) = alignment.conservative(body, ["a"], measure, 15)
        assert abs(found.value) < 0.03


def test_untrained_models_are_paired_across_architectures_only():
    copies = {"llama": [MODEL, MODEL], "qwen": [MODEL, OTHER], "bert": [THIRD]}
    body = Hand(AGENTS, {}, copies=copies)
    found = alignment.untrained_pairs(body, ["llama", "qwen"], 15)
    low = plain(MODEL, OTHER, 15)
    assert found.value == pytest.approx((1 + low) / 2)
    assert (found.low, found.high) == (pytest.approx(low), 1.0)
    assert found.n == 4
    assert alignment.untrained_pairs(body, ["llama", "qwen", "bert"], 15).n == 8


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


def test_a_line_has_nothing_but_chance_in_common_with_a_cloud():
    line = np.zeros((108, 4))
    line[:, 0] = random(3, 1)[:, 0]
    found = disparity.random_spaces(Hand([line, line], {}), 4)
    # One direction among the 107 in which 108 centred points can vary.
    assert found.value == pytest.approx(1 - 1 / 107, abs=0.002)
    assert found.n == 100
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("times", "change"), [(2, -1), (3, 0), (4, 3), (0.5, 1.25)])
def test_the_residual_read_literally_hangs_on_size(times, change):
    # From a to 2a: (times - 2)^2 in place of 1.
    centred = MODEL - MODEL.mean(axis=0)
    q = np.linalg.qr(random(6)[:9])[0]
    body = Hand([centred, centred @ q], {"a": 2 * centred})
    found = disparity.rescaled(body, "a", times)
    assert_allclose((found.value, found.low, found.high), change, atol=1e-6)
    assert found.confidence == 0.9


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


def test_no_bag_of_words_beats_the_best_of_them():
    model = words(4)
    codes = np.hstack([3 * PHRASE, COLOUR, KIND])
    found = lexical.over_null(Hand([codes, codes], {"a": model}), "a", "weighted words", 15)
    assert found.value <= 1e-12
    better = lexical.over_null(Hand([model, model], {"a": model}), "a", "weighted words", 15)
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
        assert (found.n, found.seed, found.confidence) == (1000, 15, 0.95)


def above_null(found, seen, null):
    """An estimate is how far a figure is above a null of our own draws."""
    low, high = np.quantile(null, [0.975, 0.025])
    error = 4 * np.std(null) / np.sqrt(len(null))
    assert found.value == pytest.approx(seen - np.mean(null), abs=error)
    # Quantiles of the tails stray more than means do.
    assert found.low == pytest.approx(seen - low, abs=3 * error)
    assert found.high == pytest.approx(seen - high, abs=3 * error)


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


def letters(sentence):
    padded = f" {sentence} "
    return [padded[i : i + n] for n in (2, 3, 4) for i in range(len(padded) - n + 1)]


def counted(tokens):
    known = sorted({token for sentence in SENTENCES for token in tokens(sentence)})
    rows = [[tokens(sentence).count(token) for token in known] for sentence in SENTENCES]
    return np.array(rows, dtype=float)


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
    assert (found.n, found.label) == (1000, "a")
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
