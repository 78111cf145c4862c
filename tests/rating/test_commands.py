"""`claims rsa` as people use it."""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr, zscore

from core import cli
from core.metrics.streamed import streamed_rsa
from core.rating.commands import _foreseen


@pytest.fixture
def tables(tmp_path):
    rng = np.random.default_rng(0)
    mind = rng.normal(size=(600, 5))
    words = [f"w{i}" for i in range(600)]
    paths = []
    for name, noise in (("people", 0.3), ("model", 1.0)):
        x = np.round(mind + noise * rng.normal(size=mind.shape), 1)
        paths.append(tmp_path / f"{name}.csv")
        pd.DataFrame(x, index=words, columns=list("abcde")).to_csv(paths[-1], index_label="word")
    return paths


def said(capsys):
    out = capsys.readouterr().out
    return float(re.findall(r"rho (-?[.\d]+\d)", out)[0]), out


def by_scipy(paths):
    tables = (zscore(np.asarray(pd.read_csv(p, index_col=0), np.float64)) for p in paths)
    x, y = (pdist(np.asarray(table), "cosine") for table in tables)
    found: Any = spearmanr(x, y)
    return found.statistic


def test_in_memory_and_exactly_and_within_a_bound(tables, capsys):
    people, model = map(str, tables)
    expected = by_scipy(tables)
    assert cli.main(["rsa", people, model]) == 0
    rho, out = said(capsys)
    assert abs(rho - expected) < 1e-5
    assert "600 words, 179,700 pairs" in out
    assert "for certain" not in out


def test_says_how_certain_it_is_where_distances_do_not_fit(tables, capsys, monkeypatch):
    monkeypatch.setattr("core.rating.commands.PER_PAIR", 1e6)
    people, model = map(str, tables)
    assert cli.main(["rsa", people, model]) == 0
    rho, out = said(capsys)
    bound = float(re.findall(r"for certain within (\S+)", out)[0])
    assert bound < 1e-3
    assert abs(rho - by_scipy(tables)) <= bound + 1e-6
    assert cli.main(["rsa", people, model, "--exact"]) == 0
    rho, out = said(capsys)
    assert abs(rho - by_scipy(tables)) < 2e-6
    assert "for certain" not in out


def test_exact_ranks_are_preceded_by_how_many_passes_they_take(tables, capsys, monkeypatch):
    monkeypatch.setattr("core.rating.commands.PER_PAIR", 1e6)
    people, model = map(str, tables)
    done = []

    def spied(*sides, progress, **options):
        def counted(at, total):
            if not done:
                # Said before the first piece is done.
                assert "passes" in capsys.readouterr().err
            done.append((at, total))

        return streamed_rsa(*sides, progress=counted, **options)

    monkeypatch.setattr("core.rating.commands.streamed_rsa", spied)
    assert cli.main(["rsa", people, model, "--exact"]) == 0
    # 179,700 pairs are one piece and one slice a side: two passes to count, two to rank.
    assert done[-1] == (4, 4)
    assert cli.main(["rsa", people, model]) == 0
    assert "passes" not in capsys.readouterr().err


def test_passes_foreseen_by_hand():
    # Slices of 40 bytes per pair: 788,303,071 pairs in 96 MB are 328.5, of either table.
    told = _foreseen(39_707 * 39_706 // 2, 96)
    assert told.startswith("at least 660 passes over 788,303,071 pairs; twice the --memory")
    assert (
        _foreseen(179_700, 96) == "at least 4 passes over 179,700 pairs; no more memory is needed"
    )


def test_refusals_name_the_file_and_the_remedy(tables, tmp_path, capsys):
    people, model = map(str, tables)
    flat = tmp_path / "flat.csv"
    flat.write_text("word,x,y\nw0,1,1\nw1,2,2\nw2,3,3\n")
    for arguments, message in [
        ([people, "none.csv"], "none.csv: no such file"),
        ([people, str(flat)], "flat.csv: 'w1' has the mean of every column, so has no direction"),
        (["--memory", "1", people, model], "memory is 1000000 bytes"),
    ]:
        assert cli.main(["rsa", *arguments]) == 1
        assert message in capsys.readouterr().err
