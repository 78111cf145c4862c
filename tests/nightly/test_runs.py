import json
from datetime import UTC, datetime, timedelta

import pytest

from core.nightly.runs import begin
from core.rating.errors import RatingError

TOLD, SHOWN = {"models": {"Base": "a"}}, {"people": "norms", "dataset": "d", "models": {}}


def manifest(night):
    return json.loads((night.folder / "manifest.json").read_text())


def test_a_run_that_did_not_end_goes_on_and_one_that_did_begins_anew(tmp_path):
    today = datetime.now(UTC).date().isoformat()
    first = begin(tmp_path, TOLD, SHOWN)
    assert first.folder.name >= today
    assert manifest(first)["finished"] == ""
    assert begin(tmp_path, TOLD, SHOWN).folder == first.folder
    other = begin(tmp_path, {"models": {"Base": "b"}}, SHOWN)
    assert other.folder != first.folder
    other.finish(0)
    assert manifest(other)["exit"] == 0
    assert manifest(other)["finished"]
    third = begin(tmp_path, {"models": {"Base": "b"}}, SHOWN)
    assert third.folder not in {first.folder, other.folder}
    assert third.folder.name.endswith("-3")


def test_a_run_of_long_ago_is_left_as_it_is(tmp_path):
    first = begin(tmp_path, TOLD, SHOWN)
    content = manifest(first)
    content["began"] = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    (first.folder / "manifest.json").write_text(json.dumps(content))
    assert begin(tmp_path, TOLD, SHOWN).folder != first.folder


def test_runs_of_one_day_are_told_apart_by_number_not_by_spelling(tmp_path):
    for _ in range(11):
        begin(tmp_path, TOLD, SHOWN).finish(0)
    last = begin(tmp_path, TOLD, SHOWN)
    assert last.folder.name.endswith("-12")
    assert begin(tmp_path, TOLD, SHOWN).folder == last.folder


def test_a_run_is_held_against_what_was_last_when_it_began(tmp_path):
    first = begin(tmp_path, TOLD, SHOWN)
    assert first.before["verdicts"] == []
    first.keep({"dataset": "d", "verdicts": [{"claim": "sm-a"}]})
    first.finish(1)
    assert json.loads((tmp_path / "last.json").read_text())["run"] == first.folder.name
    second = begin(tmp_path, TOLD, SHOWN)
    assert second.before["verdicts"] == [{"claim": "sm-a"}]
    # Stopped after last.json was written, it is still held against the first.
    (tmp_path / "last.json").write_text('{"schema": 1, "verdicts": []}')
    assert begin(tmp_path, TOLD, SHOWN).before["verdicts"] == [{"claim": "sm-a"}]


@pytest.mark.parametrize("content", ["{", '{"schema": 2}'])
def test_a_last_run_that_cannot_be_read_is_named(tmp_path, content):
    (tmp_path / "last.json").write_text(content)
    with pytest.raises(RatingError, match=r"last\.json"):
        begin(tmp_path, TOLD, SHOWN)


def test_paths_and_names_of_a_machine_do_not_enter_the_manifest(tmp_path):
    night = begin(tmp_path, {"models": {"Base": "/home/somebody/models/base"}}, SHOWN)
    assert "somebody" not in (night.folder / "manifest.json").read_text()
