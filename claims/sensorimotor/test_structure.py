"""Claims on overall structure: representational similarity analysis (Results, RSA; Fig. 1)."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr, zscore

from claims.sensorimotor.common import (
    dimension_names,
    generator,
    rsa_difference,
    seed,
    structure,
)
from claims.sensorimotor.trees import condensed, cophenetic_correlations, ward
from core.metrics.correlation import ranks
from core.metrics.proportion import wilson_interval
from core.metrics.rdm import rsa_many
from core.metrics.words import mean_interval
from core.verdict.estimate import Estimate

#: How many words Fig. 1c draws, and how many random draws of as many are looked at.
DRAWN, SUBSETS = 40, 1000
#: How many blocks a tree is cut into.
BLOCKS = 4
#: A correlation above this is a strong one.
STRONG = 0.5
#: A fit that is better by no more than rounding is not better.
SLACK = 1e-12


@cache
def rsas(evidence, language, dimensions) -> dict[str, float]:
    """Return every model's RSA with people."""
    one = structure(evidence, language, dimensions)
    return rsa_many(one.human, one.models)


def rsa_figure(evidence, language, model, dimensions) -> Estimate:
    one = structure(evidence, language, dimensions)
    value = rsas(evidence, language, dimensions)[model]
    return Estimate.exact(value, one.n, "Spearman of cosine RDMs of standardised ratings")


@cache
def scipy_rsa(evidence, language, model, dimensions) -> float:
    """Compute the same with SciPy alone, distances neither canonicalised nor condensed by us."""
    table = evidence.ratings(language).select(dimension_names(language, dimensions))
    every = np.hstack([table.human, *table.models.values()])
    kept = ~np.isnan(every).any(axis=1)
    human, other = (np.asarray(zscore(x[kept])) for x in (table.human, table.models[model]))
    found: Any = spearmanr(pdist(human, "cosine"), pdist(other, "cosine"))
    return float(found.statistic)


def test_rsa_figure(judge):
    """A printed RSA coefficient is the one that the ratings give."""
    judge(rsa_figure, oracle=scipy_rsa)


def gain(evidence, language, model, dimensions="all") -> Estimate:
    return rsa_difference(evidence, language, model, dimensions=dimensions, self_pairs="keep")


def test_fine_tuning_raises_rsa(judge):
    """A fine-tuned model's RSA lies above the base model's in the paper's own bootstrap."""
    judge(gain)


def gain_without_self_pairs(evidence, language, model, dimensions="all") -> Estimate:
    return rsa_difference(evidence, language, model, dimensions=dimensions, self_pairs="drop")


def test_gain_without_self_pairs(judge):
    """The gain does not rest on concepts drawn twice being counted as alike: same draws without."""
    judge(gain_without_self_pairs)


def hierarchy(evidence, language, order) -> list[Estimate]:
    """Measure every step down an order of models, best first."""
    names = order.split(">")
    return [rsa_difference(evidence, language, a, b) for a, b in pairwise(names)]


def test_rsa_hierarchy(judge):
    """The models' RSA stands in the order told, every step clear of zero."""
    judge(hierarchy)


def test_matched_language_advantage(judge):
    """The model tuned on the language has the higher RSA, so transfer is not complete."""
    judge(rsa_difference)


def concepts(evidence, language, dimensions) -> Estimate:
    n = structure(evidence, language, dimensions).n
    return Estimate.exact(n, n, "concepts that people and every model rated on every dimension")


def counted_rows(evidence, language, dimensions) -> float:
    """Count the rows without a gap with pandas."""
    table = evidence.ratings(language).select(dimension_names(language, dimensions))
    frames = [pd.DataFrame(x) for x in (table.human, *table.models.values())]
    return float(len(pd.concat(frames, axis=1).dropna()))


def test_concepts(judge):
    """As many concepts enter the RSA as are said to."""
    judge(concepts, oracle=counted_rows)


@cache
def drawn_words(evidence, language, kind) -> np.ndarray:
    """Return draws of 40 words: as many "disjoint" ones as there are, or 1,000 "random" ones."""
    n, rng = structure(evidence, language, "all").n, generator("trees", language, kind)
    if kind == "disjoint":
        return rng.permutation(n)[: n // DRAWN * DRAWN].reshape(-1, DRAWN)
    return np.array([rng.choice(n, DRAWN, replace=False) for _ in range(SUBSETS)])


@cache
def drawn_distances(evidence, language, kind) -> dict[str, np.ndarray]:
    """Return each RDM on every draw of words, shape (draws, 40, 40)."""
    one, at = structure(evidence, language, "all"), drawn_words(evidence, language, kind)
    every = {"Human": one.human, **one.models}
    return {name: squareform(x)[at[:, :, None], at[:, None]] for name, x in every.items()}


@cache
def trees(evidence, language, kind, name) -> np.ndarray:
    """Return the Ward tree of one RDM on every draw of words, shape (draws, 39, 4)."""
    return ward(drawn_distances(evidence, language, kind)[name])


@cache
def tree_fit(evidence, language, tree, fit, kind, name) -> np.ndarray:
    """Return how well a Ward tree fits an RDM on every draw of words, shape (draws,).

    The tree is the RDM's "own", or the "human" one, in whose order Fig. 1c draws every RDM.
    """
    shape = "Human" if tree == "human" else name
    drawn = drawn_distances(evidence, language, kind)[name]
    return FITS[fit](trees(evidence, language, kind, shape), drawn)


def contrasts(trees: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return how far pairs across each tree's four blocks outrank pairs within one.

    It is the mean rank between blocks less that within, over the number of pairs: the probability
    that a pair across lies farther apart than one within, less one half.
    """
    found = []
    for tree, distances in zip(trees, condensed(squares), strict=True):
        blocks = fcluster(tree, BLOCKS, "maxclust")
        apart = (blocks[:, None] != blocks)[np.triu_indices(len(blocks), 1)]
        placed = ranks(distances) / len(distances)
        found.append(placed[apart].mean() - placed[~apart].mean())
    return np.array(found)


FITS = {"cophenetic": cophenetic_correlations, "contrast": contrasts}


def more_structured(evidence, language, model, over, tree, reading, fit="cophenetic") -> Estimate:
    """Measure how much better a tree fits one RDM than another.

    Reading "share": the share of random draws of 40 words on which it fits better. Reading "mean":
    how much better it fits on average over disjoint draws.
    """
    kind = "random" if reading == "share" else "disjoint"
    fitted, rest = (tree_fit(evidence, language, tree, fit, kind, name) for name in (model, over))
    better = fitted - rest
    n, label = structure(evidence, language, "all").n, f"{model} over {over}"
    what = f"{fit} (Ward, {tree} tree, 40 words)"
    if reading == "share":
        return _share(better > SLACK, n, f"random draws with the larger {what}", label)
    mean, low, high = mean_interval(better)
    method = f"difference of {what}, mean over disjoint draws"
    return Estimate(mean, low, high, n, method, seed=seed(), label=label)


def _share(holds: np.ndarray, n: int, of: str, label: str) -> Estimate:
    value = float(holds.mean())
    low, high = wilson_interval(value, len(holds))
    method = f"share of {len(holds)} {of}, Wilson interval"
    return Estimate(value, low, high, n, method, seed=seed(), label=label)


def test_block_structure(judge):
    """One RDM is more block-like than another."""
    judge(more_structured)


def strongly_fitted(evidence, language, model) -> Estimate:
    """Measure on how many random draws of 40 words the human tree fits an RDM strongly."""
    found = tree_fit(evidence, language, "human", "cophenetic", "random", model)
    n = structure(evidence, language, "all").n
    what = f"random draws with a cophenetic correlation above {STRONG:g} (Ward, human tree)"
    return _share(found > STRONG, n, what, model)


def test_clear_blocks(judge):
    """An RDM is clearly block-like in the order of the figure."""
    judge(strongly_fitted)


def dataset(evidence, language) -> Estimate:
    n = len(evidence.ratings(language).concepts)
    return Estimate.exact(n, n, "concepts in the table, rated by every model or not")


def test_dataset(judge):
    """The full dataset has as many concepts as are said, complete or not."""
    judge(dataset)
