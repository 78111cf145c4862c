"""The batch service, call by call: tried again where that may help, and no batch made twice."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from core.rating.asking.batch_table import Batch
from core.rating.asking.patience import Refused, patiently
from core.rating.asking.preflight import Preflight, preflight
from core.rating.asking.requests import CHAT

if TYPE_CHECKING:
    import openai

    from core.rating.asking.batch import BatchBackend

Answer = TypeVar("Answer")
ENDED = ("completed", "failed", "expired", "cancelled")
UNDER_WAY = ("validating", "in_progress", "finalizing")
#: So many of an account's batches are looked through for one that was begun before.
LOOKED_THROUGH = 2000


class Service:
    """What a run says to the service.

    Every method raises `Refused` where the service says no, and `Unavailable` where it stays out of
    reach.

    Parameters
    ----------
    backend : BatchBackend
        How long to wait, and whom to tell.
    client : OpenAI
        One that does not itself try again.
    """

    def __init__(self, backend: BatchBackend, client: openai.OpenAI) -> None:
        self.backend, self.client = backend, client

    @property
    def key(self) -> str:
        """The account's key, to be taken out of texts."""
        return self.client.api_key

    def preflight(self) -> Preflight:
        """Return whether the model is still offered."""
        backend = self.backend
        return preflight(self.client, backend.model, backend.today(), patience=backend.patience)

    def found(self, batch: Batch, *, ended: bool) -> Any:
        """Return a batch that was created before from the same calls; None if there is none.

        Parameters
        ----------
        batch : Batch
        ended : bool
            Whether one that has ended will do. For a batch that an earlier run began it will; for a
            new one it would be the answer of another day, which somebody wants to have anew.
        """

        def look() -> list[Any]:
            several = islice(self.client.batches.list(limit=100), LOOKED_THROUGH)
            marked = (one for one in several if batch.mark.items() <= (one.metadata or {}).items())
            open_ = (one for one in marked if ended or one.status in UNDER_WAY)
            return [next(open_, None)]

        return self._call(look, "looking for batches begun before")[0]

    def upload(self, batch: Batch, content: bytes) -> str:
        """Send an input file; return its id."""
        name = f"{batch.content[:16]}.jsonl"
        what = f"uploading {len(batch.keys):,} calls"
        files = self.client.files
        return self._call(lambda: files.create(file=(name, content), purpose="batch"), what).id

    def create(self, batch: Batch) -> Any:
        """Create a batch of an uploaded file; after a lost reply, look whether it is there."""
        tried = False

        def create() -> Any:
            nonlocal tried
            there = self.found(batch, ended=False) if tried else None
            tried = True
            return there or self.client.batches.create(
                input_file_id=str(batch.file),
                endpoint=CHAT,
                completion_window="24h",
                metadata=batch.mark,
            )

        return self._call(create, f"creating a batch of {len(batch.keys):,} calls")

    def look(self, id_: str) -> Any:
        """Return a batch as it now stands."""
        return self._call(lambda: self.client.batches.retrieve(id_), f"asking for batch {id_}")

    def waited(self, found: Any) -> Any:
        """Return a batch once it has ended."""
        wait, longest = self.backend.poll
        told = ""
        while found.status not in ENDED:
            counts = found.request_counts
            done = f", {counts.completed:,} of {counts.total:,} answered" if counts else ""
            said = f"batch {found.id}: {found.status}{done}"
            if said != told:
                self.backend.say(said)
            told = said
            self.backend.sleep(wait)
            wait = min(wait * 1.5, longest)
            found = self.look(found.id)
        return found

    def text(self, file: str | None) -> str | None:
        """Return what is in a file; "" without a file, None where it is no longer there."""
        if file is None:
            return ""
        try:
            content = self._call(lambda: self.client.files.content(file), f"fetching {file}")
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return content.content.decode("utf-8", "replace")

    def _call(self, do: Callable[[], Answer], what: str) -> Answer:
        return patiently(do, what, self.client, self.backend.patience)
