"""The pytest face: what is judged on what. Verdicts are core's; claims/run.py shows them."""

from __future__ import annotations

import gc
import json
import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from claims.run import LOCK, Run, claim_paths, in_claims, record_of
from claims.settings import FEWEST_RESAMPLES, RESAMPLES, set_resamples
from core import jobs
from core.arguments import at_least_one
from core.evidence.bodies import Body, body
from core.evidence.errors import EvidenceError, NoWeights, Unreachable
from core.paths import CLAIMS, ROOT
from core.report import terminal
from core.report.verdicts import FAIL_ON
from core.verdict.case import Case, named_cases
from core.verdict.claim import TIERS
from core.verdict.criterion import Verdict
from core.verdict.lock import LockError, read_lock
from core.verdict.record import Measure, Oracle, Record, complaint, judge_case, row
from core.verdict.registry import RegistryError, load_registries

RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the claims run."""
    group = parser.getgroup("claims")
    group.addoption(
        "--evidence",
        metavar="TIER[,TIER]",
        help=f"judge on these tiers only: {', '.join(TIERS)} (default: all; controls always run)",
    )
    group.addoption(
        "--require-tier",
        metavar="TIER",
        action="append",
        default=[],
        help="a claim whose evidence of this tier is out of reach is an error, not a skip",
    )
    group.addoption(
        "--fail-on",
        choices=sorted(FAIL_ON),
        default="drift",
        help="what turns a run red besides drift from the reviewed verdicts (default: drift)",
    )
    group.addoption(
        "--update-lock",
        action="store_true",
        help="write this run's verdicts into claims/lock.toml as the reviewed ones",
    )
    group.addoption(
        "--verdicts",
        type=Path,
        default=ROOT / "verdicts.json",
        metavar="FILE",
        help="where to write what was found (default: verdicts.json in the checkout)",
    )
    group.addoption(
        "--resamples",
        type=_resamples,
        default=RESAMPLES,
        metavar="B",
        help=f"resamples of the RSA bootstraps (default: {RESAMPLES}; the paper has 200), but of "
        "the one that is standardised anew in every draw, which keeps the paper's 200",
    )
    group.addoption(
        "--scheduler",
        metavar="ADDRESS",
        help="send the RSA bootstraps to the Dask cluster of this scheduler "
        "(default: CLAIMS_SCHEDULER, else the cores of this machine)",
    )


def _resamples(text: str) -> int:
    number = at_least_one(text)
    if number < FEWEST_RESAMPLES:
        raise ArgumentTypeError(f"must be at least {FEWEST_RESAMPLES}")
    return number


def pytest_configure(config: pytest.Config) -> None:
    """Read the registries and the lock before anything is collected; refuse what cannot work."""
    if config.option.update_lock and os.environ.get("CI"):
        raise pytest.UsageError("--update-lock: a verdict is reviewed by a person, never by CI")
    if config.option.update_lock and config.option.resamples != RESAMPLES:
        raise pytest.UsageError(f"--update-lock: verdicts are reviewed at {RESAMPLES} resamples")
    asked, required = _asked(config), set(config.option.require_tier)
    if unknown := sorted((asked | required) - set(TIERS)):
        raise pytest.UsageError(f"unknown tier {', '.join(unknown)}; known: {', '.join(TIERS)}")
    if unasked := sorted(required - asked):
        raise pytest.UsageError(f"--require-tier {', '.join(unasked)}: left out by --evidence")
    verdicts = config.option.verdicts
    if verdicts.is_dir() or not verdicts.resolve().parent.is_dir():
        raise pytest.UsageError(f"--verdicts {verdicts}: is a folder, or lies in none")
    registries = [path for path in sorted(CLAIMS.glob("*.toml")) if path != LOCK]
    try:
        # Tests of the suite itself must run even where a registry is broken.
        claims = load_registries(registries) if claim_paths(config) else ()
        run = Run(config, claims, read_lock(LOCK) if claims else {})
    except (RegistryError, LockError) as error:
        raise pytest.UsageError(str(error)) from error
    set_resamples(config.option.resamples)
    if claims and not hasattr(config, "workerinput"):
        _try_scheduler(config.option.scheduler)
    # Small matrices lose by a second BLAS thread, and sums depend on how many there are.
    one_thread = threadpool_limits(1, user_api="blas")
    config.add_cleanup(one_thread.restore_original_limits)
    if claims:
        # Claims make few cycles and many objects that stay: looking for garbage took a twentieth.
        config.add_cleanup(partial(gc.set_threshold, *gc.get_threshold()))
        gc.set_threshold(200_000, 50, 50)
    config.stash[RUN] = run
    config.pluginmanager.register(run, "claims-run")


def _try_scheduler(address: str | None) -> None:
    """Refuse a cluster that is out of reach or unfit at once, rather than claim by claim."""
    if address:
        # Where `core.jobs` looks, here and in other processes of this run.
        os.environ[jobs.SCHEDULER] = address
    if not jobs.scheduler_address():
        return
    try:
        jobs.run(abs, [0])
    except jobs.JobsError as error:
        raise pytest.UsageError(str(error)) from error


def _asked(config: pytest.Config) -> set[str]:
    option = config.option.evidence
    return {tier.strip() for tier in option.split(",")} if option else set(TIERS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each claim test its cases: every claim of it, on every tier and on both controls."""
    if not in_claims(metafunc.definition.path):
        return
    file = metafunc.definition.path.resolve().relative_to(CLAIMS).as_posix()
    test = f"{file}::{metafunc.definition.name}"
    claims = [claim for claim in metafunc.config.stash[RUN].claims if claim.test == test]
    if not claims:
        # Parametrising with nothing is a collection error in strict mode, but says less.
        raise pytest.Collector.CollectError(f"{test} has no claim in any registry")
    params = [
        pytest.param(case, id=name, marks=[getattr(pytest.mark, mark) for mark in case.marks])
        for name, case in named_cases(claims).items()
    ]
    metafunc.parametrize("case", params)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Fail a claim test that ends without having judged anything."""
    result = yield
    if in_claims(pyfuncitem.path) and not any(n == "record" for n, _ in pyfuncitem.user_properties):
        pytest.fail(f"{pyfuncitem.name} never called judge: nothing was judged", pytrace=False)
    return result


@pytest.fixture
def evidence(case: Case, request: pytest.FixtureRequest) -> Body | None:
    """Return the body of evidence of a case, with what the claim needs loaded."""
    if case.tier == "none":
        return None
    if not case.expects and case.tier not in _asked(request.config):
        return _out_of_reach(request, case, "not-asked", "left out by --evidence")
    try:
        found = body(case.world if case.expects else case.tier, case.claim.paper)
        found.acquire(case.claim.needs)
    except NoWeights as error:
        if case.tier != "fresh":
            # What we keep is never merely not there: it was lost.
            msg = f"{error.reason}; restore it from version control"
            raise EvidenceError(msg) from error
        return _out_of_reach(request, case, error.code, error.settles)
    except Unreachable as error:
        return _out_of_reach(request, case, error.code, error.settles)
    return found


def _out_of_reach(request: pytest.FixtureRequest, case: Case, reason: str, why: str) -> None:
    if case.tier in request.config.option.require_tier:
        pytest.fail(f"--require-tier {case.tier}: {reason}: {why}", pytrace=False)
    _keep(request, row(case, Verdict.UNTESTED, reason=reason, settles=why), "")
    pytest.skip(f"{case.tier} {reason}: {why}")


def _keep(request: pytest.FixtureRequest, record: Record, wrong: str) -> None:
    """Hand the record to the process that shows the results, as the report carries it."""
    content = json.dumps(record.as_dict() | {"complaint": wrong})
    request.node.user_properties.append(("record", content))


@pytest.fixture
def judge(case: Case, evidence: Body | None, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return the function that measures the claim, reaches its verdict, and compares it."""
    locked = request.config.stash[RUN].lock.get((case.claim.id, case.tier))

    def judge_claim(measure: Measure | None = None, oracle: Oracle | None = None) -> None:
        record = judge_case(case, evidence, measure, oracle, body)
        if not case.expects:
            rests_on = record.evidence | _models(evidence, case)
            record = replace(record, locked=locked or "", evidence=rests_on)
        wrong = complaint(record, locked)
        _keep(request, record, wrong)
        if wrong and (case.expects or not request.config.option.update_lock):
            shown = f"{terminal.measured(record.as_dict())}, criterion {record.criterion}"
            pytest.fail(f"{wrong}\n{record.statement}\nmeasured {shown}", pytrace=False)

    return judge_claim


def _models(evidence: Any, case: Case) -> dict[str, str]:
    """Say which checkpoints a case was judged on, where it is about models."""
    embedded = getattr(evidence, "embedded", None)
    names = embedded.names(case.claim.needs) if embedded else ()
    return {"models": "; ".join(names)} if names else {}


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show a judged claim under its own word instead of "passed", and one out of reach likewise.

    As an ordinary skip it would be listed with its reason, hundreds of times the same.
    """
    record = record_of(report)
    if record is not None and report.when == "setup" and report.skipped:
        return record["reason"], "-", record["reason"].upper()
    if record is None or report.when != "call" or not report.passed:
        return None
    word = "control" if record["expects"] else record["verdict"]
    return word, terminal.LETTERS[word], (word.upper(), {terminal.COLOURS[word]: True})
