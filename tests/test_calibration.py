"""How often the checks against words are right, in worlds where the truth is known."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from claims.alm import calibration, lexical
from claims.alm.calibration import CHECKS, SCENARIOS, calibrate, checks, lines, verdicts
from core.verdict.estimate import Estimate

#: The checks that shared words alone must not satisfy; phrases are words, so the last one is not.
OF_MEANING = tuple(CHECKS)[:4]
FEW = 200
WORDS_ONLY, STRONG = "words only", "meaning, four fifths"


@pytest.fixture(scope="module")
def found():
    """What each check says in four worlds of words and in four of meaning; few relabellings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "DRAWS", FEW)
        return {name: [verdicts(name, draw) for draw in range(4)] for name in (WORDS_ONLY, STRONG)}


def count(said):
    return {name: sum(one[name] == "supported" for one in said) for name in CHECKS}


def test_the_checks_are_those_of_the_registry():
    registered = checks()
    assert list(registered) == list(CHECKS)
    for name, claim in registered.items():
        assert claim.id == f"{name}-stand-in"
        assert claim.criterion is not None
        assert claim.ours
        # The test judges by the measure that is calibrated.
        assert claim.test == f"alm/test_lexical.py::test_{CHECKS[name].__name__}"


def test_scenarios_are_with_and_without_meaning():
    for name, (agents, model, related) in SCENARIOS.items():
        planted = related and agents.shared > 0 and model.shared > 0
        assert planted == name.startswith("meaning")
    assert SCENARIOS[STRONG][0].shared == 0.8


def test_shared_words_alone_are_hardly_ever_taken_for_meaning(found):
    # At .025 each, two or more of 4 come in one of three hundred runs.
    assert all(count(found[WORDS_ONLY])[name] <= 1 for name in OF_MEANING)


def test_meaning_is_found_where_most_of_a_words_vector_is_shared(found):
    assert all(supported >= 3 for supported in count(found[STRONG]).values())


def test_a_world_is_judged_the_same_every_time(found, monkeypatch):
    monkeypatch.setattr(lexical, "DRAWS", FEW)
    again = verdicts(WORDS_ONLY, 3)
    assert again == found[WORDS_ONLY][3]
    assert list(again) == list(CHECKS)
    assert set(again.values()) <= {"supported", "refuted", "inconclusive"}


def test_worlds_of_a_scenario_are_different_ones(monkeypatch):
    seen = []

    def measure(world, **variant):
        seen.append((world.agents("").embeddings[0, 0, 0, 0], world.embedding("").values[0, 0]))
        return Estimate.exact(1, 1, "stub")

    monkeypatch.setattr(calibration, "CHECKS", dict.fromkeys(CHECKS, measure))
    worlds = [(WORDS_ONLY, 0), (WORDS_ONLY, 1), (STRONG, 0), (WORDS_ONLY, 0)]
    for scenario, draw in worlds:
        assert set(verdicts(scenario, draw).values()) == {"supported"}
    assert len(set(seen)) == len({start for start, _ in seen}) == 3
    assert len(seen) == len(worlds) * len(CHECKS)


def test_the_table_holds_shares_with_wilsons_intervals():
    rows = {"short": dict.fromkeys(CHECKS, 0), "a longer name": dict.fromkeys(CHECKS, 5)}
    rows["a longer name"]["alm-lexical-mantel"] = 10
    # By Wilson's formula with z = 1.96: 0 of 10, 5 of 10 and 10 of 10.
    none, half, every = (*("0.000 [0.00, 0.28]", "0.500 [0.24, 0.76]", "1.000 [0.72, 1.00]"),)
    names = ("untrained", "words", "renamed", "mantel", "beyond-phrase")
    heads = " " * 15 + "".join(name + " " * (20 - len(name)) for name in names).rstrip()
    assert list(lines(rows, 10)) == [
        heads,
        f"short          {none}  {none}  {none}  {none}  {none}",
        f"a longer name  {half}  {half}  {half}  {every}  {half}",
    ]


@pytest.fixture
def said(monkeypatch):
    """Verdicts at hand in place of worlds, and threads in place of processes."""

    def stub(scenario, draw):
        good = scenario.startswith("meaning") or draw == 0
        return dict.fromkeys(CHECKS, "supported" if good else "refuted") | {
            "alm-lexical-mantel": "inconclusive"
        }

    monkeypatch.setattr(calibration, "verdicts", stub)
    monkeypatch.setattr(calibration, "ProcessPoolExecutor", ThreadPoolExecutor)


def test_only_support_counts(said):
    found = calibrate(4, 2)
    assert list(found) == list(SCENARIOS)
    for scenario, counts in found.items():
        expected = 4 if scenario.startswith("meaning") else 1
        assert counts == dict.fromkeys(CHECKS, expected) | {"alm-lexical-mantel": 0}


def test_the_command_prints_the_table_and_writes_the_counts(said, monkeypatch, capsys, tmp_path):
    out = tmp_path / "calibration.json"
    monkeypatch.setattr("sys.argv", ["calibration", "--worlds", "2", "--out", str(out)])
    calibration.main()
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + len(SCENARIOS)
    assert printed[1].startswith(WORDS_ONLY)
    assert "0.500" in printed[1]
    document = json.loads(out.read_text())
    assert (document["schema"], document["worlds"]) == (1, 2)
    assert document["supported"] == calibrate(2, 1)


@pytest.mark.nightly
def test_error_rates_are_as_claimed_over_many_worlds():
    found = calibrate(60, 2)
    for scenario, counts in found.items():
        if not scenario.startswith("meaning"):
            # At .025 each, eight or more of 60 come in one of five thousand runs.
            assert all(counts[name] <= 7 for name in OF_MEANING), scenario
    assert all(found[STRONG][name] >= 54 for name in CHECKS)
    renamed = [counts["alm-lexical-renamed"] for counts in list(found.values())[3:]]
    assert renamed == sorted(renamed)
