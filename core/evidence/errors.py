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
    wanted : tuple of (str, str)
        Each a model and what else `claims embed` must be told to run it, such as
        "--untrained 0 1 2", or "".
    """

    code = "weights"

    def __init__(self, wanted: tuple[tuple[str, str], ...], *, where: str) -> None:
        named = ", ".join(" ".join(filter(None, one)) for one in wanted)
        super().__init__(f"no embeddings of {named} in {where}", remedy=_commands(wanted))
        self.wanted = wanted
        self.where = where

    @property
    def models(self) -> tuple[str, ...]:
        """The models' names, each once."""
        return tuple(dict.fromkeys(model for model, _ in self.wanted))

    @property
    def settles(self) -> str:
        """The commands that run the models."""
        return self.remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), self.wanted, where=self.where), ()


class NotRated(Unreachable):
    """Ratings that models were not asked for here."""

    code = "not-rated"

    @property
    def settles(self) -> str:
        """The commands that ask for them, or what else there is to do."""
        return self.remedy


class NotGiven(NotRated):
    """What ratings made here do not say, and asking for them again would not change."""

    code = "not-given"


class TooFew(Unreachable):
    """Everything was asked, and too few words have a number from every model to judge on."""

    code = "too-few"


def _commands(wanted: tuple[tuple[str, str], ...]) -> str:
    """Return a command for all models that take the same options, then the next."""
    alike: dict[str, list[str]] = {}
    for model, options in wanted:
        # What has no owner in its name is on no hub: it is a folder, wherever the user has it.
        alike.setdefault(options, []).append(model if "/" in model else f"PATH/TO/{model}")
    return " && ".join(
        " ".join(["claims embed", *(f"--model {model}" for model in models), options]).rstrip()
        for options, models in alike.items()
    )
