"""Which word each raw answer is about, and the proof: rebuilt tables and independent witnesses.

Three lines of evidence say that task k asks about the k-th word of the output workbooks. The
ratings rebuilt that way equal the released ones cell by cell. The prompts' token counts, which know
nothing of ratings, go with the words' lengths at this alignment and at no other. And the order
itself is what two seeded halvings of an alphabetical pool give (paper, Methods, "Dutch Sensory
Norms and Bilingual Dataset Construction").
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from core.evidence.errors import EvidenceError
from core.evidence.tables import Ratings

POOL = 7861
SEED = 42
TEST_SHARE = 0.4


def evaluation_order(n: int, seed: int = SEED) -> tuple[np.ndarray, np.ndarray]:
    """Return the pool indices trained on and evaluated, in the order they were drawn.

    Half of a pool of n is kept, and 40% of that half evaluated, both as scikit-learn's
    ``train_test_split(random_state=seed)`` does: one permutation of a freshly seeded legacy
    generator, its head (rounded up) the test part and the rest the training part.

    Parameters
    ----------
    n : int
        Size of the pool.

    Returns
    -------
    train, test : (m,) arrays of int
        0-based positions in the pool.
    """
    kept, _ = _train_test(n, 0.5, seed)
    train, test = _train_test(len(kept), TEST_SHARE, seed)
    return kept[train], kept[test]


def order_breaks(words: Sequence[str], n: int) -> int | None:
    """Count neighbours out of alphabetical order when evaluated words are put back in a pool of n.

    Returns
    -------
    int or None
        0 when the order is the one a pool of n in alphabetical order (by code point) gives; about
        half of ``len(words)`` for a wrong n; None when n would give another number of words.
    """
    _, test = evaluation_order(n)
    if len(test) != len(words):
        return None
    pool = [words[int(i)] for i in np.argsort(test)]
    return sum(a >= b for a, b in pairwise(pool))


def trained_words(
    evaluated: Sequence[str], candidates: Collection[str], in_pool: Collection[str], n: int
) -> tuple[str, ...]:
    """Return the words that were certainly trained on, in alphabetical order.

    The pool was the alphabetical list of those candidates that the norms hold; it is not released,
    but the evaluated words fix their own places in it, and between two of them only some ways
    of filling the places are left. A word counts when it is known to be in the pool and every way
    puts it in a training place.

    Parameters
    ----------
    evaluated : sequence of str
        The evaluated words in evaluation order.
    candidates : collection of str
        The words the pool was chosen from; holds every evaluated word.
    in_pool : collection of str
        Candidates known to be in the pool (others may be).
    n : int
        Size of the pool.

    Raises
    ------
    EvidenceError
        When no filling is left: the order, the candidates and the pool contradict each other.
    """
    train, test = evaluation_order(n)
    trained, ordered = set(train.tolist()), sorted(set(candidates))
    at = {word: i for i, word in enumerate(ordered)}
    known = set(in_pool) | set(evaluated)
    if len(test) != len(evaluated) or not set(evaluated) <= set(at):
        raise EvidenceError(
            f"evaluation order: {len(evaluated)} words, {len(set(evaluated) - set(at))} of them no "
            f"candidates; a pool of {n} gives {len(test)}"
        )
    fixed = sorted((int(k), at[word]) for k, word in zip(test, evaluated, strict=True))
    if any(i >= j for (_, i), (_, j) in pairwise(fixed)):
        raise EvidenceError(f"evaluation order: not alphabetical in a pool of {n}")
    found: list[str] = []
    ends = [(-1, -1), *fixed, (n, len(ordered))]
    for (place, i), (end, j) in pairwise(ends):
        between = ordered[i + 1 : j]
        found += _certain(between, [w in known for w in between], range(place + 1, end), trained)
    return tuple(found)


def _certain(
    words: Sequence[str], known: Sequence[bool], places: range, trained: Collection[int]
) -> list[str]:
    """Words of one gap whose every possible place is a training place."""
    unknown = len(words) - sum(known)
    free = len(places) - sum(known)
    if not 0 <= free <= unknown:
        raise EvidenceError(
            f"evaluation order: {len(places)} places in the pool for {sum(known)} to {len(words)} "
            f"words around {words[:1]}: the order is not that of this pool"
        )
    found = []
    for k, word in enumerate(words):
        # A word not known to be there counts only when all of the gap's unknown words must be.
        if known[k] or free == unknown:
            before = sum(known[:k])
            others, after = k - before, unknown - (k - before) - (not known[k])
            left = free - (not known[k])
            reach = range(max(0, left - after), min(others, left) + 1)
            if all(places[before + extra] in trained for extra in reach):
                found.append(word)
    return found


def _train_test(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    # The authors' tool uses NumPy's legacy generator; no other one gives this order.
    drawn = np.random.RandomState(seed).permutation(n)
    cut = math.ceil(share * n)
    return drawn[cut:], drawn[:cut]


def rebuild_ratings(completions: pd.DataFrame, language: str, words: Sequence[str]) -> pd.DataFrame:
    """Return the rating table that the raw answers give.

    A word without exactly one good answer in a file is NaN there: nothing is chosen or coerced.

    Returns
    -------
    DataFrame
        Index the words in evaluation order, columns (model, dimension).
    """
    rows = completions.loc[completions["language"] == language]
    single = rows.loc[~rows.duplicated(subset=["model", "dimension", "task"], keep=False)]
    good = single.loc[single["status"] == "ok"]
    table = good.pivot_table(index="task", columns=["model", "dimension"], values="rating")
    pairs = rows[["model", "dimension"]].drop_duplicates()
    columns = sorted(pairs.itertuples(index=False, name=None))
    table = table.reindex(
        index=range(1, len(words) + 1),
        columns=pd.MultiIndex.from_tuples(columns, names=["model", "dimension"]),
    )
    return table.set_axis(pd.Index(words, name="word"), axis=0)


def ratings_table(ratings: Ratings) -> pd.DataFrame:
    """Return the models' ratings as `rebuild_ratings` lays them out."""
    parts = {
        (model, dimension): pd.Series(table[:, j], index=list(ratings.concepts))
        for model, table in ratings.models.items()
        for j, dimension in enumerate(ratings.dimensions)
    }
    return pd.DataFrame(parts).rename_axis(index="word", columns=["model", "dimension"])


def differences(left: pd.DataFrame, right: pd.DataFrame) -> pd.DataFrame:
    """Return the cells in which two tables of ratings differ; two NaN are equal.

    Returns
    -------
    DataFrame
        Columns word, model, dimension, left and right; a word or column that only one table has
        counts cell by cell, NaN on the other side. Empty when the tables are equal.
    """
    index, columns = left.index.union(right.index), left.columns.union(right.columns)
    a, b = (table.reindex(index=index, columns=columns) for table in (left, right))
    x, y = a.to_numpy(), b.to_numpy()
    unlike = (x != y) & ~(np.isnan(x) & np.isnan(y))
    rows = [(index[i], *columns[j], x[i, j], y[i, j]) for i, j in np.argwhere(unlike)]
    names = pd.Index(["word", "model", "dimension", "left", "right"])
    return pd.DataFrame(rows, columns=names)


@dataclass(frozen=True)
class TokenWitness:
    """What the prompts' token counts say about the mapping of tasks to words.

    Attributes
    ----------
    files, tasks : int
        How many files and tasks were compared.
    offsets : dict of str to int
        Each file's template: its tokens above the shortest template.
    exceptions : tuple of (str, int)
        File and task where the count is not template plus word; empty when all agree.
    rho : float
        Spearman correlation of the tokens a word takes with its length in characters.
    shifted : float
        The largest such correlation, in absolute value, with the words moved against the tasks.
    """

    files: int
    tasks: int
    offsets: Mapping[str, int]
    exceptions: tuple[tuple[str, int], ...]
    rho: float
    shifted: float


def mapping_witnesses(completions: pd.DataFrame, language: str) -> TokenWitness:
    """Check the mapping of tasks to words by the prompts' token counts, without any rating.

    In each file the count is that of the template plus that of the word, so that the differences
    between tasks are the same in every file; and longer words take more tokens.
    """
    rows = completions.loc[completions["language"] == language]
    counts = rows.pivot_table(index="file", columns="task", values="prompt_tokens", aggfunc="first")
    table = counts.to_numpy(dtype=np.float64)
    template = np.nanmedian(table - np.nanmedian(table, axis=0), axis=1)
    tokens = np.nanmedian(table - template[:, None], axis=0)
    odd = np.argwhere(~np.isnan(table) & (table != template[:, None] + tokens))
    words = rows.drop_duplicates(subset="task").set_index("task")["word"].reindex(counts.columns)
    rho = _every_shift(tokens, words.str.len().to_numpy(dtype=np.float64))
    return TokenWitness(
        files=len(counts),
        tasks=table.shape[1],
        offsets={
            str(f): int(t - template.min()) for f, t in zip(counts.index, template, strict=True)
        },
        exceptions=tuple((str(counts.index[i]), int(counts.columns[j])) for i, j in odd),
        rho=float(rho[0]),
        shifted=float(np.abs(rho[1:]).max()),
    )


def _every_shift(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Spearman correlation of x with y rolled by 0, 1, ..., n - 1."""
    a, b = (rankdata(v) - (len(v) + 1) / 2 for v in (x, y))
    return np.array([a @ np.roll(b, k) for k in range(len(a))]) / math.sqrt((a @ a) * (b @ b))


def complete_order(orders: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the one word order of several files, some of which may lack a word.

    Raises
    ------
    EvidenceError
        When a file repeats a word, or its words are not those of the longest file in that order.
    """
    longest = max(orders.values(), key=len)
    for file, words in orders.items():
        here = set(words)
        if len(here) != len(words) or [w for w in longest if w in here] != list(words):
            raise EvidenceError(f"{file}: its words are not in the order of the other files")
    return tuple(longest)
