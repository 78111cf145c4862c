"""What the agent's commands accept, refuse and say of themselves."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

import core.agent
from core import cli
from core.agent.options import add_commands
from core.paths import ROOT

COMMANDS = ("demonstrate", "train", "evaluate", "replicate")


def parsed(*arguments):
    parser = argparse.ArgumentParser(prog="claims")
    add_commands(parser.add_subparsers(required=True))
    return parser.parse_args(arguments)


def test_demonstrate_by_default():
    options = parsed("demonstrate")
    assert (options.episodes, options.seed) == (10000, 0)
    assert options.out == Path("runs/demonstrations")


def test_train_by_default_is_the_papers_recipe():
    options = vars(parsed("train"))
    del options["command"]
    assert options == {
        "seeds": 10,
        "first_seed": 0,
        "updates": 20000,
        "batch": 64,
        "learning_rate": 1e-3,
        "stop_at": 2.0,
        "initial": "identity",
        "pooling": "mean",
        "tokenisation": "words",
        "view": "partial",
        "vision": "patch",
        "vision_weights": "",
        "blind": False,
        "demonstrations": Path("runs/demonstrations"),
        "device": None,
        "jobs": None,
        "out": Path("runs/agents"),
    }


def test_evaluate_by_default_plays_what_train_wrote():
    options = parsed("evaluate")
    assert options.agents == parsed("train").out
    assert options.demonstrations == parsed("demonstrate").out
    assert options.episodes == 30


def test_replicate_by_default_writes_the_evidence():
    options = parsed("replicate")
    assert (options.episodes, options.updates, options.jobs) == (10000, 20000, None)
    assert options.out == ROOT / "fixtures/agent"
    assert options.work == Path("runs/replication")


@pytest.mark.parametrize(
    ("option", "choices"),
    [
        ("initial", ["identity", "identical"]),
        ("pooling", ["mean", "flatten"]),
        ("tokenisation", ["words", "words-from", "phrases"]),
        ("view", ["partial", "full"]),
        ("vision", ["patch", "resnet"]),
    ],
)
def test_every_reading_can_be_chosen(option, choices):
    for choice in choices:
        assert vars(parsed("train", f"--{option}", choice))[option] == choice


@pytest.mark.parametrize(
    "arguments",
    [
        "demonstrate --episodes 0",
        "demonstrate --episodes -1",
        "demonstrate --episodes many",
        "demonstrate --episodes 1.5",
        "demonstrate --seed -1",
        "demonstrate folder",
        "train --seeds 0",
        "train --first-seed -1",
        "train --updates 0",
        "train --batch 0",
        "train --jobs 0",
        "train --learning-rate fast",
        "train --stop-at never",
        "train --initial random",
        "train --pooling max",
        "train --tokenisation letters",
        "train --view both",
        "train --vision clip",
        "train --colour",
        "evaluate --episodes 0",
        "evaluate one two",
        "replicate --episodes 0",
        "replicate --updates 0",
        "replicate --jobs 0",
        "unheard-of",
    ],
)
def test_bad_values_are_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("usage: claims")
    last = said.err.splitlines()[-1]
    assert "error: " in last
    # In words for a user: no name of a function.
    assert " _" not in last


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("demonstrate --episodes 0", "--episodes: must be at least 1"),
        ("demonstrate --seed -1", "--seed: must not be negative"),
        ("train --initial random", "choose from 'identity', 'identical'"),
    ],
)
def test_a_usage_error_says_what_would_be_accepted(arguments, told, capsys):
    with pytest.raises(SystemExit):
        cli.main(arguments.split())
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("command", [*COMMANDS, "fetch", "table", "agents"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: claims {command} ")
    # Doubled where argparse takes a help text as a format, and single where it is read.
    assert "%%" not in said
    assert "None" not in said
    # No path of this checkout, but from its root.
    assert str(ROOT) not in said


def test_every_command_is_in_the_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command}" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_without_the_extra_it_names_the_extra(command, monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "core.agent.commands", raising=False)
    monkeypatch.delattr(core.agent, "commands", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main([command]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "claims: torch is not installed: pip install -e '.[alm]'\n"


def test_the_command_line_itself_needs_no_torch():
    check = (
        "import sys, core.cli, core.evidence.bodies, core.report.agents\n"
        "heavy = {'torch', 'minigrid', 'gymnasium'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
