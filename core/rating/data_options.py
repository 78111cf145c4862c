"""The data set's part of the command line; pandas is loaded only when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from core.arguments import at_least_one, folder, seed
from core.rating.errors import RatingError

DATA = Path("runs/data")
ORIGINS = ("norms", "release", "rehearsal")
WAYS = ("grouped", "described", "released")


def add_commands(commands: Any) -> None:
    """Add `data` to the `claims` command."""
    parser = commands.add_parser(
        "data",
        help="make the words, ratings and questions that models are tuned on and asked",
        description="Make a data set: pairs of an English and a Dutch word with people's ratings, "
        "split into train and test, and multiple-choice questions. Prints what every step counted "
        "beside what the paper says, and what stands in both train and test.",
        epilog="CLAIMS_MIRROR: a folder or address to take released files from, and, under norms/, "
        "the norms. CLAIMS_CACHE: the folder to keep them in.",
    )
    parser.add_argument(
        "--from",
        dest="origin",
        choices=ORIGINS,
        required=True,
        help="norms: the published norms, in full; release: what the paper's release holds of "
        "them; rehearsal: a made-up world, to try the pipeline on",
    )
    parser.add_argument("--out", type=folder, default=DATA, metavar="DIR", help=f"default: {DATA}")
    parser.add_argument("--seed", type=seed, default=0, help="of all draws (default: 0)")
    parser.add_argument(
        "--words", type=at_least_one, metavar="N", help="pairs of a rehearsal (default: 400)"
    )
    parser.add_argument("--force", action="store_true", help="replace another data set")
    parser.add_argument(
        "--pairs",
        choices=WAYS,
        help="how pairs are drawn from the norms. grouped: inflected forms of a word stay on one "
        "side of the split; described: as the paper's text says; released: as the release shows it "
        "was done (default: grouped)",
    )
    parser.add_argument(
        "--train-questions",
        type=at_least_one,
        metavar="N",
        help="draw so many questions to train on, domains and answers alike in both parts "
        "(default: the release's own halves; of --questions four sevenths, the paper's 800)",
    )
    _files(parser)
    parser.set_defaults(command=_data)


def _files(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files of your own, in place of those fetched")
    for name, what in (
        ("lancaster", "the Lancaster Sensorimotor Norms, a CSV as published"),
        ("dutch", "the Dutch sensory norms, the workbook as published or a CSV of it"),
        ("translations", "a CSV with columns dutch, english and back"),
        ("questions", "PerceptualQA as JSON, in one file"),
    ):
        group.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)


def _data(options: argparse.Namespace) -> int:
    _check(options)
    from core.rating.data_commands import make

    return make(options)


def _check(options: argparse.Namespace) -> None:
    """Refuse an option that the origin asked for would not heed."""
    asked = ("questions", "train_questions")
    heeded = {
        "norms": ("pairs", "lancaster", "dutch", "translations", *asked),
        "release": asked,
        "rehearsal": ("words",),
    }
    for name in dict.fromkeys(name for names in heeded.values() for name in names):
        if getattr(options, name) is not None and name not in heeded[options.origin]:
            option = name.replace("_", "-")
            msg = f"--{option} says nothing about --from {options.origin}: leave it out"
            raise RatingError(msg)
