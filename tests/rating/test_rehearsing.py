"""The rehearsal is the documented commands, in an order in which each finds what it needs."""

import argparse
from pathlib import Path

from core.cli import ADDERS
from core.evidence.readers import models_of
from core.rating.rehearsing import SCRAMBLED, rehearse, steps

OUT = Path("out")


def parsed(step):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for add in ADDERS:
        add(commands)
    return parser.parse_args(step)


def test_every_role_is_tuned_from_the_base_and_asked_in_its_languages():
    found = list(steps(OUT, 3))
    data, tiny, *rest = [(step[0], parsed(step)) for step in found]
    assert (data[0], data[1].origin, data[1].out, data[1].seed) == (
        "data",
        "rehearsal",
        OUT / "data",
        3,
    )
    assert (tiny[0], tiny[1].out, tiny[1].data) == ("tiny", OUT / "Base", OUT / "data")
    tuned = [one for name, one in rest if name == "finetune"]
    assert {Path(one.model) for one in tuned} == {OUT / "Base"}
    recipes = {(one.out.name, one.recipe, one.scrambled) for one in tuned}
    own = {(role, role, False) for role in ("En_FT", "Nl_FT", "QA_FT")}
    assert recipes == own | {(SCRAMBLED, "En_FT", True)}
    rated = [one for name, one in rest if name == "rate"]
    assert all(Path(one.model) == OUT / one.role for one in rated)
    asked = {(one.role, one.language) for one in rated}
    judged = {(role, language) for language in ("en", "nl") for role in models_of(language)}
    assert asked == judged | {(SCRAMBLED, "en")}
    assert {one.data for _, one in [tiny, *rest]} == {OUT / "data"}


def test_a_step_that_fails_ends_it_with_its_code(capsys):
    seen = []

    def run(step):
        seen.append(step[0])
        return 3 if step[0] == "finetune" else 0

    assert rehearse(OUT, 0, run) == 3
    assert seen == ["data", "tiny", "finetune"]
    shown = [line for line in capsys.readouterr().out.splitlines() if line.startswith("$ ")]
    assert shown == [f"$ claims {' '.join(step)}" for step in list(steps(OUT, 0))[:3]]


def test_all_steps_are_run_in_turn():
    seen = []
    assert rehearse(OUT, 1, lambda step: seen.append(tuple(step)) or 0) == 0
    assert seen == list(steps(OUT, 1))
