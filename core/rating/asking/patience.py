"""Calls to a service that fails now and then: which are worth another try, and what to say.

For the services that work in the background, batches and fine-tuning: a call there is one of a
few, and is waited for. The many calls for answers are `core.rating.asking.calls`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from core.rating.asking.replies import PASSING, SPENT, retry_after, short
from core.rating.errors import RatingError

if TYPE_CHECKING:
    import openai

Answer = TypeVar("Answer")
OTHERWISE = (
    "open weights can be tuned and asked here (`claims finetune`, `claims rate --backend local`), "
    "and the released answers be judged (`claims replay`)"
)
_AGAIN = "then run it again: nothing is paid twice"
_BY_CODE = {
    "training_not_available": "new fine-tuning jobs are no longer offered to this account; "
    + OTHERWISE,
    "model_not_found": f"check the model's name, and whose key it is; {OTHERWISE}",
}
_BY_STATUS = {
    401: f"put the right key into the variable that --key-env names, {_AGAIN}",
    402: f"the account has nothing left to pay with; add to it, {_AGAIN}",
    403: f"check the project and the permissions of the key, {_AGAIN}",
    404: "check the name, and whose key it is",
    429: f"the account's quota is used up; add to it, {_AGAIN}",
}


class Refused(RatingError):  # noqa: N818
    """The service will not do it, and would not if it were asked again.

    Attributes
    ----------
    status : int
        As the service gave it, such as 403.
    code : str
        Its own name for why, such as "training_not_available"; "" where it gave none.
    """

    def __init__(self, text: str, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


class Unavailable(RatingError):  # noqa: N818
    """The service could not do it now, however often it was asked."""


@dataclass(frozen=True)
class Patience:
    """How often a call is tried, and how long is waited between two tries.

    Attributes
    ----------
    sleep : callable
        Waits for a number of seconds.
    tries : int
        Calls in all, the first one counted.
    first, longest : float
        Seconds before the second call, doubled each time, and the most between two calls. A
        service that asks for more than the longest is not waited for.
    """

    sleep: Callable[[float], object]
    tries: int = 6
    first: float = 2.0
    longest: float = 120.0

    def wait(self, attempt: int, asked: float | None = None) -> None:
        """Wait after the given call, which counts from 0, or as long as the service asked."""
        self.sleep(min(self.first * 2**attempt, self.longest) if asked is None else asked)


def patiently(
    do: Callable[[], Answer], what: str, client: openai.OpenAI, patience: Patience
) -> Answer:
    """Call a service, again where that may help.

    Parameters
    ----------
    do : callable
        Makes the call, once, with a client that does not itself try again.
    what : str
        What is being done, for messages: "asking for the batch b_1".
    client : OpenAI
        Its key is taken out of every message.
    patience : Patience

    Raises
    ------
    Refused
        When the service says no: the key, the quota, the model, the request.
    Unavailable
        When it is out of reach, out of order or too busy, each time.
    """
    said = ""
    for attempt in range(patience.tries):
        try:
            return _whole(do())
        except Exception as error:
            said, wait = _judged(error, what, client, patience)
        if attempt + 1 < patience.tries:
            patience.wait(attempt, wait)
    raise Unavailable(f"{what}: {said}, {patience.tries} times; run it again later to go on")


def _whole(answer: Answer) -> Answer:
    # A page in the place of JSON comes back as text, and JSON of another shape as an empty object.
    if isinstance(answer, str):
        raise ValueError("a page came back, no JSON")
    if hasattr(answer, "model_fields_set") and not getattr(answer, "id", None):
        raise ValueError("an answer without an id came back")
    return answer


def _judged(
    error: Exception, what: str, client: openai.OpenAI, patience: Patience
) -> tuple[str, float | None]:
    """Return what to say of a failure that may pass, and how long the service wants us to wait."""
    import openai

    key = client.api_key
    if not isinstance(error, openai.APIStatusError):
        # Broken JSON is a ValueError.
        if isinstance(error, openai.APIError | ValueError):
            return short(f"{error} ({type(error).__name__})", key), None
        raise error
    code, status = str(error.code or error.type or ""), error.status_code
    body = error.body if isinstance(error.body, dict) else {}
    said = short(f"{status} {code}".strip() + f": {body.get('message') or error.message}", key)
    passing = status in PASSING or status >= 500 or (status == 429 and code not in SPENT)
    if not passing:
        remedy = _BY_CODE.get(code) or _BY_STATUS.get(status) or "such a call is ours to mend"
        # Not from the client's own error, whose text may hold the key.
        raise Refused(f"{what}: {said}; {remedy}", status, code) from None
    wait = retry_after(error.response.headers)
    if wait is not None and wait > patience.longest:
        msg = f"{what}: {said}; the service asks to be left alone for {wait:.0f} s"
        raise Unavailable(f"{msg}: run it again then to go on") from None
    return said, wait
