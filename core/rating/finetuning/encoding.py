"""Examples as tokens: the prompt through the model's chat template, the answer supervised alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.rating.errors import RatingError
from core.rating.examples import Example
from core.rating.prompts import messages

#: An answer to look for in what a chat template makes of it.
MARK = "2718"
#: What stands in for a chat template where a tokenizer has none: the prompt, a line's end, the
#: answer, the end of the text.
PLAIN = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{{ message['content'] + eos_token }}{% else %}{{ message['content'] + '\n' }}{% endif %}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Encoded:
    """An example as tokens.

    Attributes
    ----------
    ids : tuple of int
        The prompt as a model is asked, then the answer and the token that ends a turn.
    start : int
        Where the answer begins; what stands before it is not supervised.
    """

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True, eq=False)
class Chat:
    """How a model is asked and ends its answer.

    Attributes
    ----------
    tokenizer : PreTrainedTokenizerBase
        With a chat template.
    ends : frozenset of int
        The tokens at which a model stops.
    end : int
        The one that examples end with: that of the chat template if a model stops at it.
    padding : int
        What fills up a batch: never a token of `ends`.
    model : str
        Its name, for messages.
    """

    tokenizer: Any
    ends: frozenset[int]
    end: int
    padding: int
    model: str

    @classmethod
    def of(cls, tokenizer: Any, ends: frozenset[int], model: str) -> Chat:
        """Return how a model chats.

        A tokenizer without a chat template is given the plain one.

        Raises
        ------
        RatingError
            If nothing ends an answer, or the tokenizer knows nothing else to pad with.
        """
        if not ends:
            msg = f"{model}: its tokenizer has no end-of-text token, so no answer would ever end"
            raise RatingError(f"{msg}; name a model that has one")
        if not tokenizer.chat_template:
            tokenizer.chat_template = _plain(tokenizer)
        own = tokenizer.pad_token_id
        others = (i for i in range(len(tokenizer)) if i not in ends)
        padding = own if own is not None and own not in ends else next(others, None)
        if padding is None:
            msg = f"{model}: its tokenizer knows no token but those that end a text; name another"
            raise RatingError(msg)
        return cls(tokenizer, ends, _end(tokenizer, ends), padding, model)

    def prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Return prompts as a model is asked them, up to where its answer begins.

        Raises
        ------
        RatingError
            If the chat template refuses a prompt.
        """
        try:
            rendered = [
                self.tokenizer.apply_chat_template(
                    messages(text), tokenize=False, add_generation_prompt=True
                )
                for text in texts
            ]
        except Exception as error:  # A template is a program, and may refuse in any way.
            why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            msg = f"{self.model}: its chat template refuses a prompt ({why}); mend the template"
            raise RatingError(f"{msg}, or name another model") from error
        return self._cut(rendered)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """Return examples as tokens.

        Prompt and answer are cut apart, as they are when a model is asked and answers, so no
        token straddles the border.
        """
        if not examples:
            return []
        prompts = self.prompts([each.prompt for each in examples])
        known = sorted({each.answer for each in examples})
        answers = dict(zip(known, self._cut(known), strict=True))
        return [
            Encoded((*prompt, *answers[each.answer], self.end), len(prompt))
            for prompt, each in zip(prompts, examples, strict=True)
        ]

    def _cut(self, texts: list[str]) -> list[list[int]]:
        # The template has written the special tokens already.
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]


def check(
    chat: Chat, examples: Sequence[Example], encoded: Sequence[Encoded], longest: int, model: str
) -> None:
    """Refuse what training would silently get wrong.

    Parameters
    ----------
    chat : Chat
    examples : sequence of Example
    encoded : sequence of Encoded
        One per example.
    longest : int
        How many tokens the model reads at most; 0 if it does not say.
    model : str
        To name in messages.

    Raises
    ------
    RatingError
        If the supervised tokens of an example do not read as its answer and the end of a turn, a
        prompt holds what the tokenizer does not know, or an example is too long for the model.
    """
    if chat.end not in chat.ends or chat.padding in chat.ends:
        msg = f"{model}: padding and end of text are one token, so no answer would ever end"
        raise RatingError(f"{msg}; give the tokenizer a padding token of its own")
    unknown = _unknown(chat.tokenizer)
    seen: set[tuple[int, ...]] = set()
    for example, each in zip(examples, encoded, strict=True):
        answer = each.ids[each.start :]
        if answer not in seen:
            _check_answer(chat, example, answer, model)
            seen.add(answer)
        if unknown in each.ids:
            msg = f"{model}: its tokenizer does not know a character of {example.prompt!r}"
            raise RatingError(f"{msg}; name a model for this language")
        if 0 < longest < len(each.ids):
            msg = f"{model}: reads {longest} tokens at most, and {example.prompt!r} with its answer"
            raise RatingError(f"{msg} has {len(each.ids)}; name a model that reads more")


def _check_answer(chat: Chat, example: Example, answer: tuple[int, ...], model: str) -> None:
    read = chat.tokenizer.decode(answer[:-1], clean_up_tokenization_spaces=False)
    if not read.strip() or read.strip() != example.answer or answer[-1] != chat.end:
        msg = f"{model}: its tokenizer cannot write the answer {example.answer!r}: its tokens read"
        raise RatingError(f"{msg} as {read!r}; name another model")


def _unknown(tokenizer: Any) -> int | None:
    """Return the token for unknown characters, if it has no other meaning."""
    unknown = tokenizer.unk_token_id
    others = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    return None if unknown in others else unknown


def _plain(tokenizer: Any) -> str:
    first = tokenizer("0")["input_ids"][:1]
    begins = tokenizer.bos_token_id is not None and first == [tokenizer.bos_token_id]
    return ("{{ bos_token }}" if begins else "") + PLAIN


def _end(tokenizer: Any, ends: frozenset[int]) -> int:
    """Return the token that ends an answer in the chat template, if a model stops at it."""
    conversation = [*messages("?"), {"role": "assistant", "content": MARK}]
    try:
        text = tokenizer.apply_chat_template(conversation, tokenize=False)
    except Exception:  # A template is a program, and may refuse in any way.
        text = ""
    rest = text.rpartition(MARK)[2]
    after = tokenizer(rest, add_special_tokens=False)["input_ids"] if rest else []
    return next((token for token in after if token in ends), _preferred(tokenizer, ends))


def _preferred(tokenizer: Any, ends: frozenset[int]) -> int:
    own = tokenizer.eos_token_id
    return own if own in ends else min(ends)
