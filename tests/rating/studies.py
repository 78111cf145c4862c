"""Studies as a run of `claims rate` leaves them, of models that are people with errors added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.readers import dimensions_of, models_of
from core.rating.dataset import Dataset
from core.rating.rehearsal import rehearsal
from core.rating.study import add_ratings, begin_study

#: How far each role's answers lie from people's, and in which language it errs twice as much.
ERROR = {"Base": 6.0, "En_FT": 0.4, "Nl_FT": 0.5, "QA_FT": 5.0, "Scrambled": 6.0}
WORSE = {"En_FT": "nl", "Nl_FT": "en"}


def dataset(words: int = 220, people: str = "simulated", seed: int = 7) -> Dataset:
    """A made-up world's data; 40 % of the words are test words."""
    made = rehearsal(np.random.default_rng(seed), words=words, questions=0)
    return Dataset(people, made.english, made.dutch, made.questions, made.manifest)


def answers(
    data: Dataset, role: str, language: str, *, logprobs: bool = True, error: float | None = None
) -> pd.DataFrame:
    """One role's answers to the test words, long, as `add_ratings` takes them."""
    table, dimensions = data.table(language, "test"), list(dimensions_of(language))
    rng = np.random.default_rng([len(role), *map(ord, role + language)])
    spread = ERROR[role] if error is None else error
    spread *= 2 if WORSE.get(role) == language else 1
    human = table[dimensions].to_numpy()
    rated = np.clip(human + spread * rng.standard_normal(human.shape), 0, 5).round(1)
    rows = [
        {
            "word": word,
            "dimension": dimension,
            "status": "ok",
            "content": str(rated[i, j]),
            "rating": rated[i, j],
            "expected": min(5.0, np.floor(rated[i, j]) + 0.1) if logprobs else np.nan,
            "digit_mass": 0.9 if logprobs else np.nan,
        }
        for i, word in enumerate(table["word"])
        for j, dimension in enumerate(dimensions)
    ]
    return pd.DataFrame(rows)


def rate(folder: Path, data: Dataset, role: str, language: str, **options: Any) -> None:
    """Put one role's answers into a study."""
    about = {"model": f"tiny-{role}", "backend": "local", "seed": 0}
    add_ratings(folder, role, language, answers(data, role, language, **options), about)


def whole_study(folder: Path, data: Dataset, **options: Any) -> Path:
    """A study with every role in both languages."""
    begin_study(folder, data)
    for language in ("en", "nl"):
        for role in models_of(language):
            rate(folder, data, role, language, **options)
    return folder
