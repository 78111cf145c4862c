"""What the paper's Table 1 and its text print, measured.

A cell of Table 1 is a mean P@k over runs of the agent, with the standard deviation over them. From
these alone an interval follows: Student's t on a mean, Welch's on a difference of two columns, as
if each column had runs of its own. The same runs stand behind every column, and what they share
cannot be seen in print. The rounding of the print, half of .0001, is left out of these intervals:
it is a hundredth of most of them.

The number of runs is a part of the reading: ten by the text, five by the digits of the table (see
`impossible_cells`).
"""

from __future__ import annotations

from math import ceil, floor, prod, sqrt

from scipy.special import betaincinv, stdtrit

from core.evidence.reported import Reported
from core.verdict.criterion import decimals, rounds_to
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


def fitting_ranges(
    evidence: Reported, sets: list[list[str]], k: list[int], low: str, high: str
) -> Estimate:
    """How many sets of columns have, at some k, means from one printed end to the other."""
    found = [_ends(evidence, columns, one) for columns in sets for one in k]
    fits = sum(rounds_to(first, low) and rounds_to(last, high) for first, last in found)
    return Estimate.exact(fits, len(found), "ranges in Table 1 that fit")


def means(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float = 0.95
) -> list[Estimate]:
    """Each printed mean with its t interval."""
    return [
        _t(*_cell(evidence, reference, one), runs, confidence, f"{reference}, k = {one}")
        for reference in references
        for one in k
    ]


def over_chance(
    evidence: Reported, references: list[str], k: list[int], runs: int, times: float = 1
) -> list[Estimate]:
    """Each printed mean less a multiple of k / 107, with its t interval.

    Two lists of k neighbours out of the other 107 sentences, of which one is random, share k / 107
    of their members on average, whatever the other list is.
    """
    found = []
    for reference in references:
        for size in k:
            (one,) = means(evidence, [reference], [size], runs)
            less = times * _chance(evidence, size)
            ends = (one.value - less, one.low - less, one.high - less)
            found.append(Estimate(*ends, runs, f"over chance, {one.method}", label=one.label))
    return found


def chance_t(evidence: Reported, reference: str, k: list[int], runs: int) -> list[Estimate]:
    """Student's t of each printed mean against k / 107: the runs are independent draws."""
    found = []
    for one in k:
        mean, sd = _cell(evidence, reference, one)
        t = (mean - _chance(evidence, one)) / (sd / sqrt(runs))
        found.append(Estimate.exact(t, runs, "t against k/107", f"{reference}, k = {one}"))
    return found


def chance_z(
    evidence: Reported, references: list[str], k: list[int], mutual: bool
) -> list[Estimate]:
    """Distance of each printed mean from k / 107 in standard deviations of a single draw.

    One draw is one random space; every run is then compared with the same one, and averaging over
    runs does not lessen its error. `_draw_sd` says what `mutual` is.
    """
    found = []
    for reference in references:
        for one in k:
            gap = _cell(evidence, reference, one)[0] - _chance(evidence, one)
            z = gap / _draw_sd(evidence, one, mutual)
            found.append(
                Estimate.exact(z, 1, "z against k/107, one draw", f"{reference}, k = {one}")
            )
    return found


def spread_statistic(
    evidence: Reported, reference: str, k: list[int], runs: int, mutual: bool
) -> list[Estimate]:
    """Return (n - 1) s^2 / sigma^2: chi-square with n - 1 df if the runs are independent draws."""
    found = []
    for one in k:
        ratio = _cell(evidence, reference, one)[1] / _draw_sd(evidence, one, mutual)
        statistic = (runs - 1) * ratio**2
        found.append(Estimate.exact(statistic, runs, "(n - 1) s²/σ²", f"{reference}, k = {one}"))
    return found


def chance_percentage(evidence: Reported, k: int) -> Estimate:
    """Chance level of P@k, k / 107, in per cent."""
    return Estimate.exact(100 * _chance(evidence, k), k, "k / 107, per cent")


def differences(
    evidence: Reported,
    references: list[str],
    over: list[str],
    k: list[int],
    runs: int,
    times: float = 1,
    confidence: float = 0.95,
) -> list[Estimate]:
    """Each mean of the first columns less a multiple of each other one's, with Welch's interval.

    Ten times the random mean is taken this way too: a ratio to it has no bounded interval at k = 1,
    where that mean's interval reaches zero.
    """
    found = []
    for one in k:
        for reference in references:
            for other in over:
                cells = _cell(evidence, reference, one), _cell(evidence, other, one)
                label = f"{reference} over {other}, k = {one}"
                found.append(_welch(*cells, times, runs, confidence, label))
    return found


def times_random(evidence: Reported, references: list[str], k: int) -> list[Estimate]:
    """Each printed mean over the printed random one, with the rounding of both."""
    base, base_half = _printed(evidence, "random", k)
    found = []
    for reference in references:
        mean, half = _printed(evidence, reference, k)
        low, high = (mean - half) / (base + base_half), (mean + half) / (base - base_half)
        found.append(Estimate(mean / base, low, high, 2, "printed, rounding", 1.0, label=reference))
    return found


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


def proportional_residuals(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float
) -> list[Estimate]:
    """P@k less k/15 of P@15, with Welch's interval: zero where P@k grows in proportion to k."""
    found = []
    for reference in references:
        last = _cell(evidence, reference, 15)
        for one in k:
            label = f"{reference}, k = {one}"
            cell = _cell(evidence, reference, one)
            found.append(_welch(cell, last, one / 15, runs, confidence, label))
    return found


def interchangeable(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float = 0.95
) -> list[Estimate]:
    """Return k / P@k: among how many neighbours a random choice of k gives the printed mean.

    If both spaces put a sentence next to the same m others and order these independently, P@k is
    k/m for k up to m.
    """
    found = []
    for reference in references:
        for size in k:
            (one,) = means(evidence, [reference], [size], runs, confidence)
            ends = (size / one.value, size / one.high, size / one.low)
            found.append(Estimate(*ends, runs, "k / P@k, t interval", confidence, label=one.label))
    return found


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


def _possible(evidence: Reported, reference: str, k: int, runs: int, divisors: list[int]) -> bool:
    unit = _sentences(evidence) * k
    mean, mean_half = _printed(evidence, reference, k)
    sd, sd_half = _printed(evidence, f"{reference}_sd", k)
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


def _sentences(evidence: Reported) -> int:
    return int(evidence.figures("sentences")[0])


def _chance(evidence: Reported, k: int) -> float:
    return k / (_sentences(evidence) - 1)


def _draw_sd(evidence: Reported, k: int, mutual: bool) -> float:
    """Return the standard deviation of P@k between one random space and another space.

    The overlap of one row is hypergeometric, and independent rows average out. Neighbourhoods are
    partly mutual, however: were they all, in both spaces, pairs would count twice and the variance
    would double. Random spaces lie between the two.
    """
    others = _sentences(evidence) - 1
    share = k / others
    variance = k * share * (1 - share) * (others - k) / (others - 1) / k**2
    return sqrt((1 + mutual) * variance / _sentences(evidence))


def _printed(evidence: Reported, fact: str, k: int) -> tuple[float, float]:
    """Return the figure of a row of Table 1, and half a unit of its last decimal."""
    place = evidence.figures("table_k").index(k)
    return evidence.figures(fact)[place], 0.5 * 10.0 ** -decimals(evidence.printed(fact)[place])


def _ends(evidence: Reported, columns: list[str], k: int) -> tuple[float, float]:
    figures = [_printed(evidence, column, k)[0] for column in columns]
    return min(figures), max(figures)


def _cell(evidence: Reported, reference: str, k: int) -> tuple[float, float]:
    return _printed(evidence, reference, k)[0], _printed(evidence, f"{reference}_sd", k)[0]


def _t(mean: float, sd: float, runs: int, confidence: float, label: str) -> Estimate:
    half = float(stdtrit(runs - 1, (1 + confidence) / 2)) * sd / sqrt(runs)
    method = f"t interval, {runs} runs"
    return Estimate(mean, mean - half, mean + half, runs, method, confidence, label=label)


def _welch(
    first: tuple[float, float],
    second: tuple[float, float],
    times: float,
    runs: int,
    confidence: float,
    label: str,
) -> Estimate:
    (mean, sd), (other, other_sd) = first, second
    variances = sd**2 / runs, (times * other_sd) ** 2 / runs
    error = sqrt(sum(variances))
    df = sum(variances) ** 2 / sum(variance**2 / (runs - 1) for variance in variances)
    value, half = mean - times * other, float(stdtrit(df, (1 + confidence) / 2)) * error
    method = f"Welch interval, {runs} runs"
    return Estimate(value, value - half, value + half, runs, method, confidence, label=label)
