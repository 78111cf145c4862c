"""Those who show the agent what to do."""

import numpy as np
import pytest

from core.agent.demonstrator import demonstrate
from core.agent.errors import DemonstrationError
from core.agent.escape import escape_path
from core.agent.geometry import DROP, TOGGLE
from core.agent.instructions import INSTRUCTIONS, SENTENCES
from tests.agent.hand import reset


@pytest.mark.parametrize("instruction", range(5, 108, 18))
def test_a_demonstration_succeeds_at_its_last_step_and_not_before(instruction):
    for seed in range(3):
        shown = demonstrate(reset(INSTRUCTIONS[instruction], seed))
        env = reset(INSTRUCTIONS[instruction], seed)
        assert [env.step(action)[2] for action in shown] == [False] * (len(shown) - 1) + [True]
        assert not {DROP, TOGGLE} & set(shown)


def test_an_escape_takes_the_shortest_way():
    for seed in range(5):
        env = reset(INSTRUCTIONS[-1], seed)
        way = escape_path(env.cells, env.pose, env.target_cell, env.escape)
        assert demonstrate(env) == way


def test_a_demonstration_that_does_not_get_there_is_an_error_that_names_the_request():
    # Two steps do not lead to what is five cells away.
    asked = INSTRUCTIONS[SENTENCES.index("pick up the red ball")]
    env = next(
        env
        for seed in range(50)
        if np.ptp([(env := reset(asked, seed, max_steps=2)).pose // 4, env.target_cell]) > 20
    )
    with pytest.raises(DemonstrationError, match="'pick up the red ball' was not achieved in 2"):
        demonstrate(env)
