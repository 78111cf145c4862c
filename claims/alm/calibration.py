"""How often the checks against words are right: over many worlds where the truth is known.

``python -m claims.alm.calibration`` prints, for every check of `claims.alm.lexical` that has an
error rate, the share of worlds in which it says "supported", by what is planted in the world.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from claims.alm import lexical
from core.evidence.simulated_spaces import WORDS, PlantedWorld, Recipe
from core.files import write_atomically
from core.metrics.proportion import wilson_interval
from core.paths import CLAIMS
from core.verdict.claim import Claim
from core.verdict.criterion import Verdict, judge
from core.verdict.registry import load_registry

#: The checks, by the start of their ids in the registry.
CHECKS: Mapping[str, Callable[..., Any]] = {
    "alm-lexical-untrained": lexical.over_null,
    "alm-lexical-words": lexical.over_null,
    "alm-lexical-renamed": lexical.renamed,
    "alm-lexical-mantel": lexical.beyond_words,
    "alm-beyond-phrase": lexical.within_phrase,
}
_HEEDING = replace(WORDS, phrases=1.0)
#: What is planted: recipes of agents and model, and whether what these share is the same.
SCENARIOS: Mapping[str, tuple[Recipe, Recipe, bool]] = {
    "words only": (WORDS, WORDS, True),
    "words only, agents heed phrases more": (_HEEDING, WORDS, True),
    "words only, agents alike beyond them": (replace(WORDS, shared=0.8), WORDS, False),
    "meaning, a fifth of the words' vectors": (
        replace(WORDS, shared=0.2),
        replace(WORDS, shared=0.2),
        True,
    ),
    "meaning, half": (replace(WORDS, shared=0.5), replace(WORDS, shared=0.5), True),
    "meaning, four fifths": (replace(WORDS, shared=0.8), replace(WORDS, shared=0.8), True),
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


def calibrate(worlds: int, processes: int) -> dict[str, dict[str, int]]:
    """Return per scenario and check in how many of its worlds the check says "supported"."""
    found = {scenario: dict.fromkeys(CHECKS, 0) for scenario in SCENARIOS}
    with (
        ProcessPoolExecutor(processes) as pool,
        tqdm(total=worlds * len(SCENARIOS), unit="world") as bar,
    ):
        for scenario, counts in found.items():
            for said in pool.map(partial(verdicts, scenario), range(worlds)):
                for name in CHECKS:
                    counts[name] += said[name] == Verdict.SUPPORTED
                bar.update()
    return found


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
    parser.add_argument("--worlds", type=int, default=200, help="per scenario (default: 200)")
    parser.add_argument("--processes", type=int, default=2, help="default: 2")
    parser.add_argument("--out", type=Path, help="write the counts to this file, as JSON")
    options = parser.parse_args()
    found = calibrate(options.worlds, options.processes)
    for line in lines(found, options.worlds):
        print(line)  # noqa: T201 - a command prints
    if options.out:
        content = {"schema": 1, "worlds": options.worlds, "supported": found}
        write_atomically(options.out, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
