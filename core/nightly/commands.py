"""What `claims nightly` does. Each step is a process of its own: models leave no memory behind."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.evidence.errors import EvidenceError
from core.evidence.rated import STUDY, Rated
from core.evidence.tables import MODELS
from core.files import write_atomically
from core.nightly.asking import COMMAND, HANDED_ON, INCOMPLETE, Execute, StopError, place, rate
from core.nightly.compare import (
    Drift,
    Lost,
    Row,
    baseline,
    compare,
    confirm,
    judged,
    lost,
    unreached,
)
from core.nightly.report import MEANINGS, report
from core.nightly.runs import Night, begin
from core.paths import CLAIMS, ROOT
from core.rating.alone import alone
from core.rating.asking.backends import kind
from core.rating.dataset import read_manifest
from core.rating.errors import RatingError
from core.report.verdicts import VerdictsError, nothing_judged, read_problems, read_verdicts
from core.verdict.lock import Lock, LockError, read_lock

AS_BEFORE, DRIFT, USAGE, FAILED = 0, 1, 2, 4


@dataclass
class _Found:
    """What a run found so far."""

    rows: list[Row] = field(default_factory=list)
    drifts: list[Drift] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=dict)


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
        data = read_manifest(options.data)
        # Two at a time would take each other's night for one that was stopped.
        with alone(options.out.resolve()):
            return _alone(options, models, _begin(options, models, data), run)
    except (RatingError, EvidenceError, OSError) as error:
        print(f"claims nightly: {error}", file=sys.stderr)
        return USAGE


def _alone(options: argparse.Namespace, models: dict[str, str], night: Night, run: Execute) -> int:
    print(f"run {night.folder}")
    found = _Found()
    try:
        code = _night(options, models, night, found, run)
    except StopError as stop:
        code = stop.code
        found.notes.append(str(stop))
    except (RatingError, EvidenceError, VerdictsError, LockError, OSError) as error:
        code = FAILED
        found.notes.append(str(error))
    except Exception as error:
        # Exit code 1 is for a verdict that changed, and for nothing else.
        traceback.print_exc()
        code = FAILED
        found.notes.append(f"{type(error).__name__}: {error}")
    path = night.folder / "report.md"
    told = (found.rows, found.drifts, found.lost, found.models, found.notes, found.lock)
    text = report(night.manifest, code, *told)
    write_atomically(path, text)
    if code in {AS_BEFORE, DRIFT}:
        night.finish(code)
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


def _begin(options: argparse.Namespace, models: dict[str, str], data: Mapping[str, Any]) -> Night:
    # Not the budget: with a larger one a run goes on.
    told = {name: str(getattr(options, name)) for name in (*HANDED_ON, "seed")}
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
) -> int:
    """Go through the steps and keep what the next run is held against; return the exit code."""
    before, study = night.before, night.study()
    failed = rate(options, models, night, study, options.seed, run)
    known = before.get("models", {}) | _rated(study)
    found.models = _others(before.get("models", {}), known)
    found.notes += failed
    for name in options.embed:
        if code := run([*COMMAND, "embed", "--model", place(name)], None):
            found.notes.append(f"`claims embed --model {name}` ended with {code}")
    found.rows = _judge(options, night, study, run)
    found.notes += _left_out(found.rows)
    on = {"dataset": night.manifest["dataset"], "people": night.manifest["people"]}
    then = before["verdicts"]
    if not then:
        found.notes.append("a first run: there is no earlier one to compare with")
    elif any(before.get(name) != value for name, value in on.items()):
        found.notes.append("the last run was on other data: it is not compared with")
        then = []
    found.lost = lost(then, found.rows)
    found.lock = read_lock(CLAIMS / "lock.toml")
    found.drifts = compare(then, found.rows, found.lock)
    unfinished = bool(failed)
    if found.drifts:
        print(f"{len(found.drifts)} verdicts changed: once more with another seed")
        again, failed = _again(options, models, night, run)
        found.drifts = confirm(found.drifts, again)
        found.notes += [f"the second time {one}" for one in failed]
        unfinished |= bool(failed) and any(one.again is None for one in found.drifts)
    if missing := unreached(found.rows):
        found.notes.append(f"{len(missing)} claims lack ratings: {missing[0]['settles']}")
    night.keep({**on, "models": known, "verdicts": baseline(then, found.rows, found.drifts)})
    if any(one.confirmed for one in found.drifts):
        return DRIFT
    return INCOMPLETE if unfinished or missing else AS_BEFORE


def _again(
    options: argparse.Namespace, models: dict[str, str], night: Night, run: Execute
) -> tuple[list[Row], list[str]]:
    """Judge with another seed, of models that draw on what they answer to another seed."""
    seed, study, failed = (options.seed or 0) + 1, night.study(), []
    if kind(options) != "local":
        study = night.study(again=True)
        failed = rate(options, models, night, study, seed, run)
    return _judge(options, night, study, run, seed), failed


def _rated(study: Path) -> dict[str, str]:
    """Return the model that answered in each role, its digest with it where that is known."""
    ratings = Rated(study).study.manifest["ratings"]
    names = {key.partition("/")[2]: entry["model"] for key, entry in ratings.items()}
    return {role: names[role] for role in MODELS if role in names}


def _others(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [
        f"{role} is another model than last time: {model}, was {before[role]}"
        for role, model in now.items()
        if before.get(role, model) != model
    ]


def _judge(
    options: argparse.Namespace, night: Night, study: Path, run: Execute, seed: int = 0
) -> list[Row]:
    """Judge a study, unless that was done; the controls are run with the first seed only.

    What was judged when ratings were missing is judged again.
    """
    path, told = night.verdicts(again=seed > 0), night.folder / "judging.txt"
    if not path.exists() or unreached(read_verdicts(path)):
        path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "pytest", "claims/", "--evidence", "fresh", "-q"]
        command += ["--study", str(study), "--verdicts", str(path)]
        command += ["--seed", str(seed), "-m", "fresh"] if seed else []
        command += ["--resamples", str(options.resamples)] if options.resamples else []
        code = run(command, told)
        if not path.exists():
            raise StopError(FAILED, f"pytest ended with {code} and no verdicts: see {told}")
    rows: list[Row] = [*read_verdicts(path)]
    problems = read_problems(path)
    problems += [row["complaint"] for row in rows if row["expects"] and row["complaint"]]
    if unreached(rows) and not judged(rows):
        settles = unreached(rows)[0]["settles"]
        problems, code = [f"nothing could be judged: {settles}"], INCOMPLETE
    else:
        # That models answer too little for any verdict is what was found.
        silent = nothing_judged(rows, ["fresh"]) if judged(rows) else []
        problems, code = [one for one in problems if one not in silent], FAILED
    if problems:
        # Out of the way, so that the same command judges again.
        path.replace(path.with_name(f"failed-{path.name}"))
        raise StopError(code, f"{problems[0]}; {len(problems)} problems in all: see {told}")
    return rows


def _left_out(rows: Sequence[Row]) -> list[str]:
    """Say what the ratings do not tell, and what to do about it."""
    settles = [row["settles"] for row in rows if row["reason"] in {"not-given", "too-few"}]
    return [f"{settles.count(one)} claims not judged: {one}" for one in dict.fromkeys(settles)]
