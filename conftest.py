"""The pytest face: what is judged on what, and how a run shows it. Verdicts are core's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.evidence.bodies import Body, body
from core.evidence.errors import Unreachable
from core.evidence.provenance import code_version
from core.paths import CLAIMS, ROOT
from core.report import terminal
from core.report.verdicts import document, in_order, write_verdicts
from core.verdict.case import Case, named_cases
from core.verdict.claim import TIERS, Claim, RegistryError, load_registries
from core.verdict.criterion import Verdict
from core.verdict.lock import LockError, read_lock, reviewed, write_lock
from core.verdict.record import Measure, Oracle, Record, complaint, judge_case, row

LOCK = CLAIMS / "lock.toml"
COLOURS = {
    "supported": "green",
    "consistent": "green",
    "refuted": "red",
    "inconsistent": "red",
    "inconclusive": "yellow",
    "untested": "cyan",
    "control": "blue",
}
FAIL_ON = {
    "drift": (),
    "refuted": ("refuted", "inconsistent"),
    "inconclusive": ("refuted", "inconsistent", "inconclusive"),
}
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
    """Read the registries and the lock before anything is collected."""
    if config.option.update_lock and os.environ.get("CI"):
        raise pytest.UsageError("--update-lock: a verdict is reviewed by a person, never by CI")
    asked = _asked(config) | set(config.option.require_tier)
    if unknown := sorted(asked - set(TIERS)):
        raise pytest.UsageError(f"unknown tier {', '.join(unknown)}; known: {', '.join(TIERS)}")
    try:
        registries = [path for path in sorted(CLAIMS.glob("*.toml")) if path != LOCK]
        run = Run(config, load_registries(registries), read_lock(LOCK))
    except (RegistryError, LockError) as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[RUN] = run
    config.pluginmanager.register(run, "claims-run")


def _asked(config: pytest.Config) -> set[str]:
    option = config.option.evidence
    return set(option.split(",")) if option else set(TIERS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each claim test its cases: every claim of it, on every tier and on both controls."""
    path = metafunc.definition.path
    if not path.is_relative_to(CLAIMS):
        return
    test = f"{path.relative_to(CLAIMS).as_posix()}::{metafunc.definition.name}"
    claims = [claim for claim in metafunc.config.stash[RUN].claims if claim.test == test]
    if not claims:
        # Parametrising with nothing is a collection error in strict mode, but says less.
        raise pytest.Collector.CollectError(f"{test} has no claim in any registry")
    params = [
        pytest.param(case, id=name, marks=[getattr(pytest.mark, mark) for mark in case.marks])
        for name, case in named_cases(claims).items()
    ]
    metafunc.parametrize("case", params)


@pytest.fixture
def evidence(case: Case, request: pytest.FixtureRequest) -> Body | None:
    """Return the body of evidence of a case, with what the claim needs loaded."""
    if case.tier == "none":
        return None
    if not case.expects and case.tier not in _asked(request.config):
        return _out_of_reach(request, case, "not-asked", "left out by --evidence")
    try:
        found = body(case.world or case.tier, case.claim.paper)
        found.acquire(case.claim.needs)
    except Unreachable as error:
        return _out_of_reach(request, case, "unreachable", str(error))
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
def judge(
    case: Case, evidence: Body | None, request: pytest.FixtureRequest
) -> Iterator[Callable[..., None]]:
    """Give the function that measures the claim, reaches its verdict, and compares it."""
    locked = request.config.stash[RUN].lock.get((case.claim.id, case.tier))
    judged = False

    def judge_claim(measure: Measure | None = None, oracle: Oracle | None = None) -> None:
        nonlocal judged
        judged = True
        record = replace(judge_case(case, evidence, measure, oracle, body), locked=locked or "")
        wrong = complaint(record, locked)
        _keep(request, record, wrong)
        if wrong and (case.expects or not request.config.option.update_lock):
            shown = f"{terminal.measured(record.as_dict())}, criterion {record.criterion}"
            pytest.fail(f"{wrong}\n{record.statement}\nmeasured {shown}", pytrace=False)

    yield judge_claim
    if not judged:
        pytest.fail(f"{request.node.name} never called judge: it passed without judging anything")


def _record(report: pytest.TestReport) -> dict[str, Any] | None:
    found = [value for name, value in report.user_properties if name == "record"]
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
    return word, word[0].upper(), (word.upper(), {COLOURS[word]: True})


class Run:
    """What one run collected and found."""

    def __init__(
        self, config: pytest.Config, claims: Sequence[Claim], lock: dict[tuple[str, str], Verdict]
    ) -> None:
        self.config = config
        self.claims = claims
        self.lock = lock
        self.records: dict[str, dict[str, Any]] = {}
        self.selected = 0
        self.problems: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Iterator[None]:
        """Note what was collected before -k and -m deselect, and how much is left after."""
        ours = [item for item in items if item.path.is_relative_to(CLAIMS)]
        # getattr: what makes an item parametrised is not part of pytest's public types.
        calls = [getattr(item, "callspec", None) for item in ours]
        collected = {call.params["case"].claim.id for call in calls if call}
        self.problems = self._missing(collected)
        yield
        self.selected = sum(item.path.is_relative_to(CLAIMS) for item in items)

    def _missing(self, collected: set[str]) -> list[str]:
        """Say which claims the paths on the command line should have collected but did not."""
        start = self.config.invocation_params.dir
        paths = [Path(start, arg).resolve() for arg in self.config.args if "::" not in arg]
        asked = [c for c in self.claims if any(_file(c).is_relative_to(path) for path in paths)]
        missing = [c for c in asked if c.id not in collected]
        registered = {c.id for c in self.claims}
        # Writing the lock takes out what is no longer registered, so it is no complaint then.
        writing = not asked or self.config.option.update_lock
        locked = set() if writing else {claim for claim, _ in self.lock} - registered
        return [
            *(f"{c.id} is registered, but {c.test} was not collected" for c in missing),
            *(f"{c} is in lock.toml, but in no registry" for c in sorted(locked)),
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record that a test's report carries."""
        if (record := _record(report)) is not None:
            self.records[report.nodeid] = record

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Decide what the run as a whole is, and write what it found."""
        on_worker = hasattr(self.config, "workerinput")
        if on_worker or not (self.records or self.problems or self.selected):
            return
        if not self.config.option.collectonly:
            self._finish()
        if self.problems and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _finish(self) -> None:
        option = self.config.option.fail_on
        rows = in_order(self.records.values(), self.claims)
        unwanted = [
            r for r in rows if r["verdict"] in FAIL_ON[option] and not (r["expects"] or r["ours"])
        ]
        if unwanted:
            self.problems.append(f"--fail-on {option}: {len(unwanted)} claims")
        if not any(r["estimate"] is not None for r in rows):
            self.problems.append("nothing was judged: a silent green is a lie")
        path = self.config.option.verdicts
        write_verdicts(path, document(rows, code_version(), self.problems))
        if self.config.option.update_lock:
            write_lock(LOCK, reviewed(self.lock, rows, self.claims))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Show the table, the tally, and what is wrong with the run as a whole."""
        rows = in_order(self.records.values(), self.claims)
        if rows:
            terminalreporter.section("claims")
            for line, verdict in terminal.table(rows):
                terminalreporter.write_line(line, **({COLOURS[verdict]: True} if verdict else {}))
            for line in terminal.summary(rows):
                terminalreporter.write_line(line)
            terminalreporter.write_line(f"wrote {self.config.getoption('--verdicts')}")
        for problem in self.problems:
            terminalreporter.write_line(problem, red=True)


def _file(claim: Claim) -> Path:
    return CLAIMS / claim.test.split("::")[0]
