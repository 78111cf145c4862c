"""What `claims demonstrate`, `train`, `evaluate` and `replicate` do, once torch is there."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

import torch

from core.agent.dataset import make_demonstrations
from core.agent.model import Architecture
from core.agent.replication import Job, train_agents
from core.agent.training import Recipe


@dataclass(frozen=True)
class Variant:
    """One row of the plan: a reading of the paper, and how many seeds it is tried with."""

    name: str
    architecture: Architecture
    seeds: int


PLAN = (
    Variant("baseline", Architecture(), 10),
    Variant("identical", Architecture(initial="identical"), 3),
    Variant("flatten", Architecture(pooling="flatten"), 3),
    Variant("blind", Architecture(blind=True), 2),
)


def replicate(options: argparse.Namespace) -> int:
    """Make everything that the replicated evidence on the agent rests on."""
    data = options.work / "demonstrations"
    make_demonstrations(data, options.episodes, seed=0)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    jobs = [
        Job(
            Recipe(seed=seed, updates=options.updates, architecture=variant.architecture),
            data,
            options.work / variant.name / f"seed-{seed}",
            device,
        )
        for variant in PLAN
        for seed in range(variant.seeds)
    ]
    train_agents(jobs, options.jobs or os.cpu_count() or 1)
    return 0
