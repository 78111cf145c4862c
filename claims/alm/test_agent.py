"""The trained agents: how often they succeed, and how their sentence embeddings lie."""

from claims.alm import agent, spaces


def test_runs(judge):
    """As many agents as the paper trains."""
    judge(agent.runs)


def test_dimensions(judge):
    """A sentence embedding is of the size that the paper gives."""
    judge(spaces.dimensions)


def test_demonstrated(judge):
    """What the demonstrations hold."""
    judge(agent.demonstrated)


def test_actions(judge):
    """Which of the six actions the demonstrators take."""
    judge(agent.actions_used)


def test_success(judge):
    """How often the agents succeed."""
    judge(agent.success)


def test_best_seed(judge):
    """How often the best of them does."""
    judge(agent.best_seed)


def test_order_of_tasks(judge):
    """Which task is solved more often."""
    judge(agent.task_difference)


def test_wording(judge):
    """Whether the wording matters."""
    judge(agent.wording_difference)


def test_fewer_steps(judge):
    """Whether the limit on steps matters."""
    judge(agent.fewer_steps)


def test_other_escapes(judge):
    """Whether the reading of an escape matters."""
    judge(agent.other_escapes)


def test_over_floors(judge):
    """Whether success needs eyes and ears."""
    judge(agent.over_floors)


def test_other_training(judge):
    """Whether another reading of the paper gives other success."""
    judge(agent.variant_difference)


def test_late_change(judge):
    """Whether the agents still learn at the end."""
    judge(agent.late_change)


def test_plateau(judge):
    """Whether every agent learned what the objects are."""
    judge(agent.on_plateau)


def test_distinct(judge):
    """Whether the sentences come apart."""
    judge(spaces.distinct_sentences)


def test_shared_with_end(judge):
    """How much of an earlier space is in the trained one."""
    judge(spaces.shared_with_end)


def test_between_seeds(judge):
    """How much two agents' spaces have in common."""
    judge(spaces.between_seeds)


def test_own_start(judge):
    """Whether anything of the initial weights is left."""
    judge(spaces.own_start)


def test_between_seeds_change(judge):
    """Whether training makes two agents' spaces more alike."""
    judge(spaces.between_seeds_change)


def test_same_task_change(judge):
    """Whether training brings sentences together that ask for the same task."""
    judge(spaces.same_task_change)


def test_synonyms(judge):
    """Whether the nearest neighbour is a synonym."""
    judge(spaces.nearest_is_synonym)
