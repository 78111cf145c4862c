"""What the ratings' commands do."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from tqdm import tqdm

from core.evidence.errors import EvidenceError
from core.metrics.rdm import rsa_of_features, standardise
from core.metrics.streamed import StreamedRsa, streamed_rsa
from core.rating.features import Features, paired, read_features
from core.report.compiling import announced

#: Bytes per pair that an RSA of RDMs held in memory takes, and that exact ranks take in a pass.
PER_PAIR, PER_RANKED_PAIR = 64, 40


def compare(options: argparse.Namespace) -> int:
    """Print the RSA of two tables."""
    found = paired(read_features(options.first), read_features(options.second))
    sides = standardise(found.first), standardise(found.second)
    for path, side in zip((options.first, options.second), sides, strict=True):
        middling, why = ~side.any(axis=1), "has the mean of every column"
        if options.metric == "correlation":
            middling, why = np.ptp(side, axis=1) == 0, "is the same in every standardised column"
        if middling.any():
            word = found.words[int(np.flatnonzero(middling)[0])]
            raise EvidenceError(f"{path}: {word!r} {why}, so has no direction; leave it out")
    try:
        with announced(partial(print, file=sys.stderr)):
            result = _compare(*sides, options)
    except ValueError as error:
        raise EvidenceError(f"{options.first}, {options.second}: {error}") from error
    print(_line(result))
    print(_words(found, result))
    return 0


def _compare(x: Any, y: Any, options: argparse.Namespace) -> StreamedRsa:
    pairs = len(x) * (len(x) - 1) // 2
    if pairs * PER_PAIR <= options.memory * 1e6:
        rho = rsa_of_features(x, {"": y}, options.metric)[""]
        return StreamedRsa(len(x), pairs, rho, rho, rho)
    if options.exact:
        print(_foreseen(pairs, options.memory), file=sys.stderr)
    with tqdm(unit="tile", disable=None, leave=False) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return streamed_rsa(
            *(x, y),
            metric=options.metric,
            exact=options.exact,
            memory=int(options.memory * 1e6),
            progress=progress,
        )


def _foreseen(pairs: int, megabytes: float) -> str:
    """Tell how many passes exact ranks take: two to count, then one per slice of either table."""
    passes = 2 + 2 * ceil(pairs * PER_RANKED_PAIR / (megabytes * 1e6))
    more = (
        "twice the --memory makes about half as many" if passes > 4 else "no more memory is needed"
    )
    return f"at least {passes} passes over {pairs:,} pairs; {more}"


def _line(result: StreamedRsa) -> str:
    if result.low == result.high:
        return f"rho {result.rho:.6f}"
    return f"rho {result.rho:.6f}, for certain within {result.bound:.1e}"


def _words(found: Features, result: StreamedRsa) -> str:
    left_out = f"{found.unpaired} words in one table only, {found.incomplete} with gaps"
    return f"{result.n:,} words, {result.pairs:,} pairs; left out: {left_out}"
