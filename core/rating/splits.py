"""Keeping train and test apart: no word, inflected form or translation on both sides."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

Lemma = Callable[[str, str], str]
_LANGUAGES = ("en", "nl")


def lemma(word: str, language: str) -> str:
    """Return the form under which two spellings count as the same word.

    Unicode is composed (NFC), case is folded, a hyphen is a blank, and each part is brought to its
    dictionary form by `simplemma`, so that CATS is cat and WENT is go. Its dictionary errs on some
    words: it knows no lemma for them (katten stays katten), or takes one reading of several (GOODS
    is good). A lemma that has a lemma of its own (liep, lopen, loop) is followed to the end.

    Parameters
    ----------
    word : str
    language : {"en", "nl"}
    """
    parts = plain(word, language).replace("-", " ").split()
    return " ".join(_last_lemma(part, language) for part in parts)


def _last_lemma(word: str, language: str) -> str:
    # Its word lists take a moment to load, and only those who make a data set need them.
    from simplemma import lemmatize

    chain = [word]
    while True:
        form = lemmatize(chain[-1], lang=language).casefold()
        if form in chain:
            # Two words may be each other's lemma: either of them must give the same.
            return min(chain[chain.index(form) :])
        chain.append(form)


def plain(word: str, language: str) -> str:  # noqa: ARG001
    """Return the word itself, composed and with case folded: made-up words have no inflections."""
    return unicodedata.normalize("NFC", word).casefold()


def leaks(english: pd.DataFrame, dutch: pd.DataFrame, *, by: Lemma = lemma) -> list[str]:
    """Return what stands in both train and test, one line each; empty when nothing does.

    A pair leaks when another pair on the other side of the split has the same English word, or the
    same Dutch one, up to inflection.

    Parameters
    ----------
    english, dutch : DataFrame
        Columns word and split ("train" or "test").
    by : callable, optional
        Word and language to the form compared; `lemma` by default.
    """
    found = []
    for language, frame in zip(_LANGUAGES, (english, dutch), strict=True):
        sides: dict[str, dict[str, str]] = {"train": {}, "test": {}}
        for word, split in zip(frame["word"], frame["split"], strict=True):
            sides[split].setdefault(by(word, language), word)
        shared = sorted(sides["train"].keys() & sides["test"].keys())
        found += [
            f"{language}: {sides['train'][form]} (train) and {sides['test'][form]} (test)"
            for form in shared
        ]
    return found


def components(
    english: Sequence[str], dutch: Sequence[str], *, by: Lemma = lemma
) -> list[np.ndarray]:
    """Group pairs that must stay together: linked by an English or a Dutch lemma they share.

    Parameters
    ----------
    english, dutch : sequence of str, length n
        Row i is a pair.

    Returns
    -------
    list of (m,) arrays of int
        Rows of each group in ascending order; groups in the order of their first rows.
    """
    parent = list(range(len(english)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for language, words in zip(_LANGUAGES, (english, dutch), strict=True):
        first: dict[str, int] = {}
        for row, word in enumerate(words):
            a, b = root(first.setdefault(by(word, language), row)), root(row)
            # The lower row is the root, so that the groups do not hang on the order of linking.
            parent[max(a, b)] = min(a, b)
    roots = np.array([root(row) for row in range(len(parent))], dtype=np.int64)
    return [np.flatnonzero(roots == first) for first in np.unique(roots)]


def draw_whole(groups: Sequence[np.ndarray], size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw about `size` rows in whole groups; exactly `size` when enough groups are single rows.

    Groups come in random order, and one that would go beyond `size` is passed over.

    Returns
    -------
    (m,) array of int
        The rows drawn, ascending; m <= size.
    """
    chosen: list[np.ndarray] = []
    left = size
    for at in rng.permutation(len(groups)):
        if len(groups[at]) <= left:
            chosen.append(groups[at])
            left -= len(groups[at])
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, dtype=np.int64)
