"""Whether fine-tuning and asking work at all: a tiny model of our own, and people made up."""

from __future__ import annotations

import numpy as np

from claims.sensorimotor.common import WORD_RESAMPLES, from_draws, rho_draws, rsa_difference
from core.verdict.estimate import Estimate


def test_rsa_difference(judge):
    """One way of tuning raises the RSA above another's, or does not."""
    judge(rsa_difference)


def gain_above_chance(evidence, language, model, over) -> Estimate:
    """Measure the mean gain in correlation; one answer for every word counts as 0, as by chance."""
    found = rho_draws(evidence, language)
    value, draws = (
        np.nan_to_num(x[model]) - np.nan_to_num(x[over]) for x in (found.rho, found.draws)
    )
    method = f"mean difference of Spearman coefficients, bootstrap over words (B={WORD_RESAMPLES})"
    return from_draws(float(value.mean()), draws.mean(axis=1), found.n, method)


def test_gain_above_chance(judge):
    """One way of tuning raises the correlation per dimension above another's, or does not."""
    judge(gain_above_chance)
