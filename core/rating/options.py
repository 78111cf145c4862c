"""The ratings' part of the command line; compiled code is loaded only when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.arguments import at_least_one

METRICS = ("cosine", "correlation")


def add_commands(commands: Any) -> None:
    """Add `rsa` to the `claims` command."""
    parser = commands.add_parser(
        "rsa",
        help="compare two tables of words, however long, by representational similarity",
        description="Print the RSA of two tables: Spearman's rho of the distances between words. "
        "Columns are standardised over the words that both tables describe in full. Where the "
        "distances do not fit into the memory given, they are met in passing, and rho is printed "
        "with the limits between which it lies for certain.",
    )
    for name in ("first", "second"):
        parser.add_argument(
            name,
            type=Path,
            metavar=f"{name.upper()}.csv",
            help="a row per word: the word, then numbers; the columns may differ between the two",
        )
    parser.add_argument("--metric", choices=METRICS, default="cosine", help="default: cosine")
    parser.add_argument(
        "--exact",
        action="store_true",
        help="no limits but rho itself, whatever it takes: 4 bytes per pair in a temporary file, "
        "and more passes the less memory there is",
    )
    parser.add_argument(
        "--memory",
        type=at_least_one,
        default=96,
        metavar="MB",
        help="memory for the computation, besides the tables (default: 96)",
    )
    parser.set_defaults(command=_rsa)


def _rsa(options: argparse.Namespace) -> int:
    from core.rating.commands import compare

    return compare(options)
