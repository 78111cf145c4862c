import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from core.evidence.errors import EvidenceError, HashMismatch
from core.evidence.tables import ALL, SENSORY
from core.rating.dataset import read_dataset, write_dataset
from core.rating.errors import RatingError
from tests.rating import worlds


@pytest.fixture
def folder(tmp_path):
    write_dataset(tmp_path / "data", worlds.dataset())
    return tmp_path / "data"


def test_what_is_written_is_read_back_to_the_bit(folder):
    made, read = worlds.dataset(), read_dataset(folder)
    assert read.people == "simulated"
    assert read.manifest["source"] == "made up"
    assert read.digest == made.digest
    for name in ("english", "dutch", "questions"):
        here, there = getattr(made, name), getattr(read, name)
        assert list(here.columns) == list(there.columns)
        for column in here.columns:
            # NaN is NaN, and nothing else is rounded.
            np.testing.assert_array_equal(here[column].to_numpy(), there[column].to_numpy())
    assert read.words("en", "train")[:4] == worlds.ODD


def test_writing_again_changes_nothing_but_the_code(folder, tmp_path):
    write_dataset(tmp_path / "again", read_dataset(folder))
    for file in ("en.csv", "nl.csv", "questions.json"):
        assert (folder / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    a, b = (json.loads((d / "manifest.json").read_text()) for d in (folder, tmp_path / "again"))
    assert a == b


def test_a_split_keeps_the_pairs_together():
    data = worlds.dataset(10, 6)
    english, dutch = data.table("en", "test"), data.table("nl", "test")
    assert english["translation"].tolist() == list(data.words("nl", "test"))
    assert dutch["translation"].tolist() == list(data.words("en", "test"))
    assert english.index.tolist() == [0, 1, 2, 3]
    assert data.words("en", "train") + data.words("en", "test") == tuple(worlds.words(10))
    assert [name for name in dutch.columns if name not in ("word", "translation", "split")] == list(
        SENSORY
    )


def test_tables_are_copies():
    data = worlds.dataset()
    before = data.digest
    table = data.table("en", "train")
    table["Foot"] = 0
    assert data.table("en", "train")["Foot"].to_numpy().any()
    assert data.digest == before


def test_the_digest_is_of_the_files_and_tells_data_apart(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    lines = []
    for file, told in sorted(manifest["files"].items()):
        assert hashlib.sha256((folder / file).read_bytes()).hexdigest() == told["sha256"]
        lines.append(f"{file}  {told['sha256']}")
    assert manifest["digest"] == hashlib.sha256("\n".join(lines).encode()).hexdigest()
    english = worlds.dataset().english
    english.loc[0, "Foot"] += 0.001
    assert worlds.dataset(english=english).digest != manifest["digest"]
    assert worlds.dataset(manifest={"source": "elsewhere"}).digest == manifest["digest"]


@pytest.mark.parametrize("file", ["en.csv", "nl.csv", "questions.json"])
def test_a_file_that_was_changed_is_refused_by_name(folder, file):
    path = folder / file
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(HashMismatch, match=f"{file}.*claims data"):
        read_dataset(folder)


def test_a_file_that_is_gone_is_named(folder):
    (folder / "nl.csv").unlink()
    with pytest.raises(EvidenceError, match=r"nl\.csv"):
        read_dataset(folder)


def test_where_there_is_none_the_command_is_named(tmp_path):
    with pytest.raises(RatingError, match=r"claims data --from"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 9}'])
def test_a_manifest_of_another_kind_is_refused(folder, text):
    (folder / "manifest.json").write_text(text)
    with pytest.raises(EvidenceError, match=r"manifest\.json"):
        read_dataset(folder)


def test_a_consistent_manifest_does_not_excuse_bad_data(folder):
    path = folder / "en.csv"
    path.write_text(path.read_text().replace(",train,", ",both,", 1))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["en.csv"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(EvidenceError, match="'both'"):
        read_dataset(folder)


def changed(frame, row, column, value):
    frame = frame.copy()
    frame[column] = frame[column].astype(object)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("word", "NULL", "'NULL' stands twice"),
        ("word", " ", "not a word"),
        ("word", float("nan"), "not a word"),
        ("split", "dev", "WORD0.*dev"),
        ("Foot", 5.1, "Foot of 'WORD0' is 5.1"),
        ("Foot", -0.1, "Foot of 'WORD0'"),
        ("Foot", float("nan"), "Foot of 'WORD0'"),
        ("Foot.SD", -1.0, "Foot.SD of 'WORD0'"),
        ("Foot.N", 0.0, "Foot.N of 'WORD0'"),
        ("translation", "anders", "row 5"),
    ],
)
def test_bad_words_are_named(column, value, said):
    with pytest.raises(RatingError, match=said):
        worlds.dataset(english=changed(worlds.dataset().english, 4, column, value))


def test_the_two_languages_must_hold_the_same_pairs():
    dutch = worlds.dataset().dutch
    with pytest.raises(RatingError, match="9 Dutch"):
        worlds.dataset(dutch=dutch.iloc[:-1])
    with pytest.raises(RatingError, match="row 1 "):
        worlds.dataset(dutch=dutch.iloc[::-1])


def test_a_missing_dimension_is_named():
    for frame, name in (("english", "Torso"), ("dutch", "Visual")):
        table = getattr(worlds.dataset(), frame).drop(columns=name)
        with pytest.raises(RatingError, match=name):
            worlds.dataset(**{frame: table})


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("index", 1001, "1001 stands twice"), ("correct", "E", "1002"), ("split", "dev", "1002")],
)
def test_bad_questions_are_named(column, value, said):
    asked = changed(worlds.questions(4, 2), 1, column, value)
    with pytest.raises(RatingError, match=said):
        worlds.dataset(questions=asked)


def test_people_and_splits_are_of_a_closed_list():
    with pytest.raises(RatingError, match="somebody"):
        worlds.dataset(people="somebody")
    for language, split in (("en", "dev"), ("de", "test")):
        with pytest.raises(RatingError, match=split):
            worlds.dataset().table(language, split)


def test_a_data_set_may_have_no_questions(tmp_path):
    write_dataset(tmp_path, worlds.dataset(asked=0))
    assert len(read_dataset(tmp_path).questions) == 0


def test_columns_come_in_order_and_others_are_dropped():
    english = worlds.dataset().english
    english = pd.DataFrame(english[english.columns[::-1]]).assign(other=1)
    data = worlds.dataset(english=english)
    assert list(data.english.columns)[:14] == ["word", "translation", "split", *ALL]
    assert "other" not in data.english.columns
    assert data.digest == worlds.dataset().digest
