"""Plain implementations to compare with, and published values with where they stand.

Nothing here is imported by the package. Slow and obvious is the point.
"""

from itertools import combinations, permutations
from typing import Any

import numpy as np
import scipy.stats
from scipy.spatial.distance import squareform

# SciPy makes its result classes at run time, out of a type checker's sight.
stats: Any = scipy.stats

# R's `mtcars` (Henderson and Velleman, 1981): miles per gallon and weight in 1000 lb.
MTCARS_MPG = np.array(
    [
        21,
        21,
        22.8,
        21.4,
        18.7,
        18.1,
        14.3,
        24.4,
        22.8,
        19.2,
        17.8,
        16.4,
        17.3,
        15.2,
        10.4,
        10.4,
        14.7,
        32.4,
        30.4,
        33.9,
        21.5,
        15.5,
        15.2,
        13.3,
        19.2,
        27.3,
        26,
        30.4,
        15.8,
        19.7,
        15,
        21.4,
    ],
    dtype=float,
)
MTCARS_WT = np.array(
    [
        2.62,
        2.875,
        2.32,
        3.215,
        3.44,
        3.46,
        3.57,
        3.19,
        3.15,
        3.44,
        3.44,
        4.07,
        3.73,
        3.78,
        5.25,
        5.424,
        5.345,
        2.2,
        1.615,
        1.835,
        2.465,
        3.52,
        3.435,
        3.84,
        3.845,
        1.935,
        2.14,
        1.513,
        3.17,
        2.77,
        3.57,
        2.78,
    ],
    dtype=float,
)

# The worked example of Wikipedia's "Spearman's rank correlation coefficient": rho = -29/165.
IQ = np.array([106, 100, 86, 101, 99, 103, 97, 113, 112, 110], dtype=float)
TV_HOURS = np.array([7, 27, 2, 50, 28, 29, 20, 12, 6, 17], dtype=float)

# R's `sleep`, Student (1908): hours gained under two drugs by the same ten patients.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


def ranks_by_counting(x):
    """One plus the number of smaller values, plus half the number of other equal ones."""
    return np.array([1 + sum(b < a for b in x) + (sum(b == a for b in x) - 1) / 2 for a in x])


def reindexed_rsa(human, model, indices, *, drop=False):
    """RSA after picking rows and columns of both square RDMs, self-pairs and all."""
    first, second = np.triu_indices(len(indices), 1)
    used = indices[first] != indices[second] if drop else np.full(len(first), True)
    picked = [
        squareform(rdm)[np.ix_(indices, indices)][first, second][used] for rdm in (human, model)
    ]
    if any(len(p) == 0 or np.ptp(p) == 0 for p in picked):
        return np.nan
    return float(stats.spearmanr(*picked)[0])


def rsatoolbox_rsa(human, model, indices):
    """RSA of a resample the way rsatoolbox does it: self-pairs become NaN and are left out."""
    picked = []
    for rdm in (human, model):
        square = squareform(rdm)
        np.fill_diagonal(square, np.nan)
        resampled = square[np.ix_(indices, indices)][np.triu_indices(len(indices), 1)]
        picked.append(stats.rankdata(resampled[~np.isnan(resampled)]))
    x, y = (p - p.mean() for p in picked)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


def holm_by_closure(p):
    """Closed testing: a hypothesis falls with every set that holds it, each by Bonferroni."""
    m = len(p)
    sets = [s for size in range(1, m + 1) for s in combinations(range(m), size)]
    return np.array(
        [max(min(1.0, len(s) * min(p[i] for i in s)) for s in sets if j in s) for j in range(m)]
    )


def dunn_clark_z(r12, r13, r23, n):
    """Dunn and Clark (1969): Steiger's Z without pooling, as Steiger's article writes it."""
    spread = (1 - r12**2) * (1 - r13**2)
    covariance = r23 * (1 - r12**2 - r13**2) - 0.5 * r12 * r13 * (1 - r12**2 - r13**2 - r23**2)
    return (
        (np.arctanh(r12) - np.arctanh(r13)) * np.sqrt(n - 3) / np.sqrt(2 - 2 * covariance / spread)
    )


def normal_sample(correlation, n, rng):
    """`n` draws of standard normal variables with this correlation matrix, one per column."""
    return rng.standard_normal((n, len(correlation))) @ np.linalg.cholesky(correlation).T


def covers_as_claimed(hits, trials, confidence):
    """Whether a simulated coverage is compatible with the nominal one (exact binomial test)."""
    return stats.binomtest(hits, trials, confidence).pvalue > 0.001


def mutual_knn(x, y, k):
    """Huh et al. (2024): shared nearest neighbours by inner product between rows of unit length."""
    lists = []
    for space in (x, y):
        unit = [row / np.sqrt(sum(v * v for v in row)) for row in np.asarray(space, dtype=float)]
        near = []
        for i, row in enumerate(unit):
            by_product = sorted(
                (j for j in range(len(unit)) if j != i),
                key=lambda j, row=row: sum(row * unit[j]),
                reverse=True,
            )
            near.append(by_product[:k])
        lists.append(near)
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*lists, strict=True)]))


def hsic_by_four_tuples(k, l):  # noqa: E741
    """Song et al. (2012): HSIC without bias is a U-statistic of degree four."""
    tuples = list(permutations(range(len(k)), 4))
    terms = [k[i, j] * l[i, j] + k[i, j] * l[q, r] - 2 * k[i, j] * l[i, q] for i, j, q, r in tuples]
    return sum(terms) / len(tuples)


def match_score(x, y, i, j, without):
    """How well row i of one similarity matrix fits row j of another, some entries left out."""
    return stats.pearsonr(np.delete(x[i], without), np.delete(y[j], without)).statistic


def partial_correlation(a, b, given):
    """Yule's (1907) formula for one variable held fixed, from the three plain correlations."""
    ab, ag, bg = (np.corrcoef(p, q)[0, 1] for p, q in ((a, b), (a, given), (b, given)))
    return (ab - ag * bg) / np.sqrt((1 - ag**2) * (1 - bg**2))
