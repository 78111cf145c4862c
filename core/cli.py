"""The `claims` command."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from core.agent.errors import AgentError
from core.agent.options import add_commands as add_agent_commands
from core.embedding.errors import EmbeddingError
from core.embedding.options import add_commands as add_embedding_commands
from core.evidence.errors import EvidenceError, Unreachable
from core.evidence.replicated import AGENTS, Replicated
from core.evidence.store import Store
from core.jobs import JobsError
from core.nightly.options import add_commands as add_nightly
from core.paths import ROOT
from core.rating.asking.options import add_commands as add_rate
from core.rating.asking.replay_options import add_replay
from core.rating.data_options import add_commands as add_data
from core.rating.errors import RatingError
from core.rating.finetuning.options import add_commands as add_finetuning
from core.rating.options import add_commands as add_rsa
from core.rating.rehearsal_options import add_commands as add_rehearse
from core.report import agents, alignment_table, terminal
from core.report.verdicts import VerdictsError, read_verdicts

#: Each adds its commands, in the order in which `claims --help` lists them.
ADDERS = (
    *(add_data, add_finetuning, add_rate, add_replay, add_rehearse, add_nightly, add_rsa),
    *(add_agent_commands, add_embedding_commands),
)
FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the `claims` command; returns its exit code: 0, 1, or 130 if stopped."""
    parser = argparse.ArgumentParser(
        prog="claims",
        description="Evidence for the claims suite: run `pytest claims/` to judge it.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    fetching = commands.add_parser(
        "fetch",
        help="fetch the authors' public files into the cache",
        description="Fetch the authors' public files into the cache and check them. Files that "
        "are there already are checked, not fetched again.",
        epilog="CLAIMS_MIRROR: a folder or address to fetch from in place of upstream. "
        "CLAIMS_CACHE: the folder to keep the files in.",
    )
    fetching.add_argument(
        "--raw",
        action="store_true",
        help="also the raw model answers (169 MB); default: tables only",
    )
    fetching.set_defaults(command=_fetch)
    showing = commands.add_parser(
        "table",
        help="print the table of the last run",
        description="Print the claims, what was measured, and the verdicts of the last run.",
    )
    showing.add_argument(
        "verdicts",
        nargs="?",
        type=Path,
        default=ROOT / "verdicts.json",
        help="what `pytest claims/` wrote (default: verdicts.json in the checkout)",
    )
    showing.set_defaults(command=_table)
    counting = commands.add_parser(
        "agents",
        help="print how often the replicated agents succeed",
        description="Print the success of the agents that are kept as evidence, with Wilson's "
        "95 % interval, beside policies that do not listen.",
    )
    counting.add_argument(
        "folder", nargs="?", type=Path, default=AGENTS, help="default: fixtures/agent"
    )
    counting.set_defaults(command=_agents)
    showing_alignment = commands.add_parser(
        "alignment",
        help="print how alike agents, models and nulls are, and draw it",
        description="Print what the agents share with every model that was run and with spaces "
        "that know words alone, as `pytest claims/alm` found it, and draw the heatmap and the "
        "violins.",
    )
    showing_alignment.add_argument(
        "data",
        nargs="?",
        type=Path,
        default=ROOT / "alignment.json",
        help="what `pytest claims/alm` wrote (default: alignment.json in the checkout)",
    )
    showing_alignment.add_argument(
        "--out",
        type=Path,
        default=ROOT / "runs" / "figures",
        metavar="DIR",
        help="where to draw (default: runs/figures)",
    )
    showing_alignment.set_defaults(command=_alignment)
    for add in ADDERS:
        add(commands)
    options = parser.parse_args(arguments)
    try:
        return options.command(options)
    except BrokenPipeError:
        # Whoever read has seen enough; what is still to be told goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (
        *(EvidenceError, Unreachable, VerdictsError),
        *(AgentError, EmbeddingError, RatingError, JobsError, OSError),
    ) as error:
        full = isinstance(error, OSError) and error.errno in FULL
        remedy = "; make room there, then run it again to go on" if full else ""
        print(f"claims: {error}{remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("claims: stopped; run it again to go on", file=sys.stderr)
        return 130


def _fetch(options: argparse.Namespace) -> int:
    store = Store.from_environment()
    names = [name for name in store.registry if options.raw or not name.endswith(".jsonl")]
    there = sum((store.cache / name).exists() for name in names)
    store.get_all(names)
    size = sum(store.registry[name].size for name in names) / 1e6
    print(
        f"{len(names)} files, {size:.0f} MB, checked in {store.cache}: "
        f"{len(names) - there} fetched, {there} there already"
    )
    return 0


def _table(options: argparse.Namespace) -> int:
    rows = read_verdicts(options.verdicts)
    for line, _ in terminal.table(rows):
        print(line)
    for line in terminal.summary(rows):
        print(line)
    return 0


def _agents(options: argparse.Namespace) -> int:
    for line in agents.replicated(Replicated(options.folder)):
        print(line)
    return 0


def _alignment(options: argparse.Namespace) -> int:
    # Only drawing needs matplotlib, which takes a while to load.
    from core.report.figures import draw

    content = alignment_table.read(options.data)
    for line in alignment_table.table(content):
        print(line)
    for path in draw(content, options.out):
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
