"""What `claims models` prints."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from textwrap import wrap

from core.embedding.references import load_references

#: A parameter takes four bytes in float32.
BYTES = 4
WIDTH = 100


def models(options: argparse.Namespace) -> int:  # noqa: ARG001
    """Print the table of models."""
    for line in lines():
        print(line)
    return 0


def lines() -> Iterator[str]:
    """Yield the table of models: per checkpoint its size, its licence, and why it is plausible."""
    yield "The paper names model families, no checkpoints: these are plausible, not known. Of each"
    yield "reference, the first that there are embeddings of is the one that claims are judged on."
    yield ""
    row = "{:<10}{:<44}{:>11}{:>8}  {}"
    yield row.format("reference", "checkpoint", "parameters", "memory", "licence")
    for each in load_references():
        memory = f"{each.parameters * BYTES / 1e9:.1f} GB"
        licence = each.licence + (" (gated: accept it first)" if each.gated else "")
        reference = each.reference or "none"
        yield row.format(reference, each.repo, _number(each.parameters), memory, licence)
        yield from wrap(each.why, WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10)


def _number(parameters: int) -> str:
    if parameters >= 10**9:
        return f"{parameters / 1e9:.2f} B"
    return f"{parameters / 1e6:.0f} M" if parameters >= 10**6 else f"{parameters / 1e3:.0f} K"
