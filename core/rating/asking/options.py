"""The asking part of the command line; torch and clients are loaded only when it runs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from core.arguments import at_least_one, folder, seed
from core.evidence.tables import DIMENSION_SETS
from core.rating.asking.candidates import CANDIDATES
from core.rating.asking.scrub import KEY
from core.rating.errors import RatingError

BACKENDS = ("local", "server", "batch")
DTYPES = ("float32", "bfloat16", "float16")
DATA, STORE, RATINGS = Path("runs/data"), Path("runs/answers.sqlite"), Path("runs/ratings")
#: What each extra brings, by the module that is missing without it.
_EXTRAS = {"torch": "finetune", "transformers": "finetune", "openai": "openai"}


def add_commands(commands: Any) -> None:
    """Add `rate` to the `claims` command."""
    parser = commands.add_parser(
        "rate",
        help="ask a model for ratings",
        description="Ask a model how strongly words are experienced, as the paper asked: greedily, "
        "one number per word and dimension. Every answer is kept as it comes and never asked for "
        "again: run the same command again to go on where it was stopped. A role that is complete "
        "is judged by `pytest claims/ --evidence fresh`.",
        epilog="Exit codes: 0 every rating asked for has an answer (answers that are no number "
        "are named); 1 nothing could be asked; 2 wrong usage; 3 some have no answer yet: run it "
        "again to go on; 130 stopped by hand. HF_TOKEN and HF_HUB_OFFLINE=1 are heeded as the hub "
        "heeds them.",
    )
    parser.add_argument(
        "--model",
        required=True,
        metavar="NAME_OR_DIR",
        help="a folder or a model on the hub; of a server, its own name for the model",
    )
    parser.add_argument(
        "--as",
        dest="role",
        required=True,
        type=role,
        metavar="ROLE",
        help="whose part it takes: Base, En_FT, Nl_FT, QA_FT, or a name of your own",
    )
    parser.add_argument(
        "--language", required=True, choices=("en", "nl"), help="the language of the words"
    )
    _what(parser)
    add_backend(parser)
    _where(parser)
    parser.set_defaults(command=_rate)


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Add the options that say who answers, and how."""
    group = parser.add_argument_group("who answers")
    group.add_argument(
        "--backend",
        choices=BACKENDS,
        help="this machine, an OpenAI-compatible server, or OpenAI's Batch API (default: local, "
        "or server where --base-url is given)",
    )
    group.add_argument("--base-url", metavar="URL", help="the server's address, ending in /v1")
    add_key(group)
    group.add_argument(
        "--concurrency",
        type=at_least_one,
        default=16,
        metavar="N",
        help="requests in flight at a server (default: 16)",
    )
    group.add_argument(
        "--budget",
        type=amount,
        metavar="USD",
        help="stop before more than this is spent, in dollars per run",
    )
    add_prices(group)
    group.add_argument(
        "--seed",
        type=seed,
        metavar="N",
        help="sent to a server, and asks anew; a model here has nothing to draw (default: none)",
    )
    local = parser.add_argument_group("a model on this machine")
    local.add_argument("--revision", default="", metavar="SHA", help="its commit on the hub")
    local.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto is cuda if there is one (default: auto)",
    )
    local.add_argument(
        "--dtype",
        choices=DTYPES,
        default="float32",
        help="half precision is faster on a GPU and good to two digits (default: float32)",
    )
    local.add_argument(
        "--batch",
        type=at_least_one,
        default=32,
        metavar="N",
        help="prompts read at a time (default: 32)",
    )
    local.add_argument(
        "--candidates",
        choices=tuple(CANDIDATES),
        default="whole",
        help="answers to score besides the one given, up to which step (default: whole numbers)",
    )


def add_key(group: Any) -> None:
    """Add the option that names the variable of the key."""
    group.add_argument(
        "--key-env",
        default=KEY,
        metavar="NAME",
        help=f"the environment variable that holds the key (default: {KEY})",
    )


def add_prices(group: Any) -> None:
    """Add the option for a list of prices."""
    group.add_argument(
        "--prices", type=Path, metavar="FILE", help="prices to reckon with (default: our own list)"
    )


def _what(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is asked")
    group.add_argument(
        "--data",
        type=Path,
        default=DATA,
        metavar="DIR",
        help=f"what `claims data` wrote (default: {DATA})",
    )
    group.add_argument(
        "--words",
        default="test",
        metavar="test|train|FILE",
        help="the data's test or training words, or a file with a word per line (default: test); "
        "only test words are judged",
    )
    group.add_argument(
        "--dimensions",
        nargs="+",
        default=["all"],
        metavar="NAME",
        help=f"{', '.join(DIMENSION_SETS)}, or names such as Auditory (default: all; in Dutch the "
        "six senses)",
    )
    group.add_argument("--limit", type=at_least_one, metavar="N", help="ask the first N words only")
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="ask nothing; print how many would be asked, tokens, cost and time",
    )


def _where(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it is kept")
    group.add_argument(
        "--store",
        type=Path,
        default=STORE,
        metavar="FILE",
        help=f"every answer ever given (default: {STORE})",
    )
    group.add_argument(
        "--out",
        type=folder,
        default=RATINGS,
        metavar="DIR",
        help=f"the study that is judged (default: {RATINGS})",
    )


def role(text: str) -> str:
    """Return the name of a role.

    Raises
    ------
    argparse.ArgumentTypeError
        If a study cannot have such a one.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", text):
        msg = f"{text!r}: must be letters, digits and _, a letter first, such as En_FT"
        raise argparse.ArgumentTypeError(msg)
    return text


def amount(text: str) -> float:
    """Return a sum of money.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no number, not above 0, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        msg = f"{text!r} is not a number"
        raise argparse.ArgumentTypeError(msg) from None
    if not 0 < value < float("inf"):
        msg = "must be above 0, and finite"
        raise argparse.ArgumentTypeError(msg)
    return value


def _rate(options: argparse.Namespace) -> int:
    try:
        from core.rating.asking import commands

        return commands.rate(options)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        msg = f"{error.name} is not installed: pip install -e '.[{extra}]'"
        raise RatingError(msg) from error
