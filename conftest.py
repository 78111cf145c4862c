"""The pytest face: what is judged on what, and how a run shows it. Verdicts are core's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.evidence.bodies import Body, body
from core.evidence.errors import EvidenceError, NoWeights, Unreachable
from core.evidence.provenance import code_version
from core.paths import CLAIMS, ROOT
from core.report import alignment, alignment_table, terminal
from core.report.verdicts import (
    FAIL_ON,
    compared,
    document,
    in_order,
    nothing_judged,
    unwanted,
    write_verdicts,
)
from core.verdict.case import Case, named_cases
from core.verdict.claim import TIERS, Claim
from core.verdict.criterion import Verdict
from core.verdict.lock import LockError, lockable, read_lock, reviewed, write_lock
from core.verdict.record import Measure, Oracle, Record, complaint, judge_case, row
from core.verdict.registry import RegistryError, load_registries

LOCK = CLAIMS / "lock.toml"
RUN = pytest.StashKey["Run"]()


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


def pytest_configure(config: pytest.Config) -> None:
    """Read the registries and the lock before anything is collected; refuse what cannot work."""
    if config.option.update_lock and os.environ.get("CI"):
        raise pytest.UsageError("--update-lock: a verdict is reviewed by a person, never by CI")
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
        claims = load_registries(registries) if _claim_paths(config) else ()
        run = Run(config, claims, read_lock(LOCK) if claims else {})
    except (RegistryError, LockError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[RUN] = run
    config.pluginmanager.register(run, "claims-run")


def _asked(config: pytest.Config) -> set[str]:
    option = config.option.evidence
    return {tier.strip() for tier in option.split(",")} if option else set(TIERS)


def _claim_paths(config: pytest.Config) -> list[Path]:
    """Return the paths on the command line that hold claims or lie among them."""
    start = config.invocation_params.dir
    paths = [Path(start, arg.split("::")[0]).resolve() for arg in config.args]
    return [path for path in paths if path.is_relative_to(CLAIMS) or CLAIMS.is_relative_to(path)]


def _in_claims(path: Path) -> bool:
    return path.resolve().is_relative_to(CLAIMS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each claim test its cases: every claim of it, on every tier and on both controls."""
    if not _in_claims(metafunc.definition.path):
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
    if _in_claims(pyfuncitem.path) and not any(
        n == "record" for n, _ in pyfuncitem.user_properties
    ):
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


def _record(report: pytest.TestReport) -> dict[str, Any] | None:
    found = [value for name, value in getattr(report, "user_properties", ()) if name == "record"]
    return json.loads(str(found[-1])) if found else None


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Show a judged claim under its own word instead of "passed", and one out of reach likewise.

    As an ordinary skip it would be listed with its reason, hundreds of times the same.
    """
    record = _record(report)
    if record is not None and report.when == "setup" and report.skipped:
        return record["reason"], "-", record["reason"].upper()
    if record is None or report.when != "call" or not report.passed:
        return None
    word = "control" if record["expects"] else record["verdict"]
    return word, terminal.LETTERS[word], (word.upper(), {terminal.COLOURS[word]: True})


class Run:
    """What one run collected and found."""

    def __init__(
        self, config: pytest.Config, claims: Sequence[Claim], lock: dict[tuple[str, str], Verdict]
    ) -> None:
        self.config = config
        self.claims = claims
        self.lock = lock
        self.records: dict[str, dict[str, Any]] = {}
        self.selected: set[str] = set()
        self.problems: list[str] = []
        self.written: list[Path] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        """Note what was collected before -k and -m deselect, and which tiers are left after."""
        self.problems = self._missing({case.claim.id for case in _cases(items)})
        yield
        self.selected = {"control" if case.expects else case.tier for case in _cases(items)}

    def _missing(self, collected: set[str]) -> list[str]:
        """Say what the paths on the command line should have collected but did not."""
        whole = not any("::" in arg for arg in self.config.args)
        if not whole or getattr(self.config.option, "lf", False):
            return []
        paths = _claim_paths(self.config)
        asked = [c for c in self.claims if any(_file(c).is_relative_to(path) for path in paths)]
        missing = [c for c in asked if c.id not in collected]
        # Writing the lock takes out what is no longer registered, so it is no complaint then.
        writing = not asked or self.config.option.update_lock
        stale = [] if writing else sorted(set(self.lock) - set(lockable(self.claims)))
        return [
            *(f"{c.id} is registered, but {c.test} was not collected" for c in missing),
            *(f"{claim} on {tier} is in lock.toml, but in no registry" for claim, tier in stale),
        ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker of xdist noted; all of them note the same of the collection."""
        output = getattr(node, "workeroutput", {})
        noted = output.get("claims-problems", ())
        self.problems += [problem for problem in noted if problem not in self.problems]
        self.selected |= set(output.get("claims-selected", ()))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a test's report carries; note a test that ended without one."""
        if (record := _record(report)) is not None:
            self.records[report.nodeid] = record
        elif report.failed and report.nodeid.startswith("claims/"):
            self.problems.append(f"{report.nodeid} ended without a verdict")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Decide what the run as a whole is, and write what it found."""
        if hasattr(self.config, "workerinput"):
            output = self.config.workeroutput  # type: ignore[attr-defined]
            output["claims-problems"] = self.problems
            output["claims-selected"] = sorted(self.selected)
            return
        if not (self.records or self.problems or self.selected):
            return
        if not self.config.option.collectonly:
            self._finish(exitstatus)
        if self.problems and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _finish(self, exitstatus: int) -> None:
        option = self.config.option
        rows = in_order(self.records.values(), self.claims)
        missed = [tier for tier in option.require_tier if tier not in self.selected]
        self.problems += [f"--require-tier {tier}: no claim of it was selected" for tier in missed]
        self.problems += unwanted(rows, option.fail_on, FAIL_ON[option.fail_on])
        self.problems += nothing_judged(rows, self.selected)
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self.problems.append("the run was interrupted")
        elif tiers := compared(rows, self.claims):
            self._write_alignment(tiers)
        if option.update_lock and (self.problems or exitstatus != pytest.ExitCode.OK):
            self.problems.append("lock.toml was not written: the run has to be green otherwise")
        elif option.update_lock:
            self._take_as_reviewed(rows)
        if rows:
            # Without a single verdict there is nothing to replace an earlier file with.
            write_verdicts(option.verdicts, document(rows, code_version(), self.problems))

    def _take_as_reviewed(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the lock; what was new to it is so no more."""
        lock = reviewed(self.lock, rows, self.claims)
        write_lock(LOCK, lock)
        for record in self.records.values():
            taken = lock.get((record["claim"], record["tier"]))
            if taken and not (record["expects"] or record["locked"]):
                record["locked"] = taken.value

    def _write_alignment(self, tiers: Sequence[str]) -> None:
        """Write how alike all spaces are beside the verdicts that rest on some of them."""
        # Models of this machine come first; those that are kept fill the gaps.
        bodies = [body(tier, "alm") for tier in tiers]
        path = self.config.option.verdicts.with_name("alignment.json")
        try:
            alignment_table.write(path, alignment.of(bodies))
        except (EvidenceError, OSError, ValueError) as error:
            self.problems.append(f"{path} was not written: {error}")
        else:
            self.written.append(path)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table, the tally, and what is wrong with the run as a whole."""
        rows = in_order(self.records.values(), self.claims)
        if rows:
            terminalreporter.section("claims")
            for line, verdict in terminal.table(rows):
                terminalreporter.write_line(
                    line, **({terminal.COLOURS[verdict]: True} if verdict else {})
                )
            for line in terminal.summary(rows):
                terminalreporter.write_line(line)
            for path in (self.config.option.verdicts, *self.written):
                terminalreporter.write_line(f"wrote {path}")
        for problem in self.problems:
            terminalreporter.write_line(problem, red=True)


def _cases(items: list[pytest.Item]) -> list[Case]:
    # getattr: what makes an item parametrised is not part of pytest's public types.
    calls = [getattr(item, "callspec", None) for item in items if _in_claims(item.path)]
    return [call.params["case"] for call in calls if call]


def _file(claim: Claim) -> Path:
    return CLAIMS / claim.test.split("::")[0]
