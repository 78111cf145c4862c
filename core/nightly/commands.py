"""What `claims nightly` does. Each step is a process of its own: models leave no memory behind."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evidence.errors import EvidenceError
from core.evidence.rated import LANGUAGES, STUDY, Rated
from core.evidence.readers import models_of
from core.evidence.tables import MODELS
from core.files import write_atomically
from core.nightly.compare import Drift, Row, baseline, compare, confirm, judged, unreached
from core.nightly.report import MEANINGS, report
from core.nightly.runs import Night, begin
from core.paths import CLAIMS, ROOT
from core.rating.asking.backends import kind
from core.rating.dataset import read_manifest
from core.rating.errors import RatingError
from core.report.verdicts import VerdictsError, read_problems, read_verdicts
from core.verdict.lock import LockError, read_lock

AS_BEFORE, DRIFT, USAGE, INCOMPLETE, FAILED = 0, 1, 2, 3, 4
#: Options of `claims rate` that are handed on as they are.
_HANDED_ON = (
    *("backend", "base_url", "key_env", "concurrency", "prices"),
    *("revision", "device", "dtype", "batch", "candidates"),
)
#: In how many parts a budget is shared out: each role and language, and each once more.
_SHARES = 2 * sum(len(models_of(language)) for language in LANGUAGES)

_CLAIMS = (sys.executable, "-m", "core.cli")

#: Runs a command, its output into a file if one is given; returns its exit code.
Execute = Callable[[Sequence[str], Path | None], int]


class _StopError(Exception):
    """The run cannot go on: with this exit code, for this reason."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass
class _Found:
    """What a run found so far."""

    rows: list[Row] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def execute(command: Sequence[str], output: Path | None = None) -> int:
    """Run a command from the checkout."""
    # A study named for another run is not this one's.
    env = {name: value for name, value in os.environ.items() if name != STUDY}
    if output is None:
        return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode  # noqa: S603
    with output.open("wb") as file:
        options: dict[str, Any] = {"stdout": file, "stderr": subprocess.STDOUT}
        return subprocess.run(command, cwd=ROOT, env=env, check=False, **options).returncode  # noqa: S603


def nightly(options: argparse.Namespace, run: Execute = execute) -> int:
    """Rate, judge, compare and report; returns the exit code."""
    try:
        models = _models(options.model)
        kind(options)
        night = _begin(options, models)
    except (RatingError, EvidenceError, OSError) as error:
        print(f"claims nightly: {error}", file=sys.stderr)
        return USAGE
    print(f"run {night.folder}")
    found, last = _Found(), None
    try:
        code, last = _night(options, models, night, found, run)
    except _StopError as stop:
        code = stop.code
        found.notes.append(str(stop))
    except (RatingError, EvidenceError, VerdictsError, LockError, OSError) as error:
        code = FAILED
        found.notes.append(str(error))
    path = night.folder / "report.md"
    text = report(night.manifest, code, found.rows, found.drifts, found.notes)
    write_atomically(path, text)
    if code in {AS_BEFORE, DRIFT}:
        night.finish(code, last)
    print(text, end="")
    print(f"wrote {path} and what it rests on beside it: {MEANINGS[code]}")
    return code


def _models(given: Sequence[str]) -> dict[str, str]:
    """Return the model of each role."""
    pairs = [one.partition("=") for one in given]
    roles = [role for role, _, _ in pairs]
    wrong = [one for one, (_, _, model) in zip(given, pairs, strict=True) if not model]
    if wrong or sorted(roles) != sorted(MODELS):
        said = f"not {wrong[0]!r}" if wrong else f"not {', '.join(roles)}"
        wanted = " ".join(f"{role}=..." for role in MODELS)
        msg = f"--model takes one model for each role, {wanted}, {said}"
        raise RatingError(msg)
    return {role: model for role, _, model in pairs}


def _begin(options: argparse.Namespace, models: dict[str, str]) -> Night:
    data = read_manifest(options.data)
    told = {name: str(getattr(options, name)) for name in (*_HANDED_ON, "budget", "seed")}
    told |= {"models": models, "embed": options.embed, "dataset": data["digest"]}
    shown = {
        "people": data["people"],
        "dataset": data["digest"],
        # A folder's name is enough to know it by; where it lies is its owner's business.
        "models": {role: Path(x).name if Path(x).exists() else x for role, x in models.items()},
        "seed": options.seed,
        "resamples": options.resamples,
    }
    return begin(options.out.resolve(), told | {"resamples": options.resamples}, shown)


def _night(
    options: argparse.Namespace, models: dict[str, str], night: Night, found: _Found, run: Execute
) -> tuple[int, dict[str, Any]]:
    """Go through the steps; return the exit code and what the next run is held against."""
    _rate(options, models, night, night.study(), options.seed, run)
    for name in options.embed:
        if code := run([*_CLAIMS, "embed", "--model", _place(name)], None):
            found.notes.append(f"`claims embed --model {name}` ended with {code}")
    found.rows = _judge(options, night, night.study(), run)
    found.notes += _left_out(found.rows)
    dataset, before = night.manifest["dataset"], night.before
    same = before.get("dataset", dataset) == dataset
    if not same:
        found.notes.append("the last run was on other data: it is not compared with")
    if not before["verdicts"]:
        found.notes.append("a first run: there is no earlier one to compare with")
    lock = read_lock(CLAIMS / "lock.toml")
    found.drifts = compare(before["verdicts"] if same else [], found.rows, lock)
    if found.drifts:
        print(f"{len(found.drifts)} verdicts changed: once more with another seed")
        found.drifts = confirm(found.drifts, _again(options, models, night, run))
    if missing := unreached(found.rows):
        raise _StopError(INCOMPLETE, f"{len(missing)} claims lack ratings: {missing[0]['settles']}")
    confirmed = any(one.confirmed for one in found.drifts)
    rows = baseline(found.rows, found.drifts)
    last = {"dataset": dataset, "people": night.manifest["people"], "verdicts": rows}
    return DRIFT if confirmed else AS_BEFORE, last


def _again(
    options: argparse.Namespace, models: dict[str, str], night: Night, run: Execute
) -> list[Row]:
    """Judge with another seed, of models that draw on what they answer to another seed."""
    seed, study = (options.seed or 0) + 1, night.study()
    if kind(options) != "local":
        study = night.study(again=True)
        _rate(options, models, night, study, seed, run)
    return _judge(options, night, study, run, seed)


def _rate(
    options: argparse.Namespace,
    models: dict[str, str],
    night: Night,
    study: Path,
    seed: int | None,
    run: Execute,
) -> None:
    """Put the words to every model that has not answered them all."""
    failed = []
    for language in LANGUAGES:
        for role in models_of(language):
            begun = (study / "manifest.json").exists()
            if begun and role not in Rated(study).missing(language):
                continue
            what = ["--model", _place(models[role]), "--as", role, "--language", language]
            where = ["--data", str(options.data.resolve()), "--store", str(night.store)]
            command = [*_CLAIMS, "rate", *what, *where, "--out", str(study)]
            code = run([*command, *_handed_on(options, seed)], None)
            if code in {130, -2}:
                raise KeyboardInterrupt
            if code:
                failed.append(f"{role} in {language} (`claims rate` ended with {code})")
    if failed:
        why = "run the same command again to go on"
        raise _StopError(INCOMPLETE, f"not rated in full: {', '.join(failed)}; {why}")


def _handed_on(options: argparse.Namespace, seed: int | None) -> list[str]:
    values = {name: getattr(options, name) for name in _HANDED_ON}
    if values["prices"]:
        values["prices"] = values["prices"].resolve()
    values["seed"] = seed
    values["budget"] = None if options.budget is None else options.budget / _SHARES
    given = {name: value for name, value in values.items() if value not in {None, ""}}
    return [x for name, value in given.items() for x in (f"--{name.replace('_', '-')}", str(value))]


def _place(model: str) -> str:
    """Return a folder's full path, as commands are run from the checkout; or a hub's name."""
    return str(Path(model).resolve()) if Path(model).exists() else model


def _judge(
    options: argparse.Namespace, night: Night, study: Path, run: Execute, seed: int = 0
) -> list[Row]:
    """Judge a study, unless that was done; the controls are run with the first seed only."""
    path, told = night.verdicts(again=seed > 0), night.folder / "judging.txt"
    if not path.exists():
        command = [sys.executable, "-m", "pytest", "claims/", "--evidence", "fresh", "-q"]
        command += ["--study", str(study), "--verdicts", str(path)]
        command += ["--seed", str(seed), "-m", "fresh"] if seed else []
        command += ["--resamples", str(options.resamples)] if options.resamples else []
        code = run(command, told)
        if not path.exists():
            raise _StopError(FAILED, f"pytest ended with {code} and no verdicts: see {told}")
    rows: list[Row] = [*read_verdicts(path)]
    problems = read_problems(path)
    problems += [row["complaint"] for row in rows if row["expects"] and row["complaint"]]
    if unreached(rows) and not judged(rows):
        settles = unreached(rows)[0]["settles"]
        problems, code = [f"nothing could be judged: {settles}"], INCOMPLETE
    else:
        code = FAILED
    if problems:
        # Out of the way, so that the same command judges again.
        path.replace(path.with_name(f"failed-{path.name}"))
        raise _StopError(code, f"{problems[0]}; {len(problems)} problems in all: see {told}")
    return rows


def _left_out(rows: Sequence[Row]) -> list[str]:
    """Say what the ratings do not tell, and what to do about it."""
    settles = [row["settles"] for row in rows if row["reason"] == "not-given"]
    return [f"{settles.count(one)} claims not judged: {one}" for one in dict.fromkeys(settles)]
