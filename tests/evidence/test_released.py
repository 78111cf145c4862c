import math
import shutil

import numpy as np
import pandas as pd
import pytest

from core.evidence import mapping
from core.evidence.completions import faults
from core.evidence.errors import EvidenceError, HashMismatch, Unreachable
from core.evidence.released import Released
from core.evidence.tables import ALL, SENSORY
from tests.evidence import synthetic
from tests.evidence.synthetic import dutch_of, evaluated, pool_words, rating

PARTS = (
    *("ratings", "training", "samples", "translations", "questions", "tests"),
    *("similarities", "prompts", "outputs", "completions"),
)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    return synthetic.release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def shared(tree, tmp_path_factory):
    return Released(synthetic.store_of(tree, tmp_path_factory.mktemp("used") / "cache"))


@pytest.fixture
def released(shared, monkeypatch):
    monkeypatch.setattr(mapping, "POOL", synthetic.POOL)
    return shared


@pytest.fixture
def copied(tree, tmp_path):
    """A release of one's own to spoil."""
    shutil.copytree(tree, tmp_path / "mirror")
    return tmp_path / "mirror"


def spoil(path, change, sheet="Sheet1"):
    frame = pd.read_excel(path, keep_default_na=False, dtype=object, engine="calamine")
    synthetic.write_sheets(path, {sheet: change(frame)})


def test_english_ratings_hold_every_dimension_and_model_in_order(released):
    table = released.ratings("en")
    assert table.dimensions == ALL
    assert list(table.models) == ["Base", "En_FT", "Nl_FT", "QA_FT"]
    assert table.concepts == tuple(sorted(evaluated()))
    profile = table.profile("NA")
    assert profile["Human"][6] == rating("NA", "Human", "Foot", "en")
    assert profile["QA_FT"][5] == rating("NA", "QA_FT", "Visual", "en")
    assert math.isnan(profile["Base"][5])
    assert table.translations[table.concepts.index("NA")] == "null"


def test_dutch_ratings_are_under_english_names_and_dutch_words(released):
    table = released.ratings("nl")
    assert table.dimensions == SENSORY
    assert list(table.models) == ["Base", "En_FT", "Nl_FT"]
    assert table.human_sd is None
    assert table.profile("null")["Human"][5] == rating("NA", "Human", "Visual", "nl")
    assert table.profile("null")["Nl_FT"][2] == rating("NA", "Nl_FT", "Haptic", "nl")


def test_counts_beyond_belief_are_set_aside_and_named(released):
    table = released.ratings("en")
    first = table.concepts[0]
    assert np.isnan(table.human_n[0, :6]).all()
    assert (table.human_n[0, 6:] == 20).all()
    assert (table.human_n[1:, :6] == 18).all()
    (note,) = table.notes
    assert "N_known.perceptual" in note
    assert first in note
    assert "16026" in note


def test_samples_and_translations_come_as_they_stand(released):
    sample = released.samples()["train"]
    assert sample["Word"].tolist() == pool_words()[::2]
    assert sample["nl_Visual"][1] == rating(pool_words()[2], "Human", "Visual", "nl")
    assert sample["Hand"][1] == rating(pool_words()[2], "Human", "Hand", "en")
    assert sample["N_known.perceptual"][0] == 16026
    table = released.translations()
    assert table["include"].sum() == synthetic.POOL
    assert table.iloc[-1].tolist() == ["aai", "aai", "", False]


def test_training_words_are_those_of_the_split_with_their_norms(released):
    table, pool = released.training(), pool_words()
    train, _ = mapping.evaluation_order(synthetic.POOL)
    assert set(table.index) == {pool[i] for i in train}
    assert not set(table.index) & set(evaluated())
    assert list(table.columns) == ["Word", "Woord", *ALL, *(f"nl_{d}" for d in SENSORY)]
    word = table.index[0]
    assert table.loc[word, "Torso"] == rating(word, "Human", "Torso", "en")
    assert table.loc[word, "Woord"] == dutch_of(word)


def test_dutch_norms_of_another_dutch_word_are_not_taken(copied, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "POOL", synthetic.POOL)
    trained = {pool_words()[i] for i in mapping.evaluation_order(synthetic.POOL)[0]}
    other = next(w for w in pool_words()[::2] if w in trained)

    def change(frame):
        frame.loc[frame["Word"] == other, "Woord"] = "anders"
        return frame

    spoil(copied / "data" / "2_train_sensorimotor_random_sample.xlsx", change)
    table = Released(synthetic.store_of(copied, tmp_path / "cache")).training()
    assert table.loc[other, [f"nl_{d}" for d in SENSORY]].isna().all()
    assert table.loc[other, "Foot"] == rating(other, "Human", "Foot", "en")
    assert table.drop(other).notna().all(axis=None)


def test_questions_tests_prompts_and_similarities(released):
    columns = ["index", "question", "A", "B", "C", "D", "correct"]
    assert released.questions()["train"].iloc[0].tolist() == [7, "Q?", "a", "b", "c", "d", "C"]
    assert released.questions()["test"].columns.tolist() == columns
    tests = released.tests("en")
    assert tests.index.tolist() == list(ALL)
    assert tests.columns.tolist()[:6] == [
        *("rho_Base", "rho_En_FT", "rho_Nl_FT", "rho_QA_FT"),
        *("Z_Base_En_FT", "p_Base_En_FT"),
    ]
    assert tests.shape == (11, 4 + 2 * 6)
    assert released.tests("nl").index.tolist() == list(SENSORY)
    assert released.prompts() == {"foot_prompt": 'The concept is: "{Word}".\n'}
    table = released.similarities("nl", "sensory")
    assert table.index.tolist() == list(released.ratings("nl").concepts)
    assert table["Base"].isna().tolist() == [True] + [False] * 7
    assert released.similarities("en", "motor").columns.tolist()[-1] == "QA_FT"
    with pytest.raises(EvidenceError, match="'nl', 'motor'"):
        released.similarities("nl", "motor")


def test_printed_figures_are_read_to_the_last_digit(released, tree):
    lines = (tree / "analysis/en_correlation_comparison_results.csv").read_text().splitlines()
    dimension, first = lines[1].split(",")[:2]
    assert repr(float(released.tests("en").loc[dimension.capitalize(), "rho_Base"])) == first


def test_outputs_keep_the_files_order_and_blanks(released):
    table = released.outputs("en")
    assert table.index.tolist() == evaluated()
    assert table.shape == (8, 44)
    assert math.isnan(table.loc["NA", ("Base", "Foot")])
    assert math.isnan(table.loc["NA", ("Base", "Visual")])
    assert table.isna().sum().sum() == 2
    assert released.outputs("nl").index.tolist() == [dutch_of(w) for w in evaluated()]


def test_raw_answers_rebuild_the_tables_and_their_faults_are_named(released):
    raw = released.completions()
    assert len(raw) == 62 * 8 - 1
    words = {language: tuple(released.outputs(language).index) for language in ("en", "nl")}
    for language in ("en", "nl"):
        rebuilt = mapping.rebuild_ratings(raw, language, words[language])
        assert mapping.differences(rebuilt, released.outputs(language)).empty
        analysed = mapping.ratings_table(released.ratings(language))
        assert mapping.differences(rebuilt, analysed).empty
    found = faults(raw, words)
    assert found[["dimension", "word", "fault"]].to_numpy().tolist() == [
        ["Foot", "NA", "missing"],
        ["Visual", "NA", "non_numeric"],
    ]


def test_a_swap_of_two_answers_shows_in_the_tables(released):
    raw = released.completions()
    at = raw.index[raw["file"].str.startswith("torso_en_ft")][:2]
    raw.loc[at, "rating"] = raw.loc[at, "rating"].to_numpy()[::-1]
    rebuilt = mapping.rebuild_ratings(raw, "en", tuple(released.outputs("en").index))
    assert len(mapping.differences(rebuilt, released.outputs("en"))) == 2


def test_a_caller_cannot_change_what_others_see(released):
    sample, outputs = released.samples()["train"], released.outputs("en")
    sample["Foot"] = 0.0
    outputs.iloc[:] = 0.0
    assert released.samples()["train"]["Foot"].sum() > 0
    assert np.nansum(released.outputs("en").to_numpy()) > 0


def test_a_light_run_never_touches_the_raw_answers(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(mapping, "POOL", synthetic.POOL)
    light = Released(synthetic.store_of(tree, tmp_path / "cache"))
    light.acquire(["ratings"])
    assert {p.name for p in (tmp_path / "cache").rglob("*.*")} == {
        "En_all_models_results.xlsx",
        "Nl_all_models_results.xlsx",
    }
    light.acquire(part for part in PARTS if part != "completions")
    assert not list((tmp_path / "cache").rglob("*.jsonl"))


def test_the_digest_is_that_of_the_parts_acquired_for_the_claim(released):
    released.acquire(["ratings"])
    one = released.sha256
    released.acquire(["questions", "ratings"])
    assert released.sha256 != one
    released.acquire(["ratings"])
    assert released.sha256 == one


def test_every_part_can_be_acquired_and_an_unknown_one_is_named(released):
    released.acquire(PARTS)
    with pytest.raises(EvidenceError, match="no part 'norms'"):
        released.acquire(["norms"])


def test_acquiring_shows_a_missing_and_a_wrong_file(copied, tmp_path):
    body = Released(synthetic.store_of(copied, tmp_path / "cache"))
    (copied / "prompts/foot_prompt.txt").unlink()
    (copied / "data/train_60.json").write_text("[]")
    with pytest.raises(Unreachable, match="foot_prompt"):
        body.acquire(["prompts"])
    with pytest.raises(HashMismatch, match="train_60"):
        body.acquire(["questions"])


def without(name):
    return lambda frame: frame.drop(columns=name)


def with_cell(name, value):
    def change(frame):
        frame.loc[1, name] = value
        return frame

    return change


@pytest.mark.parametrize(
    ("file", "change", "part", "message"),
    [
        ("analysis/En_all_models_results.xlsx", without("foot_base"), "ratings", "Foot_Base"),
        ("analysis/En_all_models_results.xlsx", with_cell("Head.mean", 6), "ratings", "Head"),
        ("analysis/En_all_models_results.xlsx", with_cell("Word", "NA"), "ratings", "'NA'"),
        ("analysis/Nl_all_models_results.xlsx", with_cell("Zien", "?"), "ratings", "Zien, row 3"),
        ("data/2_test_sensorimotor_random_sample.xlsx", without("Woord"), "samples", "Woord"),
        (
            "model_outputs/nl_output_files/Zien_base_output_1.xlsx",
            lambda frame: frame.iloc[::-1],
            "outputs",
            "Base_Visual: its words are not in the order",
        ),
    ],
)
def test_a_table_laid_out_otherwise_is_named_by_file_and_column(
    copied, tmp_path, file, change, part, message
):
    spoil(copied / file, change)
    with pytest.raises(EvidenceError, match=message):
        Released(synthetic.store_of(copied, tmp_path / "cache")).acquire([part])


def test_a_missing_output_workbook_is_an_error(copied, tmp_path):
    (copied / "model_outputs/en_output_files/foot_base_output_1.xlsx").unlink()
    with pytest.raises(EvidenceError, match="43 files"):
        Released(synthetic.store_of(copied, tmp_path / "cache")).outputs("en")


@pytest.mark.parametrize(
    "text",
    ["{", '[{"index": 1}]', "[3]"],
)
def test_broken_questions_are_named(copied, tmp_path, text):
    (copied / "data/test_40.json").write_text(text)
    with pytest.raises(EvidenceError, match=r"test_40\.json"):
        Released(synthetic.store_of(copied, tmp_path / "cache")).questions()


def test_a_figure_that_is_no_number_is_named(copied, tmp_path):
    path = copied / "analysis/nl_correlation_comparison_results.csv"
    path.write_text(path.read_text().replace("\nZien,", "\nZien,none"))
    with pytest.raises(EvidenceError, match=r"nl_corr.*column Base_Spearman, row 2: 'none"):
        Released(synthetic.store_of(copied, tmp_path / "cache")).tests("nl")
