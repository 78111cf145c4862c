"""Asking every model of a night, each in a process of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.evidence.rated import LANGUAGES, Rated
from core.evidence.readers import models_of
from core.nightly.budget import left
from core.nightly.runs import Night
from core.rating.asking.backends import kind
from core.rating.asking.prices import read_prices

INCOMPLETE = 3
COMMAND = (sys.executable, "-m", "core.cli")
#: Options of `claims rate` that are handed on as they are.
HANDED_ON = (
    *("backend", "base_url", "key_env", "concurrency", "prices"),
    *("revision", "device", "dtype", "batch", "candidates"),
)

#: Runs a command, its output into a file if one is given; returns its exit code.
Execute = Callable[[Sequence[str], Path | None], int]


class StopError(Exception):
    """The run cannot go on: with this exit code, for this reason."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


def rate(
    options: argparse.Namespace,
    models: Mapping[str, str],
    night: Night,
    study: Path,
    seed: int | None,
    run: Execute,
) -> list[str]:
    """Put the words to every model that has not answered them all; return what failed, in a line.

    Raises
    ------
    StopError
        If no language is rated in full, so that there is nothing to judge.
    """
    failed = []
    for language in LANGUAGES:
        for role in models_of(language):
            begun = (study / "manifest.json").exists()
            if begun and role not in Rated(study).missing(language):
                continue
            what = ["--model", place(models[role]), "--as", role, "--language", language]
            where = ["--data", str(options.data.resolve()), "--store", str(night.store)]
            command = [*COMMAND, "rate", *what, *where, "--out", str(study)]
            budget = _left(options, night)
            if budget is not None and budget <= 0:
                failed.append(f"{role} in {language} (the budget is spent)")
                continue
            code = run([*command, *_handed_on(options, seed, budget)], None)
            if code in {130, -2}:
                raise KeyboardInterrupt
            if code:
                failed.append(f"{role} in {language} (`claims rate` ended with {code})")
    if not failed:
        return []
    why = f"not rated in full: {', '.join(failed)}; run the same command again to go on"
    begun = (study / "manifest.json").exists()
    if not begun or all(Rated(study).missing(language) for language in LANGUAGES):
        raise StopError(INCOMPLETE, why)
    return [why]


def _left(options: argparse.Namespace, night: Night) -> float | None:
    if options.budget is None:
        return None
    batch = kind(options) == "batch"
    return left(options.budget, night.store, read_prices(options.prices), batch=batch)


def _handed_on(options: argparse.Namespace, seed: int | None, budget: float | None) -> list[str]:
    values = {name: getattr(options, name) for name in HANDED_ON}
    if values["prices"]:
        values["prices"] = values["prices"].resolve()
    values["seed"] = seed
    values["budget"] = budget
    given = {name: value for name, value in values.items() if value not in {None, ""}}
    return [x for name, value in given.items() for x in (f"--{name.replace('_', '-')}", str(value))]


def place(model: str) -> str:
    """Return a folder's full path, as commands are run from the checkout; or a hub's name."""
    return str(Path(model).resolve()) if Path(model).exists() else model
