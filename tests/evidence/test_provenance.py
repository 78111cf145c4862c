import json
import re
import subprocess

import numpy as np

from core.evidence import provenance as module
from core.evidence.provenance import code_version, provenance


def test_a_run_says_its_packages_and_machine_and_can_be_written_as_json():
    facts = json.loads(json.dumps(code_version()))
    assert facts["packages"]["numpy"] == np.__version__
    assert {"version", "commit", "python", "platform"} <= set(facts)


def git(root, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


def test_the_commit_says_when_the_tree_has_changed(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("a")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "a")
    assert re.fullmatch("[0-9a-f]{40}", provenance(tmp_path).commit)
    (tmp_path / "a.txt").write_text("b")
    assert re.fullmatch(r"[0-9a-f]{40}\+changes", provenance(tmp_path).commit)


def test_without_git_or_an_installed_package_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution-here")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance(tmp_path).commit == "unknown"
    assert provenance(tmp_path).version == "not installed"
