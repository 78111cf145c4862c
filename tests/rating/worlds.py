"""Small data sets to try things on: no word and no figure of anyone's."""

import numpy as np
import pandas as pd

from core.evidence.tables import ALL, DUTCH, SENSORY
from core.rating.dataset import Dataset, no_questions

DUTCH_NAME = {english: dutch for dutch, english in DUTCH.items()}
#: The words that a careless reader takes for missing values come first.
ODD = ("NA", "NULL", 'SAY "AH"', "COMMA, HERE")


def words(n):
    return [*ODD, *(f"WORD{i}" for i in range(n))][:n]


def pairs(n, train, *, columns, seed=0):
    rng = np.random.default_rng(seed)
    split = ["train"] * train + ["test"] * (n - train)
    english = words(n)
    dutch = [f"w {word.lower()}" for word in english]
    head = {"word": english, "translation": dutch, "split": split}
    ratings = {name: rng.integers(0, 91, n) / 18 for name in columns}
    return pd.DataFrame(head | ratings)


def swapped(frame, columns=SENSORY):
    """The same pairs from the other language's side."""
    other = frame.rename(columns={"word": "translation", "translation": "word"})
    return other[["word", "translation", "split", *columns]]


def questions(n, train):
    rows = [
        (1001 + i, f"Which? {i}", "one", "two", "three", "four", "ABCD"[i % 4], part)
        for i, part in enumerate(["train"] * train + ["test"] * (n - train))
    ]
    names = ["index", "question", *"ABCD", "correct", "split"]
    return pd.DataFrame(rows, columns=pd.Index(names))


def dataset(n=10, train=6, *, asked=8, people="simulated", **changes):
    english = pairs(n, train, columns=ALL)
    for dimension in ALL:
        english[f"{dimension}.SD"] = np.where(english["split"] == "test", 1.25, np.nan)
        english[f"{dimension}.N"] = 18.0
    parts = {
        "english": english,
        "dutch": swapped(english),
        "questions": questions(asked, asked // 2) if asked else no_questions(),
        "manifest": {"source": "made up"},
    }
    return Dataset(people, **(parts | changes))
