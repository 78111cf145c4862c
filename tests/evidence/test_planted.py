"""What recipes make of spaces, measured without the suite's metrics, and worlds drawn by them."""

from itertools import permutations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from core.agent.instructions import PHRASE_OF, SENTENCES, TASK_OF
from core.evidence.planted import WORDS, PlantedWorld, Recipe, commons, draw
from tests.evidence.neighbours import near, reached, shared
from tests.oracles import stats

NOISE, PHRASES = Recipe(noise=1), Recipe(phrases=1, noise=0.1)


VOCABULARY = sorted({word for sentence in SENTENCES for word in sentence.split()})
WORD_COUNTS = np.array([[s.split().count(word) for word in VOCABULARY] for s in SENTENCES], float)
COMMON = commons(np.random.default_rng(1))


def drawn(width=128, seed=2, **parts):
    return draw(Recipe(**parts), width, np.random.default_rng(seed), COMMON)


def test_what_spaces_share_has_rows_of_length_one_on_average():
    for name, rows in (("meaning", 108), ("kinship", 108), ("words", 15), ("tasks", 3)):
        part = COMMON[name]
        assert len(part) == rows
        # A chi square over all its numbers, over its degrees of freedom.
        mean, sd = 1, np.sqrt(2 / part.size)
        assert abs((part**2).sum(axis=1).mean() - mean) < 4 * sd


def test_a_recipes_parts_are_what_they_are_called():
    meaning = drawn(meaning=2.0)
    assert_allclose(meaning[:, :12], 2 * COMMON["meaning"])
    assert not meaning[:, 12:].any()
    assert_allclose(drawn(kinship=1.0)[:, :12], COMMON["kinship"])
    assert_allclose(drawn(256, seed=3, meaning=2.0)[:, :128], meaning)
    noise = drawn(noise=0.5)
    assert (noise**2).sum(axis=1).mean() == pytest.approx(0.25, rel=0.05)
    phrases = drawn(phrases=1.0)
    assert len(np.unique(phrases.round(9), axis=0)) == 6
    for phrase in range(6):
        assert len(np.unique(phrases[phrase == PHRASE_OF].round(9), axis=0)) == 1
    # Own to the space.
    assert not np.isclose(phrases, drawn(seed=3, phrases=1.0)).any(axis=1).all()
    assert not drawn().any()


def test_tasks_are_the_same_in_every_space_and_phrases_of_one_task_at_one_place():
    tasks = drawn(tasks=2.0)
    assert_allclose(tasks[:, :12], 2 * COMMON["tasks"][TASK_OF])
    assert not tasks[:, 12:].any()
    assert_allclose(drawn(256, seed=3, tasks=2.0)[:, :128], tasks)
    rows = dict(zip(SENTENCES, tasks, strict=True))
    for one, same, other in (
        ("go to", "move towards", "pick up"),
        ("escape from", "stay away", "go to"),
        ("stay away", "avoid", "pick up"),
    ):
        assert_array_equal(rows[f"{one} the red box"], rows[f"{same} the blue key"])
        assert not np.isclose(rows[f"{one} the red box"], rows[f"{other} the red box"]).all()


def test_an_average_is_over_the_words_of_a_sentence_each_with_its_own_vector():
    space = dict(zip(SENTENCES, drawn(average=1.0), strict=True))
    # Five words in the one, four in the other: a colour is worth a fifth and a fourth.
    five = space["go to the red box"] - space["go to the blue box"]
    four = space["avoid the red box"] - space["avoid the blue box"]
    assert_allclose(5 * five, 4 * four, atol=1e-12)
    assert np.linalg.norm(four) == pytest.approx(np.sqrt(2) / 4, rel=0.3)
    # The whole is what least squares make of the words' shares, and nothing is left.
    shares = WORD_COUNTS / WORD_COUNTS.sum(axis=1, keepdims=True)
    whole = drawn(average=1.0)
    fitted = shares @ np.linalg.lstsq(shares, whole, rcond=None)[0]
    assert_allclose(fitted, whole, atol=1e-9)
    assert_allclose(drawn(average=3.0), 3 * whole)
    # Own to the space.
    assert not np.isclose(whole, drawn(seed=3, average=1.0)).all(axis=1).any()


def test_words_add_up_and_the_phrase_is_three_times_as_long():
    space = dict(zip(SENTENCES, drawn(words=1.0), strict=True))
    # What a word is worth does not hang on the others in the sentence.
    colour = space["go to the red box"] - space["go to the blue box"]
    assert_allclose(colour, space["avoid the red key"] - space["avoid the blue key"], atol=1e-12)
    phrase = [
        np.linalg.norm(space[f"{a} the red box"] - space[f"{b} the red box"])
        for a, b in permutations(("go to", "pick up", "stay away", "avoid"), 2)
    ]
    colours = [
        np.linalg.norm(space[f"go to the {a} box"] - space[f"go to the {b} box"])
        for a, b in permutations(("red", "grey", "yellow", "blue"), 2)
    ]
    assert np.mean(phrase) / np.mean(colours) == pytest.approx(3, rel=0.15)
    # Nine and one and one elevenths: length one on average.
    assert np.mean([row @ row for row in space.values()]) == pytest.approx(1, abs=0.25)


def test_shared_words_are_the_same_in_every_space():
    one, other = drawn(words=1.0, shared=1.0), drawn(256, seed=3, words=1.0, shared=1.0)
    assert_allclose(other[:, :128], one)
    assert not other[:, 128:].any()
    apart = drawn(seed=3, words=1.0)
    assert not np.isclose(apart, drawn(words=1.0)).any(axis=1).all()

    def cosine(a, b):
        return (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())

    half = [drawn(seed=seed, words=1.0, shared=0.5) for seed in (2, 3)]
    assert cosine(*half) == pytest.approx(0.5, abs=0.2)
    assert cosine(half[0], one) == pytest.approx(0.5**0.5, abs=0.2)


def test_lengths_are_the_same_in_every_space_in_another_order():
    plain, long = drawn(noise=1.0), drawn(noise=1.0, norms=1.3)
    times = np.linalg.norm(long, axis=1) / np.linalg.norm(plain, axis=1)
    assert np.std(np.log(times)) == pytest.approx(1.3, rel=0.02)
    # No cosine changes with it.
    assert near(long) == near(plain)
    other = drawn(seed=3, noise=1.0, norms=1.3) / drawn(seed=3, noise=1.0)
    assert_allclose(np.sort(other[:, 0]), np.sort(times))
    assert not np.allclose(other[:, 0], times)


def many(agents, model, *, related=True):
    return PlantedWorld(agents, model, np.random.default_rng(4), related=related)


def test_a_planted_world_shares_what_its_recipes_say():
    world = many(WORDS, WORDS)
    agents = world.agents("any")
    assert agents.embeddings.shape == (10, 2, 108, 128)
    other = world.embedding("any", "any").values
    assert other.shape == (108, 256)
    assert 0.05 < reached(agents.embeddings[:, -1], other) <= 1
    strong = Recipe(words=1, noise=0.03, shared=0.8)
    planted = many(strong, strong)
    assert reached(planted.agents("").embeddings[:, -1], planted.embedding("").values) == 0


@pytest.mark.parametrize(
    ("recipe", "point"),
    [(WORDS, -1), (Recipe(words=1, noise=0.03, shared=0.8), 0)],
    ids=["words", "meaning, before the training"],
)
def test_words_alone_leave_every_renaming_as_likely(recipe, point):
    found = []
    for seed in range(12):
        world = PlantedWorld(recipe, recipe, np.random.default_rng(seed))
        found.append(reached(world.agents("").embeddings[:3, point], world.embedding("").values))
    # Uniform, but for the forty renamings that it is counted on.
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_agents_and_model_can_be_planted_with_the_same_tasks():
    recipe = Recipe(words=1, noise=0.03, tasks=0.7)
    related, apart = many(recipe, recipe), many(recipe, recipe, related=False)

    def of_tasks(space):
        """Unit differences between the tasks' means, which words have no part in."""
        means = [space[task == TASK_OF].mean(axis=0) for task in range(3)]
        gaps = [means[0] - means[1], means[1] - means[2]]
        return [gap / np.linalg.norm(gap) for gap in gaps]

    def cosine(world):
        agents = world.agents("").embeddings[:, -1].mean(axis=0)
        pairs = zip(of_tasks(agents), of_tasks(world.embedding("").values[:, :128]), strict=True)
        return [float(a @ b) for a, b in pairs]

    assert min(cosine(related)) > 0.3
    assert max(map(abs, cosine(apart))) < min(cosine(related))


def test_agents_may_be_alike_in_what_the_model_knows_nothing_of():
    strong = Recipe(words=1, noise=0.03, shared=1)
    world = many(strong, strong, related=False)
    first, second = world.agents("").embeddings[:2, -1]
    assert shared(near(first), near(second)) > 0.97
    assert reached(world.agents("").embeddings[:, -1], world.embedding("").values) > 0.05


def test_planted_worlds_are_made_by_their_generator():
    one, same = many(NOISE, NOISE), many(NOISE, NOISE)
    assert_array_equal(one.agents("").embeddings, same.agents("").embeddings)
    assert_array_equal(one.embedding("").values, same.embedding("").values)
    other = PlantedWorld(NOISE, PHRASES, np.random.default_rng(5))
    assert not np.isclose(one.agents("").embeddings, other.agents("").embeddings).all(axis=3).any()
