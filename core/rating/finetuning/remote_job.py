"""A fine-tuning job at OpenAI, which is begun once.

A note of it is written before anything is sent, and a job whose id never arrived is found by the
hash of its training file that it carries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.evidence.provenance import code_version
from core.files import write_atomically
from core.rating.asking.patience import OTHERWISE, Patience, patiently
from core.rating.asking.preflight import preflight
from core.rating.asking.replies import short
from core.rating.errors import RatingError

if TYPE_CHECKING:
    import openai

NOTE, SCHEMA = "finetune.json", 1
ENDED, UNDER_WAY = ("succeeded", "failed", "cancelled"), ("validating_files", "queued", "running")
#: So many of an account's jobs are looked through for one that was begun before.
LOOKED_THROUGH = 1000
#: Seconds between two looks at a job.
POLL = 30.0


@dataclass(frozen=True)
class Order:
    """What a fine-tuning job follows from.

    Attributes
    ----------
    recipe : str
        One of `core.rating.examples.RECIPES`.
    model : str
        The service's name of the model to be tuned.
    dataset : str
        The data set's digest.
    content : str
        SHA-256 of the training file.
    epochs : int or None
        None leaves it to the service, as the paper does.
    seed : int
    server : str
    """

    recipe: str
    model: str
    dataset: str
    content: str
    epochs: int | None
    seed: int
    server: str


class Job:
    """A fine-tuning job and the note of it.

    Parameters
    ----------
    order : Order
    folder : Path
        Where the note stands, as finetune.json.
    client : OpenAI
        One that does not itself try again.
    sleep : callable
        Waits for a number of seconds.
    today : callable
    say : callable
        Is told what happens while it happens.
    """

    def __init__(
        self,
        order: Order,
        folder: Path,
        client: openai.OpenAI,
        *,
        sleep: Callable[[float], object] = time.sleep,
        today: Callable[[], date] = date.today,
        say: Callable[[str], object] = print,
        patience: Patience | None = None,
    ) -> None:
        self.order, self.path, self.client = order, folder / NOTE, client
        self.sleep, self.today, self.say = sleep, today, say
        self.patience = patience or Patience(sleep)

    def carry(self, content: bytes) -> Any:
        """See to the job, from wherever it stands to its end; return it once it has succeeded."""
        note = self._read()
        earlier = note is not None and note["status"] not in ("failed", "cancelled")
        if note is None or not earlier:
            attempt = note["attempt"] + 1 if note else 1
            note = {"attempt": attempt, "file": None, "job": None, "status": "planned"}
        begun = note["job"] is not None
        found = self._look(str(note["job"])) if begun else self._found(note, ended=earlier)
        if found is None:
            self._check()
            self._write(note)
            if note["file"] is None:
                note["file"] = self._upload(content)
                self._write(note)
            found = self._create(note)
            self.say(f"job {found.id} was begun; stop at will, and run this again to go on")
        note |= {"job": found.id, "status": found.status}
        self._write(note)
        found = self._waited(found)
        note |= {
            "status": found.status,
            "tuned": found.fine_tuned_model,
            "trained_tokens": found.trained_tokens,
        }
        self._write(note)
        if found.status != "succeeded":
            raise RatingError(self._why(found))
        return found

    def _read(self) -> dict[str, Any] | None:
        if not self.path.exists():
            return None
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            order, note = content["order"], content["note"]
            there = {"attempt", "file", "job", "status"} <= set(note)
        except (OSError, ValueError, KeyError, TypeError):
            order, note, there = None, None, False
        if order == asdict(self.order) and there:
            return note
        what = "the note of another job" if there else "a fine-tune that was made elsewhere"
        raise RatingError(f"{self.path}: {what}; choose another folder with --out")

    def _write(self, note: dict[str, Any]) -> None:
        content = {"schema": SCHEMA, "order": asdict(self.order), "note": note}
        text = json.dumps({**content, "code": code_version()}, indent=1) + "\n"
        write_atomically(self.path, text)

    def _mark(self, note: dict[str, Any]) -> dict[str, str]:
        order = {name: str(value) for name, value in asdict(self.order).items() if name != "server"}
        return {**order, "attempt": str(note["attempt"])}

    def _check(self) -> None:
        found = preflight(
            self.client, self.order.model, self.today(), patience=self.patience, training=True
        )
        if not found.offered:
            raise RatingError(found.text)
        for line in found.lines:
            self.say(line)

    def _found(self, note: dict[str, Any], *, ended: bool) -> Any:
        mark = self._mark(note)

        def look() -> list[Any]:
            several = islice(self.client.fine_tuning.jobs.list(limit=100), LOOKED_THROUGH)
            marked = (one for one in several if mark.items() <= (one.metadata or {}).items())
            open_ = (one for one in marked if ended or one.status in UNDER_WAY)
            return [next(open_, None)]

        return self._call(look, "looking for jobs begun before")[0]

    def _upload(self, content: bytes) -> str:
        name = f"{self.order.recipe}-{self.order.content[:12]}.jsonl"
        files = self.client.files
        what = "uploading the training file"
        return self._call(lambda: files.create(file=(name, content), purpose="fine-tune"), what).id

    def _create(self, note: dict[str, Any]) -> Any:
        tried = False
        method: Any = {"type": "supervised"}
        if self.order.epochs:
            method["supervised"] = {"hyperparameters": {"n_epochs": self.order.epochs}}

        def create() -> Any:
            nonlocal tried
            there = self._found(note, ended=False) if tried else None
            tried = True
            return there or self.client.fine_tuning.jobs.create(
                model=self.order.model,
                training_file=note["file"],
                suffix=self.order.recipe.lower().replace("_", "-"),
                seed=self.order.seed % 2**31,
                method=method,
                metadata=self._mark(note),
            )

        return self._call(create, "beginning a fine-tuning job")

    def _look(self, id_: str) -> Any:
        jobs = self.client.fine_tuning.jobs
        return self._call(lambda: jobs.retrieve(id_), f"asking for job {id_}")

    def _waited(self, found: Any) -> Any:
        told = ""
        while found.status not in ENDED:
            if found.status != told:
                self.say(f"job {found.id}: {found.status}")
            told = found.status
            self.sleep(POLL)
            found = self._look(found.id)
        return found

    def _why(self, found: Any) -> str:
        if found.status == "cancelled":
            return f"job {found.id} was cancelled at the service; run it again to begin another"
        error = found.error
        said = f"{error.code}: {error.message}" if error else "the service gave no reason"
        text = f"job {found.id} failed: {short(said, self.client.api_key)}"
        return f"{text}; run it again to begin another, or else {OTHERWISE}"

    def _call(self, do: Callable[[], Any], what: str) -> Any:
        return patiently(do, what, self.client, self.patience)
