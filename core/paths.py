"""Where the checkout's own folders are: the suite runs from a clone, installed in place."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = ROOT / "claims"
FIXTURES = ROOT / "fixtures"
