"""What news and abstract pages say about the paper, held against the paper and the release."""

from __future__ import annotations

from functools import cache

import numpy as np

from claims.sensorimotor import common, text
from core.evidence.released import Released
from core.evidence.tables import ALL
from core.metrics.bootstrap import RsaBootstrap
from core.metrics.words import paired_t, word_distance, word_similarity
from core.verdict.estimate import Estimate


def test_said_alike(judge):
    """A page and the paper say the same."""
    judge(text.distinct_values)


def test_said_count(judge):
    """What a page counts or lists is what the paper has."""
    judge(text.count_gap)


def test_said_to_exist(judge):
    """What a page reports is in the paper."""
    judge(text.number)


def test_question_blocks(judge):
    """What a page says the models were tuned on, in the released training questions."""
    judge(blocks_present)


def test_rsa_change(judge):
    """A page's word for the change in RSA of one tuned model."""
    judge(common.rsa_difference)


def test_rsa_changes(judge):
    """A page's word for the change in RSA of several tuned models."""
    judge(rsa_changes)


def test_shared_norms(judge):
    """What carries over to English, against what the two norms share."""
    judge(transfer_over_norms)


def test_base_structure(judge):
    """The untuned model's RSA with people."""
    judge(base_rsa)


def test_base_dimensions(judge):
    """The untuned model's correlations with people, dimension by dimension."""
    judge(base_dimensions)


def test_base_trivial(judge):
    """The untuned model against one constant answer per dimension."""
    judge(base_over_constant)


def test_ns_label(judge):
    """What page C says that the label ns stands for."""
    judge(ns_below_half)


def blocks_present(evidence: Released, blocks: list[int]) -> Estimate:
    """How many of the question blocks named have training questions; thousands of the index."""
    block = evidence.questions()["train"]["index"].astype(int) // 1000
    found = len(set(blocks) & set(block))
    return Estimate.exact(found, len(block), "blocks among the training questions")


def rsa_changes(
    evidence: Released, comparisons: list[list[str]], confidence: float
) -> list[Estimate]:
    """Return how far each model's RSA lies above another's.

    Each comparison names language, dimensions, model and the model it is held against.
    """
    return [
        common.rsa_difference(evidence, language, model, over, dimensions, confidence=confidence)
        for language, dimensions, model, over in comparisons
    ]


def transfer_over_norms(evidence: Released) -> Estimate:
    """RSA of Nl_FT with English people less that of Dutch people with English people.

    On the sensory dimensions, over the concepts that both languages' tables hold.
    """
    found = _norms_bootstrap(evidence)
    return common.from_draws(
        found.rho["Nl_FT"] - found.rho["Dutch norms"],
        found.difference("Nl_FT", "Dutch norms"),
        found.n,
        f"RSA difference, bootstrap over concepts, self-pairs drop (B={found.n_resamples})",
    )


@cache
def _norms_bootstrap(evidence: Released) -> RsaBootstrap:
    english = evidence.ratings("en").select("sensory").complete()
    dutch = evidence.ratings("nl").complete()
    rows = {pair: i for i, pair in enumerate(zip(dutch.translations, dutch.concepts, strict=True))}
    pairs = zip(english.concepts, english.translations, strict=True)
    both = [(i, rows[pair]) for i, pair in enumerate(pairs) if pair in rows]
    at_english, at_dutch = np.array(both).T
    compared = {
        "Nl_FT": common.features_rdm(english.models["Nl_FT"][at_english]),
        "Dutch norms": common.features_rdm(dutch.human[at_dutch]),
    }
    human = common.features_rdm(english.human[at_english])
    return common.bootstrapped(human, compared, "norms")


def base_rsa(evidence: Released, confidence: float) -> Estimate:
    """RSA of the untuned model with people, English, all dimensions."""
    found = common.bootstrap(evidence, "en", "all")["drop"]
    return common.from_draws(
        found.rho["Base"],
        found.draws["Base"],
        found.n,
        f"RSA, bootstrap over concepts, self-pairs drop (B={found.n_resamples})",
        confidence=confidence,
    )


def base_dimensions(evidence: Released) -> list[Estimate]:
    """Correlation of the untuned model with people on each English dimension."""
    return [common.rho(evidence, "en", "Base", dimension) for dimension in ALL]


def base_over_constant(evidence: Released) -> Estimate:
    """Mean word similarity of the untuned model less that of one constant profile.

    The profile is the mean human rating of the released training words, none of them evaluated:
    what is known without looking at the word.
    """
    table = evidence.ratings("en").complete()
    constant = np.tile(evidence.training()[list(ALL)].mean().to_numpy(), (len(table.concepts), 1))
    base, flat = (
        word_similarity(word_distance(profile, table.human))
        for profile in (table.models["Base"], constant)
    )
    found = paired_t(base, flat)
    return Estimate(found.mean, found.low, found.high, found.n, "paired t interval, 1/(1+d)")


def ns_below_half(evidence: Released) -> Estimate:
    """Pairs of models, over dimensions and languages, whose Steiger p lies between .05 and .5.

    A p that rounds to .5 is not below it, as it is printed.
    """
    p = [
        common.steiger(evidence, language, a, b, dimension).p
        for language in ("en", "nl")
        for a, b in common.pairs(language)
        for dimension in common.dimension_names(language, "all")
    ]
    return Estimate.exact(
        sum(one >= 0.05 and round(one, 1) < 0.5 for one in p), len(p), "Steiger tests, counted"
    )
