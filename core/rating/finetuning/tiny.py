"""A tiny Llama from nothing: it knows how a rating or a choice is written, and nothing of words.

It stands in for the base model where the pipeline is rehearsed. On a few made-up words it is told
blindly drawn ratings again and again, so that it has opinions: other words then get numbers, too,
which differ between words and tell nothing about them. Were every word told of once only, it would
give all words the same number, and nothing could be compared. Many more words are told of once, so
that it learns how a rating of any word is written.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from core.evidence.tables import HIGHEST, LOWEST
from core.rating.examples import Example, answer_of
from core.rating.finetuning.settings import Settings
from core.rating.finetuning.tokens import CONSONANTS, LONGEST, VOWELS, tiny_tokenizer
from core.rating.prompts import LETTERS, TEMPLATES, question_prompt, rating_prompt

WIDTH, LAYERS, HEADS = 96, 2, 4
#: Words that it has opinions on, and how often it is told of each on every dimension.
WORDS, TIMES = 60, 20
#: Words that it is told of once, on one dimension, and questions, each told once.
PASSING, QUESTIONS = 3000, 1000


def settings(seed: int) -> Settings:
    """Return how the tiny model is taught."""
    return Settings(epochs=1, batch=16, rate=2e-3, seed=seed)


def blank(seed: int) -> tuple[Any, Any]:
    """Return a model with random weights, and its tokenizer.

    The global generator is left as it was.
    """
    tokenizer = tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=LONGEST,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config), tokenizer


def lessons(rng: np.random.Generator, avoid: Collection[str] = ()) -> list[Example]:
    """Return what the tiny model is taught: how answers are written, in both languages.

    Parameters
    ----------
    rng : Generator
    avoid : collection of str
        Words that are not to be among those told of, such as a data set's.

    Returns
    -------
    list of Example
        Their answers are drawn blindly: any rating is as likely as any other, and any letter.
    """
    scales = tuple(TEMPLATES)
    words = made_up_words(rng, WORDS + PASSING, avoid)
    opinions = [
        Example(rating_prompt(*scale, word), _blind(rng))
        for word in words[:WORDS]
        for scale in scales
    ]
    passing = [
        Example(rating_prompt(*scales[rng.integers(len(scales))], word), _blind(rng))
        for word in words[WORDS:]
    ]
    asked = np.array(made_up_words(rng, 5 * QUESTIONS, avoid)).reshape(QUESTIONS, 5).tolist()
    questions = [
        Example(
            question_prompt(index, f"Which is {word}?", dict(zip(LETTERS, options, strict=True))),
            str(rng.choice(list(LETTERS))),
        )
        for index, (word, *options) in enumerate(asked, start=1)
    ]
    return opinions * TIMES + passing + questions


def made_up_words(rng: np.random.Generator, n: int, avoid: Collection[str] = ()) -> list[str]:
    """Return words of two to four made-up syllables, each once, in small letters."""
    avoided = {word.casefold() for word in avoid}
    found: dict[str, None] = {}
    while len(found) < n:
        length = int(rng.integers(2, 5))
        letters = zip(
            rng.choice(list(CONSONANTS), length), rng.choice(list(VOWELS), length), strict=True
        )
        word = "".join(consonant + vowel for consonant, vowel in letters)
        if word not in avoided:
            found[word] = None
    return list(found)


def _blind(rng: np.random.Generator) -> str:
    return answer_of(rng.uniform(LOWEST, HIGHEST))
