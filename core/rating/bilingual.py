"""From a list of Dutch words to pairs in train and test: as told, as done, and without leaks.

Paper: Methods, "Dutch Sensory Norms and Bilingual Dataset Construction". The Dutch words are
translated into English and back; a pair is kept when the word comes back as it was and is not
spelled alike in both languages; pairs whose English word is in the Lancaster norms make the pool;
half of it is sampled and split 60 to 40.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.mapping import TEST_SHARE, evaluation_order
from core.evidence.workbooks import texts
from core.rating.splits import components, draw_whole


@dataclass(frozen=True)
class Construction:
    """How many pairs each step left; None where it could not be counted.

    Attributes
    ----------
    way : str
        Whose counts these are.
    listed : int or None
        Dutch words translated.
    kept : int or None
        Pairs that came back as they were and are spelled differently.
    in_norms : int or None
        Of these, pairs with human means in both languages: the pool.
    sampled, train, test : int or None
        Drawn from the pool, and the two parts of what was drawn.
    """

    way: str
    listed: int | None = None
    kept: int | None = None
    in_norms: int | None = None
    sampled: int | None = None
    train: int | None = None
    test: int | None = None


#: What the paper prints; of the words listed it says "over 24,000".
PAPER = Construction("paper", None, 10677, 7861, 3930, 2358, 1572)
STEPS = ("listed", "kept", "in_norms", "sampled", "train", "test")


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pairs drawn (columns english, in capitals, dutch and split), and the counts on the way."""

    pairs: pd.DataFrame
    construction: Construction


def read_translations(path: Path) -> pd.DataFrame:
    """Read one's own translations: a CSV with columns dutch, english and back (may be blank).

    Raises
    ------
    EvidenceError
        When it cannot be read, lacks a column, or has a blank or repeated Dutch word.
    """
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, OSError) as error:
        raise EvidenceError(f"{path}: cannot be read: {error}") from error
    columns = {
        "dutch": texts(frame, "dutch", path.name),
        "english": texts(frame, "english", path.name),
        "back": texts(frame, "back", path.name, blank=True),
    }
    table = pd.DataFrame(columns)
    twice = table["dutch"][table["dutch"].duplicated()].tolist()
    if twice:
        raise EvidenceError(f"{path.name}: column dutch: {twice[0]!r} stands twice")
    return table


def kept_pairs(table: pd.DataFrame, *, folded: bool) -> pd.DataFrame:
    """Return the pairs that survive translation and back-translation, in the table's order.

    Parameters
    ----------
    table : DataFrame
        Columns dutch, english and back.
    folded : bool
        Compare without regard to case. The text says "matched exactly", which keeps 10,649 pairs
        of the released table; without case it is 10,677, the paper's count and exactly the pairs
        marked as kept in the release.

    Returns
    -------
    DataFrame
        Columns english (in capitals, as the norms write it) and dutch. Of pairs with the same
        English word the first stays; exact round trips of one translator have none.
    """
    dutch, english, back = (table[name].astype(str) for name in ("dutch", "english", "back"))
    if folded:
        dutch, english, back = (words.str.lower() for words in (dutch, english, back))
    rows = pd.DataFrame(table.loc[(dutch == back) & (dutch != english)])
    pairs = pd.DataFrame({"english": rows["english"].str.upper(), "dutch": rows["dutch"]})
    return pairs.drop_duplicates("english").reset_index(drop=True)


def as_described(
    table: pd.DataFrame,
    english: Collection[str],
    dutch: Collection[str],
    rng: np.random.Generator,
) -> Drawn:
    """Draw as the text describes: exact matches, half of the pool at random, 60 to 40.

    Parameters
    ----------
    table : DataFrame
        Columns dutch, english and back.
    english, dutch : collection of str
        Words with human means; the English ones in capitals.
    rng : Generator
        The draws, of which the text says no more than "randomly".
    """
    pool, counts = _pool(table, english, dutch, folded=False)
    sampled = rng.permutation(len(pool))[: len(pool) // 2]
    cut = round(TEST_SHARE * len(sampled))
    return _drawn("described", pool, counts, sampled[cut:], sampled[:cut])


def as_released(table: pd.DataFrame, english: Collection[str], dutch: Collection[str]) -> Drawn:
    """Draw as the release shows it was done: case folded, alphabetical pool, seed 42 twice.

    The order of the evaluated words gives the draws away: see
    `core.evidence.mapping.evaluation_order`. With the norms and translations of the time these are
    the paper's words, in the paper's order. Parameters as in `as_described`.
    """
    pool, counts = _pool(table, english, dutch, folded=True)
    pool = pool.sort_values("english", kind="stable").reset_index(drop=True)
    train, test = evaluation_order(len(pool))
    return _drawn("released", pool, counts, train, test)


def without_leaks(
    table: pd.DataFrame,
    english: Collection[str],
    dutch: Collection[str],
    rng: np.random.Generator,
) -> Drawn:
    """Draw half of the pool, 60 to 40, with related pairs on one side: ours, and the default.

    The pool is the release's. Pairs that share a lemma in either language (`splits.components`) are
    drawn as one, so that no word that is tested was trained on in another form. Parameters as in
    `as_described`.
    """
    pool, counts = _pool(table, english, dutch, folded=True)
    pool = pool.sort_values("english", kind="stable").reset_index(drop=True)
    groups = components(pool["english"].tolist(), pool["dutch"].tolist())
    sampled = draw_whole(groups, len(pool) // 2, rng)
    inside = set(sampled.tolist())
    chosen = [group for group in groups if int(group[0]) in inside]
    test = draw_whole(chosen, math.ceil(TEST_SHARE * len(sampled)), rng)
    return _drawn("grouped", pool, counts, np.setdiff1d(sampled, test), test)


def _pool(
    table: pd.DataFrame, english: Collection[str], dutch: Collection[str], *, folded: bool
) -> tuple[pd.DataFrame, tuple[int, int]]:
    kept = kept_pairs(table, folded=folded)
    rated = kept["english"].isin(sorted(english)) & kept["dutch"].isin(sorted(dutch))
    return pd.DataFrame(kept.loc[rated]).reset_index(drop=True), (len(table), len(kept))


def _drawn(
    way: str, pool: pd.DataFrame, counts: tuple[int, int], train: np.ndarray, test: np.ndarray
) -> Drawn:
    pairs = pool.iloc[np.concatenate([train, test])].reset_index(drop=True)
    split = ["train"] * len(train) + ["test"] * len(test)
    construction = Construction(way, *counts, len(pool), len(pairs), len(train), len(test))
    return Drawn(pairs.assign(split=split), construction)
