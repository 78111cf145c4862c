"""The tiny model's tokenizer: prompts in a few tokens, words and numbers in single characters."""

from __future__ import annotations

import re
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from core.rating.prompts import QUESTION, TEMPLATES

PAD, START, END, TURN = "<pad>", "<s>", "<end>", "<turn>"
#: A user's message, and an answer after it.
CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ message['content'] + '" + TURN + "' }}{% endif %}{% endfor %}"
)
#: Where the rating prompts are cut into tokens: around what differs between them.
BORDERS = re.compile(
    r"(?<=speaker of )|(?=\. Please)|(?<=experienced by )|(?= on a scale)|(?=\{Woo?r?d\})"
)
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiou"
#: No prompt is longer, in these tokens.
LONGEST = 512


def tiny_tokenizer() -> Any:
    """Return a tokenizer to which the templates are short and words are characters.

    Each part that the templates have in common is one token, and so is what a dimension and a
    language are called; all else, rated words and numbers among it, is written in bytes, so any
    text can be.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = (PAD, START, END, TURN)
    merges = syllables()
    known = (*special, *alphabet, *("".join(pair) for pair in merges))
    made = Tokenizer(BPE({token: i for i, token in enumerate(known)}, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(special))
    made.add_tokens([AddedToken(part, normalized=False) for part in parts()])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=PAD,
        bos_token=START,
        eos_token=END,
        additional_special_tokens=[TURN],
        chat_template=CHAT,
        model_max_length=LONGEST,
    )


def syllables() -> list[tuple[str, str]]:
    """Return what joins to one token: a consonant and the vowel after it, in small letters."""
    doubled = [("c", "h"), *((a, b) for a in VOWELS for b in "eiu")]
    consonants = [*CONSONANTS, "ch"]
    vowels = [*VOWELS, *("".join(pair) for pair in doubled[1:])]
    return [*doubled, *((c, v) for c in consonants for v in vowels)]


def parts() -> list[str]:
    """Return the texts that the tiny model reads as one token each, longest first."""
    pieces = [piece for text in TEMPLATES.values() for piece in BORDERS.split(text.rstrip())]
    pieces += re.split(r"\{index\}|\{question\}|\{options\}", QUESTION)
    found = {re.sub(r"\{Woo?r?d\}", "", piece) for piece in pieces}
    return sorted((each for each in found if len(each) > 1), key=lambda each: (-len(each), each))
