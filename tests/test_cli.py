import pytest

from core import cli
from core.evidence import store
from core.report.verdicts import document, write_verdicts
from tests.evidence.synthetic import write_registry
from tests.report.test_terminal import record


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    root = tmp_path / "mirror"
    for name in ("data/table.csv", "model_outputs/raw.jsonl"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    write_registry(root, tmp_path / "registry.txt")
    monkeypatch.setattr(store, "REGISTRY", tmp_path / "registry.txt")
    monkeypatch.setenv("CLAIMS_MIRROR", str(root))
    monkeypatch.setenv("CLAIMS_CACHE", str(tmp_path / "cache"))
    return root


def fetched(tmp_path):
    return sorted(p.name for p in (tmp_path / "cache").rglob("*.*") if p.is_file())


def test_fetch_leaves_the_raw_answers_out_unless_asked(mirror, tmp_path, capsys):
    assert cli.main(["fetch"]) == 0
    assert fetched(tmp_path) == ["table.csv"]
    said = capsys.readouterr().out
    assert "1 fetched, 0 there already" in said
    assert str(tmp_path / "cache") in said
    assert cli.main(["fetch", "--raw"]) == 0
    assert fetched(tmp_path) == ["raw.jsonl", "table.csv"]
    assert "1 fetched, 1 there already" in capsys.readouterr().out


def test_what_goes_wrong_is_one_line_and_exit_code_1(mirror, tmp_path, capsys):
    (mirror / "data/table.csv").write_text("another")
    assert cli.main(["fetch"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("claims: data/table.csv: wrong SHA-256")
    assert said.err.count("\n") == 1
    (mirror / "data/table.csv").unlink()
    assert cli.main(["fetch"]) == 1
    assert "no such file in the mirror" in capsys.readouterr().err


def test_without_a_command_it_says_how_it_is_used(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main([])
    assert stopped.value.code == 2
    assert "usage: claims" in capsys.readouterr().err


def test_table_prints_the_last_run_and_says_how_to_get_one(tmp_path, capsys):
    path = tmp_path / "verdicts.json"
    assert cli.main(["table", str(path)]) == 1
    assert "run `pytest claims/`" in capsys.readouterr().err
    path.write_text('{"schema": 0}')
    assert cli.main(["table", str(path)]) == 1
    assert "schema" in capsys.readouterr().err
    path.write_text('{"schema": 1, "verdicts": [{"claim": "sm-x"}]}')
    assert cli.main(["table", str(path)]) == 1
    assert "rows" in capsys.readouterr().err
    write_verdicts(path, document([record()], {"version": "1", "commit": ""}))
    assert cli.main(["table", str(path)]) == 0
    assert "sm-rsa-base" in capsys.readouterr().out
