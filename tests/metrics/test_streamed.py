"""RSA of RDMs that are never written down."""

import errno
import json
import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from core.metrics import _cells, _slices
from core.metrics._cells import RANGE
from core.metrics._walk import Walk, pairs_before
from core.metrics.rdm import rdm, rsa, standardise
from core.metrics.streamed import LARGEST_N, _result, streamed_rsa
from tests import strategies

ROOT = Path(__file__).resolve().parents[2]
FLOATS = 1e-13  # rounding of `rsa` itself, whose sums are of floats
NONE = np.empty(0)
KINDS = ("ratings", "whole numbers", "normal", "clustered", "same", "unrelated")


def ratings(n, seed, step=0.05):
    """Standardised means of ratings from 0 to 5, of things that another seed rates likewise."""
    rng = np.random.default_rng(seed)
    latent = np.random.default_rng(99).standard_normal((n, 6))
    x = latent @ rng.standard_normal((6, 11)) / 2 + 0.5 * rng.standard_normal((n, 11))
    return standardise(np.clip(((1.2 + x) / step).round() * step, 0, 5))


def drawn(kind, n, seed):
    rng = np.random.default_rng(seed)
    if kind == "ratings":
        return ratings(n, seed), ratings(n, seed + 1000, step=0.2)
    if kind == "whole numbers":
        x = rng.integers(1, 4, (n, 3))
        return x, np.clip(x + rng.integers(0, 2, (n, 3)), 1, 3)
    if kind == "normal":
        x = rng.standard_normal((n, 5))
        return x, x + rng.standard_normal((n, 5))
    if kind == "clustered":
        x = rng.standard_normal((3, 5))[rng.integers(0, 3, n)]
        return x + 1e-3 * rng.standard_normal((n, 5)), x + 1e-2 * rng.standard_normal((n, 5))
    if kind == "same":
        return (ratings(n, seed),) * 2
    return rng.standard_normal((n, 4)), rng.standard_normal((n, 7))


def grid(n, edge):
    """Rows in a plane, the n - 1 nearest pairs of which lie on this distance but for rounding."""
    angles = np.arange(n) * np.arccos(1 - edge)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def in_slices(pairs):
    """Memory for so many pairs in a slice, with one thread."""
    return _slices.PER_THREAD + pairs * _slices.PER_PAIR


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bins", [5, 16, 300, 2**13, 2**20])
def test_the_bound_holds(kind, bins, monkeypatch):
    # Ties among few rows only: most that pairs share elsewhere is unknown.
    monkeypatch.setattr(_cells, "SAMPLE", 12)
    for seed in range(8 if bins < 2**20 else 2):
        x, y = drawn(kind, 40 + 15 * seed, seed)
        for metric in ("cosine", "correlation")[: 1 if kind == "whole numbers" else 2]:
            found = streamed_rsa(x, y, bins=bins, metric=metric)
            true = rsa(rdm(x, metric), rdm(y, metric))
            assert found.low - FLOATS <= true <= found.high + FLOATS
            assert abs(true - found.rho) <= found.bound + FLOATS
            assert -1 <= found.low <= found.rho <= found.high <= 1


@given(st.integers(3, 12), st.integers(2, 12), strategies.seeds)
def test_the_bound_holds_where_bins_hold_nearly_everything(n, bins, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((2, n, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found, true = streamed_rsa(x, y, bins=bins), rsa(rdm(x), rdm(y))
    if not np.isnan(found.rho):
        assert found.low - FLOATS <= true <= found.high + FLOATS


def in_plane(*degrees):
    angles = np.radians(degrees)
    return np.column_stack([np.cos(angles), np.sin(angles)])


def test_the_lower_limit_can_be_met():
    # Two bins: pairs 12 and 13 share the lower one, in opposite orders. In ranks from their mean,
    # (-1, 0, 1) and (0, -1, 1) correlate by 1/2; as (-1/2, -1/2, 1) both they agree.
    x, y = in_plane(0, 60, -80), in_plane(0, 80, -60)
    found = streamed_rsa(x, y, bins=2)
    assert_allclose(rsa(rdm(x), rdm(y)), 0.5, atol=1e-14)
    assert (found.rho, found.high) == (1, 1)
    assert_allclose(found.low, 0.5, atol=1e-14)
    assert_allclose(found.bound, 0.5, atol=1e-14)


def test_the_upper_limit_can_be_met():
    # Pairs in one order, but (-1/2, -1/2, 1) by the bins of one and (-1, 1/2, 1/2) by the other's.
    x, y = in_plane(0, 60, -80), in_plane(0, 60, -120)
    y[2] = in_plane(-110)[0]
    assert_array_equal(np.argsort(rdm(x)), np.argsort(rdm(y)))
    found = streamed_rsa(x, y, bins=2)
    assert_allclose(found.rho, 0.5, atol=1e-14)
    assert_allclose((found.low, found.high), (-0.5, 1), atol=1e-14)


def test_limits_go_no_further_than_the_opposite():
    # Pair 23 is first of y and last of x; of y it has a bin alone, of x the others share one.
    x, y = in_plane(0, 60, -80), in_plane(0, 170, 120)
    found = streamed_rsa(x, y, bins=2)
    assert (found.rho, found.low) == (-1, -1)
    assert_allclose(rsa(rdm(x), rdm(y)), -1, atol=1e-14)
    assert_allclose(found.high, -0.5, atol=1e-14)


def test_limits_where_rho_is_1_but_for_what_a_float_can_hold():
    # rho = 1 - 2e-18, so the angle is 2e-9; another of 45 degrees is possible.
    found = _result(9, (10**18, 10**18, 10**18 - 2), (10**18, 0))
    assert_allclose(found.low, (1 - 2e-9) / 2**0.5, rtol=0, atol=2e-15)
    assert found.high == 1


def test_the_bound_is_of_use():
    x, y = ratings(600, 1), ratings(600, 2)
    bounds = [streamed_rsa(x, y, bins=2**k).bound for k in (6, 10, 14)]
    assert_allclose(np.divide(bounds[:-1], bounds[1:]), 16, rtol=0.1)
    assert bounds[-1] < 3e-4
    # Of the same RDM twice only what both miss is left: a product of two small angles.
    assert streamed_rsa(x, x, bins=2**14).bound < 1e-6
    assert streamed_rsa(x, x, bins=2**14).rho == 1


def test_distances_that_many_pairs_share_are_set_apart(monkeypatch):
    x, y = drawn("whole numbers", 400, 1)
    true = rsa(rdm(x), rdm(y))
    bounds = []
    for sample in (2, 40, 400):
        monkeypatch.setattr(_cells, "SAMPLE", sample)
        found = streamed_rsa(x, y, bins=2**20)
        assert found.low - FLOATS <= true <= found.high + FLOATS
        bounds.append(found.bound)
    # Of two rows nothing is learnt; of all, whatever ties, so that nothing is left to bound.
    assert 0.02 < bounds[0] < 1
    assert bounds[1] < bounds[0] / 20
    assert bounds[2] < 1e-9


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("metric", ["cosine", "correlation"])
def test_exact_mode(kind, metric, tmp_path):
    x, y = drawn(kind, 300, 3)
    if kind == "whole numbers":
        x, y = x + np.array([0, 4, 9]), y + np.array([0, 4, 9])
    found = streamed_rsa(
        x, y, metric=metric, bins=2**10, exact=True, memory=in_slices(30_000), threads=1,
        folder=tmp_path,
    )  # fmt: skip
    assert_allclose(found.rho, rsa(rdm(x, metric), rdm(y, metric)), atol=1e-13)
    assert (found.low, found.high, found.bound) == (found.rho, found.rho, 0)
    assert not list(tmp_path.iterdir())


def test_exact_mode_in_many_slices():
    n = 1200
    x, y = ratings(n, 4), ratings(n, 5)
    calls = []
    found = streamed_rsa(
        x, y, bins=2**14, exact=True, memory=in_slices(20_000), threads=1,
        progress=lambda *now: calls.append(now),
    )  # fmt: skip
    pieces = len(Walk(n, _slices.PIECE, None).pieces)
    assert pieces > 2
    # 719,400 pairs in slices of at most 20,000, after one pass over each RDM.
    total = pieces * 2 * (1 + 38)
    assert calls == [(done, total) for done in range(total + 1)]
    assert_allclose(found.rho, rsa(rdm(x), rdm(y)), atol=1e-13)


def test_exact_mode_parts_no_ties():
    bins = 16
    for edge in (2, 5, 8):
        x = grid(60, edge * RANGE / bins)
        y = x + np.random.default_rng(edge).standard_normal((60, 2))
        found = streamed_rsa(x, y, bins=bins, exact=True, memory=in_slices(900), threads=1)
        assert_allclose(found.rho, rsa(rdm(x), rdm(y)), atol=1e-13)


def test_the_number_of_threads_does_not_matter():
    x, y = ratings(3000, 6), ratings(3000, 7)
    found = {streamed_rsa(x, y, bins=2**12, threads=threads) for threads in (1, 2, 5)}
    assert len(found) == 1
    x, y = x[:900], y[:900]
    found = {streamed_rsa(x, y, bins=2**12, exact=True, threads=threads) for threads in (1, 2, 5)}
    assert len(found) == 1


def test_symmetric_and_blind_to_the_order_of_rows():
    x, y = ratings(500, 8), ratings(500, 9)
    order = np.random.default_rng(0).permutation(500)
    for exact in (False, True):
        once = streamed_rsa(x, y, bins=2**10, exact=exact)
        assert streamed_rsa(y, x, bins=2**10, exact=exact) == once
        assert streamed_rsa(x[order], y[order], bins=2**10, exact=exact) == once


@pytest.mark.parametrize("exact", [False, True])
def test_by_hand(exact):
    # Distances 0, 1, 1 and 1 - 0.8, 1 - 0.6, 1 - 0.96: ranks 1, 2.5, 2.5 and 2, 3, 1.
    x, y = [[1, 0], [2, 0], [0, 1]], [[1, 0], [4, 3], [3, 4]]
    found = streamed_rsa(x, y, exact=exact)
    assert (found.n, found.pairs) == (3, 3)
    assert_allclose(found.rho, 0, atol=1e-15)
    assert found.bound <= 1e-15


def test_progress():
    calls = []
    streamed_rsa(ratings(1600, 1), ratings(1600, 2), progress=lambda *now: calls.append(now))
    total = 3 * len(Walk(1600, 2**20, None).pieces)
    assert total > 3
    assert calls == [(done, total) for done in range(total + 1)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "clustered"])
@pytest.mark.parametrize("room", [9_000, 20_000, 44_849, 44_850, 10**6])
def test_exact_mode_foresees_its_passes(kind, room):
    x, y = drawn(kind, 300, 3)  # 44,850 pairs
    calls = []
    streamed_rsa(
        x, y, bins=2**14, exact=True, memory=in_slices(room), threads=1,
        progress=lambda *now: calls.append(now),
    )  # fmt: skip
    total = calls[0][1]
    assert calls == [(done, total) for done in range(total + 1)]
    # Few more than the fewest there could be.
    fewest = -(-44_850 // room)
    assert 2 + 2 * fewest <= total <= 2 + 2 * (fewest + (fewest > 1))


def test_exact_mode_corrects_its_passes_where_cells_leave_room():
    assert _slices.foreseen(240, 100) == 3
    found = _slices.slices(np.arange(6), np.array([60, 60, 0, 60, 60, 0]), 6, 100)
    assert [(one.size, one.before) for one in found] == [(60, 60 * k) for k in range(4)]
    assert [one.to_bin for one in found[:-1]] == [one.from_bin for one in found[1:]]
    # Three pairs of equal rows, so distances 3, 4, 4 and 4 times: no two kinds have room together.
    x = in_plane(0, 0, 50, 50, 130, 130)
    calls = []
    found = streamed_rsa(
        x, x, bins=16, exact=True, memory=in_slices(6), threads=1,
        progress=lambda *now: calls.append(now),
    )  # fmt: skip
    assert found.rho == 1
    assert calls == [(0, 8), (1, 8), (2, 8)] + [(done, 10) for done in range(2, 11)]


@pytest.mark.parametrize("exact", [False, True])
def test_constant_distances_have_no_rho(exact):
    x, y = np.eye(5), ratings(5, 1)
    for pair in ((x, y), (y, x)):
        with pytest.warns(RuntimeWarning, match="undefined"):
            found = streamed_rsa(*pair, exact=exact)
        assert np.isnan([found.rho, found.low, found.high, found.bound]).all()


def test_two_bins_may_hide_all_there_is():
    x = np.abs(ratings(20, 1))
    with pytest.warns(RuntimeWarning, match="share a bin"):
        assert np.isnan(streamed_rsa(x, x, bins=2).rho)
    assert streamed_rsa(x, x, bins=2, exact=True).rho == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": [[1, 2], [0, 0], [3, 4]]}, "rows 1 .* are all zeros"),
        ({"x": [[1, 2], [2, 2], [3, 4]], "metric": "correlation"}, "rows 1 .* are constant"),
        ({"x": [[1, np.nan], [2, 2], [3, 4]]}, "NaN"),
        ({"x": [[1, 2], [2, 2]]}, "x has 2 rows and y 3"),
        ({"x": [[1, 2], [2, 2]], "y": [[1, 2], [2, 2]]}, "must have 3 to 65536"),
        ({"metric": "euclidean"}, "only cosine and correlation"),
        ({"bins": 1}, "bins is 1"),
        ({"bins": 2**25}, "bins is 33554432"),
        ({"bins": 1e5}, r"bins is 100000\.0, must be a whole number"),
        ({"memory": 1e9}, r"memory is 1000000000\.0, must be a whole number"),
        ({"threads": 2.0}, r"threads is 2\.0, must be a whole number"),
        ({"threads": 0}, "threads is 0"),
        ({"memory": 2**20}, f"1048576 bytes; 1048576 bins need {54 * 2**20}"),
        ({"memory": 2**20, "bins": 2}, "1048576 bytes; 2 bins need"),
        ({"memory": 2**21, "exact": True, "bins": 2**10}, "exact mode needs more than"),
    ],
)
def test_refuses(change, message):
    arguments = {"x": [[1, 2], [2, 2], [3, 1]], "y": [[1, 2], [2, 1], [3, 1]]} | change
    with pytest.raises(ValueError, match=message):
        streamed_rsa(**arguments)


def test_refuses_more_rows_than_ranks_can_hold():
    x = np.ones((LARGEST_N + 1, 1))
    with pytest.raises(ValueError, match="65537 rows"):
        streamed_rsa(x, x)
    assert pairs_before(LARGEST_N, LARGEST_N) < 2**31 < pairs_before(LARGEST_N + 1, LARGEST_N + 1)


def test_exact_mode_names_the_memory_that_ties_need():
    x = drawn("whole numbers", 100, 1)[0]
    with pytest.raises(ValueError, match="share a bin") as refusal:
        streamed_rsa(x, x, exact=True, bins=2**10, memory=in_slices(100), threads=1)
    short = int(str(refusal.value).split("at least ")[1].split()[0])
    for memory, enough in ((short, True), (short - 40, False)):
        arguments = {"exact": True, "bins": 2**10, "threads": 1}
        if enough:
            assert streamed_rsa(x, x, memory=in_slices(100) + memory, **arguments).rho == 1
        else:
            with pytest.raises(ValueError, match="share a bin"):
                streamed_rsa(x, x, memory=in_slices(100) + memory, **arguments)


def test_exact_mode_asks_for_disk_before_it_starts(monkeypatch, tmp_path):
    monkeypatch.setattr(_slices.shutil, "disk_usage", lambda _: SimpleNamespace(free=17))
    x = ratings(10, 1)
    with pytest.raises(ValueError, match=r"45 pairs need 180 bytes, .* has 17; name another"):
        streamed_rsa(x, x, exact=True, folder=tmp_path)
    assert not list(tmp_path.iterdir())


reserving = pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no such call here")


@reserving
def test_exact_mode_refuses_a_disk_that_fills_up(monkeypatch, tmp_path):
    # By quota, say, or by another's file: the free space was there when it was asked for.
    def fill(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fill)
    x = ratings(10, 1)
    with pytest.raises(ValueError, match=f"180 bytes, .*{tmp_path}.* not give .*No space left"):
        streamed_rsa(x, x, exact=True, folder=tmp_path)
    assert not list(tmp_path.iterdir())


@reserving
def test_exact_mode_owns_its_file_before_it_maps_it(monkeypatch, tmp_path):
    x, y = ratings(300, 1), ratings(300, 2)
    sizes = []
    kept = _slices.Ranking._kept

    def spy(self, path, rows):
        sizes.append((path.stat().st_size, path.stat().st_blocks * 512))
        return kept(self, path, rows)

    monkeypatch.setattr(_slices.Ranking, "_kept", spy)
    streamed_rsa(x, y, exact=True, folder=tmp_path)
    size, taken = sizes[0]
    assert size == 4 * 44_850
    assert taken >= size


def test_exact_mode_where_files_cannot_be_reserved(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    x, y = ratings(300, 1), ratings(300, 2)
    found = streamed_rsa(x, y, exact=True, folder=tmp_path)
    assert_allclose(found.rho, rsa(rdm(x), rdm(y)), atol=1e-13)


@pytest.mark.parametrize(
    ("processors", "threads", "expected"),
    [(64, None, 4), (2, None, 2), (None, None, 1), (64, 6, 6)],
)
def test_many_processors_take_no_more_memory(monkeypatch, processors, threads, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    used = []
    each = Walk.each

    def spy(self, function, scratch):
        used.append(len(scratch))
        return each(self, function, scratch)

    monkeypatch.setattr(Walk, "each", spy)
    streamed_rsa(ratings(50, 1), ratings(50, 2), bins=2**10, threads=threads)
    assert used == [expected] * 3


@pytest.mark.parametrize(
    ("exact", "bins", "threads", "memory"),
    [(False, 2**20, 2, 64e6), (False, 2**20, 9, 9e7), (False, 16, 1, 22e6), (False, 2**18, 5, 23e6),
     (True, 2**16, 2, 14e6), (True, 2**16, 2, 30e6)],
)  # fmt: skip
def test_memory_is_what_was_allowed(exact, bins, threads, memory):
    x, y = np.random.default_rng(1).standard_normal((2, 1500, 4))
    arguments = {"exact": exact, "bins": bins, "threads": threads, "memory": int(memory)}
    streamed_rsa(x[:100], y[:100], **arguments)
    tracemalloc.start()
    try:
        streamed_rsa(x, y, **arguments)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The features themselves, a list of steps, and the like.
    assert peak < memory + 2e6


MEASURED = """
import json, os, pathlib, re, resource, sys
import numpy as np
from core.metrics.streamed import streamed_rsa

def peak():
    # The peak that getrusage gives outlives the start of a program: it may be the parent's.
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text())[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

os.cpu_count = lambda: 64
n = int(sys.argv[1])
x, y = np.random.default_rng(0).integers(0, 101, (2, n, 11)) / 20 - 2.5
y += x
streamed_rsa(x[:50], y[:50], bins=2)
before = peak()
found = streamed_rsa(x, y)
print(json.dumps({"before": before, "after": peak(), "rho": found.rho, "bound": found.bound}))
"""


def measured(n):
    """Peak memory in MB of a process that compares n rows, and what it found."""
    # Compiled code is read from the cache, as in all runs but the first.
    streamed_rsa(ratings(50, 1), ratings(50, 2))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(n)], cwd=ROOT, capture_output=True, check=True
    )
    return json.loads(done.stdout)


def test_memory_stays_small():
    found = measured(12_000)  # one RDM would be 576 MB
    assert found["after"] < 300
    assert found["after"] - found["before"] < 100
    assert 0.3 < found["rho"] < 0.7
    assert found["bound"] < 5e-6


@pytest.mark.nightly
def test_the_whole_lexicon():
    found = measured(39_707)  # one RDM would be 6.3 GB
    assert found["after"] < 300
    assert found["after"] - found["before"] < 100
    assert found["bound"] < 5e-6
