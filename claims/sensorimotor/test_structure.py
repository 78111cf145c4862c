"""Claims on overall structure: representational similarity analysis (Results, RSA; Fig. 1)."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr, zscore

from claims.sensorimotor.common import (
    dimension_names,
    from_draws,
    generator,
    rsa_difference,
    structure,
)
from core.metrics.rdm import rsa
from core.metrics.words import mean_interval
from core.verdict.estimate import Estimate

#: How many words Fig. 1c draws, and how many random draws of as many are looked at.
DRAWN, SUBSETS = 40, 200


def rsa_figure(evidence, language, model, dimensions) -> Estimate:
    one = structure(evidence, language, dimensions)
    value = rsa(one.human, one.models[model])
    return Estimate.exact(value, one.n, "Spearman of cosine RDMs of standardised ratings")


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
    """The gain does not rest on concepts drawn twice being counted as alike."""
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
def tree_fit(evidence, language, tree) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return how well a Ward tree fits each RDM, over random and over disjoint draws of 40 words.

    The fit is the cophenetic correlation: 1 where distances are those of nested blocks. The tree is
    each RDM's "own", or the "human" one, in whose order Fig. 1c draws every RDM.
    """
    one, rng = structure(evidence, language, "all"), generator("trees", language)
    parts = rng.permutation(one.n)[: one.n // DRAWN * DRAWN].reshape(-1, DRAWN)
    random = [rng.choice(one.n, DRAWN, replace=False) for _ in range(SUBSETS)]
    human = squareform(one.human)
    by_draw, by_part = {}, {}
    for name, distances in {"Human": one.human, **one.models}.items():
        square = squareform(distances)
        shape = square if tree == "own" else human
        by_draw[name] = np.array([_cophenetic(shape, square, at) for at in random])
        by_part[name] = np.array([_cophenetic(shape, square, at) for at in parts])
    return by_draw, by_part


def _cophenetic(tree: np.ndarray, square: np.ndarray, at: np.ndarray) -> float:
    shape, some = (squareform(x[np.ix_(at, at)], checks=False) for x in (tree, square))
    return float(cophenet(linkage(shape, "ward"), some)[0])


def more_structured(evidence, language, model, over, tree, reading) -> Estimate:
    """Measure how much better a tree fits one RDM than another.

    Reading "any": over draws of 40 words, with the interval that holds 95 % of the draws. Reading
    "mean": on average over disjoint draws, with the interval of that mean.
    """
    by_draw, by_part = tree_fit(evidence, language, tree)
    what = f"difference of cophenetic correlations (Ward, {tree} tree, 40 words)"
    n, label = structure(evidence, language, "all").n, f"{model} over {over}"
    if reading == "any":
        draws = by_draw[model] - by_draw[over]
        return from_draws(draws.mean(), draws, n, f"{what}, {SUBSETS} random draws", label=label)
    mean, low, high = mean_interval(by_part[model] - by_part[over])
    return Estimate(mean, low, high, n, f"{what}, mean over disjoint draws", label=label)


def test_block_structure(judge):
    """One RDM is more block-like than another."""
    judge(more_structured)


def dataset(evidence, language) -> Estimate:
    n = len(evidence.ratings(language).concepts)
    return Estimate.exact(n, n, "concepts in the table, rated by every model or not")


def test_dataset(judge):
    """The full dataset has as many concepts as are said, complete or not."""
    judge(dataset)
