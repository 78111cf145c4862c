"""A small checkout with claims of its own, to run the pytest face in as a user does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from core.paths import ROOT

REGISTRY = """
[[group]]
test = "test_text.py::test_same_figure"
section = "Text"
tiers = ["reported"]
needs = ["hand"]
controls = {holds = {hand = ["0.5", "0.5"]}, fails = {hand = ["0.5", "0.1"]}}

[[group.claim]]
id = "sm-text-hand"
rows = ["C035"]
where = "Results"
statement = "The figure given twice is the same."
printed = ["0.51", "0.14"]
criterion = {kind = "count", printed = "0"}

[[group]]
test = "test_ratings.py::test_closer"
section = "Ratings"
tiers = ["released"]
needs = ["ratings"]
controls = {holds = "told", fails = "reversed"}

[[group.claim]]
id = "sm-closer-en"
rows = ["C058"]
where = "Results"
statement = "En_FT is closer to people than Base."
variant = {language = "en", model = "En_FT"}
criterion = {kind = "above", bound = 0}

[[group]]
test = "test_ratings.py::test_untested"
section = "Ratings"

[[group.claim]]
id = "sm-gradients"
rows = ["C094"]
where = "Discussion"
statement = "Gradients do it."
untested = {reason = "not-observable", settles = "training traces"}
"""
FACTS = '[hand]\nfigures = ["0.51", "0.14"]\nwhere = ["paragraph 1", "paragraph 2"]\n'
TEXT = """
from core.verdict.estimate import Estimate

def measure(evidence):
    figures = evidence.figures("hand")
    return Estimate.exact(len(set(figures)) - 1, len(figures), "values beyond one")

def test_same_figure(judge):
    judge(measure)
"""
RATINGS = """
import numpy as np
from core.verdict.estimate import Estimate

def measure(evidence, language, model):
    table = evidence.ratings(language).complete()
    error = {m: np.linalg.norm(x - table.human, axis=1) for m, x in table.models.items()}
    gain = error["Base"] - error[model]
    half = 1.96 * gain.std() / len(gain) ** 0.5
    return Estimate(gain.mean(), gain.mean() - half, gain.mean() + half, len(gain), "mean gain")

def test_closer(judge):
    judge(measure)

def test_untested(judge):
    judge()
"""
LOCK = 'sm-gradients = { none = "untested" }\nsm-text-hand = { reported = "inconsistent" }\n'


class Checkout:
    """A copy of the face and of core, with claims of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # With what was compiled, which takes half a minute.
        shutil.copytree(ROOT / "core", path / "core")
        shutil.copytree(ROOT / "fixtures/released", path / "fixtures/released")
        (path / "claims").mkdir()
        claims = [f"claims/{name}.py" for name in ("options", "run", "settings")]
        for name in ("conftest.py", "pyproject.toml", *claims):
            shutil.copy(ROOT / name, path / name)
        self.write("claims/sensorimotor.toml", REGISTRY)
        self.write("claims/lock.toml", LOCK)
        self.write("claims/sensorimotor/test_text.py", TEXT)
        self.write("claims/sensorimotor/test_ratings.py", RATINGS)
        self.write("fixtures/reported/sensorimotor.toml", FACTS)
        (path / "empty").mkdir()

    def write(self, name: str, text: str) -> None:
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.path / name).read_text(encoding="utf-8")
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if k not in {"CI", "CLAIMS_MIRROR"}}
        return subprocess.run(
            [sys.executable, "-m", "pytest", *(args or ["claims"])],
            cwd=self.path,
            # An empty mirror is a release out of reach, whatever the network.
            env=kept
            | {
                "PYTHONPATH": str(self.path),
                "CLAIMS_MIRROR": str(self.path / "empty"),
                "CLAIMS_CACHE": str(self.path / "cache"),
            }
            | env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def verdicts(self) -> dict[str, str]:
        document = json.loads((self.path / "verdicts.json").read_text(encoding="utf-8"))
        return {
            f"{r['claim']} {r['tier']} {r['expects']}".strip(): r["verdict"]
            for r in document["verdicts"]
        }
