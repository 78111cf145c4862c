"""What the options of `claims rate` ask for: which words, on which dimensions, judged with what."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.evidence.readers import dimensions_of
from core.evidence.tables import DIMENSION_SETS
from core.rating.dataset import Dataset, read_dataset
from core.rating.errors import RatingError

LANGUAGES = {"en": "English", "nl": "Dutch"}


@dataclass(frozen=True, eq=False)
class Wanted:
    """What is to be rated.

    Attributes
    ----------
    language : {"en", "nl"}
    words, dimensions : tuple of str
        Each once.
    dataset : Dataset or None
        Whose test words these are, or some of them; None for words that are not judged.
    """

    language: str
    words: tuple[str, ...]
    dimensions: tuple[str, ...]
    dataset: Dataset | None

    @property
    def all_words(self) -> tuple[str, ...]:
        """All words that a table of these ratings should have."""
        if self.dataset is None:
            return self.words
        return tuple(dict.fromkeys(self.dataset.words(self.language, "test")))

    @property
    def all_dimensions(self) -> tuple[str, ...]:
        """All dimensions that a table of these ratings should have."""
        return self.dimensions if self.dataset is None else dimensions_of(self.language)


def wanted(options: argparse.Namespace) -> Wanted:
    """Return what is to be rated.

    Raises
    ------
    RatingError
        If there is no such data set, file, or dimension, or no word in it.
    """
    language, named = options.language, options.words
    dimensions = _dimensions(options.dimensions, language)
    if named in ("test", "train"):
        dataset = read_dataset(options.data)
        words, where = dataset.words(language, named), f"{options.data}, {named}"
    else:
        # A file of the data's own test words is judged as they are, if the data are there.
        dataset = read_dataset(options.data) if options.data.exists() else None
        words, where = _read_words(Path(named)), named
    words = tuple(dict.fromkeys(words))
    if not words:
        msg = f"{where}: holds no word in {LANGUAGES[language]} to ask about"
        raise RatingError(msg)
    if dataset is not None and not set(words) <= set(dataset.words(language, "test")):
        dataset = None
    return Wanted(language, words[: options.limit], dimensions, dataset)


def _read_words(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        msg = f"--words {path}: no such file; name test, train, or a file with a word per line"
        raise RatingError(msg) from None
    except (OSError, UnicodeDecodeError) as error:
        msg = f"--words {path}: cannot be read as UTF-8 text ({error})"
        raise RatingError(msg) from error
    return tuple(filter(None, map(str.strip, lines)))


def _dimensions(names: Sequence[str], language: str) -> tuple[str, ...]:
    known = dimensions_of(language)
    chosen: set[str] = set()
    for name in names:
        found = {one for one in DIMENSION_SETS.get(name, (name,)) if one in known}
        if not found:
            msg = f"--dimensions {name}: {LANGUAGES[language]} words are rated on"
            raise RatingError(f"{msg} {', '.join(known)} ({', '.join(DIMENSION_SETS)})")
        chosen |= found
    return tuple(one for one in known if one in chosen)
