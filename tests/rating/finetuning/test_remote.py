"""Fine-tuning at the service: begun once, gone on with, and refused in plain words."""

import argparse
import json
import logging

import numpy as np
import pandas as pd
import pytest

from core.evidence.tables import ALL, SENSORY
from core.rating.dataset import Dataset, write_dataset
from core.rating.errors import RatingError
from core.rating.examples import examples
from core.rating.finetuning import remote_job
from core.rating.finetuning.remote import finetune_remote, foreseen, training_file
from core.rating.finetuning.remote_job import Order
from tests.rating.asking.batch_server import BatchServer
from tests.rating.asking.fault_server import error
from tests.rating.asking.serving import SECRET
from tests.rating.asking.tuning import BASE, JOBS, an_order, carried, job

ENGLISH, DUTCH = ("APPLE", "BIRCH", "CLOUD"), ("appel", "berk", "wolk")


def dataset() -> Dataset:
    rng = np.random.default_rng(0)
    splits = ["train", "train", "test"]
    english = pd.DataFrame({"word": ENGLISH, "translation": DUTCH, "split": splits})
    dutch = pd.DataFrame({"word": DUTCH, "translation": ENGLISH, "split": splits})
    for table, dimensions in ((english, ALL), (dutch, SENSORY)):
        for dimension in dimensions:
            table[dimension] = rng.uniform(0, 5, 3).round(2)
    questions = pd.DataFrame(
        [(1, "Which?", "a", "b", "c", "d", "B", "train"), (2, "Why?", *"abcd", "A", "test")],
        columns=pd.Index(["index", "question", *"ABCD", "correct", "split"]),
    )
    return Dataset("simulated", english, dutch, questions, {"from": "hand"})


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


@pytest.fixture
def server():
    with BatchServer() as running:
        running.models = {BASE: {}}
        yield running


@pytest.fixture
def order(server):
    return an_order(server)


def test_the_training_file_holds_the_examples_and_no_test_word():
    several = examples(dataset(), "En_FT")
    lines = [json.loads(line) for line in training_file(several).decode().splitlines()]
    assert len(lines) == 2 * 11
    assert [[m["role"] for m in line["messages"]] for line in lines] == [["user", "assistant"]] * 22
    assert lines[0]["messages"][0]["content"] == several[0].prompt
    assert lines[0]["messages"][1]["content"] == several[0].answer
    assert "CLOUD" not in training_file(several).decode()


def test_a_job_is_begun_waited_for_and_named(server, order, tmp_path):
    said = []
    found = carried(order, tmp_path, said=said)
    assert found.fine_tuned_model == f"ft:{BASE}:made-up::2"
    (kept,) = server.jobs.values()
    asked = kept.about
    assert (asked["model"], asked["seed"], asked["suffix"]) == (BASE, 0, "en-ft")
    assert asked["method"]["supervised"]["hyperparameters"] == {"n_epochs": 3}
    assert server.files[asked["training_file"]] == b"a training file"
    assert asked["metadata"]["content"] == order.content
    note = json.loads((tmp_path / "finetune.json").read_text())["note"]
    assert (note["job"], note["status"]) == ("ftjob-2", "succeeded")
    assert note["tuned"] == found.fine_tuned_model
    assert any("close to everyone on 2027-01-06" in line for line in said)
    assert "job ftjob-2: validating_files" in said


def test_epochs_are_left_to_the_service_where_none_are_given(server, order, tmp_path):
    carried(Order(**{**vars(order), "epochs": None}), tmp_path)
    (kept,) = server.jobs.values()
    assert kept.about["method"] == {"type": "supervised"}


def test_a_job_that_is_done_is_not_begun_again(server, order, tmp_path):
    first, second = carried(order, tmp_path), carried(order, tmp_path)
    assert first.fine_tuned_model == second.fine_tuned_model
    assert server.count(JOBS) == server.count("POST /v1/files") == 1


def test_stopped_while_waiting_it_goes_on_with_the_same_job(server, order, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carried(order, tmp_path, sleep=stop)
    assert carried(order, tmp_path).status == "succeeded"
    assert server.count(JOBS) == 1


@pytest.mark.parametrize("lost", ["the id", "the id and the file's"])
def test_killed_before_the_id_was_noted_it_finds_its_job(server, order, tmp_path, lost):
    carried(order, tmp_path)
    path = tmp_path / "finetune.json"
    content = json.loads(path.read_text())
    content["note"] |= {"job": None, "status": "planned"}
    if "file" in lost:
        content["note"]["file"] = None
    path.write_text(json.dumps(content))
    assert carried(order, tmp_path).id == "ftjob-2"
    assert server.count(JOBS) == 1


def test_a_job_of_another_day_is_not_taken_for_a_new_one(server, order, tmp_path):
    carried(order, tmp_path / "monday")
    carried(order, tmp_path / "tuesday")
    assert server.count(JOBS) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [("{}", "made elsewhere"), ("no json", "made elsewhere"), ("other", "another job")],
)
def test_a_folder_with_something_else_is_refused(order, tmp_path, content, says):
    if content == "other":
        job(Order(**{**vars(order), "seed": 7}), tmp_path)._write(
            {"attempt": 1, "file": None, "job": None, "status": "planned"}
        )
    else:
        (tmp_path / "finetune.json").write_text(content)
    with pytest.raises(RatingError, match=rf"{says}; choose another folder with --out"):
        carried(order, tmp_path)


def test_the_key_is_nowhere_in_the_folder(server, order, tmp_path):
    carried(order, tmp_path)
    assert SECRET not in "".join(path.read_text() for path in tmp_path.iterdir())


def options(server, tmp_path, **changes):
    write_dataset(tmp_path / "data", dataset())
    about = {"recipe": "En_FT", "model": BASE, "seed": 0, "epochs": 3, "base_url": server.url}
    where = {"data": tmp_path / "data", "out": tmp_path / "tuned"}
    return argparse.Namespace(**{**about, **where, **changes})


@pytest.fixture
def _hurried(monkeypatch):
    monkeypatch.setattr(remote_job, "POLL", 0.01)


@pytest.mark.usefixtures("_hurried")
def test_the_command_counts_tunes_and_says_what_is_next(server, tmp_path, capsys):
    assert finetune_remote(options(server, tmp_path)) == 0
    shown = capsys.readouterr().out
    assert "En_FT: 22 examples" in shown
    assert "3 epochs" in shown
    # 1,234 tokens at 3 dollars a million.
    assert "1,234 tokens trained on, 0.0037 dollars" in shown
    assert f"--model ft:{BASE}:made-up::2 --as En_FT" in shown
    (name,) = (kept.about["training_file"] for kept in server.jobs.values())
    assert server.files[name] == training_file(examples(dataset(), "En_FT"))


@pytest.mark.usefixtures("_hurried")
def test_scrambled_answers_are_others_and_the_same_for_the_same_seed(server, tmp_path):
    finetune_remote(options(server, tmp_path, scrambled=True, seed=1))
    (name,) = (kept.about["training_file"] for kept in server.jobs.values())
    dealt = examples(dataset(), "En_FT", scrambled=np.random.default_rng(1))
    assert server.files[name] == training_file(dealt)
    assert dealt != examples(dataset(), "En_FT")


def test_a_budget_is_held_against_the_most_that_it_can_cost(server, tmp_path):
    with pytest.raises(RatingError, match=r"may cost up to 0\.0\d dollars.*larger --budget"):
        finetune_remote(options(server, tmp_path, budget=0.001))
    with pytest.raises(RatingError, match="--epochs"):
        finetune_remote(options(server, tmp_path, budget=5.0, epochs=None))
    with pytest.raises(RatingError, match="--prices"):
        finetune_remote(options(server, tmp_path, budget=5.0, model="other"))
    assert not server.asked


def test_what_it_takes_is_told_without_a_price_too(order):
    several = examples(dataset(), "En_FT")
    (line,) = foreseen(several, order, None, None)
    assert "22 examples" in line


def test_an_address_with_a_password_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(RatingError, match="holds a password") as found:
        finetune_remote(options(server, tmp_path, base_url=f"https://me:{SECRET}@host/v1"))
    assert SECRET not in str(found.value)
    assert not (tmp_path / "tuned").exists()


@pytest.mark.usefixtures("_hurried")
def test_the_key_is_not_logged(server, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    server.faults[JOBS].extend([error(403, "no", X_Echo=SECRET)])
    with pytest.raises(RatingError, match="403"):
        finetune_remote(options(server, tmp_path))
    assert "[key]" in caplog.text
    assert SECRET not in caplog.text
