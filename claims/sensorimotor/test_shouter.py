"""The paper's example word: its profile, and how typical it is."""

from __future__ import annotations

import math

import numpy as np

from claims.sensorimotor.word_level import words
from core.verdict.estimate import Estimate

WORD = "SHOUTER"


def flatness(evidence, to_level=False):
    """Spread of Base's answers over the dimensions, relative to the spread of people's.

    Measured to its level, a spread is the coefficient of variation: the SD over the mean.
    """
    profile = evidence.ratings("en").profile(WORD)
    base, people = (_spread(profile[who], to_level) for who in ("Base", "Human"))
    method = f"ratio of {'coefficients of variation' if to_level else 'SDs'} over dimensions"
    return Estimate.exact(base / people, len(profile["Human"]), method)


def _spread(profile, to_level):
    return profile.std() / (profile.mean() if to_level else 1.0)


def test_flatness(judge):
    """Base's profile of the word is flatter than people's."""
    judge(flatness)


def flatness_percentile(evidence):
    """Share of the words on which Base's profile is flatter than on the example."""
    ratings = words(evidence, "en", "all").ratings
    return _percentile(ratings.models["Base"].std(axis=1), ratings.concepts, "SD of Base's profile")


def _percentile(values, concepts, label):
    """Mid-rank share of the words below the example, in [0, 1]."""
    own = values[concepts.index(WORD)]
    share = np.mean(values < own) + np.mean(values == own) / 2
    return Estimate.exact(share, len(values), "percentile among complete words", label)


def test_flatness_percentile(judge):
    """Base's profile of the word is flatter than its typical profile."""
    judge(flatness_percentile)


def lead(evidence, first, others, target="Human"):
    """How much closer to a profile one model is than each of the others, on the example."""
    profile = evidence.ratings("en").profile(WORD)
    near = {m: 1 / (1 + math.dist(profile[m], profile[target])) for m in (first, *others)}
    method = f"difference of 1/(1+d) to {target}"
    return [
        Estimate.exact(near[first] - near[other], 1, method, f"{first} over {other}")
        for other in others
    ]


def test_lead(judge):
    """One model is closest to people, or to another model, on the example."""
    judge(lead)


def shared_peaks(evidence, model):
    """Count the example's two strongest human dimensions among the model's two strongest."""
    ratings = evidence.ratings("en")
    profile = ratings.profile(WORD)
    strongest = [set(np.argsort(-profile[who], kind="stable")[:2]) for who in ("Human", model)]
    return Estimate.exact(len(set.intersection(*strongest)), 2, "dimensions in both")


def test_shared_peaks(judge):
    """A tuned model peaks where people do."""
    judge(shared_peaks)


def attenuation(evidence, model, over):
    """How much lower one model's answers are than another's on Auditory and Mouth."""
    ratings = evidence.ratings("en")
    profile = ratings.profile(WORD)
    return [
        Estimate.exact(profile[over][i] - profile[model][i], 1, "points of the scale", name)
        for i, name in enumerate(ratings.dimensions)
        if name in ("Auditory", "Mouth")
    ]


def test_attenuation(judge):
    """One model's peaks are slightly lower than another's."""
    judge(attenuation)


def typicality(evidence, model):
    """Where the example stands among all words in what a model gained on it over Base."""
    measured = words(evidence, "en", "all")
    gain = measured.similarity[model] - measured.similarity["Base"]
    return _percentile(gain, measured.ratings.concepts, f"gain of {model}")


def test_typicality(judge):
    """The example is neither among the best nor among the worst quarter of words."""
    judge(typicality)
