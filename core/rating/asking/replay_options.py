"""The part of the command line that replays the released answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.arguments import folder

REPLAY = Path("runs/replay")
STORE = Path("runs/replay.sqlite")


def add_replay(commands: Any) -> None:
    """Add `replay` to the `claims` command."""
    parser = commands.add_parser(
        "replay",
        help="put the released answers through our own store and parser",
        description="Ingest the released files of raw answers (169 MB) as if they had just come "
        "from the service, rebuild the tables of ratings from the store, and compare them with the "
        "released workbooks, cell by cell. Run again, it asks for nothing and compares anew. "
        "Exits with 1 if a cell differs.",
        epilog="CLAIMS_MIRROR: a folder or address to fetch from in place of upstream. "
        "CLAIMS_CACHE: the folder to keep the files in.",
    )
    parser.add_argument(
        "--out",
        type=folder,
        default=REPLAY,
        metavar="DIR",
        help=f"where to write the study that claims can be judged on (default: {REPLAY})",
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=STORE,
        metavar="FILE",
        help=f"where to keep the answers (default: {STORE})",
    )
    parser.set_defaults(command=_replay)


def _replay(options: argparse.Namespace) -> int:
    from core.rating.asking.replay_commands import replay

    return replay(options)
