"""The command line of fine-tuning: light until it runs, and where it sends one."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from core.rating.errors import RatingError
from core.rating.finetuning import options
from core.rating.finetuning.settings import HELD_OUT

LEAST = ["finetune", "--recipe", "En_FT", "--model", "m", "--out", "o"]


def parsed(arguments):
    parser = argparse.ArgumentParser()
    options.add_commands(parser.add_subparsers())
    return parser.parse_args(arguments)


def test_nothing_heavy_is_loaded_before_a_command_runs():
    code = "import core.rating.finetuning.options, core.rating.finetuning.settings, sys; "
    code += "print([m for m in ('torch', 'transformers', 'openai', 'peft') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_defaults():
    found = vars(parsed(LEAST))
    expected = {"data": Path("runs/data"), "held_out": HELD_OUT, "seed": 0, "accumulate": 1}
    expected |= {"device": "auto", "dtype": "auto", "scrambled": False, "openai": False}
    expected |= dict.fromkeys(("epochs", "batch", "rate", "lora", "max_steps", "threads"))
    assert {name: found[name] for name in expected} == expected
    assert vars(parsed(["tiny"]))["out"] == Path("runs/models/tiny")


@pytest.mark.parametrize(
    "wrong",
    [
        *(["--held-out", share] for share in ("1", "-0.1", "nan", "few")),
        *(["--batch", "0"], ["--seed", "-1"], ["--lora", "0"], ["--recipe", "Fr_FT"]),
        ["--epochs"],
    ],
)
def test_what_makes_no_sense_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as found:
        parsed([*LEAST, *wrong])
    assert found.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_tuning_at_openai_is_handed_over_without_torch(monkeypatch):
    from core.rating.finetuning import remote

    monkeypatch.setattr(remote, "finetune_remote", lambda given: 40 + given.seed)
    monkeypatch.setitem(sys.modules, "core.rating.finetuning.commands", None)
    given = parsed([*LEAST, "--openai", "--seed", "2"])
    assert given.command(given) == 42


@pytest.mark.parametrize(
    ("more", "module", "extra"),
    [([], "commands", "finetune"), (["--openai"], "remote", "openai")],
)
def test_what_is_not_installed_is_named_with_its_extra(monkeypatch, more, module, extra):
    monkeypatch.setitem(sys.modules, f"core.rating.finetuning.{module}", None)
    monkeypatch.delattr(f"core.rating.finetuning.{module}", raising=False)
    given = parsed([*LEAST, *more])
    with pytest.raises(RatingError, match=rf"not installed: pip install -e '.\[{extra}\]'"):
        given.command(given)
