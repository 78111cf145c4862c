"""The authors' public release as evidence: every table under one set of names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.evidence import mapping
from core.evidence.completions import file_facts, read_completions
from core.evidence.errors import EvidenceError
from core.evidence.readers import (
    dimensions_of,
    models_of,
    read_output,
    read_questions,
    read_ratings,
    read_sample,
    read_similarities,
    read_tests,
    read_translations,
)
from core.evidence.store import Store
from core.evidence.tables import ALL, SENSORY, Ratings

LANGUAGES = ("en", "nl")
SUBSETS = {"en": ("all", "sensory", "motor"), "nl": ("sensory",)}
WORKBOOKS = {
    "en": "analysis/En_all_models_results.xlsx",
    "nl": "analysis/Nl_all_models_results.xlsx",
}
SAMPLES = {
    "train": "data/2_train_sensorimotor_random_sample.xlsx",
    "test": "data/2_test_sensorimotor_random_sample.xlsx",
}
QUESTIONS = {"train": "data/train_60.json", "test": "data/test_40.json"}
TRANSLATIONS = "data/Words_Speed_Brysbaert_with_English_translation_and_back_translation.xlsx"


class Released:
    """The release at the pinned commit; each table is read once, when first asked for.

    Every method raises `Unreachable` when a file cannot be had, `HashMismatch` when it is not the
    registered one, and `EvidenceError`, naming file and column, when it is not laid out as
    expected.
    """

    name = "released"
    tier = "released"

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[tuple[str, ...], Any] = {}
        self._acquired: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls) -> Released:
        """Return the release, fetched as CLAIMS_MIRROR and CLAIMS_CACHE say."""
        return cls(Store.from_environment())

    @property
    def sha256(self) -> str:
        """A digest of the registered files behind the parts last acquired (of all, before that)."""
        names = [name for part in self._acquired for name in self.files(part)]
        return self.store.digest(names or self.store.registry)

    def files(self, part: str) -> tuple[str, ...]:
        """Return the registered paths that a part is read from."""
        registry = self.store.registry
        outputs = {
            language: tuple(
                p
                for p in registry
                if f"/{language}_output_files/" in p and not p.endswith("_merged.xlsx")
            )
            for language in LANGUAGES
        }
        both = (*outputs["en"], *outputs["nl"])
        raw = tuple(p for p in registry if p.endswith(".jsonl"))
        parts = {
            "ratings": tuple(WORKBOOKS.values()),
            "samples": tuple(SAMPLES.values()),
            "translations": (TRANSLATIONS,),
            "training": (*SAMPLES.values(), TRANSLATIONS, *outputs["en"]),
            "questions": tuple(QUESTIONS.values()),
            "tests": tuple(_tests_file(language) for language in LANGUAGES),
            "similarities": (*map(_similarities_file, LANGUAGES), WORKBOOKS["nl"]),
            "prompts": tuple(p for p in registry if p.startswith("prompts/")),
            "outputs": both,
            "completions": (*raw, *both),
        }
        if part not in parts:
            raise EvidenceError(f"released evidence has no part {part!r}: {', '.join(parts)}")
        return parts[part]

    def acquire(self, parts: Iterable[str]) -> None:
        """Load the named parts now, so that what is wrong with them shows at once."""
        self._acquired = tuple(parts)
        for part in self._acquired:
            self.files(part)
            if part in ("ratings", "tests", "outputs"):
                for language in LANGUAGES:
                    getattr(self, part)(language)
            elif part == "similarities":
                for language in LANGUAGES:
                    for subset in SUBSETS[language]:
                        self.similarities(language, subset)
            else:
                getattr(self, part)()

    def ratings(self, language: str) -> Ratings:
        """Return what people and models rated, from the authors' analysis workbook."""
        return self._once(
            ("ratings", language),
            lambda: read_ratings(self.store.get(WORKBOOKS[language]), language),
        )

    def samples(self) -> dict[str, pd.DataFrame]:
        """Return the two released sample workbooks, rows as released.

        Returns
        -------
        dict of str to DataFrame
            "train" and "test", each with Word, Woord, the English means under `ALL`, the Dutch ones
            as ``nl_<dimension>`` and the two counts of raters as they stand. An English word
            comes once for each of its Dutch translations.
        """
        read = self._once(
            ("samples",), lambda: {k: read_sample(self.store.get(f)) for k, f in SAMPLES.items()}
        )
        return {k: frame.copy() for k, frame in read.items()}

    def translations(self) -> pd.DataFrame:
        """Return the translation table: dutch, english, back (may be blank), include (bool)."""
        return self._once(
            ("translations",), lambda: read_translations(self.store.get(TRANSLATIONS))
        ).copy()

    def training(self) -> pd.DataFrame:
        """Return the human means of the words the models were certainly trained on.

        The training list is not released. The evaluation order gives back a part of it (see
        `mapping.trained_words`), and the sample workbooks hold the norms of some of those words.
        None of them is an evaluated word.

        Returns
        -------
        DataFrame
            Index ``word`` (English); columns Word, Woord (the pair's Dutch word), `ALL` and
            ``nl_<dimension>``. The Dutch means are NaN where only another Dutch word's are
            released.
        """
        return self._once(("training",), self._training).copy()

    def _training(self) -> pd.DataFrame:
        table = self.translations()
        kept = table.loc[table["include"]]
        dutch = dict(zip(kept["english"].str.upper(), kept["dutch"], strict=True))
        norms = pd.concat(self.samples().values(), ignore_index=True)
        evaluated = tuple(self.outputs("en").index)
        words = mapping.trained_words(evaluated, dutch, set(norms["Word"]), mapping.POOL)
        own = norms["Woord"] == norms["Word"].map(dutch.get)
        # The pair's own row first: its Dutch means are the ones that count.
        norms = norms.assign(own=own).sort_values("own", ascending=False, kind="stable")
        norms = norms.drop_duplicates("Word").set_index("Word", drop=False)
        norms = norms.loc[[word for word in words if word in norms.index]].rename_axis("word")
        dutch_means = [f"nl_{dimension}" for dimension in SENSORY]
        norms.loc[~norms["own"], dutch_means] = np.nan
        norms["Woord"] = norms["Word"].map(dutch.get)
        return norms[["Word", "Woord", *ALL, *dutch_means]]

    def questions(self) -> dict[str, pd.DataFrame]:
        """Return the released halves of PerceptualQA: index, question, A, B, C, D, correct."""
        read = self._once(
            ("questions",),
            lambda: {k: read_questions(self.store.get(f)) for k, f in QUESTIONS.items()},
        )
        return {k: frame.copy() for k, frame in read.items()}

    def tests(self, language: str) -> pd.DataFrame:
        """Return the authors' correlations with people and their Steiger tests.

        Returns
        -------
        DataFrame
            Index the English dimension; columns ``rho_<model>``, then ``Z_<a>_<b>`` and
            ``p_<a>_<b>`` for each pair of models, in the order of `MODELS`.
        """
        file = _tests_file(language)
        return self._once(
            ("tests", language), lambda: read_tests(self.store.get(file), language)
        ).copy()

    def similarities(self, language: str, subset: str) -> pd.DataFrame:
        """Return the authors' word similarities, 1 / (1 + distance to people), NaN where missing.

        Parameters
        ----------
        language : {"en", "nl"}
        subset : {"all", "sensory", "motor"}
            Dutch has only "sensory".

        Returns
        -------
        DataFrame
            Index ``concept`` as in `ratings`, columns the models.
        """
        if subset not in SUBSETS.get(language, ()):
            raise EvidenceError(f"released similarities: none for {language!r}, {subset!r}")
        return self._once(
            ("similarities", language, subset), lambda: self._similarities(language, subset)
        ).copy()

    def _similarities(self, language: str, subset: str) -> pd.DataFrame:
        path = self.store.get(_similarities_file(language))
        table = read_similarities(path, subset, language)
        if language == "nl":
            # The Dutch table names its rows by the English word.
            dutch = self.ratings("nl")
            shown = dict(zip(dutch.translations, dutch.concepts, strict=True))
            absent = [word for word in table.index if word not in shown]
            if absent:
                raise EvidenceError(f"{path.name}: {absent[0]!r} is not in {WORKBOOKS['nl']}")
            table = table.rename(index=shown)
        return table

    def prompts(self) -> dict[str, str]:
        """Return the prompt templates by file stem, as they stand."""
        paths = self.store.get_all(self.files("prompts"))
        return {Path(p).stem: path.read_text(encoding="utf-8") for p, path in paths.items()}

    def outputs(self, language: str) -> pd.DataFrame:
        """Return the per-dimension output workbooks side by side.

        Returns
        -------
        DataFrame
            Index ``word`` in the files' own order, which is the evaluation order: row i is task
            i + 1. Columns (model, dimension) in the order of `MODELS` and `ALL`. NaN where a
            cell is blank or the word is missing from that file.
        """
        return self._once(("outputs", language), lambda: self._outputs(language)).copy()

    def _outputs(self, language: str) -> pd.DataFrame:
        names = [p for p in self.files("outputs") if f"/{language}_output_files/" in p]
        found = {}
        for name, path in self.store.get_all(names).items():
            _, dimension, model = file_facts(name)
            found[model, dimension] = read_output(path)
        expected = [(m, d) for m in models_of(language) for d in dimensions_of(language)]
        if sorted(found) != sorted(expected) or len(names) != len(expected):
            odd = sorted(set(found) ^ set(expected))
            raise EvidenceError(f"{language} output workbooks: {len(names)} files; see {odd}")
        order = mapping.complete_order({"_".join(k): list(s.index) for k, s in found.items()})
        table = pd.DataFrame({key: found[key].reindex(list(order)) for key in expected})
        return table.rename_axis(index="word", columns=["model", "dimension"])

    def completions(self) -> pd.DataFrame:
        """Return every raw answer, one row each; the columns are those of `read_completions`."""
        return self._once(("completions",), self._completions).copy()

    def _completions(self) -> pd.DataFrame:
        words = {language: tuple(self.outputs(language).index) for language in LANGUAGES}
        names = [p for p in self.files("completions") if p.endswith(".jsonl")]
        return read_completions(self.store.get_all(names).values(), words)

    def _once(self, key: tuple[str, ...], read: Callable[[], Any]) -> Any:
        if key not in self._read:
            self._read[key] = read()
        return self._read[key]


def _tests_file(language: str) -> str:
    return f"analysis/{language}_correlation_comparison_results.csv"


def _similarities_file(language: str) -> str:
    return f"analysis/{language}_word_wise_similarity_results.xlsx"
