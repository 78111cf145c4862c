import numpy as np
import pandas as pd
import pytest

from core.evidence.errors import EvidenceError
from core.evidence.tables import ALL, DUTCH, SENSORY
from core.rating.norms import read_dutch, read_lancaster

SPELLED = {"Foot": "Foot_leg", "Hand": "Hand_arm"}
WORDS = ("NA", "NULL", "A CAPPELLA", "APPLE")


def lancaster(words=WORDS):
    """As the published file is laid out, with columns that are of no use here."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"Word": words})
    for d in ALL:
        name = SPELLED.get(d, d)
        frame[f"{name}.mean"] = rng.integers(0, 91, len(words)) / 18
        frame[f"{name}.SD"] = 1.5
    frame["Max_strength.sensorimotor"] = 5
    frame["Dominant.perceptual"] = "Visual"
    frame["N_known.perceptual"] = [18.0, 16026, 1000, 17]
    frame["List_N.perceptual"] = 20
    frame["N_known.action"] = [20.0, 20, 16758, 20]
    return frame


def dutch(words=("null", "één", "NA", "appel")):
    rng = np.random.default_rng(1)
    means = {name: rng.integers(0, 61, len(words)) / 12 for name in sorted(DUTCH)}
    return pd.DataFrame({"Woord": words} | means | {"Woordsoort": "N"})


@pytest.fixture
def csv(tmp_path):
    def write(frame, **options):
        path = tmp_path / "norms.csv"
        frame.to_csv(path, index=False, **options)
        return path

    return write


def test_lancaster_means_and_spreads_come_under_our_names(csv):
    table = read_lancaster(csv(lancaster())).table
    assert list(table.columns) == ["word", *ALL, *(f"{d}.{k}" for k in ("SD", "N") for d in ALL)]
    assert tuple(table["word"]) == WORDS
    np.testing.assert_array_equal(table["Foot"], lancaster()["Foot_leg.mean"])
    np.testing.assert_array_equal(table["Auditory"], lancaster()["Auditory.mean"])
    assert set(table["Hand.SD"]) == {1.5}


def test_a_count_that_lost_its_point_is_set_aside_and_named(csv):
    norms = read_lancaster(csv(lancaster()))
    np.testing.assert_array_equal(norms.table["Visual.N"], [18, np.nan, 1000, 17])
    np.testing.assert_array_equal(norms.table["Foot.N"], [20, 20, np.nan, 20])
    first, second, third = norms.notes
    assert "N_known.perceptual of NULL is 16026" in first
    assert "N_known.action of A CAPPELLA is 16758" in second
    assert "4 words, where the published norms have 39,707" in third


def test_a_word_without_all_its_means_is_left_out_and_named(csv):
    frame = lancaster()
    frame["Torso.mean"] = frame["Torso.mean"].astype(object)
    frame.loc[2, "Torso.mean"] = ""
    norms = read_lancaster(csv(frame))
    assert tuple(norms.table["word"]) == ("NA", "NULL", "APPLE")
    assert any("A CAPPELLA has no full row" in note for note in norms.notes)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("Foot_leg.mean", 5.5, "Foot of 'NULL' is 5.5"),
        ("Visual.mean", -1, "Visual of 'NULL'"),
        ("Visual.mean", "high", r"Visual\.mean, row 3: 'high'"),
        ("N_known.action", "NA", r"N_known\.action, row 3"),
        ("Word", "NA", "'NA' stands twice"),
        ("Word", "", "column Word, row 3"),
    ],
)
def test_bad_cells_are_named(csv, column, value, said):
    frame = lancaster()
    frame[column] = frame[column].astype(object)
    frame.loc[1, column] = value
    with pytest.raises(EvidenceError, match=rf"norms\.csv: .*{said}"):
        read_lancaster(csv(frame))


@pytest.mark.parametrize("column", ["Word", "Foot_leg.mean", "Visual.SD", "N_known.action"])
def test_a_missing_column_is_named(csv, column):
    with pytest.raises(EvidenceError, match="is missing"):
        read_lancaster(csv(lancaster().drop(columns=column)))


def expected_dutch():
    frame = dutch()
    return {english: frame[name].tolist() for name, english in DUTCH.items()}


@pytest.mark.parametrize("kind", ["book", "second sheet", "csv", "semicolons"])
def test_dutch_norms_are_read_from_a_workbook_or_a_csv(kind, tmp_path):
    path = tmp_path / ("norms.xlsx" if kind in ("book", "second sheet") else "norms.csv")
    if kind == "book":
        dutch().to_excel(path, index=False)
    elif kind == "second sheet":
        with pd.ExcelWriter(path) as writer:
            pd.DataFrame({"About": ["these norms"]}).to_excel(writer, sheet_name="Info")
            dutch().to_excel(writer, sheet_name="SensoryRatings", index=False)
    elif kind == "csv":
        dutch().to_csv(path, index=False)
    else:
        # As a Dutch spreadsheet saves it.
        dutch().to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    norms = read_dutch(path)
    assert list(norms.table.columns) == ["word", *SENSORY]
    assert norms.table["word"].tolist() == ["null", "één", "NA", "appel"]
    for dimension, values in expected_dutch().items():
        np.testing.assert_allclose(norms.table[dimension], values, rtol=1e-15)
    assert norms.notes == (
        "norms." + path.suffix[1:] + ": 4 words, where the published norms have 24,036",
    )


def test_a_file_that_is_none_is_named(tmp_path):
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    (tmp_path / "latin.csv").write_bytes("Woord,Zien\n\xe9\xe9n,1\n".encode("latin-1"))
    for name in ("broken.xlsx", "latin.csv", "none.xlsx", "none.csv"):
        with pytest.raises(EvidenceError, match=name):
            read_dutch(tmp_path / name)
