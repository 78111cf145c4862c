"""Claims on transfer: to another language, to motor dimensions, and from another task."""

from __future__ import annotations

import numpy as np

from claims.sensorimotor.common import (
    features_rdm,
    gains,
    mean_gain,
    rsa_difference,
)
from claims.sensorimotor.influence import (
    Influence,
    difference,
    partial,
    rsa_influence,
    smooth,
)
from core.evidence.enough import require
from core.metrics.linearised import RankedRdm, ranked_rdm
from core.verdict.estimate import Estimate


def test_cross_language_rsa(judge):
    """Tuning on the other language raises the RSA substantially."""
    judge(rsa_difference)


def test_transfer_on_every_dimension(judge):
    """Transfer shows on every one of the dimensions."""
    judge(gains)


def test_transfer_on_average(judge):
    """Transfer shows on the dimensions' average."""
    judge(mean_gain)


def motor_gain(evidence, model, self_pairs) -> Estimate:
    return rsa_difference(evidence, "en", model, dimensions="motor", self_pairs=self_pairs)


def test_motor_rsa_gain(judge):
    """A model tuned without motor ratings has a higher motor RSA than the base model."""
    judge(motor_gain)


def _ranked(features: np.ndarray) -> RankedRdm:
    return ranked_rdm(features_rdm(features))


def beyond_sensory(evidence) -> Estimate:
    """Measure how much more motor than sensory answers gained as a picture of human motor ones.

    Were Nl_FT's motor answers no more than its sensory knowledge under another name, its sensory
    answers would picture the human motor structure as well; and what Base's answers show of that
    was there before the tuning.
    """
    table = evidence.ratings("en").complete()
    human = _ranked(table.select("motor").human)
    answers = [table.select(d).models[m] for m in ("Nl_FT", "Base") for d in ("motor", "sensory")]
    influences = [rsa_influence(human, features_rdm(x)) for x in answers]
    method = (
        "RSA with human motor ratings: motor less sensory answers, Nl_FT less Base,"
        " infinitesimal jackknife"
    )
    return smooth(_difference_of_differences, influences, method)


def _difference_of_differences(a: float, b: float, c: float, d: float) -> float:
    return (a - b) - (c - d)


def test_motor_beyond_sensory(judge):
    """What Nl_FT learnt of motor structure is more than what its sensory answers learnt of it."""
    judge(beyond_sensory)


def _gain_in_partial(*rho: float) -> float:
    tuned, base, human_sensory, tuned_sensory, base_sensory = rho
    with_tuned = partial(tuned, human_sensory, tuned_sensory)
    return with_tuned - partial(base, human_sensory, base_sensory)


def partial_gain(evidence) -> Estimate:
    """Measure Nl_FT's gain in motor RSA with the human sensory structure partialled out."""
    table = evidence.ratings("en").complete()
    motor, sensory = (_ranked(table.select(d).human) for d in ("motor", "sensory"))
    answers = [_ranked(table.select("motor").models[m]) for m in ("Nl_FT", "Base")]
    rho: list[Influence] = [rsa_influence(motor, one) for one in (*answers, sensory)]
    rho += [rsa_influence(sensory, one) for one in answers]
    method = "gain in partial RSA given human sensory ratings, infinitesimal jackknife"
    return smooth(_gain_in_partial, rho, method)


def test_motor_gain_given_sensory(judge):
    """Nl_FT's motor gain remains when the human sensory structure is held constant."""
    judge(partial_gain)


def people_over_model(evidence, language, model) -> Estimate:
    """Measure how far people of the other language agree better with people than a model does.

    Both norms are taken on the six sensory dimensions and the word pairs that both tables hold.
    """
    names = (language, "nl" if language == "en" else "en")
    here, other = (evidence.ratings(one).select("sensory", [model]).complete() for one in names)
    place = {pair: i for i, pair in enumerate(zip(other.translations, other.concepts, strict=True))}
    own = list(zip(here.concepts, here.translations, strict=True))
    rows = [i for i, pair in enumerate(own) if pair in place]
    require(len(rows), len(evidence.ratings(language).concepts), "ratings in both languages")
    partners = [place[own[i]] for i in rows]
    human = _ranked(here.human[rows])
    both = [features_rdm(x) for x in (other.human[partners], here.models[model][rows])]
    influences = [rsa_influence(human, one) for one in both]
    method = "RSA of the two human norms less that of the model, infinitesimal jackknife"
    return smooth(difference, influences, method)


def test_people_over_model(judge):
    """The two languages' people agree better than a model agrees with one of them."""
    judge(people_over_model)
