"""The rehearsal's part of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.arguments import folder, seed

OUT = Path("runs/rehearsal")


def add_commands(commands: Any) -> None:
    """Add `rehearse` to the `claims` command."""
    parser = commands.add_parser(
        "rehearse",
        help="run the whole pipeline on made-up people and a tiny model",
        description="Make up words and people's ratings of them, a tiny model that knows only how "
        "to answer, tune it by each of the paper's recipes and once on answers dealt anew, and ask "
        "all of them: the same commands as for a real model, each printed as it is run. What is "
        "there already is not made again, so that a rehearsal that was stopped goes on.",
        epilog="Judge it with `pytest claims/ --evidence fresh`: its rows are marked as simulated "
        "and say nothing about the paper.",
    )
    parser.add_argument("--out", type=folder, default=OUT, metavar="DIR", help=f"default: {OUT}")
    parser.add_argument("--seed", type=seed, default=0, help="of all draws (default: 0)")
    parser.set_defaults(command=_rehearse)


def _rehearse(options: argparse.Namespace) -> int:
    from core.rating.rehearsing import rehearse

    return rehearse(options.out, options.seed)
