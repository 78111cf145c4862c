"""What can go wrong with evidence: it is broken, or it cannot be had."""

from functools import partial
from typing import Any


class EvidenceError(Exception):
    """Evidence is corrupt or not what it should be: the message names the file and the fault."""


class HashMismatch(EvidenceError):  # noqa: N818
    """A file's SHA-256 is not the registered one."""

    def __init__(self, name: str, *, expected: str, found: str, where: str, remedy: str) -> None:
        super().__init__(
            f"{name}: wrong SHA-256 at {where}: expected {expected}, found {found}; {remedy}"
        )
        self.name = name
        self.expected = expected
        self.found = found
        self.where = where
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is made anew from its message alone; these are told by a process
        # to another.
        options = {
            "expected": self.expected,
            "found": self.found,
            "where": self.where,
            "remedy": self.remedy,
        }
        return partial(type(self), self.name, **options), ()


class Unreachable(Exception):  # noqa: N818
    """Evidence cannot be had here and now.

    Attributes
    ----------
    reason : str
        What could not be reached and why, in one line.
    remedy : str
        What to do about it, in one line.
    """

    def __init__(self, reason: str, *, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.reason, remedy=self.remedy), ()
