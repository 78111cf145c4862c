"""The embeddings' part of the command line; torch and transformers are loaded only when it runs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from core.arguments import at_least_one, seed
from core.embedding.errors import EmbeddingError
from core.embedding.listing import models
from core.embedding.store import EMBEDDINGS
from core.paths import ROOT


def add_commands(commands: Any) -> None:
    """Add `embed` and `models` to the `claims` command."""
    _embed(commands)
    listing = commands.add_parser(
        "models",
        help="print the models that the paper's references may be",
        description="Print the checkpoints that each of the paper's six references may be, with "
        "their sizes and licences, and why they are plausible: the paper names none.",
    )
    listing.set_defaults(command=models)


def _embed(commands: Any) -> None:
    parser = commands.add_parser(
        "embed",
        help="embed the 108 sentences with language and vision-language models",
        description="Embed the 108 sentences with models from the hub or from folders, in float32 "
        "and from safetensors only. What is there already and intact is not made again; what is "
        "there and damaged, or of another model, is named and never overwritten.",
        epilog="HF_TOKEN: a token of an account that has accepted a gated model's licence. "
        "HF_HUB_OFFLINE=1: use what was fetched before, and no network.",
    )
    parser.add_argument(
        "--model",
        action="append",
        type=_name,
        required=True,
        metavar="NAME_OR_DIR",
        help="a model on the hub, or a folder; may be given several times",
    )
    parser.add_argument(
        "--revision",
        type=_commit,
        metavar="SHA",
        help="the model's commit on the hub, 40 digits (default: that of `claims models`, or the "
        "main branch's)",
    )
    parser.add_argument(
        "--pooling",
        nargs="+",
        choices=("mean", "cls", "eot", "projected"),
        help="how a sentence's tokens become one vector (default: every way that a model has)",
    )
    parser.add_argument(
        "--bos",
        choices=("with", "without"),
        help="of decoder-only models, only with or without a token before the sentence "
        "(default: both, where there is such a token); other models leave no choice",
    )
    parser.add_argument(
        "--as",
        dest="declared",
        metavar="REPO",
        help="say that a folder holds this checkpoint of `claims models`",
    )
    parser.add_argument(
        "--untrained",
        nargs="+",
        type=seed,
        metavar="SEED",
        help="draw the weights at random, once for every seed",
    )
    parser.add_argument(
        "--words",
        action="store_true",
        help="with --untrained: fetch nothing, take the architecture from `claims models` and "
        "words for tokens",
    )
    parser.add_argument(
        "--batch", type=at_least_one, default=16, help="sentences read at a time (default: 16)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=EMBEDDINGS,
        metavar="DIR",
        help=f"default: {EMBEDDINGS.relative_to(ROOT)}",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    try:
        from core.embedding import commands
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed: pip install -e '.[embed]'"
        raise EmbeddingError(msg) from error
    return commands.embed(options)


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty; the folder here is .")
    return text


def _commit(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{40}", text):
        msg = "must be a whole commit, 40 digits of 0-9 and a-f"
        raise argparse.ArgumentTypeError(msg)
    return text
