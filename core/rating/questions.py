"""PerceptualQA: 1,400 multiple-choice questions, and their split.

Paper: Methods, "Question-Answering (QA) Task Data". The text has 800 questions to train on and 600
to test on, "60 %" and "40 %"; the release holds 840 and 560.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.errors import EvidenceError
from core.evidence.readers import read_questions
from core.rating._dataset_checks import QUESTION_COLUMNS
from core.rating.errors import RatingError
from core.rating.prompts import LETTERS

#: The benchmark's size and the paper's training part.
SIZE, TRAIN = 1400, 800
#: A question's index says its domain: 1001 to 1200 is the first visual one, 6001 to 6100 the
#: first of the other senses.
DOMAIN = 1000


def read_perceptual_qa(path: Path) -> pd.DataFrame:
    """Read questions: a JSON list of index, question, options A to D and correct_option.

    Returns
    -------
    DataFrame
        Columns index, question, A, B, C, D, correct, in the file's order.

    Raises
    ------
    EvidenceError
        When it cannot be read or is laid out otherwise, a number or a whole question (its text and
        options) stands twice, or a text is blank; names the question.
    """
    try:
        frame = read_questions(path)
    except OSError as error:
        raise EvidenceError(f"{path}: cannot be read: {error}") from error
    check_questions(frame, path.name)
    return frame


def check_questions(frame: pd.DataFrame, where: str) -> None:
    """Raise EvidenceError for a question that stands twice or has a blank text; names it."""
    numbers: set[int] = set()
    asked: dict[tuple[str, ...], int] = {}
    for row in frame.to_dict("records"):
        number, said = row["index"], tuple(str(row[x]).strip() for x in ("question", *LETTERS))
        if number in numbers:
            raise EvidenceError(f"{where}: question {number} stands twice")
        if "" in said:
            raise EvidenceError(f"{where}: question {number} has a blank text or option")
        if said in asked:
            raise EvidenceError(f"{where}: question {number} is question {asked[said]} again")
        numbers.add(number)
        asked[said] = number


def from_halves(halves: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the released halves, "train" and "test", as one table with their split."""
    parts = [halves[name].assign(split=name) for name in ("train", "test")]
    table = pd.concat(parts, ignore_index=True)
    check_questions(table, "the released questions")
    return pd.DataFrame(table[list(QUESTION_COLUMNS)])


def split_questions(
    frame: pd.DataFrame, rng: np.random.Generator, train: int | None = None
) -> pd.DataFrame:
    """Split questions at random so that domains and answers are as common in both parts.

    Parameters
    ----------
    frame : DataFrame
        Columns index, question, A, B, C, D, correct.
    rng : Generator
    train : int, optional
        Questions to train on; by default four sevenths, the paper's 800 of 1,400.

    Returns
    -------
    DataFrame
        The same rows with a column split. In each group of one domain and one answer the number to
        train on is within one of its share.

    Raises
    ------
    RatingError
        When there are fewer questions than are to be trained on.
    """
    wanted = round(len(frame) * TRAIN / SIZE) if train is None else train
    if not 0 <= wanted <= len(frame):
        msg = f"{wanted} questions to train on, but there are {len(frame)}"
        raise RatingError(msg)
    strata = [np.flatnonzero(rows) for _, rows in sorted(_strata(frame).items())]
    share = wanted / max(len(frame), 1)
    quota = np.array([len(rows) * share for rows in strata])
    taken = np.floor(quota).astype(np.int64)
    # What rounding down leaves goes to the largest remainders, first come first served.
    order = np.argsort(-(quota - taken), kind="stable")
    taken[order[: wanted - int(taken.sum())]] += 1
    split = np.full(len(frame), "test", dtype=object)
    for rows, count in zip(strata, taken, strict=True):
        split[rng.permutation(rows)[:count]] = "train"
    return frame.assign(split=split).reset_index(drop=True)


def _strata(frame: pd.DataFrame) -> dict[tuple[int, str], np.ndarray]:
    domain = frame["index"].to_numpy(dtype=np.int64) // DOMAIN
    correct = frame["correct"].to_numpy(dtype=object)
    keys = set(zip(domain.tolist(), correct.tolist(), strict=True))
    return {(d, c): (domain == d) & (correct == c) for d, c in keys}
