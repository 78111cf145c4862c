"""Making a data set: from the published norms, from the release alone, or from nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence import mapping
from core.evidence.errors import Unreachable
from core.evidence.released import Released
from core.evidence.tables import ALL, SENSORY
from core.rating.bilingual import (
    Construction,
    Drawn,
    as_described,
    as_released,
    kept_pairs,
    read_translations,
    without_leaks,
)
from core.rating.dataset import Dataset, no_questions
from core.rating.norms import Norms, read_dutch, read_lancaster
from core.rating.questions import from_halves, read_perceptual_qa, split_questions
from core.rating.rehearsal import rehearsal
from core.rating.sources import Obtained, obtain, obtain_own
from core.rating.splits import Lemma, leaks, lemma, plain

SENSES = pd.Index(SENSORY)


@dataclass(frozen=True)
class Files:
    """The user's own files, and questions to train on; None for what is fetched, as it is split."""

    lancaster: Path | None = None
    dutch: Path | None = None
    translations: Path | None = None
    questions: Path | None = None
    train_questions: int | None = None


@dataclass(frozen=True)
class Made:
    """A data set, what its steps counted, and what there is to tell, by line.

    Attributes
    ----------
    dataset : Dataset
    constructions : tuple of (Construction, int or None)
        Each way to draw the pairs, with the number of leaks that it leaves.
    leaks : tuple of str
        What stands in both train and test of this data set: see `core.rating.splits.leaks`.
    notes : tuple of str
    """

    dataset: Dataset
    constructions: tuple[tuple[Construction, int | None], ...]
    leaks: tuple[str, ...]
    notes: tuple[str, ...]


def from_rehearsal(seed: int, words: int) -> Made:
    """Make a world of made-up words: see `core.rating.rehearsal`."""
    made = rehearsal(np.random.default_rng(seed), words)
    return _made(made, {"seed": seed}, by=plain)


def from_release(released: Released, files: Files, seed: int) -> Made:
    """Make a data set of what the paper's release holds, without the norms.

    To test: the words evaluated, with their human means. To train: the words that were certainly
    trained on and whose means in both languages are released (`Released.training`), fewer than
    the paper's.
    """
    ratings = {language: released.ratings(language) for language in ("en", "nl")}
    english, dutch = ratings["en"], ratings["nl"]
    place = {word: row for row, word in enumerate(dutch.translations)}
    rows = [place[word] for word in english.concepts]
    trained = released.training().dropna()
    known = {"SD": english.human_sd, "N": english.human_n}
    tested = pd.DataFrame(english.human, columns=pd.Index(ALL))
    for kind, values in known.items():
        if values is not None:
            tested[[f"{d}.{kind}" for d in ALL]] = values
    parts = {
        "english": [
            _part(trained["Word"], trained["Woord"], "train", pd.DataFrame(trained[list(ALL)])),
            _part(english.concepts, english.translations, "test", tested),
        ],
        "dutch": [
            _part(
                trained["Woord"],
                trained["Word"],
                "train",
                pd.DataFrame(trained[[f"nl_{d}" for d in SENSORY]].to_numpy(), columns=SENSES),
            ),
            _part(
                [dutch.concepts[row] for row in rows],
                english.concepts,
                "test",
                pd.DataFrame(dutch.human[rows], columns=SENSES),
            ),
        ],
    }
    asked, about = _questions(released, files, seed)
    dataset = Dataset(
        "release",
        pd.concat(parts["english"], ignore_index=True),
        pd.concat(parts["dutch"], ignore_index=True),
        asked,
        {"source": "the paper's release", "inputs": {"release": released.sha256} | about},
    )
    table = released.translations()
    return _made(dataset, {"seed": seed}, _counted(table), english.notes)


def from_norms(released: Released, files: Files, way: str, seed: int) -> Made:
    """Make the full data set from the published norms and a table of translations.

    Parameters
    ----------
    released : Released
        For the translations and the questions, where no files of one's own are given, and to hold
        the words drawn against those evaluated.
    files : Files
    way : {"grouped", "described", "released"}
        How the pairs are drawn: see `core.rating.bilingual`. All three are counted.
    seed : int
        Of the draws; the released way has its own.
    """
    english = obtain("lancaster", files.lancaster)
    dutch = obtain("dutch", files.dutch)
    norms = {"english": read_lancaster(english.path), "dutch": read_dutch(dutch.path)}
    own = files.translations
    table = released.translations() if own is None else read_translations(own)
    drawn = _every_way(table, norms, seed)
    asked, about = _questions(released, files, seed)
    counted = tuple((each.construction, len(_leaks(each.pairs))) for each in drawn.values())
    inputs = {"lancaster": _told(english), "dutch": _told(dutch)} | about
    dataset = _joined(drawn[way].pairs, norms, asked, {"source": "the norms", "inputs": inputs})
    told = [_trusted(source) for source in (english, dutch)]
    notes = [*told, *norms["english"].notes, *norms["dutch"].notes, *_evaluated(released, drawn)]
    return _made(dataset, {"seed": seed, "construction": way}, counted, notes)


def _every_way(table: pd.DataFrame, norms: Mapping[str, Norms], seed: int) -> dict[str, Drawn]:
    english, dutch = (set(norms[name].table["word"]) for name in ("english", "dutch"))
    described, grouped = (np.random.default_rng([seed, at]) for at in range(2))
    return {
        "described": as_described(table, english, dutch, described),
        "released": as_released(table, english, dutch),
        "grouped": without_leaks(table, english, dutch, grouped),
    }


def _joined(
    pairs: pd.DataFrame, norms: Mapping[str, Norms], asked: pd.DataFrame, about: dict[str, Any]
) -> Dataset:
    frames = {}
    for name, other in (("english", "dutch"), ("dutch", "english")):
        ratings = norms[name].table.set_index("word").loc[pairs[name]]
        frames[name] = _part(pairs[name], pairs[other], pairs["split"], ratings)
    return Dataset("norms", frames["english"], frames["dutch"], asked, about)


def _part(words: Any, translations: Any, split: Any, ratings: pd.DataFrame) -> pd.DataFrame:
    head = pd.DataFrame({"word": list(words), "translation": list(translations)})
    head["split"] = split if isinstance(split, str) else list(split)
    return pd.concat([head, ratings.reset_index(drop=True)], axis=1)


def _questions(released: Released, files: Files, seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the questions with their split, and where they are from."""
    if files.questions is not None:
        table: pd.DataFrame = read_perceptual_qa(files.questions)
        about: dict[str, Any] = {"questions": _told(obtain_own(files.questions))}
    else:
        try:
            table, about = from_halves(released.questions()), {"questions": "the paper's release"}
        except Unreachable:
            return no_questions(), {}
        if files.train_questions is None:
            return table, about
    rng = np.random.default_rng([seed, 2])
    return split_questions(table, rng, files.train_questions), about


def _counted(table: pd.DataFrame) -> tuple[tuple[Construction, int | None], ...]:
    """Count what can be counted without the norms; the order of evaluation tells the rest."""
    train, test = mapping.evaluation_order(mapping.POOL)
    drawn = (mapping.POOL, len(train) + len(test), len(train), len(test))
    exact, folded = (len(kept_pairs(table, folded=folded)) for folded in (False, True))
    return (
        (Construction("described", len(table), exact), None),
        (Construction("released", len(table), folded, *drawn), None),
    )


def _evaluated(released: Released, drawn: Mapping[str, Drawn]) -> list[str]:
    """Hold the words drawn the released way against those evaluated."""
    try:
        evaluated = set(released.ratings("en").concepts)
    except Unreachable:
        return []
    pairs = drawn["released"].pairs
    test = set(pairs.loc[pairs["split"] == "test", "english"])
    shared = f"{len(test & evaluated):,} of {len(test):,}"
    return [f"drawn as released, {shared} test words are among those that the paper evaluated"]


def _leaks(pairs: pd.DataFrame) -> list[str]:
    frames = (pairs.rename(columns={name: "word"}) for name in ("english", "dutch"))
    return leaks(*frames)


def _made(
    dataset: Dataset,
    about: dict[str, Any],
    constructions: tuple[tuple[Construction, int | None], ...] = (),
    notes: Any = (),
    *,
    by: Lemma = lemma,
) -> Made:
    found = tuple(leaks(dataset.english, dataset.dutch, by=by))
    compared = "letters" if by is plain else f"simplemma {metadata.version('simplemma')}"
    manifest = {
        **dataset.manifest,
        **about,
        "leaks": {"count": len(found), "compared by": compared},
        "notes": list(notes),
    }
    dataset = dataclasses.replace(dataset, manifest=manifest)
    return Made(dataset, constructions, found, tuple(notes))


def _told(source: Obtained) -> dict[str, str]:
    # A path may have a user's name in it, and says nothing elsewhere.
    return {"file": source.path.name, "sha256": source.sha256, "trust": source.trust}


def _trusted(source: Obtained) -> str:
    why = {
        "published": "as published",
        "pinned": "the same as when it was first fetched; no hash is published",
        "first use": "fetched for the first time, and kept to from now on; no hash is published",
        "given": "yours; not the published content, or none is known to hold it against",
    }[source.trust]
    return f"{source.path.name}: SHA-256 {source.sha256}: {why}"
