"""A study as evidence: whole languages or none, and every want named with what settles it."""

import json
from functools import partial

import numpy as np
import pytest

from core.evidence import bodies, rated
from core.evidence.errors import EvidenceError, NotGiven, NotRated, TooFew
from core.evidence.rated import STUDY, Rated, chosen, note, on_study
from core.evidence.readers import models_of
from core.evidence.replicated import Replicated
from core.evidence.studies import registered
from core.evidence.tables import ALL, MODELS, SENSORY
from core.paths import CLAIMS
from core.rating.study import add_ratings, begin_study, register
from core.verdict.claim import ON_STUDIES
from core.verdict.registry import load_registries
from tests.rating.studies import answers, dataset, rate, whole_study

ABOUT = {"model": "tiny", "backend": "local"}
ROLES = {role: {"model": f"tiny-{role}", "backend": "local"} for role in MODELS}


@pytest.fixture(scope="module")
def data():
    return dataset(words=220)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data):
    return whole_study(tmp_path_factory.mktemp("rated") / "study", data)


@pytest.fixture
def begun(tmp_path, data):
    begin_study(tmp_path, data)
    return tmp_path


def test_people_and_the_four_models_are_those_of_the_files(whole, data):
    evidence = Rated(whole)
    evidence.acquire(["ratings", "training", "completions"])
    for language, dimensions in (("en", ALL), ("nl", SENSORY)):
        table, test = evidence.ratings(language), data.table(language, "test")
        assert table.concepts == data.words(language, "test")
        assert table.dimensions == dimensions
        assert tuple(table.models) == models_of(language)
        assert np.array_equal(table.human, test[list(dimensions)])
        given = answers(data, "En_FT", language)
        shape = table.human.shape
        assert np.array_equal(table.models["En_FT"], given["rating"].to_numpy().reshape(shape))
    english, test = evidence.ratings("en"), data.table("en", "test")
    assert english.human_sd is not None
    assert english.human_n is not None
    assert np.array_equal(english.human_sd[:, 5], test["Visual.SD"])
    assert np.array_equal(english.human_n[:, 5], test["Visual.N"])
    assert not set(evidence.training()["Word"]) & set(english.concepts)
    assert evidence.kind == "simulated"
    assert evidence.models[0] == f"Base = tiny-Base ({17 * len(test):,} answers)"


def test_completions_are_every_answer_with_its_expectation(whole, data):
    table = Rated(whole).completions()
    n = len(data.words("en", "test"))
    assert len(table) == n * (4 * 11 + 3 * 6)
    assert set(table["file"]) >= {"en.QA_FT.Torso", "nl.Nl_FT.Visual"}
    assert not table.duplicated(["file", "custom_id"]).any()
    row = table.loc[(table["file"] == "nl.Base.Visual")].iloc[0]
    given = answers(data, "Base", "nl")
    own = given.loc[(given["word"] == row["word"]) & (given["dimension"] == "Visual")].iloc[0]
    for name in ("rating", "expected", "digit_mass", "content", "status"):
        assert row[name] == own[name]


def test_answers_without_log_probabilities_give_no_completions(tmp_path, data):
    evidence = Rated(whole_study(tmp_path, data, logprobs=False))
    evidence.ratings("nl")
    with pytest.raises(NotGiven, match="log-probabilities") as error:
        evidence.completions()
    assert error.value.code == "not-given"


def test_a_language_is_judged_when_every_role_of_it_is_there(begun, data):
    for role in ("Base", "En_FT", "Nl_FT"):
        rate(begun, data, role, "nl")
        rate(begun, data, role, "en")
    evidence = Rated(begun)
    evidence.acquire(["ratings"])
    assert tuple(evidence.ratings("nl").models) == MODELS[:3]
    with pytest.raises(NotRated) as error:
        evidence.ratings("en")
    assert error.value.code == "not-rated"
    expected = f"claims rate --model MODEL --as QA_FT --language en --out {begun}"
    assert error.value.settles == expected


def test_ratings_in_part_do_not_count(begun, data):
    for role in MODELS:
        rate(begun, data, role, "en")
    add_ratings(begun, "Base", "en", answers(data, "Base", "en").iloc[1:], ABOUT)
    evidence = Rated(begun)
    assert evidence.missing("en") == ("Base",)
    with pytest.raises(NotRated, match="Base"):
        evidence.ratings("en")


def test_answers_that_are_no_number_are_nan_and_do_count_as_asked(begun, data):
    for role in MODELS:
        rate(begun, data, role, "en")
    given = answers(data, "Base", "en")
    given.loc[[0, 12], ["rating", "status"]] = [np.nan, "refusal"]
    add_ratings(begun, "Base", "en", given, ABOUT)
    table = Rated(begun).ratings("en")
    assert np.argwhere(np.isnan(table.models["Base"])).tolist() == [[0, 0], [1, 1]]
    assert len(table.complete().concepts) == len(table.concepts) - 2


def test_too_few_complete_words_judge_nothing(begun, data):
    for role in MODELS:
        rate(begun, data, role, "en")
    given = answers(data, "QA_FT", "en")
    given.loc[: 11 * 9, ["rating", "status"]] = [np.nan, "non_numeric"]
    add_ratings(begun, "QA_FT", "en", given, ABOUT)
    assert Rated(begun).notes[0] == "78 of 88 English words complete"
    with pytest.raises(TooFew) as error:
        Rated(begun).ratings("en")
    assert error.value.code == "too-few"
    assert "78 of 88 English words" in error.value.settles
    assert "at least 80" in error.value.settles


def test_half_of_the_words_must_be_complete_however_many_there_are(tmp_path):
    large = dataset(words=500)
    begin_study(tmp_path, large)
    for role in MODELS:
        rate(tmp_path, large, role, "en")
    for n, enough in ((99, False), (100, True)):
        given = answers(large, "QA_FT", "en")
        given.loc[n * 11 :, ["rating", "status"]] = [np.nan, "non_numeric"]
        add_ratings(tmp_path, "QA_FT", "en", given, ROLES["QA_FT"])
        evidence = Rated(tmp_path)
        assert evidence.notes[0] == f"{n} of 200 English words complete"
        if enough:
            assert len(evidence.ratings("en").concepts) == 200
        else:
            with pytest.raises(TooFew, match=r"99 of 200 .* at least 100"):
                evidence.ratings("en")
        assert evidence.undefined() == ""


@pytest.mark.parametrize(
    ("people", "backend", "role", "kind"),
    [
        ("norms", "local", "Base", "fresh"),
        ("release", "batch", "Base", "fresh"),
        ("release", "replay", "Base", "replay"),
        ("norms", "replay", "QA_FT", "replay"),
        ("norms", "replay", "Mine", "fresh"),
        ("simulated", "replay", "Base", "simulated"),
    ],
)
def test_released_answers_and_made_up_people_are_no_fresh_evidence(
    tmp_path, people, backend, role, kind
):
    real = dataset(words=20, people=people)
    begin_study(tmp_path, real)
    rate(tmp_path, real, "En_FT", "en")
    about = {"model": "m", "backend": backend}
    given = answers(real, "Base", "en")
    add_ratings(tmp_path, role, "en", given, about)
    assert Rated(tmp_path).kind == kind


def test_what_is_not_known_of_the_tuning_and_words_that_leak_are_noted(tmp_path):
    real = dataset()
    folder = whole_study(tmp_path, real)
    tuned = {"scrambled": False, "base": "b" * 64, "data": real.digest}
    for language in ("en", "nl"):
        about = ROLES["Nl_FT"] | {"tuned": tuned | {"recipe": "Nl_FT"}}
        add_ratings(folder, "Nl_FT", language, answers(real, "Nl_FT", language), about)
    assert Rated(folder).notes == (
        "88 of 88 English words complete",
        "88 of 88 Dutch words complete",
        "how En_FT, QA_FT were tuned is not known",
    )
    for n, said in ((15, "15 words of the data stand"), (1, "1 word of the data stands")):
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["dataset"]["manifest"]["leaks"] = {"count": n, "compared by": "lemma"}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        assert Rated(folder).notes[-1] == f"{said} in train and test in another form"


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        # The same weights under two names, one name without weights known, the same answers.
        ({"model": "a", "digest": "d" * 64}, {"model": "b", "digest": "d" * 64}, r"\(a and b\)"),
        ({"model": "a"}, {"model": "a"}, r"\(a\)"),
        ({"model": "a", "digest": "d" * 64}, {"model": "a"}, r"\(a\)"),
    ],
)
def test_one_model_in_two_roles_is_refused(begun, data, one, other, said):
    for role in MODELS:
        rate(begun, data, role, "en")
    Rated(begun).ratings("en")
    for role, about in (("Base", one), ("QA_FT", other)):
        add_ratings(begun, role, "en", answers(data, role, "en"), {"backend": "local"} | about)
    with pytest.raises(EvidenceError, match=f"en/Base and en/QA_FT are the same model {said}"):
        Rated(begun).ratings("en")


def test_the_same_answers_are_one_model_unless_the_weights_are_known_to_differ(begun, data):
    for role in MODELS:
        rate(begun, data, role, "en")
    given = answers(data, "Base", "en")
    add_ratings(begun, "QA_FT", "en", given, ROLES["QA_FT"])
    with pytest.raises(EvidenceError, match="en/Base and en/QA_FT are the same model"):
        Rated(begun).ratings("en")
    for role, letter in (("Base", "a"), ("QA_FT", "b")):
        add_ratings(begun, role, "en", given, ABOUT | {"digest": letter * 64})
    assert Rated(begun).ratings("en").models


def test_a_role_is_one_model_in_every_language(tmp_path, data):
    folder = whole_study(tmp_path, data)
    add_ratings(folder, "Base", "nl", answers(data, "Base", "nl"), ABOUT)
    for language in ("en", "nl"):
        with pytest.raises(EvidenceError, match=r"Base is not one model: .*tiny in nl"):
            Rated(folder).ratings(language)


def test_a_study_of_nothing_says_all_that_there_is_to_do(tmp_path, begun):
    for folder, out in ((None, ""), (tmp_path / "no", f" --out {tmp_path / 'no'}")):
        with pytest.raises(NotRated) as error:
            Rated(folder).acquire(["ratings"])
        commands = error.value.settles.split(" && ")
        assert len(commands) == 7
        assert commands[0] == f"claims rate --model MODEL --as Base --language en{out}"
        assert commands[-1] == f"claims rate --model MODEL --as Nl_FT --language nl{out}"
    with pytest.raises(NotRated):
        Rated(begun).acquire(["ratings"])


def test_a_part_that_no_study_has_is_an_error(whole):
    with pytest.raises(EvidenceError, match="samples"):
        Rated(whole).acquire(["ratings", "samples"])


def test_other_roles_show_where_a_study_is_kept_and_nowhere_else(tmp_path, data):
    whole_study(tmp_path, data)
    rate(tmp_path, data, "Scrambled", "en")
    assert tuple(Rated(tmp_path).ratings("en").models) == MODELS
    assert tuple(Rated(tmp_path, "replicated").ratings("en").models) == (*MODELS, "Scrambled")


def test_answers_that_are_all_alike_are_named(begun, data):
    for role in MODELS:
        rate(begun, data, role, "en")
    given = answers(data, "Nl_FT", "en")
    given.loc[given["dimension"].isin(["Visual", "Foot"]), "rating"] = 2.0
    add_ratings(begun, "Nl_FT", "en", given, ABOUT)
    evidence = Rated(begun)
    evidence.ratings("en")
    assert evidence.undefined() == "Nl_FT answers alike on Visual, Foot (en)"


def test_the_study_is_the_one_named_or_the_one_registered(whole, tmp_path, monkeypatch):
    noted = tmp_path / "fresh.json"
    monkeypatch.setattr(rated, "registered", partial(registered, noted))
    monkeypatch.delenv(STUDY, raising=False)
    assert chosen() is None
    register(whole, noted)
    assert chosen() == whole
    monkeypatch.setenv(STUDY, str(tmp_path))
    assert chosen() == tmp_path


def test_a_registered_study_is_told_of_until_it_is_gone(whole, begun, data, tmp_path):
    assert note(None) == ""
    assert note(tmp_path / "gone") == ""
    assert note(whole).startswith(f"a finished study is registered in {whole}: judge it with")
    for role in MODELS:
        rate(begun, data, role, "en")
    assert "nl/Base, nl/En_FT, nl/Nl_FT not rated yet" in note(begun)


def test_what_a_claim_needs_says_whether_it_is_judged_on_a_study(monkeypatch, whole):
    assert on_study(["ratings"])
    assert on_study(["completions", "ratings"])
    assert not on_study(["llama", "baseline"])
    assert not on_study([])
    monkeypatch.setenv(STUDY, str(whole))
    bodies._rated.cache_clear()
    try:
        fresh = bodies.body("fresh", "sensorimotor", ["ratings"])
        assert isinstance(fresh, Rated)
        assert fresh.folder == whole
        assert bodies.body("fresh", "coverage", ["ratings"]) is fresh
        kept = bodies.body("replicated", "sensorimotor", ["ratings"])
        assert isinstance(kept, Rated)
        assert kept.folder == rated.KEPT
    finally:
        bodies._rated.cache_clear()
    assert isinstance(bodies.body("fresh", "alm", ["llama"]), Replicated)


def test_the_papers_that_are_judged_on_studies_are_those_whose_claims_need_one():
    claims = load_registries([path for path in CLAIMS.glob("*.toml") if path.name != "lock.toml"])
    fresh = [claim for claim in claims if "fresh" in claim.tiers]
    assert {claim.paper for claim in fresh} == {*ON_STUDIES, "alm"}
    assert all(on_study(claim.needs) is (claim.paper in ON_STUDIES) for claim in fresh)


def test_the_digest_is_the_manifest_s(whole):
    evidence = Rated(whole)
    before = evidence.sha256
    manifest = json.loads((whole / "manifest.json").read_text())
    assert len(before) == 64
    path = whole / "manifest.json"
    content = path.read_text()
    path.write_text(json.dumps(manifest), encoding="utf-8")
    try:
        assert Rated(whole).sha256 != before
    finally:
        path.write_text(content, encoding="utf-8")


def test_another_base_than_the_one_tuned_from_is_refused_when_judged(tmp_path):
    data = dataset()
    folder = whole_study(tmp_path, data)
    tuned = {"recipe": "En_FT", "scrambled": False, "base": "b" * 64, "data": data.digest}
    for role, about in (("En_FT", {"tuned": tuned}), ("Base", {"digest": "c" * 64})):
        add_ratings(folder, role, "en", answers(data, role, "en"), ROLES[role] | about)
    with pytest.raises(EvidenceError, match=r"en/En_FT: tiny-En_FT is no fine-tune of .* Base"):
        Rated(folder).ratings("en")
    assert Rated(folder).ratings("nl").models
