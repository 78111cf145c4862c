"""The nightly run's part of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.arguments import at_least_one
from core.evidence.tables import MODELS
from core.rating.asking.options import DATA, add_backend

OUT = Path("runs/nightly")


def add_commands(commands: Any) -> None:
    """Add `nightly` to the `claims` command."""
    parser = commands.add_parser(
        "nightly",
        help="rate, judge, compare with the last run, report",
        description="Put all test words to the four models in both languages, judge every claim on "
        "what they answer, and compare with the last run and with the reviewed verdicts. What "
        "changed is rated and judged once more with another seed. A run that was stopped goes on "
        "where it was when the same command is given again; each run asks anew. "
        "A budget is the night's, however often it is stopped: what its answers cost is taken off "
        "it before anything more is asked.",
        epilog="Exit codes: 0 as before, or the first run; 1 a verdict changed, or a claim is no "
        "longer judged, and the second run did not come back to the old verdict; 2 wrong usage, or "
        "data that cannot be read; 3 ratings are missing, and what could be judged is as before: "
        "run it again to go on; 4 judging failed; 130 stopped by hand. A verdict that changed and "
        "changed back is reported as unsteady, and is 0. Where ratings are missing and a verdict "
        "changed, it is 1.",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        required=True,
        metavar="ROLE=NAME_OR_DIR",
        help=f"who takes each part: {', '.join(f'{role}=...' for role in MODELS)}, all four",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=DATA,
        metavar="DIR",
        help=f"what `claims data` wrote (default: {DATA})",
    )
    parser.add_argument(
        "--embed",
        nargs="+",
        default=[],
        metavar="NAME_OR_DIR",
        help="also embed the 108 sentences with these models, for the claims of the other paper",
    )
    parser.add_argument(
        "--resamples",
        type=at_least_one,
        metavar="B",
        help="resamples of the RSA bootstraps (default: as `pytest claims/`)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="DIR",
        help=f"where runs are kept, a folder for each (default: {OUT})",
    )
    add_backend(parser)
    parser.set_defaults(command=_nightly)


def _nightly(options: argparse.Namespace) -> int:
    # Only a run needs all that judges.
    from core.nightly import commands

    return commands.nightly(options)
