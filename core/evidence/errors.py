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
    code : str
        Why a claim that needs it has no verdict: a key of `core.verdict.claim.REASONS`.
    """

    code = "unreachable"

    def __init__(self, reason: str, *, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy

    @property
    def settles(self) -> str:
        """What would settle a claim that needs it, in one line."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.reason, remedy=self.remedy), ()


class NoWeights(Unreachable):
    """Models that were not run: their weights are not ours to keep, and nothing stands in for them.

    Attributes
    ----------
    models : tuple of str
        What `claims embed` takes to run them.
    """

    code = "weights"

    def __init__(self, models: tuple[str, ...], *, where: str) -> None:
        command = " ".join(["claims embed", *(f"--model {model}" for model in models)])
        super().__init__(f"no embeddings of {', '.join(models)} in {where}", remedy=command)
        self.models = models
        self.where = where

    @property
    def settles(self) -> str:
        """The command that runs the models."""
        return self.remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.models, where=self.where), ()
