"""A causal language model in memory, and its answers in the shape of chat completions."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from core.embedding.hub import Source
from core.rating.asking import prefix
from core.rating.asking.candidates import CANDIDATES, expectation
from core.rating.asking.readings import Reading, Step
from core.rating.asking.requests import MOST_TOKENS
from core.rating.asking.tree import Answers
from core.rating.errors import RatingError
from core.rating.examples import Example
from core.rating.finetuning.encoding import Chat
from core.rating.finetuning.loading import load

#: Number formats by name, and how far sharing a prefix may move a log-probability in each.
DTYPES = {"float32": 1e-3, "bfloat16": 0.5, "float16": 0.1}
#: OpenAI's own stand-in for the logarithm of nothing: JSON has no infinity.
NEVER = -9999.0
DIGITS = "012345"


@dataclass(eq=False)
class LocalModel:
    """A model, its tokenizer, and the answers it is scored on.

    Attributes
    ----------
    name : str
        For messages.
    model : Any
        Of transformers, in evaluation mode.
    chat : Chat
    dtype, candidates : str
        Of `DTYPES` and `CANDIDATES`.
    """

    name: str
    model: Any
    chat: Chat
    dtype: str
    candidates: str
    _checked: bool = field(default=False, init=False)
    _texts: dict[int, str] = field(default_factory=dict, init=False)

    @classmethod
    def of(cls, source: Source, device: str, dtype: str, candidates: str) -> LocalModel:
        """Load a model.

        Raises
        ------
        RatingError
            If it does not load, or nothing ends its answers.
        """
        loaded = load(source, device, getattr(torch, dtype))
        chat = Chat.of(loaded.tokenizer, loaded.ends(), loaded.name)
        return cls(loaded.name, loaded.model.eval(), chat, dtype, candidates)

    @cached_property
    def answers(self) -> Answers:
        """The answers that are scored, as tokens."""
        return Answers.of(self._sequences())

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return prompts as tokens, up to where the answer begins."""
        return self.chat.prompts(texts)

    def read(
        self, prompts: Sequence[Sequence[int]], batch: int
    ) -> Iterator[list[tuple[int, Reading]]]:
        """Read prompts of one dimension, as `prefix.read`.

        Raises
        ------
        RatingError
            If a prompt is longer than the model reads, the model is not the tokenizer's, does not
            heed the mask and the positions it is given, or gives what is no number.
        """
        options: dict[str, Any] = {"ends": sorted(self.chat.ends), "watch": self._digits[0]}
        try:
            self._check(prompts)
            yield from prefix.read(self.model, prompts, self.answers, batch=batch, **options)
        except FloatingPointError as error:
            msg = f"{self.name}: {error}; its weights may be damaged: fetch or copy them again"
            raise RatingError(msg) from error

    def completion(self, model: str, prompt: int, reading: Reading) -> dict[str, Any]:
        """Return what was made of a prompt of so many tokens, as a chat completion.

        Beside what a server would say stand, under "ratings": "expected_digits" and
        "mass_digits", the mean of the digits 0 to 5 as the first token and their probability,
        whichever rank they have; "expected_whole" and "mass_whole", the same of the whole numbers
        as whole answers, with their end; and likewise of the other answers asked for. Null where
        there is no such mean.
        """
        steps = reading.steps
        message = {
            "role": "assistant",
            "content": self._text([step.token for step in steps]),
            "refusal": None,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": {"content": [self._token(step) for step in steps]},
            "finish_reason": "stop" if reading.ended else "length",
        }
        usage = {"prompt_tokens": prompt, "completion_tokens": len(steps)}
        return {
            "object": "chat.completion",
            "model": model,
            "created": int(time.time()),
            "system_fingerprint": None,
            "choices": [choice],
            "usage": usage | {"total_tokens": prompt + len(steps)},
            "ratings": self._ratings(reading),
        }

    def _ratings(self, reading: Reading) -> dict[str, float | None]:
        digits = self._digits[1]
        out = dict(
            zip(
                ("expected_digits", "mass_digits"),
                expectation(digits, reading.watched),
                strict=True,
            )
        )
        scored = CANDIDATES[self.candidates]
        for name in dict.fromkeys(("whole", self.candidates)):
            n = len(CANDIDATES[name])
            mean, mass = expectation([one.value for one in scored[:n]], reading.scores[:n])
            out |= {f"expected_{name}": mean, f"mass_{name}": mass}
        return {name: None if math.isnan(x) else x for name, x in out.items()}

    def _token(self, step: Step) -> dict[str, Any]:
        top = [{"token": self._read(i), "logprob": max(x, NEVER)} for i, x in step.top]
        taken = {"token": self._read(step.token), "logprob": max(step.logprob, NEVER)}
        return taken | {"top_logprobs": top}

    def _read(self, token: int) -> str:
        """Return what a token reads as; the same few come again and again."""
        if token not in self._texts:
            self._texts[token] = self._text([token])
        return self._texts[token]

    def _text(self, ids: list[int]) -> str:
        read = self.chat.tokenizer.decode(
            ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return read.removeprefix(self._lead)

    @cached_property
    def _lead(self) -> str:
        """The blank that some tokenizers put before any text."""
        tokenizer = self.chat.tokenizer
        alone = tokenizer.decode(tokenizer("3", add_special_tokens=False)["input_ids"])
        return alone[: alone.find("3")] if alone.endswith("3") else ""

    def _sequences(self) -> list[tuple[int, ...]]:
        """Return the tokens of the answers that are scored, as training would write them."""
        scored = CANDIDATES[self.candidates]
        encoded = self.chat.encode([Example("", one.text) for one in scored])
        rows = [each.ids[each.start :] for each in encoded]
        return [row if one.ended else row[:-1] for one, row in zip(scored, rows, strict=True)]

    @cached_property
    def _digits(self) -> tuple[list[int], list[int]]:
        """The tokens that read as a digit of the scale, and the digits they read as."""
        tokenizer = self.chat.tokenizer
        # As vocabularies write them, blanks in front look different: only the shortest are read.
        named = enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer))))
        short = [i for i, name in named if name and name[-1] in DIGITS and len(name) <= 3]
        found = [(i, self._text([i])) for i in short]
        pairs = [(i, int(text)) for i, text in found if text and text in DIGITS and len(text) == 1]
        return [i for i, _ in pairs], [digit for _, digit in pairs]

    def _check(self, prompts: Sequence[Sequence[int]]) -> None:
        longest = max(map(len, prompts))
        reads = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if reads and reads < longest + MOST_TOKENS:
            msg = f"{self.name}: reads {reads} tokens at most, and a prompt has {longest}"
            raise RatingError(f"{msg}; name a model that reads more")
        known = self.model.get_input_embeddings().weight.shape[0]
        highest = max(max(map(max, prompts)), *self.answers.tokens, *self.chat.ends)
        if highest >= known:
            msg = f"{self.name}: the tokenizer gives token {highest}, the model knows {known}"
            raise RatingError(f"{msg}; copy the tokenizer that was saved with the weights")
        if not self._checked:
            self._check_sharing(prompts)
            self._checked = True

    def _check_sharing(self, prompts: Sequence[Sequence[int]]) -> None:
        """Check on the longest prompt that it is read as if it were alone."""
        few = Answers.of(self._sequences()[: len(DIGITS)])
        others = [min(prompts, key=len)]
        why = ""
        try:
            away = prefix.away(self.model, max(prompts, key=len), others, few)
            if not away <= DTYPES[self.dtype]:
                why = f"its log-probabilities differ by {away:.1e}"
        except FloatingPointError:
            raise
        except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
            # A kind of model that keeps something else than keys and values fails in its own way.
            if out_of_memory(error):
                raise
            why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        if why:
            msg = (
                f"{self.name}: cannot be read with a beginning that prompts share ({why}); serve "
                "it, as with vLLM, and ask with --backend server --base-url URL"
            )
            raise RatingError(msg)


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch's says that memory does not suffice."""
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error)
