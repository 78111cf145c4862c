from __future__ import annotations

import tomllib

import pytest

from core.evidence.errors import EvidenceError
from core.evidence.reported import Reported, load_reported
from core.paths import CLAIMS, FIXTURES
from core.verdict.criterion import parse_figure
from core.verdict.registry import load_registry

PAPERS = ("sensorimotor", "coverage", "alm")


def text(**facts: list[str]) -> Reported:
    return Reported("reported", {k: {"figures": v, "where": "here"} for k, v in facts.items()})


def test_figures_are_read_as_printed_and_as_numbers():
    body = text(hand=["0.51", ".14", "−0.08", "1,572", "60%"])
    assert body.printed("hand") == ("0.51", ".14", "−0.08", "1,572", "60%")
    assert body.figures("hand") == (0.51, 0.14, -0.08, 1572.0, 60.0)


def test_an_unknown_fact_is_refused_and_named():
    body = text(hand=["1"])
    body.acquire(["hand"])
    for refused in (
        lambda: body.printed("foot"),
        lambda: body.acquire(["hand", "foot"]),
        lambda: body.doctored({"foot": ["2"]}),
    ):
        with pytest.raises(EvidenceError, match="no fact 'foot'"):
            refused()


def test_doctoring_changes_the_named_facts_only_and_leaves_the_text_alone():
    body = text(hand=["0.51", "0.14"], foot=["3"])
    doctored = body.doctored({"hand": ["0.14", "0.14"]})
    assert doctored.name == "doctored"
    assert doctored.printed("hand") == ("0.14", "0.14")
    assert doctored.printed("foot") == ("3",)
    assert doctored.facts["hand"]["where"] == "here"
    assert body.printed("hand") == ("0.51", "0.14")


def test_the_digest_follows_the_facts_not_their_order():
    assert text(a=["1"], b=["2"]).sha256 == text(b=["2"], a=["1"]).sha256
    assert text(a=["1"]).sha256 != text(a=["1.0"]).sha256
    assert text(a=["1"]).doctored({"a": ["2"]}).sha256 == text(a=["2"]).sha256


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        ("hand = [", "cannot be read"),
        ('hand = "0.51"', "fact 'hand'"),
        ('[hand]\nfigures = ["1"]', "fact 'hand'"),
        ('[hand]\nwhere = "here"', "fact 'hand'"),
        ('[hand]\nfigures = []\nwhere = "here"', "fact 'hand'"),
        ('[hand]\nfigures = ["1"]\nwhere = "here"\nnote = "x"', "fact 'hand'"),
    ],
    ids=["missing", "not-toml", "no-table", "no-place", "no-figures", "empty", "unknown-key"],
)
def test_a_bad_file_is_refused_and_named(content, complaint, tmp_path, monkeypatch):
    monkeypatch.setattr("core.evidence.reported.FIXTURES", tmp_path)
    path = tmp_path / "reported" / "paper.toml"
    path.parent.mkdir()
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(EvidenceError, match=complaint) as caught:
        load_reported("paper")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("paper", PAPERS)
def test_every_fact_kept_here_is_numbers_with_a_place(paper):
    body = load_reported(paper)
    for name, fact in body.facts.items():
        assert body.figures(name) == tuple(float(parse_figure(f)) for f in fact["figures"])
        assert all(isinstance(figure, str) for figure in fact["figures"]), name
        assert fact["where"].strip(), name


@pytest.mark.parametrize("paper", PAPERS)
def test_every_fact_kept_here_is_used_by_a_claim_and_every_claim_finds_its_facts(paper):
    claims = [c for c in load_registry(CLAIMS / f"{paper}.toml") if "reported" in c.tiers]
    assert {fact for claim in claims for fact in claim.needs} == set(load_reported(paper).facts)


def test_every_text_with_facts_has_a_registry():
    kept = {path.stem for path in (FIXTURES / "reported").glob("*.toml")}
    assert kept == set(PAPERS)
    for paper in kept:
        tomllib.loads((CLAIMS / f"{paper}.toml").read_text(encoding="utf-8"))
