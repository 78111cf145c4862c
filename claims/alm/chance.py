"""Table 1 against chance: random neighbours, drawn once for all runs or anew for each.

Two lists of k neighbours out of the other 107 sentences, of which one is random, share k / 107 of
their members on average, whatever the other list is.
"""

from __future__ import annotations

from functools import lru_cache
from math import sqrt

import numpy as np

from claims.alm.table import cell, chance, sentences
from core.evidence.reported import Reported
from core.metrics.neighbours import neighbour_weights
from core.verdict.estimate import Estimate

SEED = 108
DRAWS = 400
DIMENSIONS = 128
BLOCKS = 6
#: Standard deviation of a sentence about its block's centre, that of the centres being 1.
NOISE = 0.5


def chance_t(evidence: Reported, reference: str, k: list[int], runs: int) -> list[Estimate]:
    """Student's t of each printed mean against k / 107: the runs are independent draws."""
    found = []
    for one in k:
        mean, sd = cell(evidence, reference, one)
        t = (mean - chance(evidence, one)) / (sd / sqrt(runs))
        found.append(Estimate.exact(t, runs, "t against k/107", f"{reference}, k = {one}"))
    return found


def chance_z(evidence: Reported, references: list[str], k: list[int]) -> list[Estimate]:
    """Distance of each printed mean from k / 107 in standard deviations of a single draw.

    One draw is one random space; every run is then compared with the same one. Averaging lessens
    the error of a draw only as far as the runs differ, which is left out: |z| is, if anything, too
    small. `draw_sd` says where the standard deviation is from; it is known to some 4 %.
    """
    found = []
    for reference in references:
        for one in k:
            gap = cell(evidence, reference, one)[0] - chance(evidence, one)
            z = gap / draw_sd(sentences(evidence), one)
            method, label = "z against k/107, one simulated draw", f"{reference}, k = {one}"
            found.append(Estimate(z, z, z, DRAWS, method, 1.0, SEED, label))
    return found


def chance_percentage(evidence: Reported, k: int) -> Estimate:
    """Chance level of P@k, k / 107, in per cent."""
    return Estimate.exact(100 * chance(evidence, k), k, "k / 107, per cent")


@lru_cache
def draw_sd(number: int, k: int) -> float:
    """Return the standard deviation of P@k between a structured space and one random draw.

    A row's overlap is hypergeometric, and independent rows would average out. They are not
    independent: neighbourhoods are partly mutual, and random spaces have hubs, sentences that are
    near many others. By how much that raises the variance depends on the structured space, so it is
    simulated: sentences in six blocks, as those that share a phrase, each a Gaussian centre in 128
    dimensions with Gaussian noise of half its size, against `DRAWS` spaces of Gaussian vectors. The
    variance is that of independent rows at k = 1, and 1.7 times as much at k = 15.

    Parameters
    ----------
    number : int
        Sentences.
    k : int
        Neighbours per sentence.

    Returns
    -------
    float
        Standard deviation over the draws.
    """
    rng = np.random.default_rng(SEED)
    centres = rng.standard_normal((BLOCKS, DIMENSIONS))
    space = centres[np.arange(number) * BLOCKS // number]
    near = neighbour_weights(space + NOISE * rng.standard_normal(space.shape), k)
    shares = [
        (near * neighbour_weights(rng.standard_normal(space.shape), k)).sum() / near.sum()
        for _ in range(DRAWS)
    ]
    return float(np.std(shares, ddof=1))
