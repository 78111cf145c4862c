"""How often the checks against words are right: over many worlds where the truth is known.

``python -m claims.alm.calibration`` prints, for every check of `claims.alm.lexical` that has an
error rate, the share of worlds in which it says "supported", and in which it says "refuted", by
what is planted in the world.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from claims.alm import lexical
from core.arguments import at_least_one
from core.evidence.planted import WORDS, PlantedWorld, Recipe
from core.files import write_atomically
from core.jobs import SCHEDULER, JobsError, run
from core.metrics.proportion import wilson_interval
from core.paths import CLAIMS
from core.verdict.claim import Claim
from core.verdict.criterion import Verdict, judge
from core.verdict.registry import load_registry


def _both(recipe: Recipe) -> tuple[Recipe, Recipe, bool]:
    return recipe, recipe, True


#: The checks, by the start of their ids in the registry.
CHECKS: Mapping[str, Callable[..., Any]] = {
    "alm-lexical-untrained": lexical.over_null,
    "alm-lexical-words": lexical.over_null,
    "alm-lexical-renamed": lexical.renamed,
    "alm-lexical-mantel": lexical.beyond_words,
    "alm-beyond-phrase": lexical.within_phrase,
}
_AVERAGE = Recipe(average=1.0, noise=0.03)
_HEEDING = replace(WORDS, phrases=1.0)
_TASKS = replace(WORDS, tasks=0.7)
#: What is planted: recipes of agents and model, and whether what these share is the same.
SCENARIOS: Mapping[str, tuple[Recipe, Recipe, bool]] = {
    "words only": (WORDS, WORDS, True),
    "words only, averaged": (_AVERAGE, _AVERAGE, True),
    "words only, agents heed phrases more": (_HEEDING, WORDS, True),
    "words only, agents alike beyond them": (replace(WORDS, shared=0.8), WORDS, False),
    "meaning of words, a fifth": _both(replace(WORDS, shared=0.2)),
    "meaning of words, half": _both(replace(WORDS, shared=0.5)),
    "meaning of words, four fifths": _both(replace(WORDS, shared=0.8)),
    "which task, in both": _both(_TASKS),
}


def checks() -> dict[str, Claim]:
    """Return the registered claims that are calibrated, those about the stand-in, by check."""
    registry = {claim.id: claim for claim in load_registry(CLAIMS / "alm.toml")}
    return {name: registry[f"{name}-stand-in"] for name in CHECKS}


def verdicts(scenario: str, draw: int) -> dict[str, str]:
    """Return the verdict of each check in one world.

    Parameters
    ----------
    scenario : str
        A key of `SCENARIOS`.
    draw : int
        Which of its worlds; the same one every time.
    """
    agents, model, related = SCENARIOS[scenario]
    rng = np.random.default_rng([list(SCENARIOS).index(scenario), draw])
    world = PlantedWorld(agents, model, rng, related=related)
    return {
        name: judge(CHECKS[name](world, **claim.variant), claim.criterion).value
        for name, claim in checks().items()
        if claim.criterion is not None
    }


#: Per scenario and check, in how many worlds it says so.
Counts = dict[str, dict[str, int]]


def calibrate(
    worlds: int, workers: int | None = None, scheduler: str | None = None
) -> dict[str, Counts]:
    """Return the counts of "supported" and of "refuted".

    Parameters
    ----------
    worlds : int
        Per scenario.
    workers, scheduler
        Where the worlds are judged, see `core.jobs.run`; the counts do not depend on it.
    """
    every = [(scenario, draw) for scenario in SCENARIOS for draw in range(worlds)]
    said = run(_judged, every, workers=workers, scheduler=scheduler, label="worlds")
    words = (Verdict.SUPPORTED.value, Verdict.REFUTED.value)
    found = {word: {scenario: dict.fromkeys(CHECKS, 0) for scenario in SCENARIOS} for word in words}
    for (scenario, _), verdict_of in zip(every, said, strict=True):
        for name in CHECKS:
            for word in words:
                found[word][scenario][name] += verdict_of[name] == word
    return found


def _judged(world: tuple[str, int]) -> dict[str, str]:
    return verdicts(*world)


def lines(found: Mapping[str, Mapping[str, int]], worlds: int) -> Iterable[str]:
    """Yield the table: a share with Wilson's 95 % interval per scenario and check."""
    width = max(map(len, found)) + 2
    names = [name.removeprefix("alm-").removeprefix("lexical-") for name in CHECKS]
    yield " " * width + "".join(f"{name:<20}" for name in names).rstrip()
    for scenario, counts in found.items():
        cells = []
        for count in counts.values():
            share = count / worlds
            low, high = wilson_interval(share, worlds)
            cells.append(f"{share:.3f} [{low:.2f}, {high:.2f}]")
        yield f"{scenario:<{width}}" + "".join(f"{cell:<20}" for cell in cells).rstrip()


def main() -> None:
    """Calibrate, print the table, and write the counts."""
    parser = argparse.ArgumentParser(prog="python -m claims.alm.calibration", description=__doc__)
    parser.add_argument(
        "--worlds", type=at_least_one, default=200, help="per scenario (default: 200)"
    )
    parser.add_argument(
        "--workers", type=at_least_one, help="worlds at a time (default: one per core)"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="judge the worlds on the cluster of this Dask scheduler, with the same result "
        f"(default: {SCHEDULER}, else this machine)",
    )
    parser.add_argument("--out", type=Path, help="write the counts to this file, as JSON")
    options = parser.parse_args()
    try:
        found = calibrate(options.worlds, options.workers, options.scheduler)
    except JobsError as error:
        raise SystemExit(f"calibration: {error}") from error
    for word, counts in found.items():
        print(f"{word}:")  # noqa: T201 - a command prints
        for line in lines(counts, options.worlds):
            print(line)  # noqa: T201 - likewise
    if options.out:
        content = {"schema": 1, "worlds": options.worlds} | found
        write_atomically(options.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    # Workers look for functions in the module's own name, not in __main__.
    from claims.alm import calibration

    calibration.main()
