"""What one run of the claims collected and found, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.evidence.bodies import body
from core.evidence.errors import EvidenceError
from core.evidence.provenance import code_version
from core.evidence.rated import note, on_study
from core.evidence.studies import registered
from core.paths import CLAIMS
from core.report import alignment, alignment_table, compiling, terminal
from core.report.verdicts import (
    FAIL_ON,
    compared,
    document,
    in_order,
    nothing_judged,
    unwanted,
    write_verdicts,
)
from core.verdict.case import Case
from core.verdict.claim import NO_PAPER, Claim
from core.verdict.criterion import Verdict
from core.verdict.lock import lockable, reviewed, write_lock

LOCK = CLAIMS / "lock.toml"


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
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[Any]:
        """Say so when the first run on a machine has to wait for compiled code."""
        plugins = session.config.pluginmanager
        reporter: Any = plugins.getplugin("terminalreporter")
        capture: Any = plugins.getplugin("capturemanager")

        def announce(line: str) -> None:
            # Tests of the suite itself compile functions of their own.
            if reporter and capture and self.claims:
                with capture.global_and_fixture_disabled():
                    reporter.write_line(line)

        with compiling.announced(announce) as self.compiled:
            return (yield)

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
        paths = claim_paths(self.config)
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
        if (record := record_of(report)) is not None:
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
            if told := self._untold_study():
                terminalreporter.write_line(told)
            for path in (self.config.option.verdicts, *self.written):
                terminalreporter.write_line(f"wrote {path}")
            if seconds := self.compiled.seconds:
                terminalreporter.write_line(f"compiling took {seconds:.1f} s, this time only")
        for problem in self.problems:
            terminalreporter.write_line(problem, red=True)

    def _untold_study(self) -> str:
        """Say that there is a study which this run did not judge, "" if there is none."""
        on_ratings = {c.id for c in self.claims if "fresh" in c.tiers and on_study(c.needs)}
        # Judged or not, a row shows that it was asked for.
        asked = {"fresh", *NO_PAPER}
        if any(r["claim"] in on_ratings and r["tier"] in asked for r in self.records.values()):
            return ""
        try:
            return note(registered()) if on_ratings else ""
        except EvidenceError as error:
            return str(error)


def _cases(items: list[pytest.Item]) -> list[Case]:
    # getattr: what makes an item parametrised is not part of pytest's public types.
    calls = [getattr(item, "callspec", None) for item in items if in_claims(item.path)]
    return [call.params["case"] for call in calls if call]


def _file(claim: Claim) -> Path:
    return CLAIMS / claim.test.split("::")[0]


def claim_paths(config: pytest.Config) -> list[Path]:
    """Return the paths on the command line that hold claims or lie among them."""
    start = config.invocation_params.dir
    paths = [Path(start, arg.split("::")[0]).resolve() for arg in config.args]
    return [path for path in paths if path.is_relative_to(CLAIMS) or CLAIMS.is_relative_to(path)]


def in_claims(path: Path) -> bool:
    return path.resolve().is_relative_to(CLAIMS)


def record_of(report: pytest.TestReport) -> dict[str, Any] | None:
    found = [value for name, value in getattr(report, "user_properties", ()) if name == "record"]
    return json.loads(str(found[-1])) if found else None
