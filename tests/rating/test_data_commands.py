"""`claims data` as people use it."""

import argparse
import json

import numpy as np
import pandas as pd
import pytest

from core.evidence import mapping
from core.evidence.errors import EvidenceError
from core.evidence.released import Released
from core.evidence.store import Store
from core.evidence.tables import ALL, SENSORY
from core.rating.data_options import add_commands
from core.rating.dataset import read_dataset
from core.rating.errors import RatingError
from core.rating.splits import leaks
from tests.evidence import synthetic
from tests.evidence.synthetic import dutch_of, evaluated, pool_words, rating
from tests.rating.test_norms import SPELLED
from tests.rating.worlds import DUTCH_NAME


@pytest.fixture
def data(tmp_path, capsys):
    """Run the command into `tmp_path / "data"`; return what it printed, by line."""
    parser = argparse.ArgumentParser()
    add_commands(parser.add_subparsers())

    def run(*options):
        parsed = parser.parse_args(["data", *map(str, options), "--out", str(tmp_path / "data")])
        assert parsed.command(parsed) == 0
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def made(tmp_path):
    return lambda: read_dataset(tmp_path / "data")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A made-up release.

    Its two questions are made different, and its Dutch rows stand in another order.
    """
    tree = synthetic.release(tmp_path_factory.mktemp("release"))
    dutch = tree / "analysis" / "Nl_all_models_results.xlsx"
    rows = pd.read_excel(dutch, keep_default_na=False, dtype=object, engine="calamine")
    synthetic.write_sheets(dutch, {"Sheet1": rows.iloc[::-1]})
    half = tree / "data" / "test_40.json"
    half.write_text(half.read_text().replace('"index": 7', '"index": 8').replace("Q?", "R?"))
    return tree


@pytest.fixture
def release(tree, tmp_path, monkeypatch):
    """The made-up release in place of the authors'."""
    store = synthetic.store_of(tree, tmp_path / "cache")
    monkeypatch.setattr(Released, "from_environment", lambda: Released(store))
    monkeypatch.setattr(mapping, "POOL", synthetic.POOL)


@pytest.fixture
def nowhere(tree, tmp_path, monkeypatch):
    """A release that cannot be had."""
    registry = synthetic.write_registry(tree, tmp_path / "registry.txt")
    store = Store(registry, str(tmp_path / "gone"), tmp_path / "cache")
    monkeypatch.setattr(Released, "from_environment", lambda: Released(store))


def norms(tmp_path, words, *, lost=()):
    """Files with the norms of some pairs and their translations, as a user might give them."""
    rng = np.random.default_rng(0)
    english = pd.DataFrame({"Word": words})
    for d in ALL:
        english[f"{SPELLED.get(d, d)}.mean"] = rng.integers(0, 91, len(words)) / 18
        english[f"{SPELLED.get(d, d)}.SD"] = 1.0
    english["N_known.perceptual"] = english["N_known.action"] = 18
    dutch = pd.DataFrame({"Woord": [dutch_of(w) for w in words]})
    for d in SENSORY:
        dutch[DUTCH_NAME[d]] = rng.integers(0, 61, len(words)) / 12
    table = pd.DataFrame({"dutch": dutch["Woord"], "english": [w.lower() for w in words]})
    table["back"] = table["dutch"]
    english = english[~english["Word"].isin(list(lost))]
    options = []
    for name, frame in (("lancaster", english), ("dutch", dutch), ("translations", table)):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        options += [f"--{name}", tmp_path / f"{name}.csv"]
    return english, dutch, options


def test_a_rehearsal_is_made_told_and_kept(data, made, tmp_path):
    lines = data("--from", "rehearsal", "--words", 50, "--seed", 3)
    assert "50 pairs of words, 30 to train on and 20 to test on" in lines[0]
    assert lines[1].split() == [
        "En_FT",
        "330",
        "examples",
        "(30",
        "words",
        "x",
        "11",
        "dimensions)",
    ]
    assert lines[2].split()[:2] == ["Nl_FT", "180"]
    assert lines[3].split()[:2] == ["QA_FT", "80"]
    assert "no word stands in both" in lines[4]
    assert str(tmp_path / "data") in lines[-1]
    assert made().people == "simulated"
    assert made().manifest["seed"] == 3
    assert made().manifest["leaks"] == {"count": 0, "compared by": "letters"}


def test_the_same_data_set_is_there_already_and_another_is_refused(data, made, tmp_path):
    data("--from", "rehearsal", "--words", 50)
    before = (tmp_path / "data" / "manifest.json").stat().st_mtime_ns
    assert "already" in data("--from", "rehearsal", "--words", 50)[-1]
    assert (tmp_path / "data" / "manifest.json").stat().st_mtime_ns == before
    digest = made().digest
    with pytest.raises(RatingError, match=rf"{digest[:12]}.*--force"):
        data("--from", "rehearsal", "--words", 50, "--seed", 1)
    assert made().digest == digest
    data("--from", "rehearsal", "--words", 50, "--seed", 1, "--force")
    assert made().digest != digest


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_broken_data_set_is_made_again(data, made, tmp_path, how):
    data("--from", "rehearsal", "--words", 50)
    path = tmp_path / "data" / "en.csv"
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(EvidenceError, match="make it again with `claims data`"):
        made()
    lines = data("--from", "rehearsal", "--words", 50)
    assert any("en.csv" in line and "made again" in line for line in lines)
    assert len(made().english) == 50


def test_a_broken_data_set_is_not_replaced_by_another(data, tmp_path):
    data("--from", "rehearsal", "--words", 50)
    (tmp_path / "data" / "en.csv").unlink()
    with pytest.raises(RatingError, match="holds another data set"):
        data("--from", "rehearsal", "--words", 50, "--seed", 1)


def test_what_is_not_known_is_replaced_by_force_alone(data, made, tmp_path):
    data("--from", "rehearsal", "--words", 50)
    (tmp_path / "data" / "manifest.json").write_text("{")
    with pytest.raises(RatingError, match=r"manifest\.json: cannot be read.*--force"):
        data("--from", "rehearsal", "--words", 50)
    data("--from", "rehearsal", "--words", 50, "--force")
    assert len(made().english) == 50


def test_a_file_in_the_folder_s_place_is_named(data, tmp_path, capsys):
    (tmp_path / "data").write_text("")
    with pytest.raises(SystemExit, match="2"):
        data("--from", "rehearsal", "--words", 50)
    assert f"--out: {tmp_path / 'data'} is a file; name another folder" in capsys.readouterr().err


@pytest.mark.usefixtures("release")
def test_the_release_alone_gives_the_words_evaluated_and_those_certainly_trained_on(data, made):
    lines = data("--from", "release")
    dataset = made()
    assert dataset.people == "release"
    assert dataset.words("en", "test") == tuple(sorted(evaluated()))
    train, _ = mapping.evaluation_order(synthetic.POOL)
    known = {pool_words()[i] for i in train}
    # One training word's Dutch means are another Dutch word's: it is not complete.
    assert set(dataset.words("en", "train")) <= known
    assert len(known) - 1 <= len(dataset.words("en", "train")) <= len(known)
    for language, dimensions in (("en", ALL), ("nl", SENSORY)):
        for split in ("train", "test"):
            for row in dataset.table(language, split).to_dict("records"):
                word = row["word"] if language == "en" else row["translation"]
                for d in dimensions:
                    assert row[d] == rating(word, "Human", d, language)
    test = dataset.table("en", "test")
    assert set(test["Torso.SD"]) == {1.5}
    assert dataset.table("en", "train")["Torso.SD"].isna().all()
    assert dataset.questions["split"].tolist() == ["train", "test"]
    (sampled,) = [line for line in lines if line.strip().startswith("sampled")]
    assert sampled.split() == ["sampled", "3,930", "20"]


@pytest.mark.usefixtures("nowhere")
def test_norms_of_ones_own_need_no_release(data, made, tmp_path):
    words = pool_words()
    english, dutch, options = norms(tmp_path, words, lost=words[:4])
    lines = data("--from", "norms", *options)
    dataset = made()
    assert dataset.people == "norms"
    assert (len(dataset.words("en", "train")), len(dataset.words("en", "test"))) == (10, 8)
    means = english.set_index("Word")
    senses = dutch.set_index("Woord")
    for split in ("train", "test"):
        table = dataset.table("en", split)
        np.testing.assert_array_equal(table["Foot"], means.loc[table["word"], "Foot_leg.mean"])
        assert table["translation"].tolist() == [dutch_of(word) for word in table["word"]]
        other = dataset.table("nl", split)
        np.testing.assert_array_equal(other["Visual"], senses.loc[other["word"], "Zien"])
    assert leaks(dataset.english, dataset.dutch) == []
    assert dataset.manifest["construction"] == "grouped"
    assert dataset.manifest["inputs"]["lancaster"]["trust"] == "given"
    assert str(tmp_path) not in json.dumps(dict(dataset.manifest))
    shown = {line.split("  ")[1]: line.split()[-4:] for line in lines if line.startswith("  ")}
    assert shown["to test on"] == ["1,572", "7", "8", "8"]
    assert "no questions" in next(line for line in lines if "QA_FT" in line)
    assert any("lancaster.csv: SHA-256" in line for line in lines)


@pytest.mark.usefixtures("release")
def test_the_ways_to_draw_differ_and_the_released_one_gives_the_released_words(
    data, made, tmp_path
):
    *_, options = norms(tmp_path, pool_words())
    lines = data("--from", "norms", "--pairs", "released", *options)
    assert list(made().words("en", "test")) == evaluated()
    assert any("8 of 8 test words are among those that the paper evaluated" in x for x in lines)
    for way in ("described", "grouped"):
        data("--from", "norms", "--pairs", way, *options, "--force")
        assert set(made().words("en", "test")) != set(evaluated())
        assert len(made().words("en", "test")) == 8


@pytest.mark.usefixtures("release")
def test_questions_of_ones_own_are_split_by_seed(data, made, tmp_path):
    items = [
        {
            "index": 1001 + k,
            "question": f"Q{k}?",
            "options": dict(zip("ABCD", "wxyz", strict=True)),
            "correct_option": "ABCD"[k % 4],
        }
        for k in range(28)
    ]
    (tmp_path / "qa.json").write_text(json.dumps(items))
    splits = []
    for seed in (0, 1):
        data("--from", "release", "--questions", tmp_path / "qa.json", "--seed", seed, "--force")
        asked = made().questions
        assert asked.groupby("correct")["split"].value_counts()[:, "train"].tolist() == [4] * 4
        splits.append(asked["split"].tolist())
    assert splits[0] != splits[1]


@pytest.mark.usefixtures("release")
def test_the_released_questions_can_be_split_anew(data, made):
    lines = data("--from", "release")
    assert "1 examples; the paper has 800" in lines[3]
    data("--from", "release", "--train-questions", 2, "--force")
    assert made().questions["split"].tolist() == ["train", "train"]


@pytest.mark.parametrize(
    "options",
    [
        ("release", "--words", 50),
        ("rehearsal", "--pairs", "grouped"),
        ("rehearsal", "--questions", "q.json"),
        ("release", "--lancaster", "x.csv"),
        ("rehearsal", "--train-questions", 5),
    ],
)
def test_an_option_that_says_nothing_is_refused(data, options):
    with pytest.raises(RatingError, match=f"{options[1]} says nothing about --from {options[0]}"):
        data("--from", *options)


@pytest.mark.usefixtures("release")
def test_a_file_that_is_not_there_is_named(data, tmp_path):
    with pytest.raises(EvidenceError, match=r"none\.csv"):
        data("--from", "norms", "--lancaster", tmp_path / "none.csv", "--dutch", tmp_path / "d.csv")


def test_the_origin_must_be_said(data):
    with pytest.raises(SystemExit):
        data()
