"""What the paper's text says, measured against itself and against Table 1."""

from __future__ import annotations

from math import ceil, floor, prod

from scipy.special import betaincinv

from claims.alm.table import printed, sentences
from core.evidence.reported import Reported
from core.verdict.criterion import rounds_to
from core.verdict.estimate import Estimate


def product_gap(evidence: Reported, stated: str, factors: str) -> Estimate:
    """Stated total less the product of all factors."""
    (number,), factor = evidence.figures(stated), evidence.figures(factors)
    return Estimate.exact(number - prod(factor), len(factor), "stated less recomputed")


def table_end(evidence: Reported, columns: list[str], k: int, end: str) -> Estimate:
    """Lowest or highest printed figure of several columns."""
    low, high = _ends(evidence, columns, k)
    value = {"low": low, "high": high}[end]
    return Estimate.exact(value, len(columns), f"Table 1, {end} end at k = {k}")


def ends_printed(evidence: Reported, references: list[str], k: list[int], ends: str) -> Estimate:
    """How many ends of a range some mean of Table 1 rounds to."""
    found = [printed(evidence, reference, one)[0] for reference in references for one in k]
    hits = sum(any(rounds_to(mean, end) for mean in found) for end in evidence.printed(ends))
    return Estimate.exact(hits, len(found), "ends among the means of Table 1")


def most_at_one_k(evidence: Reported, references: list[str]) -> Estimate:
    """Highest P@k that the means of Table 1 leave to all references at one k, printed or not.

    Of k neighbours no more are shared than of the next larger number that is printed, K: P@k is at
    most K/k of P@K. The reference that allows least decides at each k, the best k decides overall.
    """
    sizes = [int(size) for size in evidence.figures("table_k")]
    bounds = []
    for k in range(1, max(sizes) + 1):
        above = min(size for size in sizes if size >= k)
        most = [sum(printed(evidence, reference, above)) for reference in references]
        bounds.append(min(most) * above / k)
    return Estimate.exact(max(bounds), len(references), f"bound from Table 1, k to {max(sizes)}")


def share_of_way(evidence: Reported, figure: str, start: str, end: str) -> list[Estimate]:
    """How far a figure lies on the way from a start (0) to each of several ends (1)."""
    (value,), (begin,) = evidence.figures(figure), evidence.figures(start)
    return [
        Estimate.exact((value - begin) / (last - begin), 3, "share of the way", f"to {last:g}")
        for last in evidence.figures(end)
    ]


def smallest_p(evidence: Reported, permutations: str, least: int, added: int) -> Estimate:
    """Return (b + added) / (B + added), b the least permuted scores at or above the observed."""
    (number,) = evidence.figures(permutations)
    name = "(b + 1)/(B + 1)" if added else "b/B"
    return Estimate.exact((least + added) / (number + added), int(number), f"{name}, b = {least}")


def p_when_none(evidence: Reported, permutations: str, confidence: float) -> Estimate:
    """Clopper-Pearson interval of the true p when no permuted score reaches the observed one."""
    (number,) = evidence.figures(permutations)
    high = float(betaincinv(1, number, (1 + confidence) / 2))
    return Estimate(0.0, 0.0, high, int(number), "Clopper-Pearson, b = 0", confidence)


def spare_components(evidence: Reported, sentences: str, dimensions: str) -> Estimate:
    """How many more principal components there can be than are asked for.

    n points have n - 1 components at most.
    """
    (n,), (asked,) = evidence.figures(sentences), evidence.figures(dimensions)
    return Estimate.exact(n - 1 - asked, int(n), "n - 1 less the components asked for")


def impossible_cells(
    evidence: Reported, references: list[str], k: list[int], runs: int, divisors: list[int]
) -> Estimate:
    """Count the cells of Table 1 that no set of runs can give.

    A run's P@k is a whole number of shared neighbours over 108 k. So the mean of n runs is a whole
    number T over 108 k n (GRIM), and the squares of the n counts add up to a whole number that is
    odd if and only if T is (GRIMMER). A cell counts if no T rounds to the printed mean, or if with
    none of the divisors (n less what `divisors` lists; empty: the mean alone) such a sum of squares
    rounds to the printed standard deviation. These are necessary conditions: a cell that counts is
    impossible, another need not be possible.

    References
    ----------
    Brown, N. J. L. & Heathers, J. A. J. (2017). The GRIM test. Social Psychological and Personality
    Science, 8, 363-369; Anaya, J. (2016). The GRIMMER test. PeerJ Preprints, 4, e2400v1.
    """
    cells = [(reference, one) for reference in references for one in k]
    bad = [cell for cell in cells if not _possible(evidence, *cell, runs, divisors)]
    return Estimate.exact(len(bad), len(cells), f"impossible cells of {len(cells)}, {runs} runs")


def possible_means(evidence: Reported, references: list[str], k: list[int], runs: int) -> Estimate:
    """Count the means of Table 1 that a number of runs can give (GRIM, see `impossible_cells`)."""
    bad = impossible_cells(evidence, references, k, runs, [])
    return Estimate.exact(bad.n - bad.value, bad.n, f"possible means of {bad.n}, {runs} runs")


def _possible(evidence: Reported, reference: str, k: int, runs: int, divisors: list[int]) -> bool:
    unit = sentences(evidence) * k
    mean, mean_half = printed(evidence, reference, k)
    sd, sd_half = printed(evidence, f"{reference}_sd", k)
    totals = _whole((mean - mean_half) * unit * runs, (mean + mean_half) * unit * runs)
    if not divisors:
        return bool(totals)
    for total in totals:
        for less in divisors:
            low, high = (
                total**2 / runs + (runs - less) * (max(end, 0) * unit) ** 2
                for end in (sd - sd_half, sd + sd_half)
            )
            if any(squares % 2 == total % 2 for squares in _whole(low, high)):
                return True
    return False


def _whole(low: float, high: float) -> range:
    # A millionth keeps a bound that is itself whole from being lost to binary noise.
    return range(ceil(low - 1e-6), floor(high + 1e-6) + 1)


def _ends(evidence: Reported, columns: list[str], k: int) -> tuple[float, float]:
    figures = [printed(evidence, column, k)[0] for column in columns]
    return min(figures), max(figures)
