"""Whether a service still offers what is about to be asked of it, said before anything is paid."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from core.rating.asking.patience import OTHERWISE, Patience, Refused, Unavailable, patiently
from core.rating.errors import RatingError

if TYPE_CHECKING:
    import openai

LIFECYCLE = Path(__file__).with_name("lifecycle.toml")
#: A shutdown within so many days is told.
SOON = 120


@dataclass(frozen=True)
class Lifecycle:
    """What a service has announced it will stop offering.

    Attributes
    ----------
    shutdowns : mapping of str to date
        When each model stops answering.
    training_closes : date
        From when on nobody can begin a fine-tuning job.
    source : str
        Where that stands.
    date : date
        When it stood there.
    """

    shutdowns: Mapping[str, date]
    training_closes: date
    source: str
    date: date


@dataclass(frozen=True)
class Preflight:
    """What a service says of a model.

    Attributes
    ----------
    offered : bool
        Whether there is any use in asking.
    lines : tuple of str
        What the user should know, a sentence each; where it is not offered, the last one is what
        can be done instead.
    """

    offered: bool
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one."""
        return "; ".join(self.lines)


def preflight(
    client: openai.OpenAI,
    model: str,
    today: date,
    *,
    patience: Patience,
    training: bool = False,
) -> Preflight:
    """Ask a service whether it offers a model, for answers or for fine-tuning.

    Parameters
    ----------
    client : OpenAI
        One that does not itself try again.
    model : str
        An id; a fine-tune's is ``ft:BASE:...``, and it ends with its base.
    today : date
    patience : Patience
        How often the question is tried.
    training : bool
        Whether the model is to be tuned, and not only asked.

    Notes
    -----
    What the service says of the model counts for more than the announced dates that come with the
    suite: those only warn, unless the service no longer knows the model. That new fine-tuning jobs
    are closed is no fact about a model, so there the announced date counts.
    """
    known = read_lifecycle()
    announced = known.shutdowns.get(base_of(model))
    try:
        found = patiently(
            lambda: client.models.retrieve(model), f"asking for {model}", client, patience
        )
    except (Refused, Unavailable) as error:
        return Preflight(False, (*_passed(model, announced, today, known), str(error)))
    stated = _date(getattr(found, "shutdown_date", None))
    ends = stated or announced
    lines = []
    if stated is not None and stated <= today:
        said = f"{model} was shut down on {stated.isoformat()}, says the service"
        return Preflight(False, (said, OTHERWISE))
    if ends is not None and (ends - today).days <= SOON:
        lines.append(_ending(model, ends, today, stated is not None, known))
    if training:
        offered, said = _training(today, known)
        return Preflight(offered, (*lines, *said))
    return Preflight(True, tuple(lines))


def base_of(model: str) -> str:
    """Return the model that a fine-tune was made from, or the model itself."""
    tuned = re.match(r"ft:([^:]+):", model)
    return tuned[1] if tuned else model


def read_lifecycle(path: Path = LIFECYCLE) -> Lifecycle:
    """Read the announced dates.

    Raises
    ------
    RatingError
        When the file cannot be read or lacks something; names it.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        shutdowns = {entry["model"]: entry["on"] for entry in table["shutdown"]}
        closes, when = table["training"]["closes"], table["date"]
        if not all(type(day) is date for day in (closes, when, *shutdowns.values())):
            raise ValueError("a date is none")
        return Lifecycle(shutdowns, closes, table["source"], when)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RatingError(f"{path}: cannot be read: {error!r}; restore it") from error


def _passed(model: str, announced: date | None, today: date, known: Lifecycle) -> tuple[str, ...]:
    if announced is None or announced > today:
        return ()
    return (f"{model} was announced to be shut down on {announced.isoformat()} ({known.source})",)


def _ending(model: str, ends: date, today: date, stated: bool, known: Lifecycle) -> str:
    who = "the service says" if stated else f"announced at {known.source}"
    left = (ends - today).days
    if left <= 0:
        return f"{model} should be shut down since {ends.isoformat()} ({who}), but still answers"
    return f"{model} will be shut down on {ends.isoformat()}, in {left} days ({who})"


def _training(today: date, known: Lifecycle) -> tuple[bool, tuple[str, ...]]:
    closes = known.training_closes
    if today >= closes:
        said = f"new fine-tuning jobs are closed to everyone since {closes.isoformat()}"
        return False, (f"{said} ({known.source})", OTHERWISE)
    said = f"new fine-tuning jobs close to everyone on {closes.isoformat()}, and are refused"
    return True, (f"{said} to most accounts already (403 training_not_available)",)


def _date(text: object) -> date | None:
    try:
        return date.fromisoformat(str(text)[:10]) if text else None
    except ValueError:
        return None
