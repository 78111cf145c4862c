"""The table of how often agents succeed."""

import numpy as np
import pytest

from core.agent.instructions import INSTRUCTIONS
from core.evidence.errors import EvidenceError
from core.evidence.replicated import Replicated
from core.metrics.proportion import wilson_interval
from core.report.agents import replicated, success
from tests.evidence.test_replicated import counts, write_evidence


def won_of(by_phrase, episodes=10):
    """Counts where every instruction of a phrase succeeds so many times."""
    won = [by_phrase.get(instruction.phrase, 0) for instruction in INSTRUCTIONS]
    return np.array(won), np.full(108, episodes)


SOME = won_of({"go to": 10, "move towards": 5, "pick up": 1, "escape from": 9, "stay away": 3})


def test_the_table_line_by_line():
    # 270 of 360, 18 of 180, 216 of 540 by task, over 180 starts each; the limits are those of
    # SciPy's binomtest(...).proportion_ci(method="wilson") with 135, 18 and 72 of 180.
    lines = list(success({"seed-0": [SOME], "wandering": [won_of({})]}, ["seed-0"]))
    phrases = (
        "            go to                 move towards          pick up               "
        "escape from           stay away             avoid"
    )
    seed = (
        "* seed-0    1.000 [0.979, 1.000]  0.500 [0.428, 0.572]  0.100 [0.064, 0.153]  "
        "0.900 [0.847, 0.936]  0.300 [0.238, 0.371]  0.000 [0.000, 0.021]"
    )
    assert lines == [
        "            GO-TO                 PICK-UP               ESCAPE",
        "* seed-0    0.750 [0.682, 0.808]  0.100 [0.064, 0.153]  0.400 [0.331, 0.473]",
        "  wandering 0.000 [0.000, 0.021]  0.000 [0.000, 0.021]  0.000 [0.000, 0.021]",
        phrases,
        seed,
        "  wandering" + 5 * " 0.000 [0.000, 0.021] " + " 0.000 [0.000, 0.021]",
        "* on the plateau where verbs are learned and objects are not",
    ]


def test_columns_stand_below_each_other_whatever_the_names():
    lines = list(success({"a": [SOME], "a name that is much longer": [SOME]}))
    head, short, long = lines[:3]
    for group in ("GO-TO", "PICK-UP", "ESCAPE"):
        at = head.index(group)
        assert short[at : at + 5] == long[at : at + 5]
        assert short[at - 1] == long[at - 1] == " "
    assert all(line == line.rstrip() for line in lines)


def test_without_a_plateau_there_is_no_star():
    assert not any("*" in line for line in success({"seed-0": [SOME]}))


def test_intervals_are_wilsons():
    rng = np.random.default_rng(3)
    episodes = np.full(108, 7)
    won = rng.binomial(episodes, 0.6)
    (line,) = [line for line in success({"x": [(won, episodes)]}) if line.startswith("  x")][:1]
    n, k = 36 * 7, int(won[:36].sum())
    # "go to" and "move towards" are played from the same starts.
    low, high = wilson_interval(k / n, n // 2)
    assert line.split("  ")[-3].strip().endswith(f"{k / n:.3f} [{low:.3f}, {high:.3f}]")


def test_kept_agents_stand_one_by_one_and_together_before_the_floors(tmp_path):
    plan = {"baseline": (0, 3), "blind": (2,)}
    folder = write_evidence(tmp_path / "agent", plan, tmp_path / "work")
    lines = list(replicated(Replicated(folder)))
    names = ["baseline 0", "baseline 3", "baseline, mean", "blind 2", "wandering"]
    body = lines[1:6]
    assert [line[2:16].strip() for line in body] == names
    # Odd seeds are on the plateau here, and only single ones are said to be.
    assert [line[0] for line in body] == [" ", "*", " ", " ", " "]
    assert lines[-1].startswith("* on the plateau")
    assert len(lines) == 2 * 6 + 1
    agents = Replicated(folder).agents("baseline")
    shares = agents.success[:, :36].sum(axis=1) / (36 * 30)
    # Of two agents, t with one degree of freedom: 12.706 standard errors, cut at 0 and 1.
    half = 12.7062047 * abs(shares[0] - shares[1]) / 2
    low, high = max(shares.mean() - half, 0), min(shares.mean() + half, 1)
    assert f"{shares.mean():.3f} [{low:.3f}, {high:.3f}]" in body[2]
    floor = np.sum(counts(np.random.default_rng(99))["64"][:36]) / (36 * 30)
    assert f"{floor:.3f} [" in body[4]


def test_changed_evidence_is_not_shown(tmp_path):
    folder = write_evidence(tmp_path / "agent", {"baseline": (0,)}, tmp_path / "work")
    (folder / "baseline.json").write_text("{}")
    with pytest.raises(EvidenceError, match="wrong SHA-256"):
        list(replicated(Replicated(folder)))


@pytest.mark.parametrize("content", ['{"schema": 1}', '{"schema": 1, "variants": []}'])
def test_a_manifest_without_what_the_table_needs_is_named(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(EvidenceError, match=r"manifest\.json"):
        list(replicated(Replicated(tmp_path)))
