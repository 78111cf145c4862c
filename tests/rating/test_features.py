"""Tables of words as people have them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from core.evidence.errors import EvidenceError
from core.rating.features import paired, read_features


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_reads_words_that_look_like_gaps_and_gaps_that_are_some(write):
    table = read_features(write("word,Visual,Haptic\nnull,1.5,\nnan,2,0\n42,3,1\nthé,4,2\n"))
    assert list(table.index) == ["null", "nan", "42", "thé"]
    assert list(table.columns) == ["Visual", "Haptic"]
    assert_array_equal(table, [[1.5, np.nan], [2, 0], [3, 1], [4, 2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a CSV table"),
        ("word,Visual\n", "expected a header"),
        ("word\na\nb\n", "expected a header"),
        ("word,Visual\na,1\nb,2\na,3\n", "'a' stands twice, in row 3"),
        ("word,Visual,Visual\na,1,2\n", "'Visual' stands twice, in column 3"),
        ("word,Visual\na,1\n,2\n", "row 2 has no name"),
        ("word,Visual,\na,1,2\n", "column 3 has no name"),
        ("word,Visual\na,1\nb,much\n", "'Visual' of 'b' is 'much', which is no number"),
        ("word,Visual\na,1\nb,inf\n", "'Visual' of 'b' is 'inf', which is no number"),
        ("word,Visual\na,1\nb,nan\n", "'Visual' of 'b' is 'nan', which is no number"),
        ("word,Visual\na,1\nb,2,3\n", "not a CSV table"),
        ("word,Visual\na,1,\nb,2,\n", "row 1 has more cells than the header, which has 2"),
        ("word,Visual\na,1,2\nb,2\n", "row 1 has more cells than the header, which has 2"),
        ("word,Visual\na,1,2,3\nb,2,3,4\n", "row 1 has more cells than the header, which has 2"),
        ("word,Visual\na,1\n a ,2\n", "'a' stands twice, in row 2"),
        ("word,Visual\nth\u00e9,1\nthe\u0301,2\n", "'th\u00e9' stands twice, in row 2"),
        ("word,Visual\na,1\n\u00a0,2\n", "row 2 has no name"),
        ("word,Visual, Visual \na,1,2\n", "'Visual' stands twice, in column 3"),
        ("word,Visual\na,True\nb,False\n", "'Visual' of 'a' is 'True', which is no number"),
        ("word,Visual\na,\nb,TRUE\nc,false\n", "'Visual' of 'b' is 'True', which is no number"),
        ("word,Visual\na,1\nb,True\n", "'Visual' of 'b' is 'True', which is no number"),
    ],
)
def test_refuses_by_file_and_place(write, text, message):
    path = write(text)
    with pytest.raises(EvidenceError, match=message) as refused:
        read_features(path)
    assert str(path) in str(refused.value)


def test_refuses_what_is_not_there_or_not_text(tmp_path):
    with pytest.raises(EvidenceError, match=r"none\.csv: no such file"):
        read_features(tmp_path / "none.csv")
    (tmp_path / "table.csv").write_bytes(b"word,Visual\n\xff\xfe,1\n")
    with pytest.raises(EvidenceError, match="not a CSV table in UTF-8"):
        read_features(tmp_path / "table.csv")
    with pytest.raises(EvidenceError, match="a folder, not a file"):
        read_features(tmp_path)


def test_pairs_words_whatever_their_unicode_form_and_the_blanks_around_them(write):
    first = read_features(write("w,x\nth\u00e9,1\nb ,2\n c,3\n", "first.csv"))
    second = read_features(write("w,y\nc\t,3\nthe\u0301,1\nb,2\n", "second.csv"))
    found = paired(first, second)
    assert found.words == ("th\u00e9", "b", "c")
    assert_array_equal(found.first, found.second)
    assert found.unpaired == 0


def test_pairs_the_words_that_both_describe_in_full(write):
    first = read_features(write("w,x\na,1\nb,2\nc,\nd,4\ne,5\n", "first.csv"))
    second = read_features(write("w,y,z\ne,1,1\nd,2,2\nc,3,3\nb,4,4\nq,5,5\n", "second.csv"))
    found = paired(first, second)
    assert found.words == ("b", "d", "e")
    assert_array_equal(found.first, [[2], [4], [5]])
    assert_array_equal(found.second, [[4, 4], [2, 2], [1, 1]])
    assert (found.unpaired, found.incomplete) == (2, 1)


def test_refuses_two_words(write):
    first = read_features(write("w,x\na,1\nb,2\nc,\n"))
    with pytest.raises(EvidenceError, match="3 words stand in both tables, 2 of them without"):
        paired(first, first)
