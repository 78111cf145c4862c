"""What produced a run: code, packages, machine."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from core.paths import ROOT

DISTRIBUTION = "grounding-claims"
PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "numba",
    "pooch",
    "python-calamine",
    "pytest",
    "hypothesis",
    "safetensors",
    "torch",
    "minigrid",
    "gymnasium",
    "transformers",
    "tokenizers",
    "peft",
    "openai",
    "simplemma",
)


@dataclass(frozen=True)
class Provenance:
    """The code and the machine behind a run.

    Attributes
    ----------
    version : str
        The installed version, or "not installed".
    commit : str
        The checkout's commit, with "+changes" when the working tree differs; "unknown" without git.
    python, platform : str
        Interpreter and machine.
    packages : dict of str to str
        The versions of what the numbers depend on.
    """

    version: str
    commit: str
    python: str
    platform: str
    packages: dict[str, str]


def provenance(root: Path = ROOT) -> Provenance:
    """Return the provenance of a run of the checkout at `root`."""
    return Provenance(
        version=_version(DISTRIBUTION),
        commit=_commit(root),
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: _version(name) for name in PACKAGES},
    )


@cache
def code_version() -> dict[str, Any]:
    """Return the provenance of this checkout, as verdicts.json writes it."""
    return asdict(provenance())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _commit(root: Path) -> str:
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return commit + ("+changes" if _git(root, "status", "--porcelain") else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(root), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
