import os

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from core.evidence.errors import EvidenceError
from core.evidence.released import Released
from core.rating.bilingual import (
    PAPER,
    as_described,
    as_released,
    kept_pairs,
    read_translations,
    without_leaks,
)
from core.rating.splits import leaks

needs_release = pytest.mark.skipif(
    not os.environ.get("CLAIMS_MIRROR"), reason="the release: set CLAIMS_MIRROR"
)


def table(*rows):
    return pd.DataFrame(rows, columns=pd.Index(["dutch", "english", "back"]))


def listed(n=102):
    """Pairs of which all but the first few come back."""
    lost = [("aai", "aai", "aai"), ("aaien", "pet", "huisdier"), ("Bijbel", "Bible", "bijbel")]
    return table(*lost, *((f"woord{i}", f"word{i}", f"woord{i}") for i in range(n)))


#: Word 100 is not rated in English, and word 101 not in Dutch.
RATED = [f"WORD{i}" for i in range(102) if i != 100], [f"woord{i}" for i in range(101)]


@pytest.mark.parametrize(
    ("row", "exact", "folded"),
    [
        (("aal", "eel", "aal"), True, True),
        (("bijbel", "Bible", "Bijbel"), False, True),
        (("amazone", "Amazone", "amazone"), True, False),
        (("film", "film", "film"), False, False),
        (("aaien", "pet", "pet"), False, False),
        (("aalmoes", "alms", ""), False, False),
        (("null", "zero", "null"), True, True),
    ],
)
def test_a_pair_is_kept_when_it_comes_back_and_is_spelled_otherwise(row, exact, folded):
    assert [len(kept_pairs(table(row), folded=f)) for f in (False, True)] == [exact, folded]


def test_english_is_put_in_capitals_and_stands_once():
    kept = kept_pairs(table(("b", "Bee", "b"), ("a", "bee", "a"), ("c", "sea", "c")), folded=True)
    assert kept.to_numpy().tolist() == [["BEE", "b"], ["SEA", "c"]]


@needs_release
def test_the_papers_count_takes_folding_case_which_is_how_the_release_marks_pairs():
    released = Released.from_environment().translations()
    exact, folded = (kept_pairs(released, folded=f) for f in (False, True))
    marked = released[released["include"]]
    assert (len(exact), len(folded)) == (10649, PAPER.kept)
    assert folded["dutch"].tolist() == marked["dutch"].tolist()
    assert folded["english"].tolist() == [word.upper() for word in marked["english"]]


def test_every_step_is_counted():
    drawn = as_described(listed(), *RATED, np.random.default_rng(0))
    counts = drawn.construction
    assert (counts.listed, counts.kept, counts.in_norms) == (105, 102, 100)
    assert (counts.sampled, counts.train, counts.test) == (50, 30, 20)
    assert drawn.pairs["split"].value_counts().to_dict() == {"train": 30, "test": 20}
    assert as_released(listed(), *RATED).construction.kept == 103


def test_the_papers_sizes_follow_from_its_pool():
    pool = listed(7861)
    words = [f"WORD{i}" for i in range(7861)], [f"woord{i}" for i in range(7861)]
    for drawn in (
        as_described(pool, *words, np.random.default_rng(0)),
        as_released(pool, *words),
    ):
        counts = drawn.construction
        assert (counts.in_norms, counts.sampled) == (PAPER.in_norms, PAPER.sampled)
        assert (counts.train, counts.test) == (PAPER.train, PAPER.test)


def test_a_draw_is_of_rated_pairs_each_once_and_random():
    draws = []
    for seed in range(30):
        pairs = as_described(listed(), *RATED, np.random.default_rng(seed)).pairs
        assert pairs["english"].is_unique
        assert (pairs["english"].str.lower() == pairs["dutch"].str.replace("woord", "word")).all()
        assert not {"WORD100", "WORD101"} & set(pairs["english"])
        draws.append(set(pairs.loc[pairs["split"] == "test", "english"]))
    assert len({frozenset(draw) for draw in draws}) == 30
    assert len(set().union(*draws)) == 100
    again = as_described(listed(), *RATED, np.random.default_rng(0)).pairs
    assert set(again.loc[again["split"] == "test", "english"]) == draws[0]


def test_the_released_way_is_scikit_learns_on_the_alphabetical_pool():
    """Two calls of `train_test_split` with seed 42, as a notebook would make them."""
    shuffled = listed().sample(frac=1, random_state=0)
    pairs = as_released(shuffled, *RATED).pairs
    kept, _ = train_test_split(sorted(set(RATED[0]) - {"WORD101"}), test_size=0.5, random_state=42)
    train, test = train_test_split(kept, test_size=0.4, random_state=42)
    assert pairs.loc[pairs["split"] == "train", "english"].tolist() == train
    assert pairs.loc[pairs["split"] == "test", "english"].tolist() == test


def test_ours_leaves_no_leak_where_the_others_do():
    singular = [
        (f"boek{c}", f"{word}", f"boek{c}") for c, word in zip("abcdefgh", NOUNS, strict=True)
    ]
    plural = [(f"boeken{c}", f"{w}s", f"boeken{c}") for c, w in zip("abcdefgh", NOUNS, strict=True)]
    many = pd.concat([table(*singular, *plural), listed(84).iloc[3:]], ignore_index=True)
    words = many["english"].str.upper().tolist(), many["dutch"].tolist()
    leaky = 0
    for seed in range(10):
        ours = without_leaks(many, *words, np.random.default_rng(seed))
        assert (ours.construction.train, ours.construction.test) == (30, 20)
        assert found(ours) == []
        leaky += bool(found(as_described(many, *words, np.random.default_rng(seed))))
    assert leaky > 0


NOUNS = ("table", "tree", "book", "river", "house", "car", "apple", "song")


def found(drawn):
    return leaks(*(drawn.pairs.rename(columns={name: "word"}) for name in ("english", "dutch")))


def test_ones_own_translations_are_read_as_they_stand(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("back,english,dutch\nnull,zero,null\n,NA,nee\n")
    assert read_translations(path).to_numpy().tolist() == [
        ["null", "zero", "null"],
        ["nee", "NA", ""],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dutch,english\na,b\n", "column back"),
        ("dutch,english,back\n,b,c\n", "column dutch, row 2"),
        ("dutch,english,back\na,b,a\na,c,a\n", "'a' stands twice"),
        ("", "cannot be read"),
    ],
)
def test_translations_laid_out_otherwise_are_refused(tmp_path, text, said):
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(EvidenceError, match=f"own.csv.*{said}"):
        read_translations(path)
