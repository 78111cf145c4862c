"""The pytest face: what is judged on what. Verdicts are core's; claims/run.py shows them."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from threadpoolctl import threadpool_limits

from claims.options import add_options, asked_tiers, choose_study, study_asked
from claims.run import LOCK, Run, claim_paths, in_claims, record_of
from claims.settings import RESAMPLES, set_resamples, set_seed
from core import jobs
from core.evidence.bodies import Body, body
from core.evidence.errors import EvidenceError, NotRated, NoWeights, TooFew, Unreachable
from core.evidence.rated import Rated, on_study
from core.paths import CLAIMS
from core.report import terminal
from core.verdict.case import Case, named_cases
from core.verdict.claim import TIERS
from core.verdict.criterion import Verdict
from core.verdict.estimate import Undefined
from core.verdict.lock import LockError, read_lock
from core.verdict.record import Measure, Oracle, Record, complaint, judge_case, row
from core.verdict.registry import RegistryError, load_registries

RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the claims run."""
    add_options(parser.getgroup("claims"))


def pytest_configure(config: pytest.Config) -> None:
    """Read the registries and the lock before anything is collected; refuse what cannot work."""
    if config.option.update_lock and os.environ.get("CI"):
        raise pytest.UsageError("--update-lock: a verdict is reviewed by a person, never by CI")
    if config.option.update_lock and config.option.resamples != RESAMPLES:
        raise pytest.UsageError(f"--update-lock: verdicts are reviewed at {RESAMPLES} resamples")
    if config.option.update_lock and config.option.seed:
        raise pytest.UsageError("--update-lock: verdicts are reviewed with --seed 0")
    asked, required = asked_tiers(config), set(config.option.require_tier)
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
    set_seed(config.option.seed)
    if claims:
        choose_study(config)
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
    everything = study_asked(metafunc.config)
    params = [
        pytest.param(case, id=name, marks=[getattr(pytest.mark, mark) for mark in case.marks])
        for name, case in named_cases(claims).items()
        if everything or case.expects or case.tier != "fresh" or not on_study(case.claim.needs)
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
    if not case.expects and case.tier not in asked_tiers(request.config):
        return _out_of_reach(request, case, "not-asked", "left out by --evidence", case.tier)
    try:
        name = case.world if case.expects else case.tier
        found = body(name, case.claim.paper, case.claim.needs)
        found.acquire(case.claim.needs)
    except Unreachable as error:
        return _unreachable(request, case, error)
    return found


def _locked(request: pytest.FixtureRequest, case: Case) -> Verdict | None:
    return request.config.stash[RUN].lock.get((case.claim.id, case.tier))


def _unreachable(
    request: pytest.FixtureRequest, case: Case, error: Unreachable, study: Rated | None = None
) -> None:
    """Leave a case without a verdict, unless what it is judged on was lost."""
    weights = isinstance(error, NoWeights) and case.tier != "fresh"
    if weights or (case.tier == "replicated" and _locked(request, case)):
        # What we keep is never merely not there.
        msg = f"{error.reason}; restore it from version control"
        raise EvidenceError(msg) from error
    tier = study.kind if study else case.tier
    _out_of_reach(request, case, error.code, error.settles, tier)


def _out_of_reach(
    request: pytest.FixtureRequest, case: Case, reason: str, why: str, tier: str
) -> None:
    if case.tier in request.config.option.require_tier:
        pytest.fail(f"--require-tier {case.tier}: {reason}: {why}", pytrace=False)
    record = row(case, Verdict.UNTESTED, reason=reason, settles=why)
    _keep(request, record if case.expects else replace(record, tier=tier), "")
    pytest.skip(f"{tier} {reason}: {why}")


def _keep(request: pytest.FixtureRequest, record: Record, wrong: str) -> None:
    """Hand the record to the process that shows the results, as the report carries it."""
    content = json.dumps(record.as_dict() | {"complaint": wrong})
    request.node.user_properties.append(("record", content))


@pytest.fixture
def judge(case: Case, evidence: Body | None, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return the function that measures the claim, reaches its verdict, and compares it."""
    study = evidence if isinstance(evidence, Rated) and case.tier == "fresh" else None
    # Verdicts on a study are about its models, which nobody reviewed.
    locked = None if study else _locked(request, case)

    def judge_claim(measure: Measure | None = None, oracle: Oracle | None = None) -> None:
        try:
            record = judge_case(case, evidence, measure, oracle, body)
        except NotRated as error:
            _unreachable(request, case, error, study)
            return
        except (TooFew, ArithmeticError, RuntimeWarning, ValueError) as error:
            if study is None or not _says_nothing(error, study):
                raise
            few = isinstance(error, TooFew)
            settles = error.settles if few else study.undefined() or str(error)
            on = {"name": study.name, "sha256": study.sha256}
            reason = error.code if few else "undefined"
            why = {"reason": reason, "settles": settles, "evidence": on}
            record = row(case, Verdict.UNTESTED, **why)
        if not case.expects:
            rests_on = record.evidence | _rests_on(evidence, case)
            record = replace(record, locked=locked or "", evidence=rests_on)
        if study:
            record = replace(record, tier=study.kind)
        wrong = complaint(record, locked)
        _keep(request, record, wrong)
        if wrong and (case.expects or not request.config.option.update_lock):
            shown = f"{terminal.measured(record.as_dict())}, criterion {record.criterion}"
            pytest.fail(f"{wrong}\n{record.statement}\nmeasured {shown}", pytrace=False)

    return judge_claim


def _says_nothing(error: Exception, study: Rated) -> bool:
    """Tell whether a measure failed for the models' answers: a user's models may say anything."""
    return isinstance(error, Undefined | TooFew) or bool(study.undefined())


def _rests_on(evidence: Any, case: Case) -> dict[str, str]:
    """Say which models a case was judged on, where it is about models, and what to know of them."""
    said: dict[str, tuple[str, ...]] = {}
    if isinstance(evidence, Rated):
        said = {"models": evidence.models, "notes": evidence.notes}
    elif embedded := getattr(evidence, "embedded", None):
        said = {"models": embedded.names(case.claim.needs)}
    return {name: "; ".join(parts) for name, parts in said.items() if parts}


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show a judged claim under its own word instead of "passed", and one out of reach likewise.

    As an ordinary skip it would be listed with its reason, hundreds of times the same.
    """
    record = record_of(report)
    if record is not None and report.skipped:
        return record["reason"], "-", record["reason"].upper()
    if record is None or report.when != "call" or not report.passed:
        return None
    word = "control" if record["expects"] else record["verdict"]
    return word, terminal.LETTERS[word], (word.upper(), {terminal.COLOURS[word]: True})
