"""The worlds of agents are what their names say."""

from itertools import combinations

import numpy as np
import pytest

from core.agent.instructions import PHRASE_OF, PHRASES, TASK_OF, TASKS
from core.evidence.bodies import body
from core.evidence.errors import EvidenceError
from core.evidence.replicated import Agents
from core.evidence.simulated_agents import WORLDS, AgentWorld
from core.metrics.neighbours import neighbour_composition, precision_at_k

VARIANTS = {"baseline": 10, "identical": 5, "flatten": 3, "blind": 4}
#: Where a share lies if it is what the world says, but in one case of thousands.
FAR = 4
K = 15
CHANCE = K / 107


def shares(agents):
    """Successes over episodes per group of instructions, and the standard error at that share."""
    groups = {task: np.equal(TASK_OF, i) for i, task in enumerate(TASKS)}
    groups |= {phrase: np.equal(PHRASE_OF, i) for i, phrase in enumerate(PHRASES)}
    found = {}
    for name, which in groups.items():
        won, of = agents.success[:, which].sum(), agents.episodes[:, which].sum()
        found[name] = (won / of, of)
    return found


def is_near(found, expected):
    share, n = found
    return abs(share - expected) < FAR * np.sqrt(expected * (1 - expected) / n)


def between(agents, point):
    spaces = agents.embeddings[:, point]
    return np.array([precision_at_k(x, y, K) for x, y in combinations(spaces, 2)])


def with_end(agents, point):
    return np.array([precision_at_k(x[point], x[-1], K) for x in agents.embeddings])


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_a_world_is_the_same_every_time_and_leaves_the_global_generator_alone(name):
    before = np.random.get_state(legacy=False)["state"]["key"].copy()  # noqa: NPY002 - it is what must not change
    first, again = AgentWorld(name), AgentWorld(name)
    for variant in reversed(VARIANTS):
        first.agents(variant)
    for variant in VARIANTS:
        one, other = first.agents(variant), again.agents(variant)
        assert first.agents(variant) is one
        for key in Agents.__dataclass_fields__:
            assert np.array_equal(getattr(one, key), getattr(other, key)), key
    assert first.floors == again.floors
    assert first.demonstrations == again.demonstrations
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])  # noqa: NPY002 - likewise


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", sorted(WORLDS))
def test_a_world_has_the_tables_of_the_real_runs(name, variant):
    agents = AgentWorld(name).agents(variant)
    n = len(agents.seeds)
    # The paper trained ten; where nothing is as told there are nine.
    assert n == VARIANTS[variant] - (name == "agents-untold" and variant == "baseline")
    assert agents.updates == (0, 100, 300, 1000, 2500, 5000, 10000, 20000)
    width = 127 if name == "agents-untold" else 128
    assert agents.embeddings.shape == (n, 8, 108, width)
    assert np.isfinite(agents.embeddings).all()
    assert agents.along.shape == (n, 8, 3)
    assert ((agents.along >= 0) & (agents.along <= 1)).all()
    for counts in (agents.episodes, agents.success, agents.success_24):
        assert counts.shape == (n, 108)
        assert counts.dtype == np.int64
    assert (agents.success_24 >= 0).all()
    assert (agents.success_24 <= agents.success).all()
    assert (agents.success <= agents.episodes).all()
    assert agents.plateau.shape == (n,)
    assert len(agents.escapes) == n
    assert all(set(e) == {(5, True), (4, True), (6, True), (5, False)} for e in agents.escapes)
    assert all(0 <= share <= 1 for escapes in agents.escapes for share in escapes.values())


@pytest.mark.parametrize("name", ["agents-told", "agents-kept", "agents-apart"])
@pytest.mark.parametrize("variant", ["baseline", "identical", "flatten"])
def test_told_success_is_as_printed_whatever_the_wording(name, variant):
    found = shares(AgentWorld(name).agents(variant))
    printed = {"GO-TO": 0.85, "PICK-UP": 0.85, "ESCAPE": 0.95}
    for task, share in printed.items():
        assert is_near(found[task], share)
    for phrase, task in PHRASES.items():
        assert is_near(found[phrase], printed[task])


def test_told_success_is_reached_early_in_few_steps_and_under_any_reading():
    agents = AgentWorld("agents-told").agents("baseline")
    assert np.array_equal(agents.success_24, agents.success)
    assert not agents.plateau.any()
    # From update 5000 on nothing changes but by chance, over ten seeds of 180 episodes.
    late = agents.along[:, 5:].mean(axis=0)
    for task, share in enumerate((0.85, 0.85, 0.95)):
        error = FAR * np.sqrt(share * (1 - share) / 1800)
        assert np.all(np.abs(late[:, task] - share) < error)
    assert np.all(agents.along[:, 0] == 0)
    for escapes in agents.escapes:
        assert all(is_near((share, 540), 0.95) for share in escapes.values())


def test_told_those_who_do_not_listen_do_badly():
    world = AgentWorld("agents-told")
    assert is_near(shares(world.agents("blind"))["GO-TO"], 0.3)
    for floor in world.floors.values():
        assert np.sum(floor["success"]["64"]) / np.sum(floor["success"]["episodes"]) < 0.3


def test_untold_success_is_bound_to_the_wording():
    found = shares(AgentWorld("agents-untold").agents("baseline"))
    for phrase, share in {
        "go to": 0.92,
        "move towards": 0.62,
        "pick up": 0.8,
        "escape from": 0.7,
        "stay away": 0.4,
        "avoid": 0.4,
    }.items():
        assert is_near(found[phrase], share), phrase
    # The other way round than printed.
    assert found["GO-TO"][0] < 0.85
    assert found["ESCAPE"][0] < found["PICK-UP"][0] < 0.85


def test_untold_success_still_rises_takes_long_and_hangs_on_the_reading():
    agents = AgentWorld("agents-untold").agents("baseline")
    assert agents.success_24.sum() / agents.success.sum() == pytest.approx(0.6, abs=0.02)
    assert agents.plateau.all()
    rise = agents.along.mean(axis=0)
    assert np.all(np.diff(rise, axis=0) > 0)
    assert np.all(rise[-1] - rise[-2] > 0.03)
    for escapes in agents.escapes:
        assert is_near((escapes[4, True], 540), 0.9)
        assert is_near((escapes[5, True], 540), 0.7)
        assert is_near((escapes[6, True], 540), 0.5)
        assert is_near((escapes[5, False], 540), 0.9)


def test_untold_those_who_do_not_listen_do_better():
    world = AgentWorld("agents-untold")
    mine = shares(world.agents("baseline"))
    for variant in ("identical", "flatten", "blind"):
        other = shares(world.agents(variant))
        assert all(is_near(other[task], 0.95) for task in TASKS)
        assert all(other[task][0] > mine[task][0] for task in TASKS)
    (floor,) = world.floors.values()
    for i, task in enumerate(TASKS):
        which = np.equal(TASK_OF, i)
        won, of = (np.array(floor["success"][key])[which].sum() for key in ("64", "episodes"))
        assert won / of > mine[task][0]


def test_told_learned_spaces_have_a_common_structure_and_initial_ones_none():
    agents = AgentWorld("agents-told").agents("baseline")
    start, end = between(agents, 0), between(agents, -1)
    # 45 pairs share seeds, so the bound is that of single pairs.
    assert abs(start.mean() - CHANCE) < 0.01
    assert end.mean() > 0.5
    assert start.max() < end.min()
    # Told apart by the task, and one agent's spaces grow alike.
    assert neighbour_composition(agents.embeddings[0, -1], TASK_OF, K) > 0.8
    alike = [with_end(agents, point).mean() for point in range(8)]
    assert alike == sorted(alike)
    assert abs(alike[0] - CHANCE) < 0.03
    assert alike[-1] == pytest.approx(1)


def test_told_the_identical_start_knows_the_length_of_a_sentence_only():
    agents = AgentWorld("agents-told").agents("identical")
    for space in agents.embeddings[:, 0]:
        assert len(np.unique(space, axis=0)) == 2
        assert len(np.unique(space[PHRASE_OF < 5], axis=0)) == 1
    assert between(agents, -1).mean() > 0.5


@pytest.mark.parametrize("variant", VARIANTS)
def test_untold_learning_leaves_the_spaces_as_they_were_all_alike(variant):
    agents = AgentWorld("agents-untold").agents(variant)
    assert np.all(agents.embeddings == agents.embeddings[:1, :1])
    # Alike without being nothing at all: the task is not in them.
    if variant == "baseline":
        chance = np.mean([np.sum(task == TASK_OF) - 1 for task in TASK_OF]) / 107
        found = neighbour_composition(agents.embeddings[0, -1], TASK_OF, K)
        assert found == pytest.approx(chance, abs=0.03)


def test_kept_an_agents_space_stays_as_its_own_random_start():
    agents = AgentWorld("agents-kept").agents("baseline")
    assert np.all(agents.embeddings == agents.embeddings[:, :1])
    assert abs(between(agents, -1).mean() - CHANCE) < 0.01


def test_apart_no_two_spaces_have_anything_in_common():
    agents = AgentWorld("agents-apart").agents("baseline")
    for point in (0, 3, -1):
        assert abs(between(agents, point).mean() - CHANCE) < 0.01
    for point in range(7):
        assert abs(with_end(agents, point).mean() - CHANCE) < 0.02
    found = [neighbour_composition(space, TASK_OF, K) for space in agents.embeddings[:, -1]]
    chance = np.mean([np.sum(task == TASK_OF) - 1 for task in TASK_OF]) / 107
    assert np.mean(found) == pytest.approx(chance, abs=0.01)


def test_worlds_differ_in_their_demonstrations():
    told, untold = (AgentWorld(name).demonstrations for name in ("agents-told", "agents-untold"))
    assert (told["episodes"], told["instructions"], told["failures"]) == (10000, 108, 0)
    assert (untold["episodes"], untold["instructions"]) == (9000, 90)
    assert untold["failures"] > 0
    assert sum(count > 0 for count in told["actions"].values()) == 6
    assert sum(count > 0 for count in untold["actions"].values()) == 1


@pytest.mark.parametrize("name", sorted(WORLDS))
def test_a_world_is_found_by_its_name(name):
    world = body(name, "alm")
    assert isinstance(world, AgentWorld)
    assert world.name == name
    assert world is body(name, "alm")
    world.acquire(["baseline", "floors"])


def test_an_unknown_world_is_refused_by_name():
    for name in ("agents-utopia", "agents", "Agents-told"):
        with pytest.raises(EvidenceError, match=f"'{name}'"):
            body(name, "alm")


def test_a_world_is_not_made_by_an_unknown_name():
    with pytest.raises(EvidenceError, match="'agents-utopia'"):
        AgentWorld("agents-utopia")


def test_an_unknown_variant_is_refused_by_name():
    with pytest.raises(EvidenceError, match="'utopia'"):
        AgentWorld("agents-told").agents("utopia")
