"""A study holds what was answered, to the bit, and nothing of another dataset's."""

import csv
import hashlib
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from core.evidence.errors import EvidenceError, HashMismatch
from core.evidence.studies import registered
from core.evidence.tables import ALL, SENSORY
from core.paths import ROOT
from core.rating.errors import RatingError
from core.rating.study import add_ratings, begin_study, read_study, register
from tests.rating.studies import answers, dataset, rate

ABOUT = {"model": "tiny", "backend": "local", "seed": 3}


@pytest.fixture(scope="module")
def data():
    return dataset(words=20)


@pytest.fixture
def folder(tmp_path, data):
    begin_study(tmp_path / "study", data)
    return tmp_path / "study"


def rows(path):
    """A CSV file as Python's own reader has it."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_people_stand_in_the_study_as_in_the_dataset(folder, data):
    read = rows(folder / "human.en.csv")
    test = data.english.loc[data.english["split"] == "test"]
    assert [row["word"] for row in read] == list(test["word"])
    assert [row["translation"] for row in read] == list(test["translation"])
    for name in (*ALL, "Visual.SD", "Torso.N"):
        assert [float(row[name]) for row in read] == list(test[name])
    assert len(rows(folder / "human.train.nl.csv")) == len(data.dutch) - len(test)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["schema"], manifest["people"]) == (1, "simulated")
    assert manifest["dataset"]["digest"] == data.digest
    for part in ("human", "training"):
        for entry in manifest[part].values():
            content = (folder / entry["file"]).read_bytes()
            assert entry["sha256"] == hashlib.sha256(content).hexdigest()


def test_training_is_laid_out_as_the_release_s_is(folder, data):
    table = read_study(folder).training()
    assert list(table) == ["Word", "Woord", *ALL, *(f"nl_{name}" for name in SENSORY)]
    assert table.index.name == "word"
    train = data.table("en", "train")
    assert list(table.index) == list(train["word"])
    assert np.array_equal(table["Foot"], train["Foot"])
    dutch = data.table("nl", "train").set_index("word")
    for word, pair in zip(table["Woord"], table["nl_Visual"], strict=True):
        assert dutch.loc[word, "Visual"] == pair


def test_answers_are_read_back_to_the_bit_and_faults_are_blank(folder, data):
    given = answers(data, "Base", "en")
    given["content"] = given["content"].astype(object)
    given["note"] = "kept"
    given.loc[3, ["status", "rating"]] = ["refusal", np.nan]
    given.loc[3, "content"] = 'no, "never"\r\n\ud800 3,5'
    given.loc[4, "rating"] = 0.1 + 0.2
    given = given.sample(frac=1.0, random_state=1)
    add_ratings(folder, "Base", "en", given, ABOUT)
    study = read_study(folder)
    table = study.ratings("en", ["Base"])
    expected = given.set_index(["word", "dimension"])["rating"]
    for i, word in enumerate(table.concepts):
        for j, dimension in enumerate(table.dimensions):
            value = table.models["Base"][i, j]
            assert value == expected[word, dimension] or (np.isnan(value) and i + j > 0)
    assert np.isnan(table.models["Base"]).sum() == 1
    read = study.answers("en", "Base")
    assert list(read["word"]) == list(given["word"])
    assert np.array_equal(read["rating"], given["rating"], equal_nan=True)
    assert set(read["note"]) == {"kept"}
    (content,) = read.loc[read["status"] == "refusal", "content"]
    assert content == 'no, "never"\r\n\\ud800 3,5'


def test_the_manifest_counts_what_was_asked_answered_and_missing(folder, data):
    given = answers(data, "En_FT", "nl").iloc[5:].copy()
    given.iloc[:2, given.columns.get_loc("rating")] = np.nan
    given.iloc[:2, given.columns.get_loc("status")] = ["truncated", "out_of_range"]
    add_ratings(folder, "En_FT", "nl", given, ABOUT)
    entry = read_study(folder).entry("nl", "En_FT")
    words = len(data.words("nl", "test"))
    assert entry["asked"] == 6 * words
    assert entry["good"] == 6 * words - 7
    assert entry["missing"] == 5
    assert entry["faults"] == {"out_of_range": 1, "truncated": 1}
    assert (entry["model"], entry["backend"], entry["seed"]) == ("tiny", "local", 3)
    assert entry["finished"]
    assert "commit" in entry["code"]
    wide = pd.read_csv(folder / "nl.En_FT.csv")
    assert len(wide) == words
    assert wide.isna().sum().sum() == 7


def test_a_role_rated_again_takes_its_own_place_and_no_other_s(folder, data):
    rate(folder, data, "Base", "en")
    rate(folder, data, "En_FT", "en")
    kept = (folder / "en.En_FT.csv").read_bytes()
    given = answers(data, "Base", "en").assign(rating=2.5)
    add_ratings(folder, "Base", "en", given, ABOUT)
    study = read_study(folder)
    assert study.roles("en") == ("Base", "En_FT")
    assert (study.ratings("en", ["Base"]).models["Base"] == 2.5).all()
    assert (folder / "en.En_FT.csv").read_bytes() == kept


def test_a_run_stopped_between_two_files_leaves_a_study_short_of_a_role(folder, data, monkeypatch):
    rate(folder, data, "Base", "en")
    rate(folder, data, "En_FT", "en")

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("core.rating.study._put", stopped)
        with pytest.raises(KeyboardInterrupt):
            rate(folder, data, "Base", "en")
    assert read_study(folder).roles("en") == ("En_FT",)
    rate(folder, data, "Base", "en")
    assert read_study(folder).roles("en") == ("Base", "En_FT")


def test_another_dataset_is_refused_and_both_are_named(folder, data):
    assert begin_study(folder, data).manifest["people"] == "simulated"
    other = dataset(words=20, people="norms", seed=8)
    with pytest.raises(RatingError) as error:
        begin_study(folder, other)
    assert data.digest[:12] in str(error.value)
    assert other.digest[:12] in str(error.value)
    assert "--out" in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.assign(word="elsewhere"), "'elsewhere' is no word"),
        (lambda x: x.assign(dimension="Sixth"), "'Sixth' is no dimension"),
        (lambda x: pd.concat([x, x.iloc[:1]]), "answered twice"),
        (lambda x: x.assign(rating=5.1), "rating 5.1"),
        (lambda x: x.assign(rating=np.nan), "does not go with status 'ok'"),
        (lambda x: x.assign(status="refusal"), "does not go with status 'refusal'"),
        (lambda x: x.drop(columns="expected"), "no column expected"),
    ],
)
def test_answers_that_cannot_be_this_study_s_are_refused_by_name(folder, data, change, said):
    with pytest.raises(RatingError, match=said):
        add_ratings(folder, "Base", "en", change(answers(data, "Base", "en")), ABOUT)
    assert read_study(folder).roles("en") == ()


def test_a_role_has_a_name_and_says_its_model(folder, data):
    given = answers(data, "Base", "en")
    with pytest.raises(RatingError, match=r"role '\.\./Base'"):
        add_ratings(folder, "../Base", "en", given, ABOUT)
    with pytest.raises(RatingError, match="model"):
        add_ratings(folder, "Base", "en", given, {"backend": "local"})


def test_a_changed_file_is_named_and_never_read(folder, data):
    rate(folder, data, "Base", "en")
    path = folder / "en.Base.csv"
    path.write_text(path.read_text().replace('"0.0"', '"5.0"'), encoding="utf-8")
    with pytest.raises(HashMismatch, match=r"en\.Base\.csv"):
        read_study(folder).ratings("en", ["Base"])
    path.unlink()
    with pytest.raises(EvidenceError, match=r"en\.Base\.csv"):
        read_study(folder).ratings("en", ["Base"])


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 2}', '{"schema": 1, "people": "me"}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(EvidenceError, match=r"manifest\.json"):
        read_study(tmp_path)


def test_the_registered_study_is_found_again(folder, tmp_path):
    note = tmp_path / "runs" / "fresh.json"
    assert registered(note) is None
    register(folder, note)
    assert registered(note) == folder.resolve()
    assert json.loads(note.read_text()) == {"schema": 1, "folder": str(folder.resolve())}
    note.write_text("{}")
    with pytest.raises(EvidenceError, match=r"fresh\.json"):
        registered(note)
    with pytest.raises(EvidenceError):
        register(tmp_path / "nothing", note)


ADDS = """
import sys
from pathlib import Path
from tests.rating.studies import dataset, rate
data = dataset(words=20)
for _ in range(4):
    for language in ("en", "nl"):
        rate(Path(sys.argv[1]), data, sys.argv[2], language)
"""


def test_models_rated_at_the_same_time_are_all_kept(folder):
    command = [sys.executable, "-c", ADDS, str(folder)]
    both = [subprocess.Popen([*command, role], cwd=ROOT) for role in ("Base", "En_FT")]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    study = read_study(folder)
    assert study.roles("en") == study.roles("nl") == ("Base", "En_FT")
    study.ratings("en", ["Base", "En_FT"])


TUNED = {"recipe": "En_FT", "scrambled": False, "base": "b" * 64}


def tuned(of, **otherwise):
    return {"digest": "e" * 64, "tuned": TUNED | {"data": of.digest} | otherwise}


@pytest.mark.parametrize(
    ("otherwise", "why"),
    [
        ({"data": "f" * 64}, "tuned on another data set .ffffffffffff."),
        ({"recipe": "Nl_FT"}, "tuned by the recipe Nl_FT;"),
        ({"scrambled": True}, "En_FT on scrambled answers"),
        ({"base": "c" * 64}, "no fine-tune of the model that is rated as Base"),
    ],
)
def test_a_model_that_was_tuned_otherwise_is_not_taken_for_the_role(folder, data, otherwise, why):
    add_ratings(folder, "Base", "en", answers(data, "Base", "en"), ABOUT | {"digest": "b" * 64})
    rated = answers(data, "En_FT", "en")
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(RatingError, match=f"en/En_FT: tiny (was|is) .*{why}.*--out"):
        add_ratings(folder, "En_FT", "en", rated, ABOUT | tuned(data, **otherwise))
    assert (folder / "manifest.json").read_bytes() == before
    add_ratings(folder, "En_FT", "en", rated, ABOUT | tuned(data))


def test_a_model_tuned_on_scrambled_answers_has_a_role_of_its_own(folder, data):
    about = ABOUT | tuned(data, scrambled=True)
    study = add_ratings(folder, "Scrambled", "en", answers(data, "Scrambled", "en"), about)
    assert study.entry("en", "Scrambled")["tuned"]["scrambled"]


def test_the_data_set_counts_for_any_role(folder, data):
    about = ABOUT | tuned(data, data="f" * 64)
    with pytest.raises(RatingError, match="another data set"):
        add_ratings(folder, "Mine", "en", answers(data, "Scrambled", "en"), about)
