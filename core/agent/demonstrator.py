"""Who shows the agent what to do: minigrid's bot, and a search for the task that it lacks."""

from __future__ import annotations

from minigrid.utils.baby_ai_bot import BabyAIBot

from core.agent.errors import DemonstrationError
from core.agent.escape import escape_path
from core.agent.instructions import ESCAPE
from core.agent.tasks import RequestLevel


def demonstrate(env: RequestLevel) -> list[int]:
    """Carry out an environment's request from its present state, and return the actions.

    Parameters
    ----------
    env : RequestLevel
        Freshly reset; it is stepped to the end of the episode.

    Raises
    ------
    DemonstrationError
        If the episode does not end in success.
    """
    escaping = env.instruction.task == ESCAPE
    planned = escape_path(env.cells, env.pose, env.target_cell, env.escape) if escaping else None
    bot = None if escaping else BabyAIBot(env)
    actions: list[int] = []
    reached, ended = False, False
    while not ended:
        if planned is not None:
            action = planned[len(actions)]
        else:
            assert bot is not None
            suggested = bot.replan(actions[-1] if actions else None)
            assert suggested is not None
            action = int(suggested)
        actions.append(action)
        _, _, reached, truncated, _ = env.step(action)
        ended = reached or truncated
    if not reached:
        msg = f"{env.instruction.text!r} was not achieved in {len(actions)} steps"
        raise DemonstrationError(msg)
    return actions
