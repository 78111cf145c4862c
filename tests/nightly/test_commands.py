"""The nightly run, its steps played by a stand-in: what is run when, and how it ends."""

import argparse
import json
import sys
from pathlib import Path

import pytest

from core.files import write_atomically
from core.nightly import commands
from core.nightly.commands import nightly
from core.nightly.options import add_commands
from core.rating.alone import alone
from core.rating.asking.requests import Item, chat_request
from core.rating.asking.store import AnswerStore
from core.rating.dataset import write_dataset
from core.rating.study import add_ratings, begin_study
from core.report.verdicts import document, nothing_judged, write_verdicts
from tests.nightly.rows import row, unjudged
from tests.rating.asking.fault_server import completion
from tests.rating.studies import answers, dataset

MODELS = ["Base=a/base", "En_FT=a/en", "Nl_FT=a/nl", "QA_FT=a/qa"]
ASKED = [(role, "en") for role in ("Base", "En_FT", "Nl_FT", "QA_FT")]
ASKED += [(role, "nl") for role in ("Base", "En_FT", "Nl_FT")]


class Machine:
    """Stands in for the commands: rates with made-up answers, judges with rows given."""

    def __init__(self, data):
        self.data = data
        self.commands = []
        self.rows = {0: [row("sm-a"), row("sm-b")]}
        self.problems = []
        self.broken = {}
        self.fails_again = set()
        self.paid = lambda command: None

    def __call__(self, command, output):
        self.commands.append(list(command))
        return self.judge(command, output) if "pytest" in command else self.rate(command)

    def rate(self, command):
        if "rate" not in command:
            return self.broken.get(command[-1], 0)
        role, language = self.value(command, "--as"), self.value(command, "--language")
        if (role, language) in self.broken:
            return self.broken[role, language]
        if "--seed" in command and (role, language) in self.fails_again:
            return 3
        folder = Path(self.value(command, "--out"))
        begin_study(folder, self.data)
        self.paid(command)
        about = {"model": self.value(command, "--model"), "backend": "local", "seed": 0}
        add_ratings(folder, role, language, answers(self.data, role, language), about)
        return 0

    def judge(self, command, output):
        seed = int(self.value(command, "--seed")) if "--seed" in command else 0
        output.write_text("said by pytest", encoding="utf-8")
        rows = self.rows.get(seed, self.rows[0])
        if rows is None:
            return 2
        write_verdicts(Path(self.value(command, "--verdicts")), document(rows, {}, self.problems))
        return 1 if self.problems else 0

    @staticmethod
    def value(command, name):
        return command[command.index(name) + 1]

    def asked(self):
        found = [c for c in self.commands if "rate" in c]
        return [(self.value(c, "--as"), self.value(c, "--language")) for c in found]

    def judgings(self):
        return [c for c in self.commands if "pytest" in c]


@pytest.fixture(scope="module")
def data():
    return dataset(words=10)


@pytest.fixture
def machine(data, tmp_path, monkeypatch):
    write_dataset(tmp_path / "data", data)
    (tmp_path / "claims").mkdir()
    monkeypatch.setattr(commands, "CLAIMS", tmp_path / "claims")
    return Machine(data)


@pytest.fixture
def night(machine, tmp_path):
    """Runs the command line with the stand-in."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())

    def run(*more, models=MODELS):
        out = ("--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"))
        return nightly(parser.parse_args(["nightly", "--model", *models, *out, *more]), machine)

    return run


def folders(tmp_path):
    return sorted(path for path in (tmp_path / "out").iterdir() if path.is_dir())


def told(tmp_path):
    return (folders(tmp_path)[-1] / "report.md").read_text()


def last(tmp_path):
    content = json.loads((tmp_path / "out" / "last.json").read_text())
    return {r["claim"]: r["verdict"] for r in content["verdicts"]}


def test_a_first_night_rates_judges_and_leaves_a_report(night, machine, tmp_path, capsys):
    assert night() == 0
    assert machine.asked() == ASKED
    (judging,) = machine.judgings()
    (folder,) = folders(tmp_path)
    assert judging[:6] == [sys.executable, "-m", "pytest", "claims/", "--evidence", "fresh"]
    assert machine.value(judging, "--study") == str(folder / "study")
    assert "--seed" not in judging
    names = {path.name for path in folder.iterdir()}
    expected = {"manifest.json", "before.json", "verdicts.json", "judging.txt", "report.md"}
    assert expected | {"study"} == names
    assert last(tmp_path) == {"sm-a": "supported", "sm-b": "supported"}
    text = (folder / "report.md").read_text()
    assert "Rehearsal: people are made up" in text
    assert "No verdict changed." in text
    assert "| sensorimotor, fresh | 2 supported |" in text
    assert "a first run" in text
    assert "En_FT: a/en" in text
    assert "as before" in capsys.readouterr().out


def test_every_night_asks_anew_into_a_store_of_its_own(night, machine):
    assert night() == night() == 0
    assert machine.asked() == ASKED * 2
    stores = {machine.value(c, "--store") for c in machine.commands if "rate" in c}
    assert len(stores) == 2


def test_a_change_is_judged_once_more_and_confirmed(night, machine, tmp_path, capsys):
    night()
    machine.rows = {0: [row("sm-a", "refuted"), row("sm-b")], 1: [row("sm-a", "refuted")]}
    assert night() == 1
    again = machine.judgings()[-1]
    assert machine.value(again, "--seed") == "1"
    # A model here answers as it did; a server is asked again.
    assert machine.asked() == ASKED * 2
    text = (folders(tmp_path)[-1] / "report.md").read_text()
    assert "| sm-a | supported | refuted |" in text
    assert "| last run | confirmed |" in text
    assert last(tmp_path) == {"sm-a": "refuted", "sm-b": "supported"}
    assert "drift, confirmed" in capsys.readouterr().out
    # It is what the next night is held against.
    assert night() == 0


def test_a_change_that_does_not_stay_is_unsteady_and_no_drift(night, machine, tmp_path):
    night()
    machine.rows = {0: [row("sm-a", "refuted"), row("sm-b")], 1: [row("sm-a"), row("sm-b")]}
    assert night() == 0
    assert "| last run | unsteady |" in told(tmp_path)
    assert last(tmp_path)["sm-a"] == "supported"


def test_what_differs_from_the_lock_is_drift_too(night, machine, tmp_path):
    lock = 'sm-b = { fresh = "refuted" }\n'
    write_atomically(tmp_path / "claims" / "lock.toml", lock)
    assert night() == 1
    assert "| sm-b | refuted | supported |" in (folders(tmp_path)[-1] / "report.md").read_text()


def test_a_server_is_asked_again_with_another_seed(night, machine):
    server = ("--base-url", "http://localhost:1/v1", "--concurrency", "3", "--budget", "7")
    night(*server)
    machine.rows = {0: [row("sm-a", "refuted")]}
    night(*server)
    asked = [c for c in machine.commands if "rate" in c]
    assert len(asked) == 21
    assert all("--seed" not in c for c in asked[:14])
    assert {machine.value(c, "--seed") for c in asked[14:]} == {"1"}
    assert {machine.value(c, "--concurrency") for c in asked} == {"3"}
    studies = {machine.value(c, "--out") for c in asked[14:]}
    assert studies == {machine.value(machine.judgings()[-1], "--study")}
    assert not studies & {machine.value(c, "--out") for c in asked[:14]}


@pytest.mark.parametrize("code", [1, 3, -9])
def test_ratings_that_are_missing_end_the_night_and_it_goes_on(night, machine, tmp_path, code):
    machine.broken = {("Nl_FT", "en"): code, ("Nl_FT", "nl"): code}
    assert night() == 3
    assert machine.judgings() == []
    assert not (tmp_path / "out" / "last.json").exists()
    assert f"Nl_FT in en (`claims rate` ended with {code})" in told(tmp_path)
    machine.broken, machine.commands = {}, []
    assert night() == 0
    assert machine.asked() == [("Nl_FT", "en"), ("Nl_FT", "nl")]
    assert len(folders(tmp_path)) == 1


def test_the_language_that_is_rated_is_judged_and_all_of_it_when_the_night_goes_on(
    night, machine, tmp_path
):
    night()
    machine.broken = {("Nl_FT", "nl"): 3}
    machine.rows = {0: [row("sm-a"), unjudged("sm-b"), row("sm-new")]}
    assert night() == 3
    assert "Nl_FT in nl" in told(tmp_path)
    assert "No longer judged, untested (not-rated): sm-b" in told(tmp_path)
    everything = {"sm-a": "supported", "sm-b": "supported", "sm-new": "supported"}
    assert last(tmp_path) == everything
    machine.broken, machine.commands = {}, []
    machine.rows = {0: None}
    # What was judged of one language does not stand for both.
    assert night() == 4
    machine.rows = {0: [row("sm-a"), row("sm-b", "refuted"), row("sm-new")]}
    assert night() == 1
    assert machine.asked() == [("Nl_FT", "nl")]
    assert len(folders(tmp_path)) == 2
    assert last(tmp_path) == everything | {"sm-b": "refuted"}


def test_a_change_is_told_though_ratings_are_missing(night, machine, tmp_path):
    night()
    machine.broken = {("Nl_FT", "nl"): 3}
    machine.rows = {0: [row("sm-a", "refuted"), unjudged("sm-b", settles="ask more")]}
    assert night() == 1
    assert "| sm-a | supported | refuted |" in told(tmp_path)
    assert "1 claims lack ratings: ask more" in told(tmp_path)
    assert last(tmp_path) == {"sm-a": "refuted", "sm-b": "supported"}
    assert night() == 3
    assert len(folders(tmp_path)) == 3


def test_a_second_run_that_lacks_ratings_confirms_what_it_can(night, machine, tmp_path):
    server = ("--base-url", "http://localhost:1/v1")
    night(*server)
    machine.rows[0] = [row("sm-a", "refuted"), row("sm-b")]
    machine.rows[1] = [unjudged("sm-a"), row("sm-b")]
    machine.fails_again = {("Nl_FT", "nl")}
    assert night(*server) == 3
    assert "| last run | seen once |" in told(tmp_path)
    assert "the second time not rated in full: Nl_FT in nl" in told(tmp_path)
    assert last(tmp_path)["sm-a"] == "supported"
    machine.fails_again, machine.rows[1] = set(), [row("sm-a", "inconclusive"), row("sm-b")]
    assert night(*server) == 1
    assert len(folders(tmp_path)) == 2
    assert "| last run | confirmed, as inconclusive |" in told(tmp_path)


def test_models_that_answer_too_little_are_a_drift(night, machine, tmp_path):
    night()
    collapsed = [unjudged(name, "too-few", "12 of 160 words") for name in ("sm-a", "sm-b")]
    machine.rows = {0: collapsed}
    # What pytest says of a run that reached no verdict.
    machine.problems = nothing_judged(collapsed, ["fresh", "control"])
    assert len(machine.problems) == 1
    assert night() == 1
    assert "| sm-a | supported | untested (too-few) |" in told(tmp_path)
    assert "2 claims not judged: 12 of 160 words" in told(tmp_path)
    assert night() == 0
    machine.rows, machine.problems = {0: [row("sm-a"), row("sm-b")]}, []
    assert night() == 1


def test_a_claim_that_comes_back_changed_is_a_drift_against_when_it_was_judged(
    night, machine, tmp_path
):
    night()
    machine.rows = {0: [row("sm-a"), unjudged("sm-b", "not-given", "log-probabilities")]}
    assert night() == 1
    assert "| sm-b | supported | untested (not-given) |" in told(tmp_path)
    assert night() == 0
    assert "No longer judged, untested (not-given): sm-b" in told(tmp_path)
    machine.rows = {0: [row("sm-a"), row("sm-b", "refuted")]}
    assert night() == 1
    assert "| sm-b | supported | refuted |" in told(tmp_path)


def test_another_model_is_named_first_and_what_changed_with_it_all_the_same(
    night, machine, tmp_path
):
    night()
    machine.rows = {0: [row("sm-a", "refuted"), row("sm-b")]}
    assert night(models=[MODELS[0], "En_FT=b/en", *MODELS[2:]]) == 1
    line = "**En_FT is another model than last time: b/en, was a/en**"
    assert [x for x in told(tmp_path).splitlines() if x][2] == line
    assert "another model" not in told(tmp_path).replace(line, "")
    assert "| sm-a | supported | refuted |" in told(tmp_path)


def test_what_the_night_s_answers_cost_is_taken_off_its_budget(night, machine, tmp_path):
    price = "[[price]]\n" + "\n".join(
        [
            'model = "a/base"',
            "date = 2026-01-02",
            'source = "made up"',
            *('input = "1"', 'cached = "1"', 'output = "1"', 'batch = "1"'),
        ]
    )
    (tmp_path / "prices.toml").write_text(price)
    options = ("--base-url", "http://localhost:1/v1", "--prices", str(tmp_path / "prices.toml"))

    def pay(command):
        store = machine.value(command, "--store")
        role, language = machine.value(command, "--as"), machine.value(command, "--language")
        one = chat_request(Item(language, "Visual", role), "a/base")
        usage = {"prompt_tokens": 900_000, "completion_tokens": 100_000}
        with AnswerStore(store) as answers:
            answers.put(one, completion("3") | {"usage": usage}, source="server")

    machine.paid = pay
    machine.broken = {("Nl_FT", "en"): 3}
    assert night(*options, "--budget", "2.5") == 3
    asked = [c for c in machine.commands if "rate" in c]
    # A dollar each; the third is asked with what is left, and nobody after the budget is spent.
    assert [float(machine.value(c, "--budget")) for c in asked] == pytest.approx(
        [2.5, 1.5, 0.5, 0.5]
    )
    machine.broken, machine.commands = {}, []
    assert night(*options, "--budget", "2.5") == 3
    assert [c for c in machine.commands if "rate" in c] == []
    assert "the budget is spent" in told(tmp_path)


def test_two_nights_at_a_time_are_refused(night, machine, tmp_path, capsys):
    with alone(tmp_path / "out"):
        assert night() == 2
    assert "another process" in capsys.readouterr().err
    assert machine.commands == []


def test_a_crash_is_not_taken_for_a_change(night, machine, monkeypatch, tmp_path):
    def crash(*_):
        raise KeyError("unheard of")

    monkeypatch.setattr(machine, "judge", crash)
    assert night() == 4
    assert "KeyError: 'unheard of'" in told(tmp_path)


def test_a_night_goes_on_with_a_larger_budget(night, machine, tmp_path):
    server = ("--base-url", "http://localhost:1/v1")
    machine.broken = {("QA_FT", "en"): 3}
    assert night(*server, "--budget", "7") == 3
    machine.broken = {}
    assert night(*server, "--budget", "14") == 0
    assert len(folders(tmp_path)) == 1


def test_a_night_stopped_by_hand_goes_on(night, machine, tmp_path):
    machine.broken = {("QA_FT", "en"): 130}
    with pytest.raises(KeyboardInterrupt):
        night()
    machine.broken, machine.commands = {}, []
    assert night() == 0
    assert machine.asked() == ASKED[3:]
    assert len(folders(tmp_path)) == 1


def test_a_night_killed_after_judging_is_not_judged_again(night, machine, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        night()
    monkeypatch.setattr(commands, "write_atomically", write_atomically)
    machine.commands = []
    assert night() == 0
    assert machine.commands == []


def test_judging_that_fails_is_told_and_done_again(night, machine, tmp_path, capsys):
    machine.rows = {0: None}
    assert night() == 4
    assert "pytest ended with 2 and no verdicts" in capsys.readouterr().out
    machine.rows = {0: [row("sm-a")]}
    machine.problems = ["claims/x.py::test_y ended without a verdict"]
    assert night() == 4
    wrong = row("sm-a", tier="control", expects="holds", complaint="positive control: sm-a")
    machine.problems, machine.rows = [], {0: [row("sm-a"), wrong]}
    assert night() == 4
    assert not (tmp_path / "out" / "last.json").exists()
    machine.rows = {0: [row("sm-a")]}
    assert night() == 0
    assert len(folders(tmp_path)) == 1
    assert machine.asked() == ASKED


def test_claims_without_ratings_are_incomplete_and_those_that_cannot_be_are_told(
    night, machine, tmp_path
):
    machine.rows = {0: [unjudged("sm-a", settles="ask more")]}
    assert night() == 3
    assert "ask more" in (folders(tmp_path)[-1] / "report.md").read_text()
    machine.rows = {0: [row("sm-a"), unjudged("sm-b", "not-given", "log-probabilities")]}
    assert night() == 0
    assert (
        "1 claims not judged: log-probabilities"
        in (folders(tmp_path)[-1] / "report.md").read_text()
    )


def test_other_data_is_not_compared_with(night, machine, tmp_path):
    night()
    other = dataset(words=10, seed=8)
    write_dataset(tmp_path / "data", other)
    machine.data = other
    machine.rows = {0: [row("sm-a", "refuted")]}
    assert night() == 0
    assert "on other data" in (folders(tmp_path)[-1] / "report.md").read_text()


def test_models_are_embedded_when_asked(night, machine):
    machine.broken = {"c/e": 1}
    assert night("--embed", "c/d", "c/e", "--resamples", "300") == 0
    embeds = [c[-3:] for c in machine.commands if "embed" in c]
    assert embeds == [["embed", "--model", "c/d"], ["embed", "--model", "c/e"]]
    assert machine.value(machine.judgings()[0], "--resamples") == "300"


@pytest.mark.parametrize(
    "models", [MODELS[:3], [*MODELS, "Base=b"], [*MODELS[:3], "QA_FT"], [*MODELS[:3], "X=y"]]
)
def test_every_role_has_one_model(night, machine, models, capsys):
    assert night(models=models) == 2
    assert "--model takes one model for each role" in capsys.readouterr().err
    assert machine.commands == []


def test_options_that_do_not_go_together_are_refused_before_anything_is_asked(night, machine):
    assert night("--budget", "1") == 2
    assert night("--backend", "local", "--base-url", "http://localhost:1/v1") == 2
    assert machine.commands == []


def test_without_data_there_is_no_night(night, tmp_path, capsys):
    (tmp_path / "data" / "manifest.json").unlink()
    assert night() == 2
    assert "claims data" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_command_is_run_from_the_checkout_and_its_output_kept(tmp_path):
    told = tmp_path / "told.txt"
    code = "import os, sys; print(os.path.exists('claims/lock.toml')); sys.exit(3)"
    assert commands.execute([sys.executable, "-c", code], told) == 3
    assert told.read_text() == "True\n"


def test_the_report_sets_the_verdicts_beside_those_on_the_authors_outputs(night, tmp_path):
    lock = 'sm-a = { released = "supported" }\nsm-b = { released = "refuted" }\n'
    write_atomically(tmp_path / "claims" / "lock.toml", lock)
    # Other models may do otherwise: that is no change.
    assert night() == 0
    assert "1 of 2 verdicts are those on the authors' own outputs." in told(tmp_path)
    assert "| sm-b | refuted | supported " in told(tmp_path)
    assert "| sm-a |" not in told(tmp_path)
