"""Ratings to time things on: made ones of any size, and the release's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from core.metrics.checks import FloatArray
from core.metrics.rdm import standardise

RATERS = 20
DIMENSIONS = 11
SEED = 20260303
#: Of each made model: the error on the scale of 0 to 5, and the smallest step between answers.
MODELS = {"Base": (1.6, 1.0), "En_FT": (0.5, 0.25), "Nl_FT": (0.8, 0.5), "QA_FT": (1.2, 1.0)}


@dataclass(frozen=True, eq=False)
class Table:
    """Standardised ratings of n concepts, each shape (n, d), by people and by models."""

    name: str
    human: FloatArray
    models: dict[str, FloatArray]

    @property
    def shape(self) -> str:
        """Return the size in words, and which table it is."""
        n, d = self.human.shape
        return f"{n:,} x {d}, {self.name}"


def made(n: int) -> Table:
    """Return made ratings, tied as real ones.

    People's are means of 20 raters' whole numbers from 0 to 5, skewed to the right; models' are
    theirs with an error, in few steps. The same for the same n.
    """
    rng = np.random.default_rng([SEED, n])
    centres = rng.normal(0, 1.2, (12, DIMENSIONS))
    latent = centres[rng.integers(12, size=n)] + rng.normal(0, 0.8, (n, DIMENSIONS))
    chance = expit(latent - 1.2)
    human = np.zeros((n, DIMENSIONS))
    for _ in range(RATERS):
        human += rng.binomial(5, chance)
    human /= RATERS
    models = {}
    for name, (error, step) in MODELS.items():
        answer = human + rng.normal(0, error, human.shape)
        models[name] = standardise(np.clip(np.round(answer / step) * step, 0, 5))
    return Table("made", standardise(human), models)


def released() -> Table:
    """Return the complete English ratings of the release; `Unreachable` where it cannot be had."""
    # Here, for what is timed in a process of its own should not hold the readers' packages.
    from core.evidence.released import Released

    found = Released.from_environment().ratings("en").complete()
    models = {name: standardise(answers) for name, answers in found.models.items()}
    return Table("released", standardise(found.human), models)
