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

from claims.alm.agent import over_seeds
from claims.alm.alignment import (
    SEED,
    near,
    neighbours,
    precisions,
    relabelled,
    trained,
    widened,
)
from core.agent.instructions import COLOURS, KINDS, OBJECT_OF, PHRASE_OF, PHRASES, SENTENCES
from core.embedding.nulls import NULLS
from core.metrics.blocks import BlockPrecision, block_precision
from core.metrics.crossed import crossed_interval
from core.metrics.mantel import partial_mantel
from core.metrics.nearest import NeighbourList, cosine_similarity, neighbour_list
from core.metrics.neighbours import precision_at_k, sentence_precision_at_k
from core.metrics.permutation import (
    SLACK,
    factor_relabellings,
    permutation_p,
    within_blocks,
)
from core.verdict.estimate import Estimate

#: Relabellings of one check, and weights of a slot among the best of words.
DRAWS = 1000
WEIGHTS = (0.0, 1.0, 2.0, 3.0)
COLOUR_OF, KIND_OF = OBJECT_OF // len(KINDS), OBJECT_OF % len(KINDS)


def over_null(evidence: Any, reference: str, null: str, k: int) -> Estimate:
    """P@k of the trained agents with a reference less that of a null in their place.

    Over an untrained agent it says that learning brings them nearer, and no more: so does learning
    to weigh words as the reference does.

    Three things count as samples: the agents, the sentences, crossed with them, and which word
    means what. The last is the standard deviation of the same difference over renamings of the
    reference's words. Without it, what agents have in common for reasons of their own would pass
    for agreement; it also stands for what sentences with a common word have in common.

    Parameters
    ----------
    evidence : object
    reference : str
    null : str
        "untrained agent", the same seed before training; "best of words", see `best_words`; or a
        key of `core.embedding.nulls.NULLS`.
    k : int
    """
    reached = evidence.embedding(reference)
    other = reached.values
    ends = neighbours(evidence, k)
    if null == "untrained agent":
        nulls = neighbours(evidence, k, 0)
    else:
        fixed = best_words(other, k) if null == "best of words" else NULLS[null]()
        nulls = near([fixed], k) * len(ends)
    found = neighbour_list(other, k)
    gaps = np.array(
        [
            sentence_precision_at_k(end, found, k) - sentence_precision_at_k(one, found, k)
            for end, one in zip(ends, nulls, strict=True)
        ]
    )
    mean, low, high, df = crossed_interval(gaps)
    drawn = renamings(DRAWS // 5, np.random.default_rng(SEED))
    moved = relabelled(ends, other, k, drawn) - relabelled(nulls, other, k, drawn)
    method = f"P@{k} over {null}, interval over seeds, sentences"
    gap = Estimate(mean, low, high, len(gaps), method, df=df)
    return widened(gap, float(moved.std(ddof=1)), "words", reached.name)


def best_words(space: np.ndarray, k: int) -> np.ndarray:
    """Return the space that knows words alone and has most neighbours in common with a given one.

    A model may attend more to phrases than to colours without knowing what either means. So the
    candidates are one-hot codes of phrase, colour and kind, and bags of words, with weights on a
    grid, and the counts of letters.
    """
    found, lists = neighbour_list(space, k), _words_near(k)
    at = max(range(len(lists)), key=lambda which: precision_at_k(lists[which], found, k))
    return _spaces_of_words()[at]


@cache
def _spaces_of_words() -> tuple[np.ndarray, ...]:
    slots = (PHRASE_OF, COLOUR_OF, KIND_OF)
    codes = [np.eye(each.max() + 1)[each] for each in slots]
    bag = NULLS["bag of words"]()
    # Which slot a word of the bag belongs to: a word of a phrase unless it is a colour or a kind.
    words = sorted({word for sentence in SENTENCES for word in sentence.split()})
    slot = [1 if word in COLOURS else 2 if word in KINDS else 0 for word in words]
    grid = [np.array(weights) for weights in product(WEIGHTS, repeat=3) if any(weights)]
    candidates = [np.hstack([w * code for w, code in zip(weights, codes, strict=True)])
                  for weights in grid]  # fmt: skip
    weighted = [bag * weights[slot] for weights in grid if weights[0]]
    return *candidates, *weighted, NULLS["character n-grams"]()


@cache
def _words_near(k: int) -> tuple[NeighbourList, ...]:
    return near(_spaces_of_words(), k)


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
    other, agents = evidence.embedding(reference), neighbours(evidence, k)
    drawn = relabel(DRAWS, np.random.default_rng(SEED))
    seen = precisions(agents, other.values, k).mean()
    null = relabelled(agents, other.values, k, drawn)
    return _over(float(seen), null, len(agents), f"P@{k} less that with {what}", other.name)


def _over(seen: float, null: np.ndarray, agents: int, what: str, label: str) -> Estimate:
    """Return how far a mean over agents is above its null, with the null's spread about it.

    The interval is the 90 % one: it is above zero where the figure is beyond the null's 95 % point,
    a permutation test at the level of .05, one-sided. A stricter level would be out of reach: of
    the groupings of five phrases by task there are but 30, so agreement on tasks alone has p = 1/30
    at the least. Not to be beyond refutes nothing; that takes a figure below the 5 % point.
    """
    gaps = seen - null
    # Where relabelling changes nothing, rounding must not pass for a difference.
    gaps[np.abs(gaps) <= SLACK] = 0.0
    low, high = map(float, np.quantile(gaps, [0.05, 0.95]))
    method = f"{what}, {len(null)} draws, p = {permutation_p(seen, null):.3f}"
    value = float(gaps.mean())
    return Estimate(value, low, high, agents, method, 0.9, SEED, label)


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
    return _over(seen, null, len(found), what, other.name)


def block_share(evidence: Any, reference: str, k: int) -> Estimate:
    """Share of the common neighbours that have the sentence's own phrase."""
    parts, name = _blocks(evidence, reference, k)
    found = [one.shared_same / (one.shared_same + one.shared_other) for one in parts]
    return over_seeds(np.array(found), f"share of P@{k} within the phrase", label=name)


def over_blocks(evidence: Any, reference: str, k: int, confidence: float) -> Estimate:
    """P@k less what is left if neighbours within a phrase, and those outside it, are shuffled."""
    parts, name = _blocks(evidence, reference, k)
    found = [one.shared_same + one.shared_other - one.expected for one in parts]
    return over_seeds(np.array(found), f"P@{k} over that of phrases", confidence, name)


def _blocks(evidence: Any, reference: str, k: int) -> tuple[list[BlockPrecision], str]:
    other = evidence.embedding(reference)
    parts = [block_precision(one, other.values, PHRASE_OF, k) for one in trained(evidence)]
    return parts, other.name


def course(evidence: Any, reference: str, k: int) -> list[Estimate]:
    """P@k with a reference at the end of the training less that at each kept point before it."""
    agents, other = evidence.agents("baseline"), evidence.embedding(reference)
    values = np.array(
        [
            precisions(neighbours(evidence, k, point), other.values, k)
            for point in range(len(agents.updates))
        ]
    )
    gaps = values[-1] - values[:-1]
    return [
        over_seeds(gap, f"P@{k}, end less earlier", label=f"{other.name}, update {update}")
        for gap, update in zip(gaps, agents.updates[:-1], strict=True)
    ]


def null_alone(evidence: Any, reference: str, null: str, k: int) -> Estimate:
    """P@k of a null with a reference; neither has a sample."""
    other = evidence.embedding(reference)
    value = precision_at_k(NULLS[null](), other.values, k)
    return Estimate.exact(value, len(other.values), f"P@{k} of {null}", other.name)
