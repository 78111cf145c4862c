import pytest

from core.report.terminal import measured, number, summary, table
from core.report.verdicts import in_order, listed, nothing_judged, tally, unwanted
from core.verdict.claim import Claim
from core.verdict.record import Record


def record(**changes):
    """A row as `verdicts.json` holds it."""
    row = Record(
        claim="sm-rsa-base",
        paper="sensorimotor",
        tier="released",
        section="Structure",
        verdict="supported",
        statement="It holds.",
        where="Results",
        rows=["C011"],
        variant={},
        criterion="= 0.192",
        reported=["0.192"],
        ours=False,
        estimate=0.1918,
        low=0.17,
        high=0.214,
        n=1570,
    )
    return row.as_dict() | {"complaint": ""} | changes


def test_a_row_says_claim_print_measurement_and_verdict_on_one_line_of_100_columns():
    lines = list(table([record(claim="sm-" + "long-" * 20, reported=["0.192"] * 9)]))
    assert [verdict for _, verdict in lines] == ["", "", "", "supported", ""]
    assert all(len(line) <= 100 for line, _ in lines)
    line = next(line for line, verdict in lines if verdict)
    for part in ("sm-long", "0.192", "0.192 [0.170, 0.214]", "1570", "supported", "released"):
        assert part in line


def test_sections_are_headed_and_controls_and_unreached_tiers_are_not_listed():
    rows = [
        record(),
        record(claim="sm-control", tier="control", expects="holds"),
        record(claim="sm-away", verdict="untested", reason="unreachable", estimate=None),
        record(claim="sm-ours", ours=True),
        record(claim="cv-page", paper="coverage", section="Pages", verdict="refuted"),
    ]
    text = "\n".join(line for line, _ in table(rows))
    assert "sensorimotor: Structure" in text
    assert "coverage: Pages" in text
    assert "* sm-ours" in text
    assert "sm-control" not in text
    assert "sm-away" not in text
    assert list(table([rows[1]])) == []


def test_a_claim_that_nothing_settles_shows_its_reason():
    row = record(verdict="untested", reason="not-run", estimate=None, low=None, high=None, n=None)
    assert measured(row) == "not-run"
    assert any("not-run" in line for line, _ in table([row]))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (10677.0, "10,677"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.047, "-0.047"),
        (0.19182, "0.192"),
        (1234.56, "1,234.6"),
        (6.8e-14, "7e-14"),
    ],
)
def test_numbers_are_shown_as_a_reader_wants_them(value, shown):
    assert number(value) == shown


def test_an_exact_count_is_shown_without_an_interval():
    assert measured(record(estimate=7.0, low=7.0, high=7.0)) == "7"


def test_the_tally_keeps_our_own_checks_and_controls_apart():
    rows = [
        record(),
        record(verdict="refuted"),
        record(verdict="refuted", ours=True),
        record(tier="control", expects="holds"),
        record(tier="control", expects="fails", complaint="negative control: ..."),
        record(verdict="untested", reason="unreachable", settles="set X", estimate=None),
        record(verdict="untested", reason="not-run", estimate=None),
    ]
    assert tally(rows) == {
        "sensorimotor": {"supported": 1, "refuted": 1, "untested": 1},
        "sensorimotor, our own checks": {"refuted": 1},
    }
    lines = list(summary(rows))
    assert "controls: 1 of 2 behaved as known" in lines
    assert "released: 1 claim not judged (unreachable): set X" in lines


def test_what_drifted_is_named_after_the_tally():
    rows = [record(complaint="drift: sm-rsa-base on released: supported, reviewed as refuted")]
    assert "drift: sm-rsa-base on released: supported, reviewed as refuted" in list(summary(rows))


def claim(name, section):
    return Claim(
        name, "sensorimotor", section, (), "", "", (), None, (), f"sensorimotor/t.py::{name}"
    )


def test_rows_stand_by_section_then_claim_with_controls_behind_whatever_came_first():
    claims = [claim("a-1", "A"), claim("b-1", "B"), claim("a-2", "A")]
    rows = [
        record(claim="b-1", section="B"),
        record(claim="a-2", section="A", tier="control", expects="fails"),
        record(claim="a-2", section="A", tier="control", expects="holds"),
        record(claim="a-2", section="A"),
        record(claim="a-1", section="A"),
    ]
    found = [(r["claim"], r["expects"]) for r in in_order(rows, claims)]
    assert found == [("a-1", ""), ("a-2", ""), ("a-2", "holds"), ("a-2", "fails"), ("b-1", "")]


def test_controls_alone_judge_no_paper():
    control = record(tier="control", expects="holds")
    away = record(verdict="untested", reason="unreachable", estimate=None)
    assert nothing_judged([control, away], {"control", "released"})
    assert not nothing_judged([control], {"control"})
    assert not nothing_judged([control, away, record()], {"control", "released"})
    assert not nothing_judged([record(verdict="untested", estimate=None)], {"none"})
    assert not nothing_judged([], set())


def test_unwanted_verdicts_are_the_papers_own_only():
    rows = [
        record(verdict="refuted"),
        record(verdict="refuted", ours=True),
        record(verdict="refuted", tier="control", expects="fails"),
    ]
    assert unwanted(rows, "refuted", ["refuted"]) == ["--fail-on refuted: 1 claims"]
    assert unwanted(rows, "drift", []) == []


EMBED = "claims embed --model a/b"


def without_weights(name, **changes):
    """A row of a claim for which models were not run."""
    row = {
        "claim": name,
        "tier": "fresh",
        "verdict": "untested",
        "reason": "weights",
        "settles": EMBED,
        **dict.fromkeys(("estimate", "low", "high", "n")),
    }
    return record(**row | changes)


def test_want_of_weights_is_shown_where_nothing_else_judges_the_claim():
    rows = [
        record(claim="alm-kept", paper="alm", tier="replicated"),
        without_weights("alm-kept", paper="alm"),
        without_weights("alm-alone", paper="alm"),
    ]
    assert listed(rows) == [rows[0], rows[2]]
    text = "\n".join(line for line, _ in table(rows))
    assert "weights" in text.split("alm-alone")[1]
    assert text.count("alm-kept") == 1
    assert tally(rows) == {"alm": {"supported": 1, "untested": 1}}


def test_a_tier_out_of_reach_does_not_judge_a_claim():
    away = record(claim="alm-a", tier="replicated", estimate=None, reason="not-asked")
    rows = [away, without_weights("alm-a")]
    assert listed(rows) == [rows[1]]
    # A control does not judge it, either.
    control = record(claim="alm-a", tier="control", expects="holds")
    assert listed([control, rows[1]]) == [rows[1]]


def test_one_command_runs_every_model_that_is_wanted():
    rows = [
        record(claim="alm-kept", tier="replicated"),
        without_weights("alm-kept", settles="claims embed --model kept/model"),
        without_weights("alm-a", settles="claims embed --model c --model a/b-1.5"),
        without_weights("alm-b", settles="claims embed --model a/b-1.5"),
        without_weights("alm-c", settles="claims embed --model a/b-1.5 --model d"),
    ]
    lines = [line for line in summary(rows) if "for want of weights" in line]
    # What is judged elsewhere is wanted by none.
    command = "claims embed --model c --model a/b-1.5 --model d"
    assert lines == [f"3 claims untested for want of weights: {command}"]
    # It is not told twice, as a tier that was not reached.
    assert not any("not judged" in line for line in summary(rows))
    assert not any("for want of weights" in line for line in summary(rows[:2]))


def test_commands_with_options_stand_by_themselves():
    drawn = "claims embed --model a/b --untrained 0 1 2"
    rows = [
        without_weights("alm-a", settles=f"claims embed --model a/b && {drawn}"),
        without_weights("alm-b", settles="claims embed --model c/d"),
        without_weights("alm-c", settles=drawn),
    ]
    (line,) = [line for line in summary(rows) if "for want of weights" in line]
    assert line.endswith(f": claims embed --model a/b --model c/d && {drawn}")
    (alone,) = [line for line in summary(rows[2:]) if "for want of weights" in line]
    assert alone == f"1 claim untested for want of weights: {drawn}"


def test_fresh_verdicts_are_announced_until_they_are_reviewed():
    rows = [
        record(claim="alm-a", paper="alm", tier="fresh"),
        record(claim="alm-b", paper="alm", tier="fresh", verdict="refuted"),
        record(claim="alm-c", paper="alm", tier="fresh", locked="supported"),
        # Those on a study nobody reviews.
        record(claim="sm-a", tier="fresh"),
        record(claim="cv-a", paper="coverage", tier="fresh"),
        record(claim="alm-d", tier="replicated"),
        record(claim="alm-a", tier="control", expects="holds"),
        without_weights("alm-e"),
    ]
    many = "fresh: 2 verdicts are new; `--update-lock` takes them as reviewed"
    assert list(summary(rows)).count(many) == 1
    one = "fresh: 1 verdict is new; `--update-lock` takes them as reviewed"
    assert list(summary(rows[1:])).count(one) == 1
    assert not any("new;" in line for line in summary(rows[2:]))


def test_what_fresh_verdicts_rest_on_is_told_once():
    def on(*models, tier="fresh"):
        return record(tier=tier, evidence={"name": tier, "models": "; ".join(models)})

    rows = [on("a/b (mean)"), on("a/b (mean)", "mine as c/d (cls)"), on("kept", tier="replicated")]
    lines = [line for line in summary(rows) if "judged on" in line]
    assert lines == ["fresh: judged on a/b (mean), mine as c/d (cls)"]
    assert not any("judged on" in line for line in summary(rows[2:]))


def test_want_of_weights_judges_nothing():
    assert nothing_judged([without_weights("alm-a")], {"fresh"})
    assert unwanted([without_weights("alm-a")], "inconclusive", ["inconclusive"]) == []


def test_what_to_know_of_a_study_is_told_once():
    def on(tier, *notes):
        return record(tier=tier, evidence={"name": tier, "notes": "; ".join(notes)})

    rows = [on("fresh", "88 of 90 English words complete", "x"), on("fresh", "x")]
    assert list(summary(rows))[1:] == ["fresh: 88 of 90 English words complete; x"]
    assert "rehearsal: y" in list(summary([on("simulated", "y")]))


def rehearsed(name, **changes):
    """A row judged on made-up people."""
    on = {"name": "fresh", "models": "Base = tiny (10 answers)"}
    return record(claim=name, **{"tier": "simulated", "evidence": on} | changes)


def test_a_rehearsal_is_told_as_one_and_enters_no_tally_of_the_paper():
    rows = [
        record(claim="sm-a"),
        rehearsed("sm-a", verdict="refuted"),
        rehearsed("sm-b", verdict="refuted", ours=True),
    ]
    assert tally(rows) == {
        "sensorimotor": {"supported": 1},
        "sensorimotor, rehearsal on simulated people": {"refuted": 2},
    }
    lines = list(summary(rows))
    assert "rehearsal: people are made up; nothing here is about the paper" in lines
    assert "rehearsal: judged on Base = tiny (10 answers)" in lines
    assert not any(line.startswith("fresh:") for line in lines)
    assert not any("rehearsal" in line for line in summary(rows[:1]))
    text = [line for line, _ in table(rows)]
    assert sum("simulated" in line for line in text) == 2
    assert unwanted(rows, "refuted", ["refuted"]) == []


def test_a_replay_is_told_as_one_and_enters_no_tally_of_the_paper():
    rows = [record(claim="sm-a"), rehearsed("sm-a", tier="replay", verdict="refuted")]
    assert tally(rows) == {
        "sensorimotor": {"supported": 1},
        "sensorimotor, replay of the released answers": {"refuted": 1},
    }
    lines = list(summary(rows))
    assert "replay: the released answers, once more; a check of store and parser, not evidence" in (
        lines
    )
    assert "replay: judged on Base = tiny (10 answers)" in lines
    assert not any("fresh" in line or "new" in line for line in lines)
    assert unwanted(rows, "refuted", ["refuted"]) == []


@pytest.mark.parametrize("tier", ["simulated", "replay"])
def test_a_rehearsal_or_a_replay_is_what_was_asked_for_as_fresh(tier):
    assert not nothing_judged([rehearsed("sm-a", tier=tier)], {"fresh"})
    assert nothing_judged([rehearsed("sm-a", tier=tier, estimate=None)], {"fresh"})


def test_verdicts_on_a_study_are_never_the_paper_s_own():
    rows = [
        record(claim="sm-a"),
        record(claim="sm-a", tier="fresh", verdict="refuted"),
        record(claim="cv-a", paper="coverage", tier="fresh"),
        record(claim="alm-a", paper="alm", tier="fresh"),
    ]
    heads = {"sensorimotor, fresh": {"refuted": 1}, "coverage, fresh": {"supported": 1}}
    assert tally(rows[1:]) == heads | {"alm": {"supported": 1}}
    assert tally(rows) == heads | {"alm": {"supported": 1}, "sensorimotor": {"supported": 1}}


def test_a_collapsed_model_is_listed_and_told():
    few = "12 of 90 English words have a number from every model; at least 80 must"
    row = without_weights("sm-a", reason="too-few", settles=few)
    assert listed([row]) == [row]
    assert f"fresh: 1 claim not judged (too-few): {few}" in list(summary([row]))


def test_all_commands_that_are_missing_are_told_in_one_line():
    def missing(name, settles):
        return without_weights(name, reason="not-rated", settles=settles)

    rows = [missing("sm-a", "ask 1 && ask 2"), missing("sm-b", "ask 2 && ask 3")]
    line = "fresh: 2 claims not judged (not-rated): ask 1 && ask 2 && ask 3"
    assert line in list(summary(rows))
    assert listed(rows) == []
    assert nothing_judged(rows, {"fresh"})
