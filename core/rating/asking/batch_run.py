"""One run of batches: waves are sent, waited for and read, until nothing is left to ask."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.files import write_atomically
from core.rating.asking import batch_table as table
from core.rating.asking.backend import Outcome
from core.rating.asking.batch_files import Lines, input_line, next_wave, read_lines, reconciled
from core.rating.asking.batch_service import Service
from core.rating.asking.batch_table import Batch
from core.rating.asking.patience import Refused, Unavailable
from core.rating.asking.prices import NANO
from core.rating.asking.replies import SPENT, short
from core.rating.asking.requests import Request
from core.rating.asking.scrub import scrubbed

if TYPE_CHECKING:
    from core.rating.asking.batch import BatchBackend
    from core.rating.asking.store import AnswerStore

TOO_MUCH = "token_limit_exceeded"
#: So often in a row a batch may be refused for its size before the run is ended.
MOST_REFUSED = 8


class Stop(Exception):  # noqa: N818
    """The run is to end here; the message says why, with the remedy."""


class Run:
    """The state of one run; `go` is all there is to call.

    Parameters
    ----------
    backend : BatchBackend
    service : Service
    store : AnswerStore
    progress : callable
    """

    def __init__(
        self,
        backend: BatchBackend,
        service: Service,
        store: AnswerStore,
        progress: Callable[[int], None],
    ) -> None:
        self.backend, self.service, self.store, self.progress = backend, service, store, progress
        self.window, self.refused = backend.window, 0
        self.missing: dict[str, Request] = {}
        self.failed: dict[str, str] = {}
        self.given_up: set[str] = set()
        self.tries: Counter[str] = Counter()
        self.answered, self.spent = 0, 0
        self.notes: list[str] = []
        self.offered = False

    def go(self, requests: Sequence[Request]) -> Outcome:
        """Ask what has no answer yet."""
        calls = {request.key: request for request in requests}
        there = self.store.answered(calls)
        self.missing = {key: call for key, call in calls.items() if key not in there}
        if len(requests) > len(self.missing):
            self.progress(len(requests) - len(self.missing))
        table.make_tables(self.store)
        stopped = ""
        try:
            for batch in table.unfinished(self.store, self.missing, self.backend.base_url):
                self._carry(batch, earlier=True)
            while todo := [call for key, call in self.missing.items() if key not in self.given_up]:
                self._carry(self._planned(todo), earlier=False)
        except (Stop, Refused, Unavailable) as error:
            stopped = str(error)
        if self.backend.price is not None:
            self.notes.append(f"the answers fetched cost {self.spent / NANO:.6f} dollars")
        return Outcome(self.answered, self.failed, stopped, tuple(self.notes))

    def _planned(self, todo: Sequence[Request]) -> Batch:
        """Note the next wave, and write its input file."""
        wave, tokens = next_wave(todo, self.window)
        content = b"".join(map(input_line, wave))
        digest, keys = hashlib.sha256(content).hexdigest(), [call.key for call in wave]
        write_atomically(self._path(digest), content)
        most = self.backend.most(wave)
        whose = {"server": self.backend.base_url, "model": self.backend.model}
        return table.note(self.store, digest, keys, **whose, tokens=tokens, most=most)

    def _path(self, content: str) -> Path:
        return self.backend.folder / f"{content}.jsonl"

    def _carry(self, batch: Batch, *, earlier: bool) -> None:
        """See to a batch, from wherever it stands to its end."""
        if batch.batch is None:
            # It may have been created, and the process killed before its id was noted; or the
            # whole store was lost.
            found = self.service.found(batch, ended=earlier) or self._begun(batch)
        else:
            found = self.service.look(batch.batch)
        if found is None:
            return
        table.note_ids(self.store, batch, file=found.input_file_id, id_=found.id)
        found = self.service.waited(found)
        if found.status == "failed":
            self._too_much(batch, found)
        else:
            self._collect(batch, found)
        self._path(batch.content).unlink(missing_ok=True)

    def _begun(self, batch: Batch) -> Any:
        """Return the batch, created from its input file; None if that is lost, and nothing sent."""
        self._check(batch)
        earlier = batch.file is not None
        if not earlier and not self._uploaded(batch):
            return None
        try:
            found = self.service.create(batch)
        except Refused as error:
            # A file that an earlier run uploaded may be gone by now.
            if not earlier or error.status not in (400, 404) or not self._uploaded(batch):
                raise
            found = self.service.create(batch)
        self.backend.say(f"batch {found.id}: {len(batch.keys):,} calls sent")
        return found

    def _check(self, batch: Batch) -> None:
        """Stop before a batch that the service does not offer, or the budget does not allow."""
        if not self.offered:
            said = self.service.preflight()
            if not said.offered:
                raise Stop(said.text)
            self.offered = True
            self.notes += said.lines
            for line in said.lines:
                self.backend.say(line)
        budget, most = self.backend.budget, batch.most or 0.0
        if budget is not None and self.spent / NANO + most > budget:
            raise Stop(
                f"the next {len(batch.keys):,} calls can cost up to {most:.6f} dollars, and "
                f"{max(0.0, budget - self.spent / NANO):.6f} of the budget of {budget:g} are left: "
                "they were not sent; run it again with a larger --budget to go on"
            )

    def _uploaded(self, batch: Batch) -> bool:
        path = self._path(batch.content)
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != batch.content:
            # Nothing was created, so nothing is lost: its calls go with the next wave.
            table.note_end(self.store, batch, "never sent")
            return False
        file = self.service.upload(batch, content)
        table.note_ids(self.store, batch, file=file, id_=None)
        return True

    def _too_much(self, batch: Batch, found: Any) -> None:
        """Go on with smaller waves where a batch failed for its size; stop where it was not that.

        A batch fails as a whole, before any of its calls is made.
        """
        errors = list(getattr(found.errors, "data", None) or [])
        told = (f"{e.code}: {e.message}" + (f" (line {e.line})" if e.line else "") for e in errors)
        said = short("; ".join(told) or "the service gave no reason", self.service.key)
        table.note_end(self.store, batch, "failed")
        self.notes.append(f"batch {found.id}, failed: {said}")
        self.failed |= dict.fromkeys(batch.keys & set(self.missing), f"its batch failed: {said}")
        self.refused += 1
        if any(error.code == TOO_MUCH for error in errors) and self.refused < MOST_REFUSED:
            self.window = max(1, min(self.window, batch.tokens) // 2)
            self.backend.say(f"{said}: waiting, then on with waves of {self.window:,} tokens")
            self.backend.patience.wait(self.refused)
            return
        self.failed |= dict.fromkeys(batch.keys & set(self.missing), f"its batch failed: {said}")
        many = f", the {self.refused}th in a row," if self.refused > 1 else ""
        raise Stop(
            f"batch {found.id} failed as a whole{many} with none of its calls made: {said}; see to "
            "it at the service, then run it again to go on"
        )

    def _collect(self, batch: Batch, found: Any) -> None:
        """Keep the answers of a batch that has ended, and see what became of the other calls."""
        (lines, there), counts = self._read(batch, found), found.request_counts
        if not there and counts and counts.completed:
            raise Stop(
                f"batch {found.id} ended as {found.status}: {counts.completed:,} calls were "
                "answered, says the service, and there is no output file; they may be paid for, so "
                "none was asked again; ask the service, then run it again to go on, or pay again "
                "by asking with another --store"
            )
        own = {key: self.missing[key] for key in sorted(batch.keys) if key in self.missing}
        new = {key for key, _ in lines.answers} & set(own)
        with self.store.transaction():
            self._keep(batch, found, lines, own)
            table.note_end(self.store, batch, found.status)
        for key in new:
            del self.missing[key]
            self.failed.pop(key, None)
        self.answered += len(new)
        self.refused = 0
        left = [key for key in own if key not in new]
        names = {key: f"{call.item.word!r} on {call.item.dimension}" for key, call in own.items()}
        note = reconciled(f"{found.id}, {found.status}", batch.keys, lines, left, names)
        self.notes.append(note)
        self.backend.say(note)
        gone = {key for key in left if self._lost(key, lines, found)}
        self.given_up |= gone
        self.progress(len(new) + len(gone))
        self._end(found, lines)

    def _read(self, batch: Batch, found: Any) -> tuple[Lines, bool]:
        """Return what is in a batch's output and error files, and whether there is an output.

        They are fetched again if a line is cut.
        """
        lines = Lines()
        for fetched in range(2):
            files = {"output": found.output_file_id, "error": found.error_file_id}
            texts = {name: self.service.text(file) for name, file in files.items()}
            whole = {name: text for name, text in texts.items() if text is not None}
            read = read_lines(whole, batch.keys, self.service.key)
            if not fetched or len(read.cut) < len(lines.cut):
                lines = read
            if not lines.cut:
                break
        gone = [name for name, text in texts.items() if text is None]
        self.notes += [f"batch {found.id}: its {name} file is no longer there" for name in gone]
        return lines, bool(texts["output"])

    def _keep(self, batch: Batch, found: Any, lines: Lines, own: dict[str, Request]) -> None:
        source = f"batch {found.id}"
        answers = [(key, scrubbed(x, self.service.key)) for key, x in lines.answers if key in own]
        self.store.put_many([(own[key], body) for key, body in answers], source=source)
        for key, lost in lines.lost.items():
            self.store.fail(key, lost.kind, lost.said, source)
        # All that were carried out are paid for: also what cannot be read, or is wanted no longer.
        for key, usage in lines.usage.items():
            self.spent += self._cost(usage, batch, own.get(key))

    def _cost(self, usage: Any, batch: Batch, call: Request | None) -> int:
        """Return what a call cost in nano-dollars: the most that it can where that is not told."""
        price = self.backend.price
        if price is None:
            return 0
        try:
            if usage:
                return price.nano(usage, batch=True)
        except (TypeError, ValueError, AttributeError, ArithmeticError):
            pass
        if call is not None:
            return round(price.most(call.body, batch=True) * NANO)
        return round((batch.most or 0.0) * NANO / len(batch.keys))

    def _lost(self, key: str, lines: Lines, found: Any) -> bool:
        """Note why a call has no answer; return whether it is given up."""
        lost = lines.lost.get(key)
        cut = f", {len(lines.cut)} of whose lines are cut" if lines.cut else ""
        said = lost.said if lost else f"not in the files of batch {found.id} ({found.status}){cut}"
        self.failed[key] = said
        if lost is None:
            self.store.fail(key, "missing", said, f"batch {found.id}")
        self.tries[key] += 1
        return (lost is not None and not lost.again) or self.tries[key] >= self.backend.max_tries

    def _end(self, found: Any, lines: Lines) -> None:
        spent = [lost for lost in lines.lost.values() if lost.kind in SPENT]
        if spent:
            raise Stop(
                f"the account's quota is used up ({spent[0].said}); add to it, then run it again "
                "to go on"
            )
        if found.status == "cancelled":
            raise Stop(
                f"batch {found.id} was cancelled at the service; what it had answered is kept; run "
                "it again to ask the rest"
            )
