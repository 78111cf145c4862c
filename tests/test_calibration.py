"""How often the checks against words are right, in worlds where the truth is known."""

import json
from functools import partial

import pytest

from claims.alm import calibration, lexical
from claims.alm.calibration import CHECKS, SCENARIOS, calibrate, checks, lines, verdicts
from core.jobs import JobsError, run
from core.verdict.estimate import Estimate

#: The checks that shared words alone must not satisfy; phrases are words, so the last one is not.
OF_MEANING = tuple(CHECKS)[:4]
FEW = 200
WORDS_ONLY, STRONG = "words only", "meaning of words, four fifths"
#: Agents that come to average words as the model does are nearer to it than before. That is so, but
#: is no sign of meaning: of the checks, the one against what agents were cannot tell.
AVERAGED = "words only, averaged"
#: How the names of scenarios begin where there is more than words.
PLANTED = ("meaning", "which task")


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
        words, tasks = (agents.shared * model.shared, agents.tasks * model.tasks)
        assert (related and words > 0) == name.startswith("meaning")
        assert (related and tasks > 0) == name.startswith("which task")
        # Neither sentences nor kinds of models have anything in common beyond that.
        assert not any((agents.meaning, model.meaning, agents.kinship, model.kinship))
        assert (words, tasks) == (0, 0) or name.startswith(PLANTED) or not related
    assert SCENARIOS[STRONG][0].shared == 0.8
    assert AVERAGED in SCENARIOS
    # Words alone come in more than one way: added up, averaged, phrases heeded more by one side.
    alone = [recipes[:2] for name, recipes in SCENARIOS.items() if not name.startswith(PLANTED)]
    assert any(agents.average > 0 and model.average > 0 for agents, model in alone)
    assert any(agents.phrases > model.phrases for agents, model in alone)
    assert any(agents.shared > 0 for agents, _ in alone)


def test_shared_words_alone_are_hardly_ever_taken_for_meaning(found):
    # At .05 each at most, two or more of 4 come in one of seventy runs.
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
    """Verdicts at hand in place of worlds; other processes know nothing of that, so one worker."""

    def stub(scenario, draw):
        good = scenario.startswith("meaning") or draw == 0
        return dict.fromkeys(CHECKS, "supported" if good else "refuted") | {
            "alm-lexical-mantel": "inconclusive"
        }

    monkeypatch.setattr(calibration, "verdicts", stub)


def test_support_and_refutation_are_counted_apart(said):
    found = calibrate(4, workers=1)
    assert list(found) == ["supported", "refuted"]
    for word, of_meaning, of_words in (("supported", 4, 1), ("refuted", 0, 3)):
        assert list(found[word]) == list(SCENARIOS)
        for scenario, counts in found[word].items():
            expected = of_meaning if scenario.startswith("meaning") else of_words
            assert counts == dict.fromkeys(CHECKS, expected) | {"alm-lexical-mantel": 0}


def test_the_command_prints_both_tables_and_writes_the_counts(said, monkeypatch, capsys, tmp_path):
    out = tmp_path / "calibration.json"
    arguments = ["--worlds", "2", "--workers", "1", "--out", str(out)]
    monkeypatch.setattr("sys.argv", ["calibration", *arguments])
    calibration.main()
    printed = capsys.readouterr().out.splitlines()
    found = calibrate(2, workers=1)
    assert printed == [
        *("supported:", *lines(found["supported"], 2)),
        *("refuted:", *lines(found["refuted"], 2)),
    ]
    assert printed[2].startswith(WORDS_ONLY)
    assert "0.500" in printed[2]
    assert json.loads(out.read_text()) == {"schema": 1, "worlds": 2} | found


@pytest.mark.parametrize("option", ["--worlds", "--workers"])
@pytest.mark.parametrize("number", ["0", "-3", "1.5", "many"])
def test_none_is_no_number_of_worlds_or_workers(said, monkeypatch, capsys, option, number):
    monkeypatch.setattr("sys.argv", ["calibration", f"{option}={number}"])
    with pytest.raises(SystemExit) as left:
        calibration.main()
    assert left.value.code == 2
    printed, told = capsys.readouterr()
    assert f"argument {option}: " in told
    assert not printed
    if number in {"0", "-3"}:
        assert "must be at least 1" in told


def test_worlds_are_judged_alike_one_by_one_and_side_by_side(monkeypatch):
    few = {name: SCENARIOS[name] for name in (WORDS_ONLY, STRONG)}
    monkeypatch.setattr(calibration, "SCENARIOS", few)
    monkeypatch.setattr(lexical, "DRAWS", FEW)
    # Other processes make no fewer relabellings, so here in threads.
    monkeypatch.setattr(calibration, "run", partial(run, threads=True))
    assert calibrate(2, workers=2) == calibrate(2, workers=1)


def test_options_go_where_the_worlds_are_judged(said, monkeypatch, capsys):
    given = []

    def no_run(function, every, **options):
        given.append((len(every), options))
        raise JobsError("no workers; start some")

    monkeypatch.setattr(calibration, "run", no_run)
    arguments = ["--worlds", "3", "--workers", "5", "--scheduler", "tcp://there:1"]
    monkeypatch.setattr("sys.argv", ["calibration", *arguments])
    with pytest.raises(SystemExit, match=r"^calibration: no workers; start some$"):
        calibration.main()
    ((worlds, options),) = given
    assert worlds == 3 * len(SCENARIOS)
    assert (options["workers"], options["scheduler"]) == (5, "tcp://there:1")
    assert not capsys.readouterr().out


@pytest.mark.nightly
def test_error_rates_are_as_claimed_over_many_worlds():
    found = calibrate(60)
    supported, refuted = found["supported"], found["refuted"]
    for scenario, counts in supported.items():
        if not scenario.startswith(PLANTED):
            # At .05 each at most, eleven or more of 60 come in one of five thousand runs.
            wrong = {name for name in OF_MEANING if counts[name] > 10}
            assert wrong == ({"alm-lexical-untrained"} if scenario == AVERAGED else set()), scenario
    for scenario, counts in refuted.items():
        if scenario.startswith(PLANTED):
            assert all(counts[name] <= 10 for name in OF_MEANING), scenario
    assert all(supported[STRONG][name] >= 54 for name in CHECKS)
    by_share = [counts for name, counts in supported.items() if name.startswith("meaning")]
    renamed = [counts["alm-lexical-renamed"] for counts in by_share]
    assert renamed == sorted(renamed)
