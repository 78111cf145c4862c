"""One agent of the cached evidence, trained again; takes minutes, so only when asked for."""

import json

import numpy as np
import pytest

from core.agent.dataset import make_demonstrations
from core.agent.instructions import TASK_OF, TASKS
from core.agent.replication import Job, train_agents
from core.agent.runs import recipe_of
from core.evidence.replicated import AGENTS, Replicated
from core.metrics.proportion import wilson_interval


@pytest.mark.nightly
def test_a_seed_trained_again_succeeds_as_the_cached_one(tmp_path):
    body = Replicated()
    kept = json.loads((AGENTS / "baseline.json").read_text(encoding="utf-8"))["runs"][0]
    plan = body.demonstrations
    made = make_demonstrations(tmp_path / "data", plan["episodes"], plan["seed"])
    assert made["sha256"] == plan["sha256"]
    job = Job(recipe_of(kept["recipe"]), tmp_path / "data", tmp_path / "seed", "cpu")
    train_agents([job], workers=1)
    again = json.loads((tmp_path / "seed/result.json").read_text(encoding="utf-8"))
    for i, task in enumerate(TASKS):
        episodes = int(np.array(kept["success"]["episodes"])[i == TASK_OF].sum())
        before, now = (np.array(r["success"]["64"])[i == TASK_OF].sum() for r in (kept, again))
        low, high = wilson_interval(before / episodes, episodes, confidence=0.99)
        assert low <= now / episodes <= high, task
