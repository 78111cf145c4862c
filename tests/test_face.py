"""The pytest face, end to end: a small checkout of its own, run as a user runs it."""

import json
from pathlib import Path

import pytest

from tests.checkout import FACTS, LOCK, Checkout
from tests.evidence.embeddings import write
from tests.evidence.test_embedded import write_sums
from tests.evidence.test_replicated import write_evidence


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_the_release_the_rest_is_judged_and_green(checkout):
    result = checkout.run()
    assert result.returncode == 0, result.stdout + result.stderr
    assert checkout.verdicts() == {
        "sm-text-hand reported": "inconsistent",
        "sm-text-hand control holds": "consistent",
        "sm-text-hand control fails": "inconsistent",
        "sm-closer-en released": "untested",
        "sm-closer-en control holds": "supported",
        "sm-closer-en control fails": "refuted",
        "sm-gradients none": "untested",
    }
    assert "1 inconsistent, 1 untested" in result.stdout
    assert "controls: 4 of 4 behaved as known" in result.stdout
    assert "released: 1 claim not judged (unreachable): analysis/" in result.stdout
    assert "SKIPPED" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    table = result.stdout.split("= claims =")[1]
    assert max(map(len, table.splitlines()[1:6])) <= 100


def test_two_processes_find_the_same(checkout):
    assert checkout.run().returncode == 0
    alone = checkout.verdicts()
    assert checkout.run("claims", "-n", "2").returncode == 0
    assert checkout.verdicts() == alone


def test_verdicts_json_keeps_its_promise(checkout):
    checkout.run()
    document = json.loads((checkout.path / "verdicts.json").read_text(encoding="utf-8"))
    assert document["schema"] == 1
    assert set(document["code"]) >= {"version", "commit"}
    (row,) = [r for r in document["verdicts"] if r["tier"] == "reported"]
    assert row["paper"] == "sensorimotor"
    assert (row["estimate"], row["low"], row["high"], row["n"]) == (1.0, 1.0, 1.0, 2)
    assert row["rows"] == ["C035"]
    assert row["reported"] == ["0.51", "0.14"]
    assert row["locked"] == "inconsistent"
    assert set(row["evidence"]) == {"name", "sha256"}


@pytest.mark.parametrize("locked", ['"consistent"', None])
def test_a_verdict_that_is_not_the_reviewed_one_fails(checkout, locked):
    new = "" if locked is None else f"sm-text-hand = {{ reported = {locked} }}\n"
    checkout.edit("claims/lock.toml", 'sm-text-hand = { reported = "inconsistent" }\n', new)
    result = checkout.run()
    assert result.returncode == 1
    assert ("drift: sm-text-hand on reported" if locked else "not reviewed") in result.stdout
    assert "sm-text-hand" in result.stdout


def test_the_lock_is_written_on_request_and_never_in_ci(checkout):
    checkout.write("claims/lock.toml", 'sm-gone = { reported = "consistent" }\n')
    result = checkout.run("claims", "--update-lock", CI="true")
    assert result.returncode == 4
    assert "sm-gone" in (checkout.path / "claims/lock.toml").read_text()
    assert checkout.run("claims", "--update-lock").returncode == 0
    lines = (checkout.path / "claims/lock.toml").read_text().splitlines()
    # Claims that are no longer registered go; claims that were not judged do not come.
    assert [line for line in lines if not line.startswith("#")] == LOCK.splitlines()
    assert checkout.run().returncode == 0


def test_the_lock_is_not_written_by_a_run_that_is_red(checkout):
    checkout.edit("claims/sensorimotor.toml", 'fails = "reversed"', 'fails = "boosted"')
    checkout.edit("claims/lock.toml", '"inconsistent"', '"consistent"')
    result = checkout.run("claims", "--update-lock")
    assert result.returncode == 1
    assert "lock.toml was not written" in result.stdout
    assert 'reported = "consistent"' in (checkout.path / "claims/lock.toml").read_text()


def test_a_control_that_misbehaves_fails(checkout):
    checkout.edit("claims/sensorimotor.toml", 'fails = "reversed"', 'fails = "boosted"')
    result = checkout.run()
    assert result.returncode == 1
    assert "negative control" in result.stdout
    assert "controls: 3 of 4 behaved as known" in result.stdout


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_claim_without_its_test_is_red(checkout, workers):
    checkout.edit("claims/sensorimotor/test_text.py", "def test_same_figure", "def same_figure")
    result = checkout.run("claims", *workers)
    assert result.returncode == 1
    assert "sm-text-hand is registered, but" in result.stdout


def test_a_selection_does_not_miss_what_it_did_not_ask_for(checkout):
    assert checkout.run("claims", "-k", "same_figure").returncode == 0
    assert checkout.run("claims/sensorimotor/test_text.py").returncode == 0
    assert checkout.run("claims/sensorimotor/test_text.py::test_same_figure").returncode == 0


def test_a_test_without_a_claim_is_red(checkout):
    checkout.write("claims/sensorimotor/test_more.py", "def test_more(judge):\n    judge()\n")
    result = checkout.run()
    assert result.returncode != 0
    assert "test_more has no claim in any registry" in result.stdout


def test_a_test_that_judges_nothing_is_red(checkout):
    checkout.edit("claims/sensorimotor/test_text.py", "judge(measure)", "pass")
    result = checkout.run()
    assert result.returncode == 1
    assert "never called judge" in result.stdout


def test_a_locked_claim_that_is_registered_nowhere_is_red(checkout):
    checkout.write("claims/lock.toml", LOCK + 'sm-gone = { reported = "consistent" }\n')
    for workers in ([], ["-n", "2"]):
        result = checkout.run("claims", *workers)
        assert result.returncode == 1
        assert "sm-gone on reported is in lock.toml, but in no registry" in result.stdout
    # A tier that the claim does not have is stale as well.
    tiers = 'sm-text-hand = { released = "refuted", reported = "inconsistent" }'
    checkout.write("claims/lock.toml", LOCK.replace(LOCK.splitlines()[1], tiers))
    assert "sm-text-hand on released is in lock.toml" in checkout.run().stdout


def test_nothing_judged_is_red(checkout):
    for args in (["-m", "released"], ["--evidence", "replicated"]):
        result = checkout.run("claims", *args)
        assert result.returncode == 1
        assert "nothing was judged" in result.stdout
    # Controls, and claims that nothing can settle, may be asked for on their own.
    for mark in ("control", "untestable"):
        assert checkout.run("claims", "-m", mark).returncode == 0


def test_a_required_tier_out_of_reach_is_an_error(checkout):
    result = checkout.run("claims", "--require-tier", "released")
    assert result.returncode == 1
    assert "--require-tier released" in result.stdout
    assert checkout.run("claims", "--require-tier", "fresh").returncode == 1
    refused = checkout.run("claims", "--require-tier", "released", "--evidence", "reported")
    assert refused.returncode == 4


def test_a_tier_that_is_not_asked_for_is_skipped(checkout):
    result = checkout.run("claims", "--evidence", "reported")
    assert result.returncode == 0
    assert checkout.verdicts()["sm-closer-en released"] == "untested"
    assert "released: 1 claim not judged (not-asked)" in result.stdout
    assert checkout.run("claims", "--evidence", "rumour").returncode == 4


def test_refuted_claims_turn_a_run_red_on_request(checkout):
    assert checkout.run("claims", "--fail-on", "refuted").returncode == 1
    checkout.write("fixtures/reported/sensorimotor.toml", FACTS.replace("0.14", "0.51"))
    checkout.edit("claims/lock.toml", '"inconsistent"', '"consistent"')
    assert checkout.run("claims", "--fail-on", "refuted").returncode == 0


def test_a_crash_in_a_measure_is_a_failure_and_a_bad_fixture_an_error(checkout):
    checkout.edit("claims/sensorimotor/test_text.py", 'evidence.figures("hand")', "1 / 0")
    result = checkout.run()
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stdout
    assert "test_same_figure[reported-sm-text-hand] ended without a verdict" in result.stdout
    # Each worker notes only its own tests; what one found must outlive the other's word.
    result = checkout.run("claims", "-n", "2")
    for case in ("reported", "holds:doctored", "fails:doctored"):
        assert result.stdout.count(f"[{case}-sm-text-hand] ended without a verdict") == 1
    checkout.write("fixtures/reported/sensorimotor.toml", FACTS.replace("[hand]", "[foot]"))
    result = checkout.run()
    assert "1 error" in result.stdout or "errors" in result.stdout
    assert "no fact 'hand'" in result.stdout


@pytest.mark.parametrize("name", ["claims/sensorimotor.toml", "claims/lock.toml"])
def test_a_broken_registry_or_lock_stops_the_run_in_one_line(checkout, name):
    checkout.write(name, "[[group")
    result = checkout.run()
    assert result.returncode == 4
    assert name.split("/")[1] in result.stderr
    assert "Traceback" not in result.stderr


def test_a_place_for_the_verdicts_that_cannot_be_is_refused_before_the_run(checkout):
    result = checkout.run("claims", "--verdicts", "empty")
    assert result.returncode == 4
    assert "--verdicts" in result.stderr


def test_failed_tests_alone_can_be_run_again(tmp_path):
    checkout = Checkout(tmp_path)
    checkout.edit("claims/sensorimotor/test_text.py", 'evidence.figures("hand")', "1 / 0")
    with_cache = ("claims", "-p", "cacheprovider")
    assert checkout.run(*with_cache).returncode == 1
    checkout.edit("claims/sensorimotor/test_text.py", "1 / 0", 'evidence.figures("hand")')
    assert checkout.run(*with_cache, "--lf").returncode == 0


def test_tests_of_the_suite_run_though_a_registry_is_broken(checkout):
    checkout.write("claims/sensorimotor.toml", "[[group")
    checkout.write("tests/test_own.py", "def test_own():\n    pass\n")
    assert checkout.run("tests").returncode == 0


def test_a_report_carries_the_record_in_junit(checkout):
    checkout.run("claims", "--junit-xml", "junit.xml")
    assert "sm-text-hand" in (checkout.path / "junit.xml").read_text()
    assert "inconsistent" in (checkout.path / "junit.xml").read_text()


MODELS = """
[[group]]
test = "test_models.py::test_agree"
section = "Models"
tiers = ["fresh"]
needs = ["llama", "qwen"]
controls = {holds = "spaces-told", fails = "spaces-apart"}

[[group.claim]]
id = "cv-agree"
rows = ["N01"]
where = "Results"
statement = "Two decoders agree."
variant = {references = ["llama", "qwen"]}
criterion = {kind = "above", bound = 0.5}
"""
AGREE = """
from core.metrics.neighbours import precision_at_k
from core.verdict.estimate import Estimate

def measure(evidence, references):
    a, b = (evidence.embedding(reference).values for reference in references)
    return Estimate.exact(precision_at_k(a, b, 15), len(a), "P@15")

def test_agree(judge):
    judge(measure)
"""
LLAMA, QWEN = "meta-llama/Llama-3.2-1B", "Qwen/Qwen2.5-0.5B"
COMMAND = f"claims embed --model {LLAMA} --model {QWEN}"


@pytest.fixture
def fresh(checkout):
    """A checkout with a claim on models that it does not hold."""
    # Neither of a paper that is judged on studies, nor of the one whose agents are compared.
    checkout.edit("pyproject.toml", "markers = [", 'markers = [ "others: a paper on models",')
    checkout.write("claims/others.toml", MODELS)
    checkout.write("claims/others/test_models.py", AGREE)
    parts = {"schema": 1, "variants": [], "files": {}, "floors": {}, "demonstrations": {}}
    checkout.write("fixtures/agent/manifest.json", json.dumps(parts))
    return checkout


def embed(checkout, llama, qwen):
    """Run two models, as `claims embed` would: the same seed is the same space."""
    for model, seed in ((LLAMA, llama), (QWEN, qwen)):
        write(checkout.path / "runs/embeddings", model, seed)


def fresh_row(checkout):
    document = json.loads((checkout.path / "verdicts.json").read_text(encoding="utf-8"))
    (row,) = [r for r in document["verdicts"] if r["tier"] == "fresh"]
    return row


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_without_the_weights_a_claim_is_untested_and_says_what_runs_them(fresh, workers):
    result = fresh.run("claims", *workers)
    assert result.returncode == 0, result.stdout + result.stderr
    row = fresh_row(fresh)
    assert (row["verdict"], row["reason"]) == ("untested", "weights")
    assert row["settles"] == COMMAND
    assert row["complaint"] == ""
    assert fresh.verdicts()["cv-agree control holds"] == "supported"
    assert fresh.verdicts()["cv-agree control fails"] == "refuted"
    assert f"1 claim untested for want of weights: {COMMAND}" in result.stdout
    assert "1 weights" in result.stdout
    assert "SKIPPED" not in result.stdout
    assert "new; `--update-lock`" not in result.stdout


def test_only_the_models_that_are_missing_are_asked_for(fresh):
    write(fresh.path / "runs/embeddings", QWEN)
    assert f"want of weights: claims embed --model {LLAMA}\n" in fresh.run().stdout
    assert fresh_row(fresh)["settles"] == f"claims embed --model {LLAMA}"


def test_models_that_were_not_run_are_an_error_on_request(fresh):
    result = fresh.run("claims", "--require-tier", "fresh")
    assert result.returncode == 1
    assert f"--require-tier fresh: weights: {COMMAND}" in result.stdout
    assert "1 error" in result.stdout


def test_want_of_weights_alone_judges_nothing(fresh):
    result = fresh.run("claims", "-m", "fresh")
    assert result.returncode == 1
    assert "nothing was judged" in result.stdout


def test_a_fresh_verdict_is_new_then_reviewed_then_drifts(fresh):
    embed(fresh, 1, 1)
    result = fresh.run()
    assert result.returncode == 0, result.stdout
    row = fresh_row(fresh)
    assert (row["verdict"], row["locked"], row["estimate"]) == ("supported", "", 1.0)
    assert row["evidence"]["name"] == "fresh"
    assert "fresh: 1 verdict is new; `--update-lock` takes them as reviewed" in result.stdout
    assert "want of weights" not in result.stdout

    assert f"fresh: judged on {LLAMA} (mean), {QWEN} (mean)\n" in result.stdout

    result = fresh.run("claims", "--update-lock")
    assert result.returncode == 0
    assert "new; `--update-lock`" not in result.stdout
    assert fresh_row(fresh)["locked"] == "supported"
    lock = (fresh.path / "claims/lock.toml").read_text()
    assert 'cv-agree = { fresh = "supported" }' in lock
    result = fresh.run()
    assert result.returncode == 0
    assert fresh_row(fresh)["locked"] == "supported"
    assert "new; `--update-lock`" not in result.stdout

    digest = fresh_row(fresh)["evidence"]["sha256"]
    embed(fresh, 1, 2)
    result = fresh.run()
    assert result.returncode == 1
    assert "drift: cv-agree on fresh: refuted, reviewed as supported" in result.stdout
    assert fresh_row(fresh)["evidence"]["sha256"] != digest


def test_what_was_reviewed_stays_where_the_weights_are_not(fresh):
    lock = LOCK + 'cv-agree = { fresh = "refuted" }\n'
    fresh.write("claims/lock.toml", lock)
    assert fresh.run("claims", "--update-lock").returncode == 0
    kept = (fresh.path / "claims/lock.toml").read_text().splitlines()
    assert sorted(line for line in kept if not line.startswith("#")) == sorted(lock.splitlines())
    # Without a review, want of weights leaves no trace.
    fresh.write("claims/lock.toml", LOCK)
    assert fresh.run("claims", "--update-lock").returncode == 0
    assert "cv-agree" not in (fresh.path / "claims/lock.toml").read_text()


def test_a_fresh_verdict_may_be_unwanted_though_it_is_new(fresh):
    embed(fresh, 1, 2)
    fresh.write("fixtures/reported/sensorimotor.toml", FACTS.replace("0.14", "0.51"))
    fresh.edit("claims/lock.toml", '"inconsistent"', '"consistent"')
    result = fresh.run("claims", "--fail-on", "refuted", "--require-tier", "fresh")
    assert result.returncode == 1
    assert "--fail-on refuted: 1 claims" in result.stdout
    # That is all that is wrong.
    assert "failed" not in result.stdout
    assert "error" not in result.stdout


def test_embeddings_that_were_changed_are_an_error_by_name(fresh):
    embed(fresh, 1, 1)
    matrix = fresh.path / "runs/embeddings/qwen--qwen2.5-0.5b.mean.safetensors"
    matrix.write_bytes(matrix.read_bytes()[:-1] + b"?")
    result = fresh.run()
    assert result.returncode == 1
    assert "qwen--qwen2.5-0.5b.mean.safetensors: wrong SHA-256" in result.stdout
    assert "1 error" in result.stdout


def test_a_folder_that_is_said_to_hold_a_model_is_shown_as_such(fresh):
    write(fresh.path / "runs/embeddings", LLAMA, 1, model="mine")
    write(fresh.path / "runs/embeddings", QWEN, 1)
    assert f"judged on mine as {LLAMA} (mean), {QWEN} (mean)\n" in fresh.run().stdout


def test_a_file_in_place_of_the_folder_of_models_is_an_error(fresh):
    fresh.write("runs/embeddings", "")
    result = fresh.run()
    assert result.returncode == 1
    assert "runs/embeddings: is no folder of embeddings; move it away" in result.stdout


@pytest.mark.parametrize("lost", ["all", "one"])
def test_kept_models_that_are_gone_are_an_error_and_no_gap(fresh, lost):
    fresh.edit("claims/others.toml", 'tiers = ["fresh"]', 'tiers = ["replicated"]')
    if lost == "one":
        kept = fresh.path / "fixtures/embeddings"
        write(kept, LLAMA)
        gone = write(kept, QWEN)
        write_sums(kept)
        gone.unlink()
    result = fresh.run()
    assert result.returncode == 1
    assert "restore it from version control" in result.stdout
    assert "want of weights" not in result.stdout
    assert "cv-agree replicated" not in fresh.verdicts()


ALONE = """
from core.verdict.estimate import Estimate

def measure(evidence):
    return Estimate.exact(len(evidence.agents("baseline").seeds), 3, "agents")

def test_agents(judge):
    judge(measure)
"""
AGENTS = """
[[group]]
test = "test_own.py::test_agents"
section = "Agents"
tiers = ["replicated"]
needs = ["baseline"]
controls = {holds = "agents-told", fails = "agents-apart"}

[[group.claim]]
id = "alm-agents"
rows = ["N02"]
where = "Results"
statement = "There are agents."
criterion = {kind = "above", bound = 0}
"""


@pytest.fixture
def agents(checkout, tmp_path_factory):
    """A checkout with a claim on agents alone and one on models, and both kept."""
    models = MODELS.replace('tiers = ["fresh"]', 'tiers = ["replicated"]')
    checkout.write("claims/alm.toml", AGENTS + models.replace("cv-agree", "alm-agree"))
    checkout.write("claims/alm/test_models.py", AGREE)
    checkout.write("claims/alm/test_own.py", ALONE)
    lock = 'alm-agents = { replicated = "supported" }\nalm-agree = { replicated = "supported" }\n'
    checkout.write("claims/lock.toml", LOCK + lock)
    work = tmp_path_factory.mktemp("work")
    write_evidence(checkout.path / "fixtures/agent", {"baseline": (0, 1, 2)}, work)
    for model in (LLAMA, QWEN):
        write(checkout.path / "fixtures/embeddings", model, 1)
    write_sums(checkout.path / "fixtures/embeddings")
    return checkout


def test_what_agents_and_models_share_is_written_where_a_claim_about_models_was_judged(agents):
    written = agents.path / "alignment.json"
    result = agents.run("claims/alm", "-k", "replicated and agents")
    assert result.returncode == 0, result.stdout
    assert not written.exists()
    # Nothing is written of a run that was stopped, whatever it had judged by then.
    stop = "judge(measure); raise KeyboardInterrupt"
    agents.edit("claims/alm/test_own.py", "judge(measure)", stop)
    assert agents.run("claims/alm", "-k", "replicated").returncode == 2
    assert agents.verdicts() == {"alm-agree replicated": "supported"}
    assert not written.exists()
    agents.edit("claims/alm/test_own.py", stop, "judge(measure)")
    result = agents.run("claims/alm", "-k", "replicated")
    assert result.returncode == 0, result.stdout
    assert f"wrote {written}" in result.stdout
    assert f"{LLAMA} (mean)" in json.loads(written.read_text())["groups"]


def test_what_cannot_be_compared_is_told_in_a_line_and_hides_no_verdict(agents):
    mean = "cka, debiased = np.mean(ckas, axis=0)"
    agents.edit("core/report/alignment.py", mean, 'raise ValueError("without a shape")')
    result = agents.run("claims/alm", "-k", "replicated")
    assert result.returncode == 1
    assert "alignment.json was not written: without a shape" in result.stdout
    assert "INTERNALERROR" not in result.stdout + result.stderr
    assert agents.verdicts()["alm-agree replicated"] == "supported"
