"""Claims on the paper's Steiger tests: Fig. 2, the counts in the text, the released tables."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from scipy.stats import norm

from claims.sensorimotor.common import alignment, dimension_names, pairs, steiger
from core.evidence.tables import MODELS
from core.metrics.multiplicity import holm
from core.verdict.estimate import Estimate

ALPHA = 0.05


def surpasses(evidence, language, model, over, correction) -> list[Estimate]:
    """Measure the two-sided p of every dimension, set to 1 where the first model is not above."""
    names = dimension_names(language, "all")
    tests = [steiger(evidence, language, model, over, name) for name in names]
    p = [test.p for test in tests] if correction == "none" else holm([test.p for test in tests])
    n = alignment(evidence, language, names[0]).n
    method = f"Steiger (1980), p ({correction})"
    return [
        Estimate.exact(float(value) if test.statistic > 0 else 1.0, n, method, label=name)
        for value, test, name in zip(p, tests, names, strict=True)
    ]


def test_surpasses_on_every_dimension(judge):
    """One model significantly surpasses another on every dimension."""
    judge(surpasses)


def surpassed(evidence, language, model, over, reading) -> Estimate:
    """Count the dimensions on which one model lies above another.

    Reading "point" compares the coefficients, "steiger" and "holm" ask for significance at .05.
    """
    names = dimension_names(language, "all")
    if reading == "point":
        found = [steiger(evidence, language, model, over, name).statistic > 0 for name in names]
    else:
        correction = "none" if reading == "steiger" else "holm"
        p = surpasses(evidence, language, model, over, correction)
        found = [one.value < ALPHA for one in p]
    n = alignment(evidence, language, names[0]).n
    return Estimate.exact(sum(found), n, f"dimensions of {len(names)}, by {reading}")


def not_surpassed(evidence, language, model, over, reading) -> Estimate:
    one = surpassed(evidence, language, model, over, reading)
    total = len(dimension_names(language, "all"))
    return Estimate.exact(total - one.value, one.n, one.method)


def _table(evidence, language, dimension) -> pd.DataFrame:
    table = evidence.ratings(language)
    at = table.dimensions.index(dimension)
    frame = pd.DataFrame({"Human": table.human[:, at]})
    return frame.assign(**{name: x[:, at] for name, x in table.models.items()}).dropna()


@cache
def _plain_rho(evidence, language, dimension) -> tuple[pd.DataFrame, int]:
    """Return all rank correlations on one dimension by pandas, and the number of words."""
    frame = _table(evidence, language, dimension)
    return frame.rank().corr(), len(frame)


def plain_z(evidence, language, model, over, dimension) -> float:
    """Compute Steiger's Z from pandas ranks and the published formula, nothing of core.metrics."""
    r, n = _plain_rho(evidence, language, dimension)
    a, b, c = r.loc["Human", model], r.loc["Human", over], r.loc[model, over]
    m = (a + b) / 2
    psi = c * (1 - 2 * m**2) - m**2 * (1 - 2 * m**2 - c**2) / 2
    spread = np.sqrt(2 - 2 * psi / (1 - m**2) ** 2)
    return float((np.arctanh(a) - np.arctanh(b)) * np.sqrt(n - 3) / spread)


def _plain_surpassed(evidence, language, model, over, reading) -> float:
    names = dimension_names(language, "all")
    z = np.array([plain_z(evidence, language, model, over, name) for name in names])
    p = 2 * norm.sf(abs(z))
    if reading == "point":
        return float((z > 0).sum())
    if reading == "holm":
        p = _plain_holm(p)
    return float(((z > 0) & (p < ALPHA)).sum())


def _plain_holm(p: np.ndarray) -> np.ndarray:
    """Step down through sorted p values one by one."""
    adjusted, running = np.empty(len(p)), 0.0
    for step, at in enumerate(np.argsort(p)):
        running = max(running, min(1.0, float(p[at]) * (len(p) - step)))
        adjusted[at] = running
    return adjusted


def _plain_not_surpassed(evidence, language, **variant) -> float:
    total = len(dimension_names(language, "all"))
    return total - _plain_surpassed(evidence, language, **variant)


def test_dimensions_surpassed(judge):
    """One model lies above another on as many dimensions as said."""
    judge(surpassed, oracle=_plain_surpassed)


def test_dimensions_not_surpassed(judge):
    """One model is not above another on as many dimensions as said."""
    judge(not_surpassed, oracle=_plain_not_surpassed)


def figure_p(evidence, language) -> list[float]:
    """Return the p of every comparison that Fig. 2 draws in a language."""
    return [
        steiger(evidence, language, a, b, name).p
        for name in dimension_names(language, "all")
        for a, b in pairs(language)
    ]


def neither(evidence) -> Estimate:
    """Count the comparisons of Fig. 2 that are neither significant nor have a p of .5 or more.

    The caption prints one decimal, so a p that rounds to .5 is one of .5.
    """
    p = [x for language in ("en", "nl") for x in figure_p(evidence, language)]
    found = sum(x >= ALPHA and round(x, 1) < 0.5 for x in p)
    method = "comparisons with p from .05 to below .5 when rounded, Steiger (1980)"
    return Estimate.exact(found, len(p), method)


def _plain_p(evidence, language) -> np.ndarray:
    names = dimension_names(language, "all")
    z = [plain_z(evidence, language, a, b, name) for name in names for a, b in pairs(language)]
    return 2 * norm.sf(np.abs(z))


def plain_neither(evidence) -> float:
    p = np.concatenate([_plain_p(evidence, language) for language in ("en", "nl")])
    return float(((p >= ALPHA) & (p < 0.45)).sum())


def test_figure_significance(judge):
    """Every comparison of Fig. 2 is significant, or ns as its caption defines it."""
    judge(neither, oracle=plain_neither)


def lost(evidence, family) -> Estimate:
    """Count the comparisons of Fig. 2 that are significant singly, but not after correction."""
    p = {language: np.array(figure_p(evidence, language)) for language in ("en", "nl")}
    if family == "both":
        p = {"both": np.concatenate(list(p.values()))}
    found = sum(int(((x < ALPHA) & (holm(x) >= ALPHA)).sum()) for x in p.values())
    total = sum(map(len, p.values()))
    return Estimate.exact(found, total, f"comparisons lost to Holm correction, family: {family}")


def plain_lost(evidence, family) -> float:
    p = [_plain_p(evidence, language) for language in ("en", "nl")]
    p = [np.concatenate(p)] if family == "both" else p
    return float(sum(((x < ALPHA) & (_plain_holm(x) >= ALPHA)).sum() for x in p))


def test_figure_after_correction(judge):
    """What Fig. 2 shows as significant is so after correction for the number of tests."""
    judge(lost, oracle=plain_lost)


def worst_difference(evidence, language, statistic) -> Estimate:
    """Measure how far the released statistics are from ours at most."""
    printed = evidence.tests(language)
    names = dimension_names(language, "all")
    models = MODELS if language == "en" else MODELS[:3]
    if statistic == "rho":
        found = {d: alignment(evidence, language, d).rho for d in names}
        ours = [(d, f"rho_{m}", found[d][m]) for d in names for m in models]
    else:
        attribute = {"Z": "statistic", "p": "p"}[statistic]
        cells = [(d, a, b) for d in names for a, b in pairs(language)]
        ours = [
            (d, f"{statistic}_{a}_{b}", getattr(steiger(evidence, language, a, b, d), attribute))
            for d, a, b in cells
        ]
    worst = max(abs(float(printed.loc[row, column]) - x) for row, column, x in ours)
    return Estimate.exact(worst, len(ours), f"largest absolute difference over {len(ours)} cells")


def test_released_statistics(judge):
    """The statistics that the authors released are those that the ratings give."""
    judge(worst_difference)
