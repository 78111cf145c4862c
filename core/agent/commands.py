"""What `claims demonstrate`, `train`, `evaluate` and `replicate` do."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from core.agent.dataset import make_demonstrations, read_demonstrations
from core.agent.errors import RecipeError
from core.agent.evaluation import floors, greedy, held_out_starts, play, shared_by_synonyms
from core.agent.evidence import write_manifest, write_variant
from core.agent.model import Architecture
from core.agent.replication import (
    Job,
    floor_results,
    last_starts,
    train_agents,
)
from core.agent.runs import Recipe, load_run
from core.evidence.errors import EvidenceError
from core.jobs import SCHEDULER
from core.report.agents import Counts, success


@dataclass(frozen=True)
class Variant:
    """One row of the plan: a reading of the paper, and how many seeds it is tried with."""

    name: str
    architecture: Architecture
    seeds: int


#: The paper's ten runs; the other start and the other pooling that its words allow; and a clone
#: that is deaf to language, to hold the agent against.
PLAN = (
    Variant("baseline", Architecture(), 10),
    Variant("identical", Architecture(initial="identical"), 5),
    Variant("flatten", Architecture(pooling="flatten"), 3),
    Variant("blind", Architecture(blind=True), 4),
)


def demonstrate(options: argparse.Namespace) -> int:
    """Make a data set of demonstrations and say what is in it."""
    manifest = make_demonstrations(options.out, options.episodes, options.seed)
    print(
        f"{manifest['episodes']} demonstrations, {manifest['training_steps']} steps, "
        f"{100 * manifest['success']:.1f} % of those tried succeeded, in {options.out}"
    )
    for task, counts in manifest["steps"].items():
        steps = np.repeat(np.arange(len(counts)), counts)
        if len(steps):
            told = f"{steps.mean():.1f} steps on average, at most {steps.max()}"
            print(f"  {task:<8} {len(steps):>6} episodes, {told}")
    never = [name for name, count in manifest["actions"].items() if not count]
    print(f"  never done: {', '.join(never) or 'none'}")
    return 0


def train(options: argparse.Namespace) -> int:
    """Train agents and print how often they succeed."""
    device = _device(options)
    architecture = Architecture(
        options.initial,
        options.pooling,
        options.tokenisation,
        options.vision,
        options.view,
        options.blind,
    )
    recipes = [
        Recipe(
            seed,
            options.updates,
            options.batch,
            options.learning_rate,
            options.stop_at,
            architecture,
            options.vision_weights,
        )
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    jobs = [
        Job(recipe, options.demonstrations, options.out / f"seed-{recipe.seed}", device)
        for recipe in recipes
    ]
    train_agents(jobs, options.jobs or os.cpu_count() or 1)
    results = {job.folder.name: _result(job.folder) for job in jobs}
    found = {name: [_counts(result["success"])] for name, result in results.items()}
    stuck = [name for name, result in results.items() if result["plateau"]]
    for line in success(found, stuck):
        print(line)
    print(f"in {options.out}; `claims evaluate {options.out}` plays other episodes")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Play held-out episodes with trained agents, and with policies that do not listen."""
    files, device = _checkpoints(options.agents), _device(options)
    data = read_demonstrations(options.demonstrations)
    expected = data.sha256()
    starts = shared_by_synonyms(held_out_starts(data.starts, options.episodes, options.seed))
    found: dict[str, list[Counts]] = {}
    for path in tqdm(files, unit="agent", disable=None):
        state, digest = load_run(path, device)
        if digest != expected:
            msg = (
                f"{path}: was trained on other demonstrations than those in "
                f"{options.demonstrations}; name its own with --demonstrations"
            )
            raise EvidenceError(msg)
        state.agent.eval()
        found[_name(path, options.agents)] = [play(greedy(state.agent), starts).counts()]
    rng = np.random.default_rng(options.seed)
    found |= {name: [play(policy, starts).counts()] for name, policy in floors(rng).items()}
    for line in success(found):
        print(line)
    return 0


def replicate(options: argparse.Namespace) -> int:
    """Make all that the replicated evidence on the agent rests on, and put it into fixtures/."""
    if options.scheduler:
        os.environ[SCHEDULER] = options.scheduler
    data, device = options.work / "demonstrations", _device(options)
    make_demonstrations(data, options.episodes, seed=0)
    folders = {
        variant.name: [
            options.work / variant.name / f"seed-{seed}" for seed in range(variant.seeds)
        ]
        for variant in PLAN
    }
    jobs = [
        Job(
            Recipe(seed=seed, updates=options.updates, architecture=variant.architecture),
            data,
            folder,
            device,
        )
        for variant in PLAN
        for seed, folder in enumerate(folders[variant.name])
    ]
    train_agents(jobs, options.jobs or os.cpu_count() or 1)
    for name, each in folders.items():
        write_variant(name, each, options.out)
    starts = last_starts(read_demonstrations(data).starts, seed=0)
    write_manifest(options.out, list(folders), data, floor_results(starts))
    print(f"wrote {options.out}: read the diff, then `pytest claims/alm --update-lock`")
    return 0


def _counts(success: dict[str, list[int]]) -> Counts:
    return np.array(success["64"]), np.array(success["episodes"])


def _result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text(encoding="utf-8"))


def _checkpoints(path: Path) -> list[Path]:
    found: Iterable[Path] = [path] if path.is_file() else path.rglob("checkpoint.safetensors")
    files = sorted(found)
    if not files:
        msg = f"{path}: holds no checkpoint.safetensors; train an agent with `claims train`"
        raise EvidenceError(msg)
    return files


def _name(checkpoint: Path, among: Path) -> str:
    """Return the folder of a checkpoint, from the one that was asked for."""
    folder = checkpoint.resolve().parent
    name = folder.relative_to(among.resolve()) if among.is_dir() else Path()
    return str(name) if name.parts else folder.name


def _device(options: argparse.Namespace) -> str:
    return _usable(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _usable(name: str) -> str:
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        msg = f"--device {name} cannot be used here ({why}); name cpu or cuda"
        raise RecipeError(msg) from error
    return name
