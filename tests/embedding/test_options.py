"""What the commands accept, refuse and say of themselves, without torch."""

import argparse
import sys

import pytest

import core.embedding
from core.embedding.errors import EmbeddingError
from core.embedding.options import add_commands
from core.paths import ROOT

#: The modules that need the extra.
HEAVY = {"commands", "making", "subjects", "families", "extraction", "tokens"}


def parsed(*arguments):
    parser = argparse.ArgumentParser(prog="claims")
    add_commands(parser.add_subparsers(required=True))
    return parser.parse_args(arguments)


def test_embed_by_default():
    options = vars(parsed("embed", "--model", "a/b"))
    del options["command"]
    assert options == {
        "model": ["a/b"],
        "revision": None,
        "pooling": None,
        "bos": None,
        "declared": None,
        "untrained": None,
        "words": False,
        "batch": 16,
        "out": ROOT / "runs/embeddings",
    }


def test_several_models_and_seeds():
    options = parsed("embed", "--model", "a", "--model", "b", "--untrained", "0", "2")
    assert options.model == ["a", "b"]
    assert options.untrained == [0, 2]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("", "--model"),
        ("--model=", "--model: must not be empty"),
        ("--model a --revision main", "must be a whole commit"),
        ("--model a --revision 3d74acf", "must be a whole commit"),
        (f"--model a --revision {'A' * 40}", "must be a whole commit"),
        ("--model a --batch 0", "--batch: must be at least 1"),
        ("--model a --untrained -1", "must be from 0"),
        ("--model a --untrained many", "is not a whole number"),
        ("--model a --pooling max", "choose from 'mean', 'cls', 'eot', 'projected'"),
        ("--model a --bos both", "choose from 'with', 'without'"),
    ],
)
def test_bad_values_are_usage_errors(arguments, told, capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed("embed", *arguments.split())
    assert stopped.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert told in said
    assert " _" not in said


@pytest.mark.parametrize("command", ["embed", "models"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed(command, "--help")
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    assert str(ROOT) not in said
    assert "None" not in said
    assert "%%" not in said


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_without_the_extra_it_names_the_extra(missing, monkeypatch):
    for name in [each for each in sys.modules if each.startswith("core.embedding.")]:
        if name.rpartition(".")[2] in HEAVY:
            monkeypatch.delitem(sys.modules, name)
            monkeypatch.delattr(core.embedding, name.rpartition(".")[2], raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    options = parsed("embed", "--model", "a")
    with pytest.raises(EmbeddingError, match=rf"{missing} is not installed: .*'\.\[embed\]'"):
        options.command(options)


def test_models_needs_no_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    options = parsed("models")
    assert options.command(options) == 0
    assert "Qwen/Qwen2.5-0.5B" in capsys.readouterr().out
