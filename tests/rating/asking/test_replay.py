"""The released answers through our own store and parser, on a small made-up release."""

import argparse
import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from core.evidence import mapping
from core.evidence.completions import read_completions
from core.evidence.errors import EvidenceError
from core.evidence.released import Released
from core.evidence.store import Store
from core.rating.asking.comparing import compare
from core.rating.asking.replay import answers_of, evaluated, ingest, long_table, released_files
from core.rating.asking.replay_commands import replay
from core.rating.asking.requests import Item, chat_request
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError
from core.rating.study import read_study
from tests.evidence import synthetic
from tests.evidence.synthetic import dutch_of, rating

#: Of the made-up release: English by four models on eleven dimensions, Dutch by three on six.
FILES, WORDS = 4 * 11 + 3 * 6, len(synthetic.evaluated())
#: Base has no line about NA on Foot.
LINES = FILES * WORDS - 1
ORDER = {
    "en": tuple(synthetic.evaluated()),
    "nl": tuple(dutch_of(word) for word in synthetic.evaluated()),
}
VISUAL = "visual_base_test_results_0_2025.jsonl"
HORSE = "Horen_nl_ft_test_results_0_2025.jsonl"


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A release whose models have ids of their own, as the released ones have."""
    root = synthetic.release(tmp_path_factory.mktemp("release"))
    for path in root.rglob("*.jsonl"):
        name = path.name.split("_test_results")[0].partition("_")[2]
        path.write_text(path.read_text().replace('"made-up-1"', f'"ft:{name}"'))
    return root


@pytest.fixture(scope="module")
def workbooks(tree, tmp_path_factory):
    return released_of(tree, tmp_path_factory.mktemp("used"))


@pytest.fixture
def mirror(tree, tmp_path):
    """A release of one's own to spoil."""
    shutil.copytree(tree, tmp_path / "mirror")
    return tmp_path / "mirror"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(mapping, "POOL", synthetic.POOL)


def released_of(root: Path, at: Path) -> Released:
    return Released(synthetic.store_of(root, at / "cache"))


def replayed(root, at, store, progress=lambda _: None):
    files = released_files(released_of(root, at))
    done = ingest(files, ORDER, store, progress)
    return done, answers_of(files, ORDER, store, lambda _: None)


def change(path: Path, edit) -> None:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    synthetic.write_lines(path, edit(records) or records)


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "replay.sqlite") as opened:
        yield opened


def test_every_line_is_stored_under_the_request_it_answers(tree, tmp_path, store):
    done_with = []
    done, answers = replayed(tree, tmp_path, store, done_with.append)
    assert (done.lines, done.new, len(answers)) == (LINES, LINES, LINES)
    assert sum(done_with) == sum(p.stat().st_size for p in tree.rglob("*.jsonl"))
    word = ORDER["nl"][2]
    request = chat_request(Item("nl", "Auditory", word), "ft:nl_ft")
    (kept,) = store.get([request.key]).values()
    assert kept.source == f"replay:{HORSE}"
    assert f'\\"{word}\\"' in json.dumps(request.body)
    said = kept.response["choices"][0]["message"]["content"]
    assert float(said) == rating(synthetic.evaluated()[2], "Nl_FT", "Auditory", "nl")


def test_a_file_is_put_in_as_a_whole_or_not_at_all(mirror, tmp_path, store):
    path = mirror / "model_outputs" / VISUAL
    path.write_text(path.read_text() + "{")
    with pytest.raises(EvidenceError, match=rf"{VISUAL}, line {WORDS + 1}"):
        replayed(mirror, tmp_path, store)
    rows = store.connection.execute("SELECT count(*) FROM replayed_lines WHERE file = ?", (VISUAL,))
    assert rows.fetchone() == (0,)


def test_the_order_of_the_tasks_is_that_of_the_output_workbooks(workbooks):
    assert evaluated(workbooks) == ORDER


def test_answers_read_back_are_those_that_the_files_hold(tree, tmp_path, store):
    _, answers = replayed(tree, tmp_path, store)
    paths = sorted((tree / "model_outputs").glob("*.jsonl"))
    pd.testing.assert_frame_equal(answers, read_completions(paths, ORDER))


def test_tables_from_the_store_equal_the_workbooks(tree, workbooks, tmp_path, store):
    _, answers = replayed(tree, tmp_path, store)
    found = compare(workbooks, answers, ORDER)
    assert found.different == ()
    # NA on Visual got words for a number, NA on Foot no line at all; in both released tables.
    assert {(c.table, c.word, c.dimension, c.why) for c in found.cells} == {
        (table, "NA", dimension, why)
        for table in ("outputs", "ratings")
        for dimension, why in (
            ("Visual", "no plain number: 'Which concept?'"),
            ("Foot", "the file has no answer to it"),
        )
    }
    counts = found.counts["en", "outputs", "Base"]
    assert counts == {"equal": 11 * WORDS - 2, "blank": 2}
    assert sum(sum(each.values()) for each in found.counts.values()) == 2 * FILES * WORDS


def test_a_second_run_asks_for_nothing_and_finds_the_same(tree, tmp_path, store):
    _, first = replayed(tree, tmp_path, store)
    before = store.connection.total_changes
    done, second = replayed(tree, tmp_path, store)
    assert (done.lines, done.new) == (LINES, 0)
    assert store.connection.total_changes == before
    pd.testing.assert_frame_equal(first, second)


def test_a_run_that_was_stopped_goes_on_with_the_next_file(tree, tmp_path, store):

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replayed(tree, tmp_path, store, stop)
    done, answers = replayed(tree, tmp_path, store)
    assert (done.lines, done.new) == (LINES, LINES - WORDS)
    assert len(answers) == LINES


@pytest.fixture
def doctored(mirror, workbooks, tmp_path, store):
    """Return what the comparison says of a release with one file of answers changed."""

    def compared(edit):
        change(mirror / "model_outputs" / HORSE, edit)
        _, answers = replayed(mirror, tmp_path, store)
        return compare(workbooks, answers, ORDER)

    return compared


def test_a_doctored_answer_is_found_and_named(doctored):
    word = dutch_of(synthetic.evaluated()[3])
    real = rating(synthetic.evaluated()[3], "Nl_FT", "Auditory", "nl")
    other = 1.25 if real != 1.25 else 2.25

    def edit(records):
        records[3]["response"]["body"]["choices"][0]["message"]["content"] = str(other)

    found = doctored(edit)
    cells = {(c.table, c.file, c.word, c.model, c.workbook, c.answer) for c in found.different}
    assert cells == {(t, HORSE, word, "Nl_FT", real, other) for t in ("outputs", "ratings")}
    assert {c.why for c in found.different} == {
        f"the workbook has {real:g}, the answer says {other:g}"
    }


def body_of(record):
    return record["response"]["body"]["choices"][0]["message"]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (
            lambda records: [*records, {**records[0], "id": "again"}],
            "the file answers it more than once, so that none counts",
        ),
        (lambda records: records[1:], "the file has no answer to it"),
        (
            lambda records: body_of(records[0]).update(content=None, refusal="I cannot."),
            "refused: 'I cannot.'",
        ),
        (lambda records: body_of(records[0]).update(content="3,5"), "no plain number: '3,5'"),
        (lambda records: body_of(records[0]).update(content="7"), "off the scale: '7'"),
        (
            lambda records: records[0]["response"]["body"]["choices"][0].update(
                finish_reason="length"
            ),
            "cut at the length limit",
        ),
        (
            lambda records: records[0].update(response=None, error={"code": "batch_expired"}),
            'failed: \'{"code": "batch_expired"}\'',
        ),
    ],
)
def test_why_a_cell_has_no_number_is_told(doctored, edit, why):
    found = doctored(edit)
    assert {(c.file, c.word) for c in found.different} == {
        (HORSE, dutch_of(synthetic.evaluated()[0]))
    }
    assert all(why in c.why for c in found.different)
    assert all(np.isnan(c.answer) and not np.isnan(c.workbook) for c in found.different)


def test_lines_in_another_order_say_the_same(doctored):
    found = doctored(lambda records: records[::-1])
    assert found.different == ()


@pytest.mark.parametrize(
    "custom_id", ["Finetuning_task_0", f"Finetuning_task_{WORDS + 1}", "task_1", ""]
)
def test_a_line_about_no_word_is_named(mirror, tmp_path, store, custom_id):
    def edit(records):
        records[2]["custom_id"] = custom_id

    change(mirror / "model_outputs" / HORSE, edit)
    with pytest.raises(EvidenceError, match=rf"{HORSE}, line 3: not a batch answer"):
        replayed(mirror, tmp_path, store)


def test_an_empty_file_is_named(mirror, tmp_path, store):
    (mirror / "model_outputs" / HORSE).write_text("")
    with pytest.raises(EvidenceError, match=f"{HORSE}: holds no answer"):
        replayed(mirror, tmp_path, store)


def test_a_store_of_another_version_of_a_file_is_refused(mirror, tmp_path, store):
    replayed(mirror, tmp_path, store)
    change(mirror / "model_outputs" / HORSE, lambda records: records[::-1])
    with pytest.raises(RatingError, match=rf"another version of {HORSE}.*--store"):
        replayed(mirror, tmp_path / "mirror", store)


def test_a_cell_without_just_one_answer_has_no_rating_in_a_study():
    table = pd.DataFrame(
        {
            "word": ["A", "A", "B"],
            "dimension": "Foot",
            "status": "ok",
            "content": ["2", "3", "4"],
            "rating": [2.0, 3.0, 4.0],
            "expected": 1.0,
            "digit_mass": 0.5,
        }
    )
    found = long_table(table, ["A", "B", "C"], ["Foot"])
    assert found[["word", "status", "content"]].to_numpy().tolist() == [
        ["A", "error", "more than one answer is released"],
        ["B", "ok", "4"],
        ["C", "error", "no answer is released"],
    ]
    assert np.isnan(found["rating"].tolist()).tolist() == [True, False, True]
    assert found["digit_mass"].tolist()[1] == 0.5


@pytest.fixture
def command(tree, tmp_path, monkeypatch):
    store = synthetic.store_of(tree, tmp_path / "cache")
    monkeypatch.setattr(Store, "from_environment", lambda: store)
    options = argparse.Namespace(out=tmp_path / "study", store=tmp_path / "answers.sqlite")
    return lambda: replay(options)


def test_the_command_says_what_it_found_and_writes_a_study(command, tmp_path, capsys):
    assert command() == 0
    shown = capsys.readouterr().out
    assert f"{LINES:,} answers in {FILES} files" in shown
    assert "what was sent is not released" in shown
    assert (
        f"{2 * FILES * WORDS:,} cells, as each rating stands in two released tables: 0 differ"
        in shown
    )
    assert "'NA' (Base, Visual): no plain number: 'Which concept?'" in shown
    assert "'NA' (Base, Foot): the file has no answer to it" in shown
    row = next(line for line in shown.splitlines() if line.startswith("en Base"))
    numbers = [11 * WORDS - 1, 11 * WORDS - 2, 1, 22 * WORDS - 4, 4, 0]
    assert row.split()[2:] == [f"{n:,}" for n in numbers]
    assert f"--study {tmp_path / 'study'}" in shown
    assert command() == 0
    assert "there already" in capsys.readouterr().out


def test_the_study_holds_people_and_every_models_ratings(command, tmp_path):
    command()
    study = read_study(tmp_path / "study")
    assert study.people == "release"
    assert sorted(study.manifest["ratings"]) == [
        *("en/Base", "en/En_FT", "en/Nl_FT", "en/QA_FT", "nl/Base", "nl/En_FT", "nl/Nl_FT"),
    ]
    entry = study.manifest["ratings"]["en/Base"]
    assert (entry["asked"], entry["good"], entry["missing"]) == (11 * WORDS, 11 * WORDS - 2, 0)
    assert (entry["model"], entry["backend"]) == ("ft:base", "replay")
    with (tmp_path / "study" / "en.Base.csv").open() as file:
        rows = {row["word"]: row for row in csv.DictReader(file)}
    assert len(rows) == WORDS
    assert rows["NA"]["Visual"] == rows["NA"]["Foot"] == ""
    word = next(word for word in rows if word != "NA")
    assert float(rows[word]["Hand"]) == rating(word, "Base", "Hand", "en")
    with (tmp_path / "study" / "human.en.csv").open() as file:
        people = {row["word"]: row for row in csv.DictReader(file)}
    assert float(people[word]["Hand"]) == rating(word, "Human", "Hand", "en")
    with (tmp_path / "study" / "cells.csv").open() as file:
        cells = list(csv.DictReader(file))
    assert [(c["table"], c["word"], c["workbook"]) for c in cells] == [
        *[("outputs", "NA", "")] * 2,
        *[("ratings", "NA", "")] * 2,
    ]


def test_the_command_fails_where_a_cell_differs(mirror, tmp_path, monkeypatch, capsys):

    def edit(records):
        body_of(records[0])["content"] = "4.75"

    change(mirror / "model_outputs" / VISUAL, edit)
    store = synthetic.store_of(mirror, tmp_path / "cache")
    monkeypatch.setattr(Store, "from_environment", lambda: store)
    options = argparse.Namespace(out=tmp_path / "study", store=tmp_path / "answers.sqlite")
    assert replay(options) == 1
    shown = capsys.readouterr().out
    assert "2 differ" in shown
    # The first word evaluated is NA, whose cell is blank in the workbooks.
    assert f"outputs, {VISUAL}: 'NA' (Base, Visual): the workbook is blank" in shown
