"""What a model is tuned on: a prompt, and the one answer it should give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.evidence.readers import dimensions_of
from core.rating.dataset import Dataset
from core.rating.errors import RatingError
from core.rating.prompts import LETTERS, question_prompt, rating_prompt

#: The paper's tuned models, each named for what it was tuned on.
RECIPES = ("En_FT", "Nl_FT", "QA_FT")
#: Decimals of a training answer. The training files are not released, but the answers of the two
#: models tuned on ratings are: all 53,448 have one or two decimals, never none and never three. Yet
#: two thirds of the English means have three, and a Dutch mean is a fraction of a dozen raters. So
#: means were rounded to two decimals and written as Python writes a float: "0.0", "0.92", "3.94".
DECIMALS = 2


@dataclass(frozen=True)
class Example:
    """A user's message and the assistant's answer to it."""

    prompt: str
    answer: str


def examples(
    dataset: Dataset, recipe: str, *, scrambled: np.random.Generator | None = None
) -> list[Example]:
    """Return a recipe's examples: all of the training words, never a test word.

    Word by word, and for each word dimension by dimension; the paper's 2,358 words give 25,938
    examples in English and 14,148 in Dutch (Methods, "Fine-tuned Models").

    Parameters
    ----------
    dataset : Dataset
    recipe : {"En_FT", "Nl_FT", "QA_FT"}
    scrambled : Generator, optional
        Where given, the answers are dealt anew among the words, for each dimension on its own (or
        among the questions), so that answers are as common as before and tell nothing.

    Raises
    ------
    RatingError
        For another recipe, or when the data set has nothing to train it on.
    """
    if recipe not in RECIPES:
        msg = f"no recipe {recipe!r}: {', '.join(RECIPES)}"
        raise RatingError(msg)
    if recipe == "QA_FT":
        found = _questions(dataset, scrambled)
    else:
        found = _ratings(dataset, {"En_FT": "en", "Nl_FT": "nl"}[recipe], scrambled)
    if not found:
        lacking = "questions" if recipe == "QA_FT" else "words"
        msg = f"{recipe}: the data set has no {lacking} to train on"
        raise RatingError(msg)
    return found


def answer_of(mean: float) -> str:
    """Return a rating as a training answer has it, such as "0.0", "1.5" or "3.94"."""
    return str(round(float(mean), DECIMALS))


def _ratings(
    dataset: Dataset, language: str, scrambled: np.random.Generator | None
) -> list[Example]:
    table, dimensions = dataset.table(language, "train"), dimensions_of(language)
    means = table[list(dimensions)].to_numpy()
    if scrambled is not None:
        means = scrambled.permuted(means, axis=0)
    return [
        Example(rating_prompt(language, dimension, word), answer_of(mean))
        for word, row in zip(table["word"], means, strict=True)
        for dimension, mean in zip(dimensions, row, strict=True)
    ]


def _questions(dataset: Dataset, scrambled: np.random.Generator | None) -> list[Example]:
    rows = dataset.questions.loc[dataset.questions["split"] == "train"].to_dict("records")
    answers = np.array([row["correct"] for row in rows], dtype=str)
    if scrambled is not None:
        answers = scrambled.permutation(answers)
    return [
        Example(
            question_prompt(row["index"], row["question"], {x: row[x] for x in LETTERS}),
            str(answer),
        )
        for row, answer in zip(rows, answers, strict=True)
    ]
