import json

import numpy as np
import pytest

from core.evidence.errors import EvidenceError
from core.rating.errors import RatingError
from core.rating.questions import from_halves, read_perceptual_qa, split_questions
from tests.rating import worlds


def item(index, question="Which?", correct="A", **options):
    return {
        "index": index,
        "question": question,
        "options": dict(zip("ABCD", "wxyz", strict=True)) | options,
        "correct_option": correct,
    }


@pytest.fixture
def file(tmp_path):
    def write(*items):
        path = tmp_path / "qa.json"
        path.write_text(json.dumps(items))
        return path

    return write


def test_questions_are_read_in_their_order(file):
    table = read_perceptual_qa(file(item(7, correct="C"), item(3, "Who?")))
    assert table.to_numpy().tolist() == [
        [7, "Which?", "w", "x", "y", "z", "C"],
        [3, "Who?", "w", "x", "y", "z", "A"],
    ]


def test_the_same_text_with_other_options_is_another_question(file):
    assert len(read_perceptual_qa(file(item(1), item(2, A="v")))) == 2


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([item(1), item(1, "Who?")], "question 1 stands twice"),
        ([item(1), item(2)], "question 2 is question 1 again"),
        ([item(5, " ")], "question 5 has a blank"),
        ([item(5, B="")], "question 5 has a blank"),
        ([item(5, correct="E")], "question 5: correct_option 'E'"),
        ([{"index": 5}], "KeyError"),
    ],
)
def test_bad_questions_are_named(file, items, said):
    with pytest.raises(EvidenceError, match=rf"qa\.json: .*{said}"):
        read_perceptual_qa(file(*items))


def test_no_file_is_named(tmp_path):
    with pytest.raises(EvidenceError, match=r"none\.json"):
        read_perceptual_qa(tmp_path / "none.json")


def benchmark():
    """As the benchmark is laid out: five domains of 200 and four of 100, answers uneven."""
    rng = np.random.default_rng(0)
    table = worlds.questions(1400, 0).drop(columns="split")
    places = [1000 * d + k for d in range(1, 6) for k in range(1, 201)]
    places += [1000 * d + k for d in range(6, 10) for k in range(1, 101)]
    correct = rng.choice(list("ABCD"), p=[0.4, 0.3, 0.2, 0.1], size=1400)
    return table.assign(index=places, correct=correct)


def test_the_split_has_the_papers_sizes_and_keeps_domains_and_answers_in_proportion():
    """Methods: 800 and 600, "preserving the original label distribution"."""
    table = split_questions(benchmark(), np.random.default_rng(1))
    train = (table["split"] == "train").to_numpy()
    assert (train.sum(), (~train).sum()) == (800, 600)
    groups = table.assign(domain=table["index"] // 1000, train=train).groupby(["domain", "correct"])
    for _, rows in groups:
        assert abs(rows["train"].to_numpy().sum() - len(rows) * 4 / 7) < 1
    # Over a whole label the rounding of nine domains adds up to no more than that.
    for _, rows in table.groupby("correct"):
        assert abs(rows["split"].tolist().count("train") / len(rows) - 4 / 7) < 0.02


def test_the_split_is_drawn():
    splits = [
        split_questions(benchmark(), np.random.default_rng(seed))["split"].tolist()
        for seed in (1, 1, 2)
    ]
    assert splits[0] == splits[1] != splits[2]


def test_a_training_part_of_another_size():
    table = split_questions(benchmark(), np.random.default_rng(0), 840)
    assert table["split"].tolist().count("train") == 840
    with pytest.raises(RatingError, match="1401"):
        split_questions(benchmark(), np.random.default_rng(0), 1401)


def test_released_halves_keep_their_split():
    whole = worlds.questions(6, 4)
    halves = {str(name): rows.drop(columns="split") for name, rows in whole.groupby("split")}
    assert from_halves(halves).to_numpy().tolist() == whole.to_numpy().tolist()


def test_a_question_in_both_halves_is_refused():
    half = worlds.questions(2, 2).drop(columns="split")
    with pytest.raises(EvidenceError, match="1001 stands twice"):
        from_halves({"train": half, "test": half})
