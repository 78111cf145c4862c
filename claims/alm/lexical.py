"""How much alignment is left above what shared words alone give; checks of our own.

Two spaces can put the same sentences side by side because these share words, whatever the words
mean. So each measure here has a null that knows the words:

- the same agents before training, a bag of words, or one-hot phrases in the agents' place;
- what is left of the similarities when those that words give are regressed out;
- the same alignment with the words renamed: phrases of two words among themselves, colours, and
  kinds. Renaming leaves what two sentences share untouched and changes what the words mean, so a
  space that takes words for arbitrary signs is aligned as well after it as before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from claims.alm.agent import over_seeds
from claims.alm.alignment import DRAWS, SEED, trained
from core.agent.instructions import KINDS, OBJECT_OF, PHRASE_OF, PHRASES
from core.embedding.nulls import NULLS
from core.metrics.blocks import block_precision
from core.metrics.crossed import crossed_interval
from core.metrics.mantel import partial_mantel
from core.metrics.neighbours import (
    cosine_similarity,
    precision_at_k,
    sentence_precision_at_k,
)
from core.metrics.permutation import (
    SLACK,
    factor_relabellings,
    permutation_p,
    permuted_precision,
    within_blocks,
)
from core.verdict.estimate import Estimate

COLOUR_OF, KIND_OF = OBJECT_OF // len(KINDS), OBJECT_OF % len(KINDS)


def over_null(evidence: Any, reference: str, null: str, k: int) -> Estimate:
    """P@k of the trained agents with a reference less that of a null in their place.

    Three things count as samples: the agents, the sentences, and which word means what. The last is
    the standard deviation of the same difference over renamings of the reference's words. Without
    it, what agents have in common for reasons of their own would pass for agreement.

    Parameters
    ----------
    evidence : object
    reference : str
    null : str
        "untrained agent", the same seed before training; "weighted words", the bag of words that
        does best, see `best_words`; or a key of `core.embedding.nulls.NULLS`.
    k : int
    """
    other = evidence.embedding(reference).values
    spaces = evidence.agents("baseline").embeddings
    ends, nulls = spaces[:, -1], spaces[:, 0]
    if null != "untrained agent":
        fixed = best_words(other, k) if null == "weighted words" else NULLS[null]()
        nulls = np.repeat(fixed[None], len(ends), axis=0)
    gaps = np.array(
        [
            sentence_precision_at_k(end, other, k) - sentence_precision_at_k(one, other, k)
            for end, one in zip(ends, nulls, strict=True)
        ]
    )
    mean, low, high, df = crossed_interval(gaps)
    drawn = renamings(DRAWS // 5, np.random.default_rng(SEED))
    moved = np.mean(
        [
            permuted_precision(end, other, k, drawn) - permuted_precision(one, other, k, drawn)
            for end, one in zip(ends, nulls, strict=True)
        ],
        axis=0,
    )
    half = float(np.hypot((high - low) / 2, stdtrit(df, 0.975) * moved.std(ddof=1)))
    method = f"P@{k} over {null}, interval over seeds, sentences and words"
    name = evidence.embedding(reference).name
    return Estimate(mean, mean - half, mean + half, len(gaps), method, 0.95, SEED, name, df)


def best_words(space: np.ndarray, k: int) -> np.ndarray:
    """Return phrase, colour and kind as one-hot codes, so weighted that P@k with a space is most.

    A model may attend more to phrases than to colours without knowing what either means; of all
    such weightings, on a grid, this is the one to beat.
    """
    factors = [np.eye(each.max() + 1)[each] for each in (PHRASE_OF, COLOUR_OF, KIND_OF)]
    grid = [weights for weights in product((0.0, 1.0, 2.0, 3.0), repeat=3) if any(weights)]
    codes = [np.hstack([w * f for w, f in zip(weights, factors, strict=True)]) for weights in grid]
    return max(codes, key=lambda code: precision_at_k(code, space, k))


def renamed(evidence: Any, reference: str, k: int) -> Estimate:
    """P@k of the agents less that with the words of the reference renamed."""
    return _over_relabelled(evidence, reference, k, renamings, "words renamed")


def within_phrase(evidence: Any, reference: str, k: int) -> Estimate:
    """P@k of the agents less that with the reference's sentences shuffled within their phrase."""
    return _over_relabelled(evidence, reference, k, _shuffles, "shuffled within phrases")


def _shuffles(draws: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    return within_blocks(PHRASE_OF, draws, rng)


def _over_relabelled(
    evidence: Any,
    reference: str,
    k: int,
    relabel: Callable[[int, np.random.Generator], npt.NDArray[np.intp]],
    what: str,
) -> Estimate:
    other, agents = evidence.embedding(reference), trained(evidence)
    drawn = relabel(DRAWS, np.random.default_rng(SEED))
    seen = np.mean([precision_at_k(one, other.values, k) for one in agents])
    null = np.mean([permuted_precision(one, other.values, k, drawn) for one in agents], axis=0)
    return _over(float(seen), null, f"P@{k} less that with {what}", other.name)


def _over(seen: float, null: np.ndarray, what: str, label: str) -> Estimate:
    """Return how far a figure is above its null, with the null's spread about it.

    The whole interval is above zero where the figure is beyond the null's 97.5 % point: a
    permutation test at the level of .025, one-sided. Not to be beyond it refutes nothing; that
    takes a figure below the 2.5 % point.
    """
    gaps = seen - null
    # Where relabelling changes nothing, rounding must not pass for a difference.
    gaps[np.abs(gaps) <= SLACK] = 0.0
    low, high = map(float, np.quantile(gaps, [0.025, 0.975]))
    method = f"{what}, {len(null)} draws, p = {permutation_p(seen, null):.3f}"
    value = float(gaps.mean())
    return Estimate(value, low, high, len(null), method, seed=SEED, label=label)


def renamings(draws: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return relabellings of the sentences that rename words, shape (draws, 108).

    "avoid" keeps its name: it is the one phrase of a single word, which its length tells.
    """
    lengths = [len(phrase.split()) for phrase in PHRASES]
    factors = np.column_stack([PHRASE_OF, COLOUR_OF, KIND_OF])
    return factor_relabellings(factors, draws, rng, [lengths, None, None])


@cache
def lexical_matrices() -> tuple[np.ndarray, ...]:
    """Return what words and letters make of similarity: five matrices, each (108, 108)."""
    same = [np.equal(label[:, None], label) for label in (PHRASE_OF, COLOUR_OF, KIND_OF)]
    counted = [NULLS[name]() for name in ("bag of words", "character n-grams")]
    return (*(each.astype(float) for each in same), *map(cosine_similarity, counted))


def beyond_words(evidence: Any, reference: str) -> Estimate:
    """Partial correlation of similarities, those of words and letters held fixed, over its null.

    The correlation is Spearman's, its mean over the agents. For the null, words are renamed in the
    residuals of the reference. (To relabel sentence by sentence is what a Mantel test does, and is
    wrong here: residuals of sentences with a common word go together, so chance would look smaller
    than it is.)
    """
    other = evidence.embedding(reference)
    drawn = renamings(DRAWS, np.random.default_rng(SEED))
    target, given = cosine_similarity(other.values), lexical_matrices()
    found = [
        partial_mantel(cosine_similarity(one), target, given, drawn) for one in trained(evidence)
    ]
    seen = float(np.mean([one.r for one in found]))
    null = np.mean([one.null for one in found], axis=0)
    what = f"partial correlation of similarities, {seen:.3f}, less that with words renamed"
    return _over(seen, null, what, other.name)


def block_share(evidence: Any, reference: str, k: int) -> Estimate:
    """Share of the common neighbours that have the sentence's own phrase."""
    other, found = evidence.embedding(reference), []
    for one in trained(evidence):
        parts = block_precision(one, other.values, PHRASE_OF, k)
        found.append(parts.shared_same / (parts.shared_same + parts.shared_other))
    return over_seeds(np.array(found), f"share of P@{k} within the phrase", label=other.name)


def over_blocks(evidence: Any, reference: str, k: int, confidence: float) -> Estimate:
    """P@k less what is left if neighbours within a phrase, and those outside it, are shuffled."""
    other, found = evidence.embedding(reference), []
    for one in trained(evidence):
        parts = block_precision(one, other.values, PHRASE_OF, k)
        found.append(parts.shared_same + parts.shared_other - parts.expected)
    return over_seeds(np.array(found), f"P@{k} over that of phrases", confidence, other.name)


def course(evidence: Any, reference: str, k: int) -> list[Estimate]:
    """P@k with a reference at the end of the training less that at each kept point before it."""
    agents, other = evidence.agents("baseline"), evidence.embedding(reference)
    values = np.array(
        [[precision_at_k(at, other.values, k) for at in one] for one in agents.embeddings]
    )
    gaps = (values[:, -1:] - values[:, :-1]).T
    return [
        over_seeds(gap, f"P@{k}, end less earlier", label=f"{other.name}, update {update}")
        for gap, update in zip(gaps, agents.updates[:-1], strict=True)
    ]


def null_alone(evidence: Any, reference: str, null: str, k: int) -> Estimate:
    """P@k of a null with a reference; neither has a sample."""
    other = evidence.embedding(reference)
    value = precision_at_k(NULLS[null](), other.values, k)
    return Estimate.exact(value, len(other.values), f"P@{k} of {null}", other.name)
