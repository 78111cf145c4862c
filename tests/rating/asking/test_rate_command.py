"""The `claims rate` command."""

import argparse
import json
import subprocess
import sys
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
import torch

from core.evidence.errors import EvidenceError
from core.evidence.studies import read_study
from core.evidence.tables import ALL, SENSORY
from core.rating.asking import backends, commands
from core.rating.asking.backend import Outcome
from core.rating.asking.local import LocalBackend
from core.rating.asking.options import add_commands
from core.rating.asking.requests import chat_request
from core.rating.asking.store import AnswerStore
from core.rating.dataset import read_dataset, write_dataset
from core.rating.errors import RatingError
from core.rating.rehearsal import rehearsal
from core.rating.study import begin_study
from tests.rating.asking.fault_server import MODEL, FaultServer, good, refusal, without_logprobs
from tests.rating.asking.tiny import write_model
from tests.rating.studies import dataset

torch.set_num_threads(1)


def completion(content):
    message = {"role": "assistant", "content": content, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return {"object": "chat.completion", "model": "m", "choices": [choice], "usage": {}}


class Scripted:
    """Answers as told per word, "3" by default; stops after so many."""

    name, about = "scripted", MappingProxyType({})

    def __init__(self, model="m", says=None, most=10**9, failed=()):
        self.model, self.says, self.most, self.failed = model, says or {}, most, failed
        self.asked = []

    def request(self, item):
        return chat_request(item, self.model)

    def ask(self, requests, store, progress):
        answered, failed = 0, {}
        for request in requests:
            if answered == self.most:
                return Outcome(answered, failed, "the budget of 1 dollars is used up")
            self.asked.append(request.item)
            if request.item.word in self.failed:
                failed[request.key] = "http 500, 5 times"
            else:
                said = self.says.get(request.item.word, "3")
                store.put(request, completion(said), source="test")
                answered += 1
            progress(1)
        return Outcome(answered, failed, notes=("this server drops logprobs",))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, rehearsal(np.random.default_rng(0), words=20))
    return folder


@pytest.fixture(scope="module")
def words(data):
    return read_dataset(data).words("en", "test")


@pytest.fixture
def registered(monkeypatch):
    found = []
    monkeypatch.setattr(commands, "register", found.append)
    monkeypatch.setattr(commands, "registered", lambda: None)
    return found


@pytest.fixture
def run(data, tmp_path, monkeypatch, registered):
    """Run the command with a backend in place of the real one; returns its exit code."""

    def go(*arguments, backend=None):
        if backend is not None:
            monkeypatch.setattr(backends, "make", lambda *_: backend)
        parser = argparse.ArgumentParser()
        add_commands(parser.add_subparsers(required=True))
        defaults = {
            "--model": "m",
            "--as": "Base",
            "--language": "en",
            "--data": data,
            "--store": tmp_path / "answers.sqlite",
            "--out": tmp_path / "ratings",
        }
        for name, value in defaults.items():
            arguments += () if name in arguments else (name, value)
        options = parser.parse_args(["rate", *map(str, arguments)])
        return options.command(options)

    return go


def test_a_role_is_asked_judged_and_registered(run, words, tmp_path, registered, capsys):
    backend = Scripted(says={words[0]: "4.5"})
    assert run(backend=backend) == 0
    assert len(backend.asked) == len(words) * 11
    study = read_study(tmp_path / "ratings")
    table = study.table("en", "Base").set_index("word")
    assert (table.loc[words[0]] == 4.5).all()
    assert (table.loc[list(words[1:])] == 3).all(axis=None)
    entry = study.entry("en", "Base")
    assert (entry["model"], entry["backend"], entry["missing"]) == ("m", "scripted", 0)
    assert registered == [tmp_path / "ratings"]
    out = capsys.readouterr().out
    assert f"Base in English: {11 * len(words)} ratings, {len(words)} words on 11" in out
    assert f"answers: ok {11 * len(words)}, refusal 0, non_numeric 0" in out
    assert "note: this server drops logprobs" in out
    assert "--as each of En_FT, Nl_FT, QA_FT" in out
    for role in ("En_FT", "Nl_FT", "QA_FT"):
        assert run("--as", role, backend=Scripted(role)) == 0
    assert capsys.readouterr().out.endswith("next: pytest claims/ --evidence fresh\n")


@pytest.mark.parametrize(("people", "kept"), [("norms", True), ("simulated", False), ("", False)])
def test_a_rehearsal_takes_no_real_study_s_place(
    run, tmp_path, registered, monkeypatch, capsys, people, kept
):
    there = tmp_path / "there"
    if people:
        begin_study(there, dataset(words=20, people=people))
    monkeypatch.setattr(commands, "registered", lambda: there)
    for role in ("Base", "En_FT", "Nl_FT", "QA_FT"):
        assert run("--as", role, backend=Scripted(role)) == 0
    assert registered == ([] if kept else [tmp_path / "ratings"] * 4)
    out = capsys.readouterr().out
    assert (f"the study {there} stays the registered one" in out) is kept
    named = f" --study {tmp_path / 'ratings'}" if kept else ""
    assert out.endswith(f"next: pytest claims/ --evidence fresh{named}\n")


def test_a_second_time_nothing_is_asked(run, capsys):
    run(backend=Scripted())
    again = Scripted()
    assert run(backend=again) == 0
    assert again.asked == []
    assert "; now: 0; without an answer: 0" in capsys.readouterr().out


def test_answers_that_are_no_rating_are_named_and_no_failure(run, words, tmp_path, capsys):
    says = {words[0]: "four", words[1]: "6"}
    assert run(backend=Scripted(says=says)) == 0
    out = capsys.readouterr().out
    assert f"no rating: {words[0]} on Auditory: non_numeric, 'four'" in out
    assert f"no rating: {words[1]} on Auditory: out_of_range, '6'" in out
    assert "no rating: and 12 more, in " in out
    assert "en.Base.answers.csv" in out
    answers = read_study(tmp_path / "ratings").answers("en", "Base")
    assert (answers.loc[answers["word"] == words[0], "content"] == "four").all()
    assert read_study(tmp_path / "ratings").table("en", "Base").isna().sum().sum() == 22


def test_stopped_early_it_keeps_what_came_and_exits_with_3(
    run, words, tmp_path, registered, capsys
):
    assert run(backend=Scripted(most=5)) == 3
    out = capsys.readouterr().out
    assert "stopped: the budget of 1 dollars is used up" in out
    assert f"not asked: {11 * len(words) - 5}" in out
    assert registered == []
    entry = read_study(tmp_path / "ratings").entry("en", "Base")
    assert (entry["good"], entry["missing"]) == (5, 11 * len(words) - 5)
    rest = Scripted()
    assert run(backend=rest) == 0
    assert len(rest.asked) == 11 * len(words) - 5
    assert len(registered) == 1


def test_what_failed_is_named_and_exits_with_3(run, words, registered, capsys):
    assert run(backend=Scripted(failed=words[:1])) == 3
    out = capsys.readouterr().out
    assert f"no answer: {words[0]} on Auditory: http 500, 5 times" in out
    assert "run it again to ask for those alone" in out
    assert registered == []


def test_a_few_of_another_model_do_not_take_the_place_of_all(run, words, tmp_path, capsys):
    run(backend=Scripted("whole"))
    before = (tmp_path / "ratings" / "manifest.json").read_bytes()
    assert run("--limit", "1", backend=Scripted("other")) == 0
    assert (tmp_path / "ratings" / "manifest.json").read_bytes() == before
    still = f"{11 * (len(words) - 1):,} are still to be asked"
    assert f"keeps the ratings of whole, of which 0 are missing: of other {still}" in (
        capsys.readouterr().out
    )
    run(backend=Scripted("other"))
    assert read_study(tmp_path / "ratings").entry("en", "Base")["model"] == "other"


def test_a_few_asked_anew_do_not_take_the_place_of_all(run, words, tmp_path):
    run(backend=Scripted())
    few = Scripted()
    assert run("--limit", "2", "--dimensions", "Visual", backend=few) == 0
    assert few.asked == []
    assert read_study(tmp_path / "ratings").entry("en", "Base")["missing"] == 0


def test_a_part_is_kept_and_not_registered(run, words, tmp_path, registered, capsys):
    backend = Scripted()
    assert run("--limit", "2", "--dimensions", "Visual", "motor", backend=backend) == 0
    assert [item.word for item in backend.asked[:2]] == list(words[:2])
    expected = ("Visual", "Foot", "Hand", "Head", "Mouth", "Torso")
    assert tuple(dict.fromkeys(item.dimension for item in backend.asked)) == expected
    assert registered == []
    assert f"{11 * len(words) - 12} of the {11 * len(words)} ratings are still" in (
        capsys.readouterr().out
    )


def test_dutch_is_asked_on_the_senses(run, data, tmp_path, capsys):
    backend = Scripted()
    assert run("--language", "nl", backend=backend) == 0
    assert {item.dimension for item in backend.asked} == set(SENSORY)
    assert {item.word for item in backend.asked} == set(read_dataset(data).words("nl", "test"))
    with pytest.raises(RatingError, match="--dimensions motor: Dutch words are rated on Auditory"):
        run("--language", "nl", "--dimensions", "motor", backend=Scripted())
    with pytest.raises(RatingError, match="--dimensions visual: English words are rated on"):
        run("--dimensions", "visual", backend=Scripted())


def test_a_role_that_the_paper_has_not_is_kept_and_said_not_to_be_judged(run, tmp_path, capsys):
    assert run("--language", "nl", "--as", "QA_FT", backend=Scripted()) == 0
    assert "QA_FT in Dutch is none of the paper's: kept, not judged" in capsys.readouterr().out
    assert read_study(tmp_path / "ratings").roles("nl") == ("QA_FT",)


def test_other_words_are_written_beside_the_study(run, tmp_path, registered, capsys):
    (tmp_path / "mine.txt").write_text("\ufeffTULIP\n\n NA \nTULIP\n", encoding="utf-8")
    backend = Scripted(says={"NA": "not available"})
    arguments = ("--words", tmp_path / "mine.txt", "--dimensions", "Visual", "Foot")
    assert run(*arguments, backend=backend) == 0
    assert [item.word for item in backend.asked] == ["TULIP", "NA"] * 2
    folder = tmp_path / "ratings" / "unjudged"
    table = pd.read_csv(folder / "en.Base.mine.csv", keep_default_na=False, dtype=str)
    assert table.to_dict("records") == [
        {"word": "TULIP", "Visual": "3.0", "Foot": "3.0"},
        {"word": "NA", "Visual": "", "Foot": ""},
    ]
    assert len(pd.read_csv(folder / "en.Base.mine.answers.csv")) == 4
    assert registered == []
    assert "so not judged" in capsys.readouterr().out
    assert not (tmp_path / "ratings" / "manifest.json").exists()


def test_training_words_are_not_judged(run, data, tmp_path, registered):
    backend = Scripted()
    assert run("--words", "train", "--dimensions", "Visual", backend=backend) == 0
    assert {item.word for item in backend.asked} == set(read_dataset(data).words("en", "train"))
    assert (tmp_path / "ratings" / "unjudged" / "en.Base.train.csv").exists()
    assert registered == []


def test_a_file_of_the_test_words_is_judged(run, words, tmp_path, registered):
    (tmp_path / "mine.txt").write_text("\n".join(reversed(words)))
    assert run("--words", tmp_path / "mine.txt", backend=Scripted()) == 0
    assert registered == [tmp_path / "ratings"]


@pytest.mark.parametrize(
    ("content", "match"),
    [(None, "no such file; name test, train"), (b"\xff\xfe\x00", "UTF-8"), (b" \n", "no word")],
)
def test_a_file_without_words_is_refused(run, tmp_path, content, match):
    if content is not None:
        (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(RatingError, match=match):
        run("--words", tmp_path / "mine.txt", backend=Scripted())


def test_no_data_says_how_to_make_them(run, tmp_path):
    with pytest.raises(RatingError, match="claims data"):
        run("--data", tmp_path / "none", backend=Scripted())


def test_the_study_of_another_data_set_is_refused_before_anything_is_asked(run, tmp_path):
    run(backend=Scripted())
    write_dataset(tmp_path / "other", rehearsal(np.random.default_rng(1), words=20))
    backend = Scripted("n")
    with pytest.raises((RatingError, EvidenceError), match="holds a study of the data"):
        run("--data", tmp_path / "other", backend=backend)
    assert backend.asked == []


def test_a_dry_run_asks_and_writes_nothing(run, words, tmp_path, monkeypatch, capsys):
    backend = Scripted()
    monkeypatch.setattr(backends, "foreseen", lambda *_: ["cost: some"])
    assert run("--dry-run", backend=backend) == 0
    assert backend.asked == []
    assert not list(tmp_path.iterdir())
    out = capsys.readouterr().out
    assert f"answered already: 0; to be asked: {11 * len(words)}\ncost: some" in out
    run("--limit", "1", backend=Scripted())
    run("--dry-run", backend=backend)
    assert f"answered already: 11; to be asked: {11 * len(words) - 11}" in capsys.readouterr().out


def test_a_dry_run_of_a_server_tells_tokens_cost_and_time(run, words, monkeypatch, capsys):
    arguments = ("--dry-run", "--base-url", "http://127.0.0.1:1/v1", "--concurrency", "4")
    assert run(*arguments) == 0
    out = capsys.readouterr().out
    assert "an estimate" in out
    assert "cost: not known, no price of m of this server is listed" in out
    assert f"time: about {round(11 * len(words) / 4)} s, if an answer takes 1 s (assumed)" in out
    run("--dry-run", "--backend", "server", "--model", "gpt-4o-mini-2024-07-18")
    out = capsys.readouterr().out
    assert "cost: about 0.00 dollars, at most 0.0" in out
    assert "prices of gpt-4o-mini-2024-07-18 as of " in out
    run("--dry-run", "--backend", "batch", "--model", "gpt-4o-mini-2024-07-18")
    assert "within 24 hours" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("--backend", "local", "--base-url", "http://x/v1"), "--base-url is of a server"),
        (("--budget", "3"), "costs nothing; leave out --budget"),
        (("--backend", "batch", "--revision", "abc"), "--revision is of a model on this machine"),
        (("--base-url", "http://x/v1", "--budget", "3"), "price of m is not known"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, arguments, match):
    with pytest.raises(RatingError, match=match):
        run(*arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as", "2nd"), "must be letters, digits and _"),
        (("--budget", "-1"), "above 0"),
        (("--budget", "nan"), "above 0"),
        (("--budget", "much"), "'much' is not a number"),
        (("--limit", "0"), "at least 1"),
        (("--language", "fr"), "invalid choice"),
        (("--device", "foo"), "invalid choice: 'foo'"),
        (("--out", __file__), f"{__file__} is a file; name another folder"),
        (("--store", "s", "--out", f"{__file__}/x"), f"{__file__} is a file; name another folder"),
        (("--seed", "-1"), "must not be negative"),
    ],
)
def test_wrong_usage_exits_with_2(run, arguments, said, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_help_and_options_need_neither_torch_nor_a_client():
    code = (
        "import argparse, sys; from core.rating.asking.options import add_commands\n"
        "add_commands(argparse.ArgumentParser().add_subparsers())\n"
        "print(sorted({'torch', 'transformers', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_not_installed_is_told_of(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "core.rating.asking.local", None)

    def missing(*_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(backends, "make", missing)
    with pytest.raises(
        RatingError, match=r"torch is not installed: pip install -e '.\[finetune\]'"
    ):
        run()


def test_a_model_on_this_machine_from_end_to_end(run, words, tmp_path, registered, capsys):
    model = write_model(tmp_path / "tiny")
    arguments = ("--model", model, "--limit", "3", "--device", "cpu", "--seed", "5")
    assert run(*arguments, "--dry-run") == 0
    out = capsys.readouterr().out
    assert "cost: none" in out
    assert "s on cpu (3 timed)" in out
    assert run(*arguments) == 0
    out = capsys.readouterr().out
    assert "--seed changes nothing" in out
    assert str(tmp_path / "tiny") not in out
    entry = read_study(tmp_path / "ratings").entry("en", "Base")
    assert entry["model"].startswith("tiny@")
    assert entry["missing"] == 11 * (len(words) - 3)
    answers = read_study(tmp_path / "ratings").answers("en", "Base")
    assert len(answers) == 33
    assert np.isfinite(answers["expected_whole"].astype(float)).all()
    assert tuple(dict.fromkeys(answers["dimension"])) == ALL
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        assert len(store.answered(answers["key"])) == 33
    assert str(tmp_path) not in json.dumps(dict(entry))


def test_a_server_from_end_to_end(run, words, tmp_path, registered, capsys):
    # Four calls are about every word, one per dimension asked.
    script = {words[0]: [good("four"), refusal()], words[1]: [without_logprobs()]}
    with FaultServer(script) as server:
        arguments = ("--base-url", server.url, "--model", MODEL, "--concurrency", "2")
        arguments += ("--dimensions", "Visual", "Foot")
        assert run(*arguments) == 0
        out = capsys.readouterr().out
        assert len(server.asked) == 2 * len(words)
        assert "this server drops logprobs" in out
        assert f"answers: ok {2 * len(words) - 2}, refusal 1, non_numeric 1" in out
        assert "refusal, 'I cannot.'" in out
        assert run(*arguments) == 0
        assert len(server.asked) == 2 * len(words)
    out = capsys.readouterr().out
    assert f"{2 * len(words)} answers of a model called {MODEL} were there before" in out
    entry = read_study(tmp_path / "ratings").entry("en", "Base")
    assert (entry["model"], entry["backend"]) == (MODEL, "server")
    assert registered == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(run, tmp_path):
    model = write_model(tmp_path / "tiny")
    with pytest.raises(RatingError, match="--device cuda: torch sees no GPU here"):
        run("--model", model, "--device", "cuda")
    with pytest.raises(RatingError, match="--device foo: is not known"):
        LocalBackend(str(model), device="foo")


def test_a_budget_is_said_to_be_of_a_run(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    assert "dollars per run" in " ".join(capsys.readouterr().out.split())
