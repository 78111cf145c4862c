"""How the 108 sentences are cut into a model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core.agent.instructions import SENTENCES, tokenise
from core.embedding.errors import EmbeddingError

BERTS = ("bert", "blip")


@dataclass(frozen=True)
class Cut:
    """The sentences in tokens, in one of a model's ways.

    Attributes
    ----------
    ids : tuple of tuple of int
        Per sentence.
    tokens : tuple of tuple of str
        The same as text, as the tokeniser names them.
    bos : str
        "with" or "without" a token before the sentence; "" where a model leaves no choice.
    default : bool
        Whether the tokeniser cuts so by itself.
    """

    ids: tuple[tuple[int, ...], ...]
    tokens: tuple[tuple[str, ...], ...]
    bos: str
    default: bool


@dataclass(frozen=True)
class Tokenised:
    """All ways in which a model's tokeniser cuts the sentences.

    Attributes
    ----------
    name : str
        The tokeniser's class; "words" for the sentences' own words.
    kind : str
        "own", or "words".
    cuts : tuple of Cut
    vocabulary : int
        How many tokens there are; of a model's own tokeniser, 0.
    special : mapping
        Of the sentences' own words: the special tokens' ids as a configuration names them.
    """

    name: str
    kind: str
    cuts: tuple[Cut, ...]
    vocabulary: int
    special: dict[str, int]


def own_tokens(folder: Path, family: str) -> Tokenised:
    """Cut the sentences as the tokeniser beside a model's weights does.

    Each sentence is cut alone, so neither the tokeniser's padding nor its side plays a part.

    Parameters
    ----------
    folder : Path
        Holds the tokeniser's files.
    family : str
        "decoder", "bert", "clip" or "blip".

    Raises
    ------
    EmbeddingError
        If there is no tokeniser that loads, its tokens do not read as the sentence again, or it
        does not cut as the family's readings need.
    """
    # Taken as it is written: the class that a configuration names may cut otherwise, and loses the
    # spaces of DeepSeek's (issue 45488 of transformers).
    written = (folder / "tokenizer.json").is_file()
    try:
        tokenizer = (PreTrainedTokenizerFast if written else AutoTokenizer).from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:
        # What goes wrong in there has no common class.
        why = " ".join(str(error).split())[:300] or type(error).__name__
        msg = (
            f"{folder}: its tokeniser does not load; copy the tokenizer's files into the folder, "
            f"as they were saved with the model: {why}"
        )
        raise EmbeddingError(msg) from error

    def own(sentence: str) -> Sequence[int]:
        return tokenizer(sentence, padding=False, truncation=False)["input_ids"]

    def bare(sentence: str) -> Sequence[int]:
        return tokenizer(sentence, padding=False, truncation=False, add_special_tokens=False)[
            "input_ids"
        ]

    bos: int | None = tokenizer.bos_token_id
    if family != "decoder":
        cuts = [_cut(own, tokenizer, "", default=True)]
        _check_ends(cuts[0], tokenizer, family)
        return Tokenised(type(tokenizer).__name__, "own", tuple(cuts), 0, {})
    _check_start(own, bare, tokenizer, folder)
    first, plain = _cut(own, tokenizer, "", default=True), _cut(bare, tokenizer, "", default=True)
    starts = bos is not None and all(
        ids == (bos, *rest) for ids, rest in zip(first.ids, plain.ids, strict=True)
    )
    if not starts and first.ids != plain.ids:
        msg = (
            f"{folder}: its tokeniser adds more to a sentence than a token before it: "
            f"{' '.join(first.tokens[0])!r}; there is no reading for that"
        )
        raise EmbeddingError(msg)
    cuts = [_cut(bare, tokenizer, "without", default=not starts)]
    if bos is not None:
        cuts.insert(0, _cut(lambda text: [bos, *bare(text)], tokenizer, "with", default=starts))
    return Tokenised(type(tokenizer).__name__, "own", tuple(cuts), 0, {})


def word_tokens(family: str, *, bos: bool) -> Tokenised:
    """Cut the sentences into words, with the special tokens of a family: no tokeniser is needed.

    Parameters
    ----------
    family : str
        "decoder", "bert", "clip" or "blip".
    bos : bool
        Whether a decoder-only model's tokeniser has a token before the sentence.

    Returns
    -------
    Tokenised
        Ids count from 0: padding, the family's special tokens, the words in order of first use.
    """
    rows, words = tokenise("words")
    before, after = {"decoder": ("<s>", ""), "clip": ("<|startoftext|>", "<|endoftext|>")}.get(
        family, ("[CLS]", "[SEP]")
    )
    vocabulary = ["[PAD]", *filter(None, (before, after)), *words]
    number = {token: i for i, token in enumerate(vocabulary)}
    bare = [tuple(words[i] for i in row if i >= 0) for row in rows]

    def cut(kind: str, start: tuple[str, ...], *, default: bool) -> Cut:
        tokens = tuple((*start, *sentence, *filter(None, (after,))) for sentence in bare)
        ids = tuple(tuple(number[token] for token in sentence) for sentence in tokens)
        return Cut(ids, tokens, kind, default)

    if family != "decoder":
        cuts = [cut("", (before,), default=True)]
    else:
        cuts = [cut("with", (before,), default=True)] if bos else []
        cuts.append(cut("without", (), default=not bos))
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": number.get(after, 1)}
    if family in BERTS:
        special["sep_token_id"] = number[after]
    return Tokenised("words", "words", tuple(cuts), len(vocabulary), special)


def _cut(how: Callable[[str], Sequence[int]], tokenizer: Any, bos: str, *, default: bool) -> Cut:
    ids = tuple(tuple(int(i) for i in how(sentence)) for sentence in SENTENCES)
    for sentence, row in zip(SENTENCES, ids, strict=True):
        # CLIP's tokens mark where a word ends.
        back = tokenizer.decode(list(row), skip_special_tokens=True).replace("</w>", " ").strip()
        if " ".join(back.lower().split()) != sentence:
            msg = (
                f"{type(tokenizer).__name__}: makes of {sentence!r} what reads {back!r}: it lacks "
                "the words, or was loaded as what it is not; is it this model's?"
            )
            raise EmbeddingError(msg)
    tokens = tuple(tuple(map(str, tokenizer.convert_ids_to_tokens(list(row)))) for row in ids)
    return Cut(ids, tokens, bos, default)


def _check_start(
    own: Callable[[str], Sequence[int]],
    bare: Callable[[str], Sequence[int]],
    tokenizer: Any,
    folder: Path,
) -> None:
    """Check that a token which is put before every sentence is the one that is declared."""
    rows = [(list(own(sentence)), list(bare(sentence))) for sentence in SENTENCES]
    first = next(iter(rows[0][0]), None)
    if first != tokenizer.bos_token_id and all(ids == [first, *rest] for ids, rest in rows):
        declared = "none" if tokenizer.bos_token_id is None else repr(tokenizer.bos_token)
        msg = (
            f"{folder}: its tokeniser puts {tokenizer.convert_ids_to_tokens(first)!r} before every "
            f"sentence and declares {declared}; set bos_token to it in tokenizer_config.json"
        )
        raise EmbeddingError(msg)


def _check_ends(cut: Cut, tokenizer: Any, family: str) -> None:
    """Check that the token is there whose hidden state stands for the sentence."""
    if family in BERTS:
        end, wanted, name = 0, tokenizer.cls_token_id, "begins with [CLS]"
    else:
        end, wanted, name = -1, tokenizer.eos_token_id, "ends with the end-of-text token"
    if wanted is None or any(row[end] != wanted for row in cut.ids):
        msg = (
            f"{type(tokenizer).__name__}: no sentence {name}, which a {family} model's reading "
            f"needs: {' '.join(cut.tokens[0])!r}"
        )
        raise EmbeddingError(msg)
