"""The pytest face on a study of ratings made on this machine: a small checkout, run as users do."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.rating.study import add_ratings, register
from tests.checkout import LOCK, Checkout
from tests.rating.studies import answers, dataset, whole_study

ASKED = ("claims", "--evidence", "fresh")
CORRELATED = """
import numpy as np
from claims.sensorimotor.common import generator, seed
from core.metrics.correlation import spearman
from core.verdict.estimate import Estimate

def measure(evidence, language, model):
    table = evidence.ratings(language).select("Visual").complete()
    human, rated = table.human[:, 0], table.models[model][:, 0]
    at = generator("drawn").integers(0, len(human), (200, len(human)))
    draws = [spearman(human[i], rated[i]) for i in at]
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(spearman(human, rated), low, high, len(human), "Spearman", seed=seed())

def test_correlated(judge):
    judge(measure)
"""
GROUP = """
[[group]]
test = "test_correlated.py::test_correlated"
section = "Ratings"
tiers = ["released", "fresh"]
needs = ["ratings"]
controls = {holds = "told", fails = "shuffled"}

[[group.claim]]
id = "sm-correlated-en"
rows = ["C059"]
where = "Results"
statement = "En_FT agrees with people on vision."
variant = {language = "en", model = "En_FT"}
criterion = {kind = "above", bound = 0.3}
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """A checkout with two claims that a study judges too, and no study."""
    made = Checkout(tmp_path_factory.mktemp("fresh"))
    made.edit("claims/sensorimotor.toml", 'tiers = ["released"]', 'tiers = ["released", "fresh"]')
    registry = (made.path / "claims/sensorimotor.toml").read_text(encoding="utf-8")
    made.write("claims/sensorimotor.toml", registry + GROUP)
    made.write("claims/sensorimotor/test_correlated.py", CORRELATED)
    for name in ("common", "rho"):
        source = Path(__file__).parents[1] / f"claims/sensorimotor/{name}.py"
        made.write(f"claims/sensorimotor/{name}.py", source.read_text(encoding="utf-8"))
    return made


@pytest.fixture
def study(checkout, request):
    """A study of real people's norms, unless others are asked for, registered in the checkout."""
    people = getattr(request, "param", "norms")
    data = dataset(words=220, people=people)
    folder = whole_study(checkout.path / "runs" / request.node.name[:40] / "ratings", data)
    register(folder, checkout.path / "runs" / "fresh.json")
    yield folder, data
    (checkout.path / "runs" / "fresh.json").unlink()
    checkout.write("claims/lock.toml", LOCK)


def rows(checkout, tier="fresh"):
    document = json.loads((checkout.path / "verdicts.json").read_text(encoding="utf-8"))
    return {r["claim"]: r for r in document["verdicts"] if r["tier"] == tier}


def test_without_a_study_fresh_evidence_judges_nothing_and_says_what_would(checkout):
    result = checkout.run(*ASKED)
    assert result.returncode == 1
    assert "nothing was judged" in result.stdout
    row = rows(checkout)["sm-closer-en"]
    assert (row["verdict"], row["reason"], row["complaint"]) == ("untested", "not-rated", "")
    assert "claims rate --model MODEL --as Nl_FT --language nl" in row["settles"]
    assert "fresh: 2 claims not judged (not-rated): claims rate" in result.stdout


def test_a_study_is_judged_when_it_is_asked_for_and_told_of_when_not(checkout, study):
    folder, _ = study
    result = checkout.run()
    assert result.returncode == 0, result.stdout
    assert rows(checkout) == {}
    told = f"a finished study is registered in {folder}: judge it with `pytest claims/ --evidence"
    assert told in result.stdout

    result = checkout.run(*ASKED)
    assert result.returncode == 0, result.stdout
    found = rows(checkout)
    assert {r["verdict"] for r in found.values()} == {"supported"}
    assert found["sm-closer-en"]["n"] == 88
    assert found["sm-closer-en"]["evidence"]["models"].startswith(
        "Base = tiny-Base (1,496 answers)"
    )
    assert "fresh: judged on Base = tiny-Base (1,496 answers), En_FT = " in result.stdout
    words = "88 of 88 English words complete; 88 of 88 Dutch words complete"
    assert f"fresh: {words}; how En_FT, Nl_FT, QA_FT were tuned is not known" in result.stdout
    assert "sensorimotor, fresh: 2 supported" in result.stdout
    assert "--update-lock" not in result.stdout
    assert "is registered in" not in result.stdout
    released = rows(checkout, "released")
    assert {r["reason"] for r in released.values()} == {"not-asked"}


def test_another_seed_draws_anew_and_is_never_reviewed(checkout, study):
    found = []
    for more in ((), ("--seed", "0"), ("--seed", "5")):
        checkout.run(*ASKED, "-m", "fresh", *more)
        row = rows(checkout)["sm-correlated-en"]
        found.append((row["seed"], row["estimate"], row["low"], row["high"]))
    assert found[0] == found[1]
    assert found[2][0] == found[0][0] + 5
    assert found[2][1] == found[0][1]
    assert found[2][2:] != found[0][2:]
    result = checkout.run("claims", "--seed", "5", "--update-lock")
    assert result.returncode == 4
    assert "--seed 0" in result.stderr


def test_a_study_is_never_reviewed_and_a_language_can_be_missing(checkout, study):
    folder, data = study
    assert checkout.run(*ASKED, "--update-lock").returncode == 0
    lock = (checkout.path / "claims/lock.toml").read_text(encoding="utf-8")
    assert "fresh" not in lock
    about = {"model": "tiny-En_FT", "backend": "local"}
    add_ratings(folder, "En_FT", "en", answers(data, "En_FT", "en", error=9.0), about)
    result = checkout.run(*ASKED, "-m", "fresh")
    assert result.returncode == 0
    assert rows(checkout)["sm-correlated-en"]["verdict"] == "refuted"
    given = answers(data, "En_FT", "en").iloc[1:]
    add_ratings(folder, "En_FT", "en", given, about)
    result = checkout.run(*ASKED, "-m", "fresh")
    assert rows(checkout)["sm-closer-en"]["reason"] == "not-rated"
    assert "claims rate --model MODEL --as En_FT --language en --out" in result.stdout


def test_a_model_that_gives_few_numbers_is_a_finding(checkout, study):
    folder, data = study
    given = answers(data, "Base", "en")
    given.loc[: 11 * 70, ["rating", "status"]] = [np.nan, "non_numeric"]
    add_ratings(folder, "Base", "en", given, {"model": "tiny-Base", "backend": "local"})
    result = checkout.run(*ASKED, "-m", "fresh")
    row = rows(checkout)["sm-closer-en"]
    assert (row["verdict"], row["reason"]) == ("untested", "too-few")
    assert row["evidence"]["notes"].startswith("17 of 88 English words complete; 88 of 88 Dutch")
    assert "sensorimotor, fresh: 2 untested" in result.stdout
    assert "(too-few): 17 of 88 English words have a number from every model" in result.stdout


@pytest.mark.usefixtures("study")
def test_a_crash_on_a_healthy_study_fails(checkout):
    path = "claims/sensorimotor/test_correlated.py"
    try:
        checkout.edit(path, "table = evidence", "1 / 0\n    table = evidence")
        result = checkout.run(*ASKED, "-m", "fresh")
        assert result.returncode == 1
        assert "ZeroDivisionError" in result.stdout
        assert "sm-correlated-en" not in rows(checkout)
        assert rows(checkout)["sm-closer-en"]["verdict"] == "supported"
    finally:
        checkout.edit(path, "1 / 0\n    table = evidence", "table = evidence")


def test_one_model_in_two_roles_is_refused_before_the_run(checkout, study):
    folder, data = study
    about = {"model": "tiny-Base", "backend": "local"}
    add_ratings(folder, "QA_FT", "en", answers(data, "QA_FT", "en"), about)
    result = checkout.run(*ASKED)
    assert result.returncode == 4
    assert "en/Base and en/QA_FT are the same model (tiny-Base)" in result.stderr


@pytest.mark.parametrize("study", ["release"], indirect=True)
def test_a_replay_is_judged_as_one_and_is_no_fresh_evidence(checkout, study):
    folder, data = study
    about = {"model": "tiny-En_FT", "backend": "replay"}
    add_ratings(folder, "En_FT", "en", answers(data, "En_FT", "en"), about)
    result = checkout.run("claims", "--study", str(folder), "--update-lock")
    assert result.returncode == 0, result.stdout
    lock = (checkout.path / "claims/lock.toml").read_text(encoding="utf-8")
    assert "supported" not in lock
    assert rows(checkout) == {}
    assert rows(checkout, "replay")["sm-closer-en"]["verdict"] == "supported"
    assert "sensorimotor, replay of the released answers: 2 supported" in result.stdout
    assert "replay: the released answers, once more; a check of store and parser" in result.stdout
    assert "new;" not in result.stdout


@pytest.mark.parametrize("study", ["simulated"], indirect=True)
def test_a_rehearsal_is_judged_and_never_said_to_be_about_the_paper(checkout, study):
    folder, data = study
    # What stands in the lock of a study by mistake binds nothing, and goes.
    checkout.write("claims/lock.toml", LOCK + 'sm-closer-en = { fresh = "refuted" }\n')
    result = checkout.run("claims", "--study", str(folder), "--update-lock")
    assert result.returncode == 0, result.stdout
    assert "drift" not in result.stdout
    lock = (checkout.path / "claims/lock.toml").read_text(encoding="utf-8")
    assert "simulated" not in lock
    assert "sm-closer-en" not in lock
    assert rows(checkout) == {}
    found = rows(checkout, "simulated")
    assert found["sm-closer-en"]["verdict"] == "supported"
    assert found["sm-closer-en"]["locked"] == ""
    assert "sensorimotor, rehearsal on simulated people: 2 supported" in result.stdout
    assert "people are made up; nothing here is about the paper" in result.stdout

    given = answers(data, "En_FT", "en")
    given.loc[given["dimension"] == "Visual", "rating"] = 1.0
    about = {"model": "tiny-En_FT", "backend": "local"}
    add_ratings(folder, "En_FT", "en", given, about)
    result = checkout.run(*ASKED, "-m", "fresh")
    row = rows(checkout, "simulated")["sm-correlated-en"]
    assert (row["verdict"], row["reason"]) == ("untested", "undefined")
    assert row["settles"] == "En_FT answers alike on Visual (en)"
    assert rows(checkout, "simulated")["sm-closer-en"]["verdict"] == "supported"
    assert "ended without a verdict" not in result.stdout


def test_a_folder_that_holds_no_study_is_refused_before_the_run(checkout, tmp_path):
    result = checkout.run("claims", "--study", str(tmp_path))
    assert result.returncode == 4
    assert "manifest.json" in result.stderr
    assert "Traceback" not in result.stderr
    result = checkout.run("claims", "--study", str(tmp_path), "--evidence", "released")
    assert result.returncode == 4
    assert "left out by --evidence" in result.stderr
