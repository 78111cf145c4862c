"""What people said, of the release alone, laid out as a study takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.evidence.readers import dimensions_of
from core.evidence.released import Released
from core.evidence.tables import SENSORY


class ReleasedPeople:
    """The evaluated words with people's means, and those of the training words that are released.

    The training words are those that the models were certainly trained on, see
    `Released.training`, in each language those with all its means.

    Attributes
    ----------
    people, digest, english, dutch, manifest
        See `core.rating.study.Source`; the digest is over the released files behind it.
    """

    people = "release"

    def __init__(self, released: Released) -> None:
        files = {*released.files("ratings"), *released.files("training")}
        self.digest = released.store.digest(files)
        self.english, self.dutch = _table(released, "en"), _table(released, "nl")
        self.manifest: Mapping[str, Any] = {"from": "release", "digest": self.digest}


def _table(released: Released, language: str) -> pd.DataFrame:
    ratings, dimensions = released.ratings(language), list(dimensions_of(language))
    tested: dict[str, Any] = {
        "word": ratings.concepts,
        "translation": ratings.translations,
        "split": "test",
        **_columns(ratings.human, dimensions, ""),
        **_columns(ratings.human_sd, dimensions, ".SD"),
        **_columns(ratings.human_n, dimensions, ".N"),
    }
    training = released.training()
    own, other = ("Word", "Woord") if language == "en" else ("Woord", "Word")
    means = dimensions if language == "en" else [f"nl_{d}" for d in SENSORY]
    trained = pd.DataFrame(
        training[[own, other, *means]].to_numpy(), columns=["word", "translation", *dimensions]
    )
    trained = trained.dropna().astype(dict.fromkeys(dimensions, float)).assign(split="train")
    return pd.concat([pd.DataFrame(tested), trained], ignore_index=True)


def _columns(values: np.ndarray | None, dimensions: list[str], end: str) -> dict[str, np.ndarray]:
    if values is None:
        return {}
    return {f"{d}{end}": values[:, j] for j, d in enumerate(dimensions)}
