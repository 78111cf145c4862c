"""The registries of the papers as they stand in the checkout."""

import pytest

from core.paths import CLAIMS
from core.verdict.claim import Claim
from core.verdict.lock import lockable, read_lock
from core.verdict.registry import load_registry


@pytest.fixture(scope="module")
def claims() -> dict[str, tuple[Claim, ...]]:
    paths = [p for p in CLAIMS.glob("*.toml") if p.name != "lock.toml"]
    return {path.stem: load_registry(path) for path in paths}


@pytest.mark.parametrize(
    ("paper", "letter", "count"),
    [("sensorimotor", "C", 126), ("coverage", "N", 14), ("alm", "A", 34)],
)
def test_every_row_of_the_catalogue_is_covered(claims, paper, letter, count):
    width = len(str(count))
    rows = {f"{letter}{i:0{width}d}" for i in range(1, count + 1)}
    covered = {row for claim in claims[paper] for row in claim.rows}
    assert rows - covered == set()


def test_every_judged_claim_has_a_world_where_it_holds_and_one_where_it_fails(claims):
    judged = [c for group in claims.values() for c in group if c.untested is None]
    assert len(judged) > 80
    for claim in judged:
        assert claim.controls is not None
        assert claim.controls.holds != claim.controls.fails


def test_the_lock_knows_every_claim_on_every_tier_and_nothing_else(claims):
    # A fresh verdict is reviewed only where the weights are.
    known = lockable(claim for group in claims.values() for claim in group)
    locked = set(read_lock(CLAIMS / "lock.toml"))
    assert locked <= known
    assert {key for key in known if key[1] != "fresh"} <= locked
