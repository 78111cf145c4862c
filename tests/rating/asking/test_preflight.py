"""What a service no longer offers is said before anything is paid."""

from datetime import date, timedelta

import openai
import pytest

from core.rating.asking.patience import Patience
from core.rating.asking.preflight import LIFECYCLE, base_of, preflight, read_lifecycle
from core.rating.errors import RatingError
from tests.rating.asking.fault_server import FaultServer, Reply, error
from tests.rating.asking.serving import SECRET

BASE = "gpt-4o-mini-2024-07-18"
TUNED = f"ft:{BASE}:somebody:en-ft:AbC123"
TODAY = date(2026, 11, 1)


def asked(server, model, today=TODAY, **options):
    client = openai.OpenAI(api_key=SECRET, base_url=server.url, max_retries=0)
    with client:
        return preflight(
            client, model, today, patience=Patience(lambda _: None, tries=3), **options
        )


@pytest.fixture
def server():
    with FaultServer() as running:
        running.models = {BASE: {}, TUNED: {}, "newer": {}}
        yield running


def test_a_model_without_a_date_is_offered_in_silence(server):
    found = asked(server, "newer")
    assert (found.offered, found.lines) == (True, ())


@pytest.mark.parametrize("model", [BASE, TUNED])
def test_the_announced_end_of_a_model_is_that_of_its_fine_tunes(server, model):
    found = asked(server, model)
    assert found.offered
    (line,) = found.lines
    assert f"{model} will be shut down on 2027-01-14, in 74 days" in line
    assert read_lifecycle().source in line


def test_a_distant_end_is_not_told(server):
    assert asked(server, BASE, date(2026, 6, 1)).lines == ()


def test_what_the_service_says_counts_for_more(server):
    server.models[BASE] = {"shutdown_date": "2026-11-11"}
    (line,) = asked(server, BASE).lines
    assert "on 2026-11-11, in 10 days (the service says)" in line
    server.models[BASE] = {"shutdown_date": "2028-11-11"}
    assert asked(server, BASE).lines == ()


@pytest.mark.parametrize("days", [0, 1, 400])
def test_a_date_that_has_come_ends_it(server, days):
    server.models[BASE] = {"shutdown_date": (TODAY - timedelta(days)).isoformat()}
    found = asked(server, BASE)
    assert not found.offered
    assert "was shut down on" in found.text
    for remedy in ("claims finetune", "claims rate --backend local", "claims replay"):
        assert remedy in found.text


def test_an_announced_date_that_has_come_only_warns_while_the_service_answers(server):
    found = asked(server, BASE, date(2027, 2, 1))
    assert found.offered
    assert "should be shut down since 2027-01-14" in found.text
    assert "but still answers" in found.text


def test_a_model_that_is_gone_is_explained_by_the_announced_date(server):
    server.models = {}
    found = asked(server, TUNED, date(2027, 2, 1))
    assert not found.offered
    assert "announced to be shut down on 2027-01-14" in found.lines[0]
    assert "404 model_not_found" in found.lines[1]
    assert "claims replay" in found.text
    assert len(asked(server, "unknown").lines) == 1


def test_training_closes_to_everyone_on_its_day(server):
    before = asked(server, "newer", date(2027, 1, 5), training=True)
    assert before.offered
    assert "close to everyone on 2027-01-06" in before.text
    assert "403 training_not_available" in before.text
    on = asked(server, "newer", date(2027, 1, 6), training=True)
    assert not on.offered
    assert "closed to everyone since 2027-01-06" in on.text
    assert "claims finetune" in on.text
    assert asked(server, "newer", date(2027, 1, 6)).offered


def test_a_refused_key_is_told_and_not_shown(server):
    server.faults[f"GET /v1/models/{BASE}"].append(error(401, f"Incorrect API key: {SECRET}"))
    found = asked(server, BASE)
    assert not found.offered
    assert "--key-env" in found.text
    assert SECRET not in repr(found)


def test_a_service_out_of_order_is_tried_again_and_then_told(server):
    call = f"GET /v1/models/{BASE}"
    server.faults[call].extend([Reply(drop=True), error(500, "out")])
    assert asked(server, BASE).offered
    server.faults[call].extend([error(500, "out")] * 3)
    found = asked(server, BASE)
    assert not found.offered
    assert "500: out, 3 times" in found.text


def test_a_date_that_is_none_is_no_date(server):
    server.models["newer"] = {"shutdown_date": "soon"}
    assert asked(server, "newer").lines == ()


@pytest.mark.parametrize(
    ("model", "base"), [(TUNED, BASE), (f"ft:{BASE}:a::b", BASE), (BASE, BASE), ("ft:x", "ft:x")]
)
def test_a_fine_tune_names_its_base(model, base):
    assert base_of(model) == base


def test_the_announced_dates_can_be_read():
    found = read_lifecycle()
    assert found.shutdowns[BASE] == date(2027, 1, 14)
    assert found.training_closes == date(2027, 1, 6)


@pytest.mark.parametrize(("old", "new"), [("2027-01-06", '"soon"'), ("[training]", "[other]")])
def test_dates_that_make_no_sense_are_refused(tmp_path, old, new):
    path = tmp_path / "lifecycle.toml"
    path.write_text(LIFECYCLE.read_text().replace(old, new))
    with pytest.raises(RatingError, match=r"lifecycle\.toml: cannot be read"):
        read_lifecycle(path)
