"""Fine-tuning's part of the command line; torch and transformers are loaded only when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.arguments import at_least_one, folder, seed
from core.rating.asking.options import add_key, add_prices, amount
from core.rating.errors import RatingError
from core.rating.examples import RECIPES
from core.rating.finetuning.settings import (
    HELD_OUT,
    USUAL,
    USUAL_LORA,
    USUAL_SMALL,
    USUAL_SMALL_QUESTIONS,
)

DATA, MODELS = Path("runs/data"), Path("runs/models")


def add_commands(commands: Any) -> None:
    """Add `finetune` and `tiny` to the `claims` command."""
    _finetune(commands)
    _tiny(commands)


def _finetune(commands: Any) -> None:
    parser = _command(
        commands,
        "finetune",
        "fine-tune a model on people's ratings, or on questions",
        "Fine-tune a causal language model as the paper did: on the ratings of the English or the "
        "Dutch training words, or on questions. The loss is taken on answers alone. Run again with "
        "the same options to go on where it was stopped; on a CPU, with as many threads, the "
        "result is the same to the bit. --out becomes a folder that transformers and `claims rate` "
        "read.",
        "HF_TOKEN: a token of an account that has accepted a gated model's licence. "
        "HF_HUB_OFFLINE=1: use what was fetched before, and no network.",
    )
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        required=True,
        help="English ratings, Dutch ratings, or questions",
    )
    parser.add_argument(
        "--model", required=True, metavar="DIR_OR_ID", help="a folder, or a model on the hub"
    )
    parser.add_argument(
        "--revision",
        default="",
        metavar="SHA",
        help="the model's commit on the hub (default: its main branch's)",
    )
    parser.add_argument("--out", type=folder, required=True, metavar="DIR", help="a new folder")
    _data(parser, required=True)
    parser.add_argument(
        "--scrambled",
        action="store_true",
        help="a control: deal the answers anew among the words, so that they tell nothing",
    )
    parser.add_argument(
        "--held-out",
        type=_share,
        default=HELD_OUT,
        metavar="SHARE",
        help="of the training words, to measure the loss on; 0 trains on all, as the paper did "
        f"(default: {HELD_OUT})",
    )
    parser.add_argument("--seed", type=seed, default=0, help="default: 0")
    _training(parser)
    _machine(parser)
    _openai(parser)


def _training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("training")
    few = "where all weights take less than 40 MB"
    group.add_argument(
        "--epochs", type=at_least_one, help=f"default: {USUAL[0]}, {USUAL_SMALL[0]} {few}"
    )
    group.add_argument(
        "--batch",
        type=at_least_one,
        help=f"examples at a time (default: {USUAL[1]}, {USUAL_SMALL[1]} {few})",
    )
    group.add_argument(
        "--accumulate",
        type=at_least_one,
        default=1,
        metavar="N",
        help="batches to a step; --batch 8 --accumulate 4 is a step of 32 in a quarter of the "
        "memory (default: 1)",
    )
    group.add_argument(
        "--rate",
        type=float,
        help=f"peak learning rate (default: {USUAL[2]:g}, {USUAL_LORA[2]:g} with --lora, "
        f"{USUAL_SMALL[2]:g} {few}, and for questions {USUAL_SMALL_QUESTIONS[2]:g})",
    )
    group.add_argument(
        "--lora",
        type=at_least_one,
        metavar="RANK",
        help="train low-rank adapters only, and merge them (default: all weights)",
    )
    group.add_argument(
        "--max-steps", type=at_least_one, metavar="N", help="stop after N steps (default: never)"
    )
    group.add_argument(
        "--save-every",
        type=at_least_one,
        default=200,
        metavar="N",
        help="steps between two checkpoints (default: 200)",
    )


def _machine(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="auto is cuda if there is one (default: auto)",
    )
    group.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="of activations; trained weights are float32 always. auto is bfloat16 on cuda "
        "(default: auto)",
    )
    group.add_argument(
        "--recompute",
        action="store_true",
        help="keep less for the way back: less memory, a third more time",
    )
    _threads(group)


def _openai(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("at OpenAI, for as long as it is offered there")
    group.add_argument(
        "--openai",
        action="store_true",
        help="tune the service's own --model there; of the options above, --epochs counts",
    )
    group.add_argument("--base-url", metavar="URL", help="another server's address, ending in /v1")
    add_key(group)
    group.add_argument(
        "--budget", type=amount, metavar="USD", help="refuse what may cost more, in dollars"
    )
    add_prices(group)


def _tiny(commands: Any) -> None:
    parser = _command(
        commands,
        "tiny",
        "make a tiny model from nothing, to rehearse with",
        "Make a tiny Llama that knows how answers are written and nothing of words, to stand in "
        "for a base model in a rehearsal. Takes about a minute on one core.",
    )
    parser.add_argument(
        "--out",
        type=folder,
        default=MODELS / "tiny",
        metavar="DIR",
        help=f"a new folder (default: {MODELS / 'tiny'})",
    )
    _data(parser, required=False)
    parser.add_argument("--seed", type=seed, default=0, help="default: 0")
    _threads(parser)


def _command(
    commands: Any, name: str, summary: str, description: str, epilog: str = ""
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description, epilog=epilog or None)
    parser.set_defaults(command=_lazily({"tiny": "make_tiny"}.get(name, name)))
    return parser


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        remote = vars(options).get("openai")
        try:
            if remote:
                from core.rating.finetuning.remote import finetune_remote

                return finetune_remote(options)
            from core.rating.finetuning import commands
        except ModuleNotFoundError as error:
            extra = "openai" if remote else "finetune"
            msg = f"{error.name} is not installed: pip install -e '.[{extra}]'"
            raise RatingError(msg) from error
        return getattr(commands, name)(options)

    return run


def _data(parser: argparse.ArgumentParser, *, required: bool) -> None:
    what = "what `claims data` wrote"
    if required:
        parser.add_argument(
            "--data", type=Path, default=DATA, metavar="DIR", help=f"{what} (default: {DATA})"
        )
    else:
        parser.add_argument(
            "--data",
            type=Path,
            metavar="DIR",
            help=f"{what}, whose words are then none of those that it is taught on",
        )


def _threads(parser: Any) -> None:
    parser.add_argument(
        "--threads",
        type=at_least_one,
        metavar="N",
        help="on a CPU (default: what torch takes; 1 for a small model, which gains nothing)",
    )


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be at least 0 and below 1")
    return share
