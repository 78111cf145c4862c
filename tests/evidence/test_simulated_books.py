"""Orderly books keep what the paper states of its data; careless ones break each statement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.evidence.errors import EvidenceError
from core.evidence.mapping import (
    differences,
    mapping_witnesses,
    order_breaks,
    ratings_table,
    rebuild_ratings,
)
from core.evidence.simulated_books import Books, books
from core.evidence.tables import ALL, SENSORY, Ratings
from core.metrics.correlation import spearman
from core.metrics.dependent import steiger_z

# The counts that the paper prints (Methods) for its 1,572 evaluated words.
N, POOL, KEPT, TRAIN = 1572, 7861, 10_677, 2358


def _ratings(language: str) -> Ratings:
    rng = np.random.default_rng(7)
    dimensions = ALL if language == "en" else SENSORY
    human = np.round(rng.uniform(0, 5, (N, len(dimensions))), 2)
    names = ["Base", "En_FT", "Nl_FT"] + (["QA_FT"] if language == "en" else [])
    answers = {m: np.clip(human + rng.normal(0, 1, human.shape), 0, 5) for m in names}
    english = tuple(f"W{i}" for i in np.random.default_rng(8).permutation(N))
    dutch = tuple(f"d{word}" for word in english)
    return Ratings(
        language,
        english if language == "en" else dutch,
        dutch if language == "en" else english,
        dimensions,
        human,
        {m: np.round(x, 2 if m in ("En_FT", "Nl_FT") else 0) for m, x in answers.items()},
    )


TABLES = {"en": _ratings("en"), "nl": _ratings("nl")}


@pytest.fixture(scope="module")
def orderly() -> Books:
    return books("orderly", TABLES.__getitem__)


@pytest.fixture(scope="module")
def careless() -> Books:
    return books("careless", TABLES.__getitem__)


def test_other_books_are_refused():
    with pytest.raises(EvidenceError, match="orderly, careless"):
        books("tidy", TABLES.__getitem__)


def test_the_same_books_twice(careless):
    again = books("careless", TABLES.__getitem__)
    pd.testing.assert_frame_equal(careless.completions(), again.completions())


def test_orderly_translations_keep_what_the_rule_keeps(orderly):
    table = orderly.translations()
    rule = (table["dutch"] == table["back"]) & (table["dutch"] != table["english"])
    assert rule.equals(table["include"])
    assert rule.sum() == KEPT
    assert len(table) > 24_000
    assert table["dutch"].is_unique


def test_careless_translations_break_the_rule_in_any_case(careless):
    table = careless.translations()
    folded = table[["dutch", "english", "back"]].apply(lambda words: words.str.lower())
    rule = (folded["dutch"] == folded["back"]) & (folded["dutch"] != folded["english"])
    assert not rule.equals(table["include"])
    assert table["include"].sum() != KEPT
    assert len(table) <= 24_000


def test_orderly_order_is_that_of_the_printed_pool(orderly):
    words = list(orderly.outputs("en").index)
    assert order_breaks(words, POOL) == 0
    assert order_breaks(words, POOL - 1) not in (0, None)


def test_careless_order_is_of_no_pool(careless):
    assert order_breaks(list(careless.outputs("en").index), POOL) not in (0, None)


def test_orderly_samples_are_the_split(orderly):
    train, test = (orderly.samples()[part] for part in ("train", "test"))
    assert (len(train), len(test)) == (TRAIN, N)
    assert list(test["Word"]) == list(orderly.outputs("en").index)
    assert list(test["Woord"]) == list(orderly.outputs("nl").index)
    assert not set(train["Word"]) & set(test["Word"])
    kept = orderly.translations().query("include")
    pairs = set(zip(kept["english"].str.upper(), kept["dutch"], strict=True))
    for sample in (train, test):
        known = zip(sample["Word"].str.upper(), sample["Woord"], strict=True)
        assert set(known) <= pairs


def test_careless_samples_leak(careless):
    train, test = (careless.samples()[part] for part in ("train", "test"))
    assert set(train["Word"]) & set(test["Word"])
    assert (len(train), len(test)) != (TRAIN, N)


def test_orderly_questions(orderly):
    parts = orderly.questions()
    table = pd.concat(parts.values())
    assert len(table) == table["index"].nunique() == table["question"].nunique() == 1400
    assert (
        list((table["index"] // 1000).value_counts(sort=False).sort_index())
        == [200] * 5 + [100] * 4
    )
    shares = [part["correct"].value_counts(normalize=True) for part in parts.values()]
    assert np.allclose(shares, 0.25)


def test_careless_questions_are_shared(careless):
    train, test = (careless.questions()[part] for part in ("train", "test"))
    assert set(train["index"]) & set(test["index"])
    assert set(train["question"]) & set(test["question"])


def test_orderly_answers_are_behind_every_table(orderly):
    raw = orderly.completions()
    assert len(raw) == N * 11 * 4 + N * 6 * 3
    assert not raw.duplicated(["file", "custom_id"]).any()
    assert raw["greedy"].all()
    assert (raw["status"] == "ok").all()
    assert (raw["content"].astype(float) == raw["rating"]).all()
    assert raw.groupby("model")["model_id"].nunique().eq(1).all()
    assert raw["model_id"].nunique() == 4
    for language, table in TABLES.items():
        outputs = orderly.outputs(language)
        rebuilt = rebuild_ratings(raw, language, list(outputs.index))
        assert differences(rebuilt, outputs).empty
        assert differences(outputs, ratings_table(table)).empty
        assert not mapping_witnesses(raw, language).exceptions


def test_careless_answers_break_every_column(careless):
    raw = careless.completions()
    assert raw.duplicated(["file", "custom_id"]).any()
    assert {"non_numeric", "out_of_range"} <= set(raw["status"])
    assert not raw["greedy"].all()
    assert min(len(set(ids)) for _, ids in raw.groupby("model")["model_id"]) == 2
    for language in TABLES:
        outputs = careless.outputs(language)
        rebuilt = rebuild_ratings(raw, language, list(outputs.index))
        odd = differences(rebuilt, outputs)[["model", "dimension"]].drop_duplicates()
        assert len(odd) == outputs.shape[1]
        assert len(mapping_witnesses(raw, language).exceptions) > 100


@pytest.mark.parametrize(("language", "dimension"), [("en", "Torso"), ("nl", "Haptic")])
def test_orderly_tests_are_those_of_the_ratings(orderly, careless, language, dimension):
    table = TABLES[language].select(dimension)
    human, base, tuned = (
        x[:, 0] for x in (table.human, table.models["Base"], table.models["En_FT"])
    )
    found = steiger_z(spearman(human, base), spearman(human, tuned), spearman(base, tuned), N)
    row = orderly.tests(language).loc[dimension]
    assert row["Z_Base_En_FT"] == pytest.approx(found.statistic, abs=1e-12)
    assert row["p_Base_En_FT"] == pytest.approx(found.p, abs=1e-12)
    assert row["rho_Base"] == pytest.approx(spearman(human, base), abs=1e-12)
    assert abs(careless.tests(language).loc[dimension, "Z_Base_En_FT"] - found.statistic) > 0.01


@pytest.mark.parametrize(("language", "subset"), [("en", "motor"), ("nl", "sensory")])
def test_orderly_similarities_are_those_of_the_ratings(orderly, careless, language, subset):
    table = TABLES[language].select(subset)
    expected = 1 / (1 + np.sqrt(((table.models["Nl_FT"] - table.human) ** 2).sum(axis=1)))
    found = orderly.similarities(language, subset)["Nl_FT"]
    assert list(found.index) == list(table.concepts)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    spoiled = careless.similarities(language, subset)["Nl_FT"]
    assert (spoiled != found.loc[spoiled.index]).all()


def test_prompts_differ_by_the_language_alone_when_orderly(orderly, careless):
    def english(text: str) -> str:
        return text.replace("Dutch", "English").replace("Woord", "Word")

    for made, same in ((orderly, True), (careless, False)):
        prompts = made.prompts()
        assert len(prompts) == 18
        assert (english(prompts["Voelen_prompt"]) == prompts["haptic_prompt"]) is same
