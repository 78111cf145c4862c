"""The agent's part of the command line; torch and minigrid are loaded only when it runs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.agent.errors import AgentError
from core.agent.instructions import TOKENISATIONS
from core.arguments import at_least_one, seed
from core.evidence.replicated import AGENTS
from core.paths import ROOT

DEMONSTRATIONS = Path("runs/demonstrations")
RUNS = Path("runs/agents")


def add_commands(commands: Any) -> None:
    """Add `demonstrate`, `train`, `evaluate` and `replicate` to the `claims` command."""
    _demonstrate(commands)
    _train(commands)
    _evaluate(commands)
    _replicate(commands)


def _demonstrate(commands: Any) -> None:
    parser = _command(
        commands,
        "demonstrate",
        "make demonstrations for the agent",
        "Let BabyAI's bot, and a search for the task that it lacks, carry out the 108 instructions "
        "in turn. Run again with the same options to go on where it was stopped.",
    )
    parser.add_argument("--episodes", type=at_least_one, default=10000, help="default: 10000")
    parser.add_argument("--seed", type=seed, default=0, help="default: 0")
    _out(parser, DEMONSTRATIONS)


def _train(commands: Any) -> None:
    parser = _command(
        commands,
        "train",
        "train agents on demonstrations",
        "Train agents by behavioural cloning, one process each. Run again with the same options "
        "to go on where it was stopped; on a CPU the result is the same to the bit.",
    )
    parser.add_argument("--seeds", type=at_least_one, default=10, help="agents (default: 10)")
    parser.add_argument(
        "--first-seed", type=seed, default=0, help="seed of the first one (default: 0)"
    )
    parser.add_argument("--updates", type=at_least_one, default=20000, help="default: 20000")
    parser.add_argument("--batch", type=at_least_one, default=64, help="default: 64")
    parser.add_argument(
        "--learning-rate", type=float, default=1e-3, metavar="RATE", help="default: 0.001"
    )
    parser.add_argument(
        "--stop-at",
        type=float,
        default=2.0,
        metavar="SHARE",
        help="stop where every task's success reaches this share (default: never)",
    )
    _reading(parser)
    _demonstrations(parser)
    _machine(parser)
    _out(parser, RUNS)


def _reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what the paper leaves open, or says in two ways")
    group.add_argument(
        "--initial",
        choices=("identity", "identical"),
        default="identity",
        help="how word vectors start (default: identity)",
    )
    group.add_argument(
        "--pooling",
        choices=("mean", "flatten"),
        default="mean",
        help="how a sentence's words become one vector (default: mean)",
    )
    group.add_argument(
        "--tokenisation",
        choices=TOKENISATIONS,
        default="words",
        help='tokens; "words-from" reads "stay away from" (default: words)',
    )
    group.add_argument(
        "--view", choices=("partial", "full"), default="partial", help="default: partial"
    )
    group.add_argument(
        "--vision",
        choices=("patch", "resnet"),
        default="patch",
        help="the image encoder; resnet is the paper's, and slow (default: patch)",
    )
    group.add_argument(
        "--vision-weights",
        default="",
        metavar="FILE",
        help="ImageNet weights of ResNet-18 for --vision resnet, as safetensors with "
        "torchvision's names (default: none, random)",
    )
    group.add_argument(
        "--blind",
        action="store_true",
        help="read every instruction as the first: what success needs no language",
    )


def _evaluate(commands: Any) -> None:
    parser = _command(
        commands,
        "evaluate",
        "play held-out episodes with trained agents",
        "Print how often trained agents succeed from starts that are in no demonstration, with "
        "Wilson's 95 % interval, beside policies that do not listen.",
    )
    parser.add_argument(
        "agents",
        nargs="?",
        type=Path,
        default=RUNS,
        help=f"a checkpoint, or a folder of them (default: {RUNS})",
    )
    parser.add_argument(
        "--episodes", type=at_least_one, default=30, help="per instruction (default: 30)"
    )
    parser.add_argument(
        "--seed",
        type=seed,
        default=3,
        help="of the episodes' starts (default: 3)",
    )
    _demonstrations(parser)
    _device(parser)


def _replicate(commands: Any) -> None:
    parser = _command(
        commands,
        "replicate",
        "make the replicated evidence on the agent anew",
        "Make demonstrations, train every agent that the claims rest on, and write what is kept "
        "of them. Takes about an hour on two cores. Run again to go on where it was stopped.",
    )
    parser.add_argument("--episodes", type=at_least_one, default=10000, help="default: 10000")
    parser.add_argument("--updates", type=at_least_one, default=20000, help="default: 20000")
    parser.add_argument(
        "--work",
        type=Path,
        default=Path("runs/replication"),
        metavar="DIR",
        help="where the runs are kept (default: runs/replication)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train on the cluster of this Dask scheduler, whose workers must see the folders "
        "above under the same paths (default: CLAIMS_SCHEDULER, else this machine)",
    )
    _machine(parser)
    _out(parser, AGENTS)


def _command(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=description)
    parser.set_defaults(command=_lazily(name))
    return parser


def _lazily(name: str) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        try:
            from core.agent import commands
        except ModuleNotFoundError as error:
            msg = f"{error.name} is not installed: pip install -e '.[alm]'"
            raise AgentError(msg) from error
        return getattr(commands, name)(options)

    return run


def _demonstrations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--demonstrations",
        type=Path,
        default=DEMONSTRATIONS,
        metavar="DIR",
        help=f"what `claims demonstrate` wrote (default: {DEMONSTRATIONS})",
    )


def _device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")


def _machine(parser: argparse.ArgumentParser) -> None:
    _device(parser)
    parser.add_argument(
        "--jobs", type=at_least_one, help="agents trained at a time (default: one per core)"
    )


def _out(parser: argparse.ArgumentParser, default: Path) -> None:
    parser.add_argument(
        "--out", type=Path, default=default, metavar="DIR", help=f"default: {_shown(default)}"
    )


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
