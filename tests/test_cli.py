import errno

import pytest

from core import cli
from core.evidence import store
from core.evidence.store import Store
from core.report.verdicts import document, write_verdicts
from tests.evidence.synthetic import write_registry
from tests.evidence.test_replicated import write_evidence
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


def test_stopped_by_the_user_it_says_how_to_go_on(mirror, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Store, "get_all", stop)
    assert cli.main(["fetch"]) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "claims: stopped; run it again to go on\n")


def test_a_full_disk_is_one_line(mirror, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "table.csv")

    monkeypatch.setattr(Store, "get_all", full)
    assert cli.main(["fetch"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        "claims: [Errno 28] No space left on device: 'table.csv'; make room there, then run it "
        "again to go on\n"
    )


def test_agents_prints_the_kept_agents(tmp_path, capsys):
    folder = write_evidence(tmp_path / "agent", {"baseline": (0, 1)}, tmp_path / "work")
    assert cli.main(["agents", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    names = ["baseline 0", "* baseline 1", "baseline, mean", "wandering"]
    assert [line[:16].strip() for line in said.out.splitlines()[1:5]] == names


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "cannot be read"), ("{", "cannot be read"), ("{}", "is no manifest of schema 1")],
)
def test_agents_that_are_not_there_are_one_line(tmp_path, capsys, content, fault):
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    assert cli.main(["agents", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"claims: {tmp_path}/manifest.json: {fault}")
    assert said.err.count("\n") == 1


def test_agents_that_were_changed_are_one_line(tmp_path, capsys):
    folder = write_evidence(tmp_path / "agent", {"baseline": (0,)}, tmp_path / "work")
    (folder / "baseline.json").write_text("{}")
    assert cli.main(["agents", str(folder)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("claims: baseline.json: wrong SHA-256")
    assert said.err.count("\n") == 1
