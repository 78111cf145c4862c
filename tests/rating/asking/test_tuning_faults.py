"""Every fault of the fine-tuning service: what is said, and that no job is begun twice.

`pytest tests/rating/asking -k fault` prints the table.
"""

from datetime import date

import pytest

from core.rating.errors import RatingError
from tests.rating.asking.batch_server import BatchServer
from tests.rating.asking.fault_server import Reply, error
from tests.rating.asking.serving import SECRET
from tests.rating.asking.tuning import BASE, JOBS, an_order, carried


@pytest.fixture
def server():
    with BatchServer() as running:
        running.models = {BASE: {}}
        yield running


@pytest.fixture
def order(server):
    return an_order(server)


def test_fault_the_reply_to_beginning_is_lost(server, order, tmp_path, fault_table):
    server.lose = 1
    assert carried(order, tmp_path).id == "ftjob-2"
    assert len(server.jobs) == 1
    fault_table("fine-tuning: the reply is lost", kept="the job", said="1 job begun", exit=0)


def told(order, tmp_path, name, fault_table, **options):
    with pytest.raises(RatingError) as caught:
        carried(order, tmp_path, **options)
    text = str(caught.value)
    assert SECRET not in text
    kept = "the note of it" if (tmp_path / "finetune.json").exists() else "nothing was sent"
    fault_table(f"fine-tuning: {name}", kept=kept, said=text, exit=1)
    return text


def test_fault_training_is_not_available(server, order, tmp_path, fault_table):
    said = "Fine-tuning is not available for your organization."
    server.faults[JOBS].append(error(403, said, "training_not_available"))
    text = told(order, tmp_path, "403 training_not_available", fault_table)
    assert f"beginning a fine-tuning job: 403 training_not_available: {said}" in text
    assert "no longer offered to this account" in text
    for remedy in ("claims finetune", "claims rate --backend local", "claims replay"):
        assert remedy in text
    # A job that was refused is not lost: an account that may begin it uses the same file.
    assert carried(order, tmp_path).status == "succeeded"
    assert server.count("POST /v1/files") == 1


def test_fault_training_is_closed_to_everyone(server, order, tmp_path, fault_table):
    text = told(order, tmp_path, "closed since", fault_table, today=date(2027, 1, 6))
    assert "closed to everyone since 2027-01-06" in text
    assert server.count("POST /v1/files") == server.count(JOBS) == 0
    assert not (tmp_path / "finetune.json").exists()


def test_fault_the_model_was_shut_down(server, order, tmp_path, fault_table):
    server.models[BASE] = {"shutdown_date": "2026-10-23"}
    text = told(order, tmp_path, "a shutdown date in the past", fault_table)
    assert "was shut down on 2026-10-23" in text
    assert "claims replay" in text


def test_fault_the_key_is_refused(server, order, tmp_path, fault_table):
    server.faults["GET /v1/fine_tuning/jobs"].append(error(401, f"Bad key {SECRET}"))
    text = told(order, tmp_path, "401", fault_table)
    assert "401: Bad key [key]" in text
    assert "--key-env" in text


def test_fault_the_job_fails(server, order, tmp_path, fault_table):
    wrong = {"code": "invalid_training_file", "message": f"Line 7 of {SECRET}", "param": None}
    server.trained.append({"status": "failed", "error": wrong})
    text = told(order, tmp_path, "the job fails", fault_table)
    assert "job ftjob-2 failed: invalid_training_file: Line 7 of [key]" in text
    assert carried(order, tmp_path).id == "ftjob-4"
    assert [kept.about["metadata"]["attempt"] for kept in server.jobs.values()] == ["1", "2"]


def test_fault_the_job_is_cancelled(server, order, tmp_path, fault_table):
    server.trained.append({"status": "cancelled"})
    assert "was cancelled" in told(order, tmp_path, "the job is cancelled", fault_table)


def test_fault_the_service_is_out_of_order(server, order, tmp_path, fault_table):
    server.faults["GET /v1/fine_tuning/jobs/ftjob-2"].extend(
        [error(500, "out"), Reply(drop=True), error(500, "out")]
    )
    text = told(order, tmp_path, "500, for a while", fault_table)
    assert "asking for job ftjob-2: 500: out, 3 times" in text
    assert carried(order, tmp_path).status == "succeeded"
    assert server.count(JOBS) == 1
