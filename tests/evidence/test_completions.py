import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.evidence.completions import faults, file_facts, parse_rating, read_completions
from core.evidence.errors import EvidenceError
from tests.evidence.synthetic import answer, write_lines

FILE = "visual_base_test_results_0_2025-12-11-09-59.jsonl"
WORDS = {"en": ("UNWILLING", "NA", "CAT"), "nl": ("onwillig", "null", "kat")}


def parsed(tmp_path, *records, file=FILE):
    write_lines(tmp_path / file, list(records))
    return read_completions([tmp_path / file], WORDS)


@given(st.decimals(min_value=0, max_value=5, places=2))
def test_every_plain_decimal_from_0_to_5_is_its_own_rating(value):
    assert parse_rating(str(value)) == ("ok", float(value))


@given(st.decimals(min_value="5.01", max_value=10**6, places=2), st.booleans())
def test_a_number_beyond_the_scale_is_out_of_range_and_never_clipped(value, negative):
    status, rating = parse_rating(f"{'-' if negative else ''}{value}")
    assert status == "out_of_range"
    assert math.isnan(rating)


@given(st.text())
def test_any_text_is_a_rating_only_when_it_reads_back_the_same(text):
    status, rating = parse_rating(text)
    if status == "ok":
        assert set(text) <= set("0123456789.")
        assert rating == float(text)
        assert 0 <= rating <= 5
    else:
        assert math.isnan(rating)


@pytest.mark.parametrize(
    "text",
    ["", " 3", "3 ", "3\n", "3.", ".5", "2,5", "3 out of 5", "3/5", "1e0", "+3", "٣", "nan", "inf"],
)
def test_nothing_that_needs_interpreting_is_a_rating(text):
    assert parse_rating(text)[0] == "non_numeric"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Auditory_en_ft_test_results_0_x.jsonl", ("en", "Auditory", "En_FT")),
        ("Horen_nl_ft_test_results_0_x.jsonl", ("nl", "Auditory", "Nl_FT")),
        ("a/hand_QA_ft_output_1.xlsx", ("en", "Hand", "QA_FT")),
        ("Voelen_base_output_1.xlsx", ("nl", "Haptic", "Base")),
    ],
)
def test_a_files_name_says_language_dimension_and_model(name, facts):
    assert file_facts(name) == facts


@pytest.mark.parametrize("name", ["base_model_merged.xlsx", "sight_base_output_1.xlsx", "x.jsonl"])
def test_a_file_whose_name_says_less_is_refused(name):
    with pytest.raises(EvidenceError, match=name):
        file_facts(name)


def test_an_answer_keeps_what_the_file_says_of_it(tmp_path):
    (row,) = parsed(tmp_path, answer("Finetuning_task_2", "4")).to_dict("records")
    expected = {
        "file": FILE,
        "language": "en",
        "dimension": "Visual",
        "model": "Base",
        "model_id": "made-up-1",
        "custom_id": "Finetuning_task_2",
        "task": 2,
        "word": "NA",
        "content": "4",
        "status": "ok",
        "rating": 4.0,
        "fingerprint": "fp_1",
        "prompt_tokens": 87,
        "completion_tokens": 3,
        "finish_reason": "stop",
        "greedy": True,
        "first_token": "4",
        "created": 1765458920,
    }
    assert {key: row[key] for key in expected} == expected
    # 0.6 on "4", 0.2 on "5", and 0.1 on a token that is no digit.
    assert row["digit_mass"] == pytest.approx(0.8)
    assert row["expected"] == pytest.approx((4 * 0.6 + 5 * 0.2) / 0.8)


def test_a_dutch_file_is_about_the_dutch_words(tmp_path):
    table = parsed(
        tmp_path, answer("Finetuning_task_3", "1.5"), file="Zien_en_ft_test_results_0_x.jsonl"
    )
    assert table["word"].tolist() == ["kat"]


def test_a_token_less_probable_than_another_is_not_greedy(tmp_path):
    top = [{"token": "3", "logprob": -0.1}, {"token": "2", "logprob": -2.0}]
    first = {"token": "3", "logprob": -0.1, "top_logprobs": top}
    later = {"token": "2", "logprob": -2.0, "top_logprobs": top}
    table = parsed(
        tmp_path,
        answer("Finetuning_task_1", "3", tokens=[first, first]),
        answer("Finetuning_task_2", "32", tokens=[first, later]),
    )
    assert table["greedy"].tolist() == [True, False]


def test_without_a_digit_among_the_alternatives_nothing_is_expected(tmp_path):
    token = {"token": "I", "logprob": 0.0, "top_logprobs": [{"token": "I", "logprob": 0.0}]}
    (row,) = parsed(tmp_path, answer("Finetuning_task_1", "I", tokens=[token])).to_dict("records")
    assert row["digit_mass"] == 0
    assert math.isnan(row["expected"])


def refusal(custom_id):
    record = answer(custom_id, "")
    choice = record["response"]["body"]["choices"][0]
    choice["message"] = {"content": None, "refusal": "I cannot."}
    choice["logprobs"] = None
    return record


def failed(custom_id):
    return {"custom_id": custom_id, "error": {"code": "timeout"}, "response": None}


def test_what_is_no_rating_keeps_its_words_under_its_own_status(tmp_path):
    table = parsed(
        tmp_path,
        refusal("Finetuning_task_1"),
        failed("Finetuning_task_2"),
        answer("Finetuning_task_3", "6.0"),
        answer("Finetuning_task_3", "Please say the concept."),
    )
    assert table["status"].tolist() == ["refusal", "error", "out_of_range", "non_numeric"]
    assert table["rating"].isna().tolist() == [True] * 4
    assert table["content"].tolist() == [
        "I cannot.",
        '{"code": "timeout"}',
        "6.0",
        "Please say the concept.",
    ]


def test_a_number_beside_a_refusal_is_a_refusal(tmp_path):
    record = answer("Finetuning_task_1", "3")
    record["response"]["body"]["choices"][0]["message"]["refusal"] = "I cannot."
    assert parsed(tmp_path, record)["status"].tolist() == ["refusal"]


def test_faults_name_the_missing_the_repeated_and_the_unusable(tmp_path):
    table = parsed(
        tmp_path,
        answer("Finetuning_task_1", "six"),
        answer("Finetuning_task_3", "1"),
        answer("Finetuning_task_3", "2"),
    )
    found = faults(table, WORDS)
    assert found[["word", "fault"]].to_numpy().tolist() == [
        ["UNWILLING", "non_numeric"],
        ["NA", "missing"],
        ["CAT", "duplicate"],
        ["CAT", "duplicate"],
    ]
    assert set(found["file"]) == {FILE}


def test_a_file_with_one_good_answer_for_each_word_has_no_fault(tmp_path):
    records = [answer(f"Finetuning_task_{k}", "3") for k in (1, 2, 3)]
    assert faults(parsed(tmp_path, *records), WORDS).empty


@pytest.mark.parametrize(
    "broken",
    [
        json.dumps(answer("Finetuning_task_2", "3"))[:-40],
        "",
        "[]",
        json.dumps(answer("Finetuning_task_4", "3")),
        json.dumps(answer("Finetuning_task_0", "3")),
        json.dumps(answer("task_2", "3")),
        json.dumps(answer("Finetuning_task_2", "3", choices=[])),
        json.dumps({"custom_id": "Finetuning_task_2"}),
    ],
    ids=["truncated", "blank", "list", "beyond", "zero", "other", "no-choice", "bare"],
)
def test_a_broken_line_is_named_by_file_and_line(broken, tmp_path):
    path = tmp_path / FILE
    path.write_text(json.dumps(answer("Finetuning_task_1", "3")) + "\n" + broken + "\n")
    with pytest.raises(EvidenceError, match=rf"{FILE}, line 2"):
        read_completions([path], WORDS)


def test_a_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EvidenceError, match=FILE):
        read_completions([tmp_path / FILE], WORDS)


def test_a_file_without_answers_is_refused_by_name(tmp_path):
    path = tmp_path / "foot_base_test_results_0_2025-12-11-05-13.jsonl"
    path.write_text("")
    with pytest.raises(EvidenceError, match=r"foot_base.*no answer"):
        read_completions([path], WORDS)
