"""What the paper's Table 1 prints, measured: means over runs, their differences and ratios.

A cell of Table 1 is a mean P@k over runs of the agent, with the standard deviation over them. From
these alone an interval follows: Student's t on a mean, Welch's on a difference of two columns, as
if each column had runs of its own. The same runs stand behind every column, and what they share
cannot be seen in print. The rounding of the print, half of .0001, is left out of these intervals:
it is a hundredth of most of them.

The number of runs is a part of the reading: ten by the text, five by the digits of the table (see
`claims.alm.text.impossible_cells`).
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from scipy.special import stdtrit

from core.evidence.reported import Reported
from core.verdict.criterion import decimals
from core.verdict.estimate import Estimate


def sentences(evidence: Reported) -> int:
    """Return the number of sentences that every model embeds."""
    return int(evidence.figures("sentences")[0])


def chance(evidence: Reported, k: int) -> float:
    """Return k / 107, the mean P@k of two lists of k neighbours of which one is random."""
    return k / (sentences(evidence) - 1)


def printed(evidence: Reported, fact: str, k: int) -> tuple[float, float]:
    """Return the figure of a column of Table 1, and half a unit of its last decimal."""
    place = evidence.figures("table_k").index(k)
    return evidence.figures(fact)[place], 0.5 * 10.0 ** -decimals(evidence.printed(fact)[place])


def cell(evidence: Reported, reference: str, k: int) -> tuple[float, float]:
    """Return mean and standard deviation of a reference in Table 1."""
    return printed(evidence, reference, k)[0], printed(evidence, f"{reference}_sd", k)[0]


def means(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float = 0.95
) -> list[Estimate]:
    """Each printed mean with its t interval."""
    return [
        _t(*cell(evidence, reference, one), runs, confidence, f"{reference}, k = {one}")
        for reference in references
        for one in k
    ]


def over_chance(
    evidence: Reported,
    references: list[str],
    k: list[int],
    runs: int,
    times: float = 1,
    confidence: float = 0.95,
) -> list[Estimate]:
    """Each printed mean less a multiple of k / 107, with its t interval."""
    found = []
    for reference in references:
        for size in k:
            (one,) = means(evidence, [reference], [size], runs, confidence)
            less = times * chance(evidence, size)
            ends = {name: getattr(one, name) - less for name in ("value", "low", "high")}
            found.append(replace(one, **ends, method=f"over chance, {one.method}"))
    return found


def differences(
    evidence: Reported,
    references: list[str],
    over: list[str],
    k: list[int],
    runs: int,
    confidence: float = 0.95,
    relative: bool = False,
) -> list[Estimate]:
    """Each mean of the first columns less each other one's, with Welch's interval.

    With `relative`, as shares of the other mean, which is taken to be known.
    """
    found = []
    for one in k:
        for reference in references:
            for other in over:
                base = cell(evidence, other, one)
                label = f"{reference} over {other}, k = {one}"
                cells = cell(evidence, reference, one), base
                gap = _welch(*cells, 1, runs, confidence, label)
                found.append(_share(gap, base[0]) if relative else gap)
    return found


def times_random(evidence: Reported, references: list[str], k: int) -> list[Estimate]:
    """Each printed mean over the printed random one, with the rounding of both."""
    base, base_half = printed(evidence, "random", k)
    found = []
    for reference in references:
        mean, half = printed(evidence, reference, k)
        low, high = (mean - half) / (base + base_half), (mean + half) / (base - base_half)
        found.append(Estimate(mean / base, low, high, 2, "printed, rounding", 1.0, label=reference))
    return found


def proportional_residuals(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float
) -> list[Estimate]:
    """P@k less k/15 of P@15, as a share of the latter: zero where P@k grows in proportion to k.

    The interval is Welch's; the share's denominator is taken to be known.
    """
    found = []
    for reference in references:
        last = cell(evidence, reference, 15)
        for one in k:
            label = f"{reference}, k = {one}"
            gap = _welch(cell(evidence, reference, one), last, one / 15, runs, confidence, label)
            found.append(_share(gap, one / 15 * last[0]))
    return found


def block_t(evidence: Reported, references: list[str], k: list[int], runs: int) -> list[Estimate]:
    """Welch's t of P@k against what a block fitted at k = 15 predicts.

    If both spaces put a sentence next to the same m others and order these independently, P@k is
    k/m for k up to m. So m is 15 / P@15, and P@k is predicted to be k/m.
    """
    found = []
    for reference in references:
        last = cell(evidence, reference, 15)
        for one in k:
            gap, error, _ = _gap(cell(evidence, reference, one), last, one / 15, runs)
            label = f"{reference}, k = {one}"
            found.append(Estimate.exact(gap / error, runs, "t against k/m, m at k = 15", label))
    return found


def interchangeable(
    evidence: Reported, references: list[str], k: list[int], runs: int, confidence: float = 0.95
) -> list[Estimate]:
    """Return k / P@k: among how many neighbours a random choice of k gives the printed mean."""
    found = []
    for reference in references:
        for size in k:
            (one,) = means(evidence, [reference], [size], runs, confidence)
            ends = {"value": size / one.value, "low": size / one.high, "high": size / one.low}
            found.append(replace(one, **ends, method=f"k / P@k, {one.method}"))
    return found


def _t(mean: float, sd: float, runs: int, confidence: float, label: str) -> Estimate:
    half = float(stdtrit(runs - 1, (1 + confidence) / 2)) * sd / sqrt(runs)
    ends, method = (mean, mean - half, mean + half), f"t interval, {runs} runs"
    return Estimate(*ends, runs, method, confidence, label=label, df=runs - 1)


def _gap(
    first: tuple[float, float], second: tuple[float, float], times: float, runs: int
) -> tuple[float, float, float]:
    """Return the first mean less a multiple of the second, its error, and Welch's df."""
    (mean, sd), (other, other_sd) = first, second
    variances = sd**2 / runs, (times * other_sd) ** 2 / runs
    df = sum(variances) ** 2 / sum(variance**2 / (runs - 1) for variance in variances)
    return mean - times * other, sqrt(sum(variances)), df


def _welch(
    first: tuple[float, float],
    second: tuple[float, float],
    times: float,
    runs: int,
    confidence: float,
    label: str,
) -> Estimate:
    value, error, df = _gap(first, second, times, runs)
    half = float(stdtrit(df, (1 + confidence) / 2)) * error
    ends, method = (value, value - half, value + half), f"Welch interval, {runs} runs"
    return Estimate(*ends, runs, method, confidence, label=label, df=df)


def _share(one: Estimate, whole: float) -> Estimate:
    ends = {name: getattr(one, name) / whole for name in ("value", "low", "high")}
    return replace(one, **ends, method=f"{one.method}, as a share")
