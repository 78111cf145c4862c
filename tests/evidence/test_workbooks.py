import zipfile

import numpy as np
import pandas as pd
import pytest

from core.evidence.errors import EvidenceError
from core.evidence.workbooks import column, numbers, read_sheet, texts
from tests.evidence.synthetic import write_sheets


@pytest.fixture
def book(tmp_path):
    frame = pd.DataFrame(
        {
            "Word": ["NA", "NULL", "FALSE"],
            "Foot_leg.mean": [1.5, None, 0],
            "hand_base": [4, "x", 3],
            "Flag": [True, 1, 2],
        }
    )
    path = tmp_path / "book.xlsx"
    write_sheets(path, {"Sheet1": frame, "Empty": frame.head(0)})
    return path


def test_words_that_look_like_missing_values_stay_words(book):
    assert texts(read_sheet(book), "word", "book") == ("NA", "NULL", "FALSE")


def test_a_blank_number_is_nan_and_zero_is_not(book):
    np.testing.assert_array_equal(
        numbers(read_sheet(book), "Foot.mean", "book"), [1.5, np.nan, 0.0]
    )


def test_columns_are_found_whatever_their_case_and_spelling(book):
    frame = read_sheet(book)
    assert column(frame, "FOOT.MEAN", "book").name == "Foot_leg.mean"
    assert column(frame, "Hand_arm_base", "book").name == "hand_base"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("hand_base", r"book: column hand_base, row 3: 'x' is not a number"),
        ("Flag", r"book: column Flag, row 2: True is not a number"),
        ("Visual_base", r"book: column Visual_base is missing"),
    ],
)
def test_what_is_no_number_is_named_by_file_column_and_row(book, wanted, message):
    with pytest.raises(EvidenceError, match=message):
        numbers(read_sheet(book), wanted, "book")


def test_a_column_there_twice_and_a_number_for_a_word_are_refused(book):
    frame = read_sheet(book).rename(columns={"Flag": "WORD"})
    with pytest.raises(EvidenceError, match="column Word is there 2 times"):
        texts(frame, "Word", "book")
    with pytest.raises(EvidenceError, match=r"column Foot\.mean, row 2: 1\.5 is not a word"):
        texts(frame, "Foot.mean", "book")


def test_a_file_that_is_no_workbook_a_missing_sheet_and_no_rows_are_named(book, tmp_path):
    (tmp_path / "bad.xlsx").write_text("no workbook")
    with pytest.raises(EvidenceError, match=r"bad\.xlsx"):
        read_sheet(tmp_path / "bad.xlsx")
    with pytest.raises(EvidenceError, match=r"book\.xlsx, sheet 'Motor'"):
        read_sheet(book, "Motor")
    with pytest.raises(EvidenceError, match=r"sheet 'Empty': no rows"):
        read_sheet(book, "Empty")


@pytest.mark.parametrize("kept", [0.4, 0.8])
def test_a_sheet_that_was_cut_short_is_refused_and_not_read_in_part(book, tmp_path, kept):
    cut = tmp_path / "cut.xlsx"
    with zipfile.ZipFile(book) as whole, zipfile.ZipFile(cut, "w") as part:
        for name in whole.namelist():
            content = whole.read(name)
            end = int(kept * len(content)) if name.endswith("sheet1.xml") else len(content)
            part.writestr(name, content[:end])
    with pytest.raises(EvidenceError, match=r"cut\.xlsx"):
        read_sheet(cut)
    book.write_bytes(book.read_bytes()[:-200])
    with pytest.raises(EvidenceError, match=r"book\.xlsx"):
        read_sheet(book)
