"""The fault table: what each fault left, printed when the fault tests are run."""

import json
from collections.abc import Callable

import pytest

_FAULT = "fault row"
_HEADER = ("fault", "kept", "said", "exit")
_WIDEST = (44, 22, 100, 4)


@pytest.fixture
def fault_table(record_property) -> Callable[..., None]:
    """Add a row to the table: a fault, what was kept, what was said, the exit code."""

    def add(fault: str, *, kept: str, said: str, exit: int | str) -> None:  # noqa: A002
        record_property(_FAULT, json.dumps([fault, kept, said, str(exit)]))

    return add


def pytest_terminal_summary(terminalreporter):
    # From the reports, so that rows of xdist's workers are among them.
    rows = [
        tuple(json.loads(row))
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, row in report.user_properties
        if name == _FAULT
    ]
    if not rows:
        return
    terminalreporter.section("faults", sep="-")
    table = [_HEADER, *rows]
    widths = [min(most, max(len(row[k]) for row in table)) for k, most in enumerate(_WIDEST)]
    for row in table:
        cells = [_cut(cell, width).ljust(width) for cell, width in zip(row, widths, strict=True)]
        terminalreporter.write_line("  ".join(cells).rstrip())


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
