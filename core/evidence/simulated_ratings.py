"""Made ratings where the truth is known.

People's profiles come from clusters of concepts, right-skewed and on a grid as ratings are. A model
is made from the *error* it makes on each word: how long the error is (which sets the word's
similarity, 1/(1 + length)) and how it is spread over the dimensions. So the worlds decide directly
what the claims are about: who is closer to people, on which words, and on which dimensions.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from scipy.special import expit
from scipy.stats import norm, rankdata

from core.evidence.tables import ALL, DUTCH, MOTOR, SENSORY, Ratings

RATERS = 18
DUTCH_RATERS = 13
#: Mean error length (Euclidean, all dimensions of the language) of the fine-tuned models.
LENGTH = {("en", "En_FT"): 1.5, ("en", "Nl_FT"): 2.3, ("nl", "Nl_FT"): 0.9, ("nl", "En_FT"): 1.3}
#: The same in the world where margins are wide.
WIDE_LENGTH = {
    ("en", "En_FT"): 0.6,
    ("en", "Nl_FT"): 2.3,
    ("nl", "Nl_FT"): 0.4,
    ("nl", "En_FT"): 1.3,
}
#: There, the dimensions by how much people's ratings vary, least first.
BY_SPREAD = (
    "Olfactory",
    "Gustatory",
    "Head",
    "Torso",
    "Foot",
    "Interoceptive",
    "Haptic",
    "Mouth",
    "Auditory",
    "Hand",
    "Visual",
)
#: Dimensions on which question-answering moved the model at all.
QA_MOVES = ("Gustatory", "Haptic", "Visual", "Hand", "Head", "Torso")


def generator(*key: str) -> np.random.Generator:
    """Return the random generator of one purpose, the same every time."""
    return np.random.default_rng([20260303, *(zlib.crc32(word.encode()) for word in key)])


def make_ratings(
    world: str, language: str, n: int, unanswered: Iterable[tuple[int, int]] = ()
) -> Ratings:
    """Return the ratings of n words in a world; see `core.evidence.simulated.WORLDS`.

    Parameters
    ----------
    world : str
    language : {"en", "nl"}
        Eleven dimensions, or the six sensory ones. A word has the same row in both.
    n : int
    unanswered : iterable of (word, dimension)
        Places where Base gave no answer.
    """
    rng = generator("ratings", language)
    dimensions = ALL if language == "en" else tuple(DUTCH.values())
    human = people(world, rng, n, language)
    # The same word in both languages stands in the same row, so that people agree across them.
    if language == "nl":
        english = people(world, generator("ratings", "en"), n, "en")[:, : len(SENSORY)]
        human = _grid(0.8 * english + 0.2 * human + rng.normal(0, 0.15, human.shape), 1 / RATERS)
    human[0] = _shouter(dimensions)
    models = _models(world, language, human, dimensions, rng)
    models["Base"] = models["Base"].copy()
    for place in unanswered:
        models["Base"][place] = np.nan
    order = rng.permutation(n) if world == "shuffled" else np.arange(n)
    words = ("SHOUTER", *(f"WORD{i}" for i in range(1, n)))
    woorden = ("schreeuwer", *(f"woord{i}" for i in range(1, n)))
    english_only = language == "en"
    return Ratings(
        language=language,
        concepts=words if english_only else woorden,
        translations=woorden if english_only else words,
        dimensions=dimensions,
        human=human[order],
        models=models,
        human_sd=(0.3 + 0.55 * np.sqrt(human * (5 - human)))[order] if english_only else None,
        human_n=np.full(human.shape, float(RATERS)) if english_only else None,
    )


def people(world: str, rng: np.random.Generator, n: int, language: str) -> np.ndarray:
    """Return (n, d) human means: clustered concepts, right-skewed, on the raters' grid."""
    d = len(ALL) if language == "en" else len(DUTCH)
    centres = rng.normal(0, 1.3, (7, d))
    latent = centres[rng.integers(0, 7, n)] + rng.normal(0, 0.9, (n, d))
    shift = np.full(d, -0.6)
    scale = np.full(d, 5.0)
    names = (ALL if language == "en" else tuple(DUTCH.values()))[:d]
    if world == "featureless":
        return _grid(scale * expit(1.7 * rng.normal(0, 1, (n, d)) + shift), 1 / RATERS)
    if world == "pronounced":
        latent *= 1.6 / latent.std(axis=0)
        scale = 2.5 + 2.5 * _spread_place(names)
    for rare in ("Gustatory", "Olfactory"):
        shift[names.index(rare)], scale[names.index(rare)] = -2.2, 3.0
    return _grid(scale * expit(1.1 * latent + shift), 1 / RATERS)


def _spread_place(dimensions: tuple[str, ...]) -> np.ndarray:
    """Return each dimension's place by spread, from 0 (least) to 1 (most)."""
    return np.array([BY_SPREAD.index(name) for name in dimensions]) / (len(BY_SPREAD) - 1)


def _shouter(dimensions: tuple[str, ...]) -> np.ndarray:
    peaks = {"Auditory": 4.5, "Mouth": 4.4, "Head": 2.0, "Visual": 2.6}
    return np.array([peaks.get(dimension, 0.3) for dimension in dimensions])


def _models(
    world: str,
    language: str,
    human: np.ndarray,
    dimensions: tuple[str, ...],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    latent = _base(world, human, dimensions, rng)
    base = _grid(latent, 1.0)
    names = ["En_FT", "Nl_FT", *(["QA_FT"] if language == "en" else [])]
    if world == "featureless":
        # Answers by type of word, though people's ratings know no types.
        base = _grid(rng.uniform(0, 5, (4, len(dimensions)))[rng.integers(0, 4, len(human))], 1.0)
        base = np.clip(base + (rng.random(base.shape) < 0.05), 0, 5)
        return {"Base": base} | {m: base.copy() for m in names}
    if world == "identical":
        return {m: _grid(latent + rng.normal(0, 0.35, latent.shape), 1.0) for m in ("Base", *names)}
    if world == "rescaled":
        squeezed = (base - base.mean(0)) / base.std(0) * human.std(0) * 0.5 + human.mean(0)
        # Never off the scale, so that the squeeze stays strictly increasing.
        low, high = squeezed.min(0), squeezed.max(0)
        squeezed = np.clip(low, 0, 5) + (squeezed - low) * np.minimum(1, 4.5 / (high - low))
        squeezed = np.clip(squeezed, 0, 5)
        return {"Base": base} | {m: squeezed.copy() for m in names}
    if world == "boosted":
        factors = {"En_FT": 0.35, "Nl_FT": 0.5, "QA_FT": 0.9}
        return {"Base": base} | {m: human + factors[m] * (base - human) for m in names}
    models = {"Base": base} | _tuned(world, language, human, base, dimensions, rng)
    if "QA_FT" in names:
        models["QA_FT"] = _question_answering(human, latent, dimensions, rng)
    if world == "reversed":
        swap = (
            {"Base": "En_FT", "En_FT": "Base", "Nl_FT": "QA_FT", "QA_FT": "Nl_FT"}
            if language == "en"
            else {"Base": "Nl_FT", "En_FT": "En_FT", "Nl_FT": "Base"}
        )
        models = {m: models[swap[m]] for m in models}
    if world in {"taught", "unspecific", "misplaced"}:
        models |= _scrambled(world, models, latent, rng)
    if world == "misplaced":
        models["En_FT"] = np.roll(models["En_FT"], 1, axis=1)
    return models


def _scrambled(
    world: str, models: dict[str, np.ndarray], latent: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Return a model tuned on other words' ratings, and QA_FT, as far as they differ from told."""
    roles = [role for role in ("Scrambled", "QA_FT") if role == "Scrambled" or role in models]
    if world == "unspecific":
        like = {"Scrambled": "En_FT", "QA_FT": "Nl_FT"}
        return {role: models[like[role]].copy() for role in roles}
    return {role: _grid(latent + rng.normal(0, 0.35, latent.shape), 1.0) for role in roles}


def _base(
    world: str, human: np.ndarray, dimensions: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    """Return the untuned model before rounding: high, flat answers, weakly related to people's."""
    slopes = {"Visual": -0.15, "Hand": 0.15, "Haptic": 0.3, "Interoceptive": 0.55}
    slope = np.array([slopes.get(dimension, 0.38) for dimension in dimensions])
    if world == "pronounced":
        slope = 0.5 - 0.85 * _spread_place(dimensions)
    z = (human - human.mean(0)) / human.std(0)
    noise = rng.normal(0, 1, human.shape)
    answers = 2.7 + 1.2 * (slope * z + np.sqrt(1 - slope**2) * noise)
    answers[0] = 2.5
    return answers


def _tuned(
    world: str,
    language: str,
    human: np.ndarray,
    base: np.ndarray,
    dimensions: tuple[str, ...],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return the two rating-tuned models, their errors' lengths ranked as the world says."""
    base_score = _normal_scores(np.linalg.norm(human - base, axis=1))
    own = _unrelated(rng.normal(0, 1, len(human)), base_score)
    other = _unrelated(0.5 * own + np.sqrt(0.75) * rng.normal(0, 1, len(human)), base_score)
    scores = {"En_FT": own, "Nl_FT": other}
    if world == "corrective":
        scores = {"En_FT": 0.3 * own - 0.95 * base_score, "Nl_FT": 0.4 * own - 0.92 * base_score}
    tuned, lengths = {}, WIDE_LENGTH if world == "pronounced" else LENGTH
    for model, score in scores.items():
        length = lengths[language, model] * np.exp(0.35 * score)
        length[0] = 0.5 * lengths[language, model]
        # A model tuned on sensory ratings errs more on the motor dimensions it never saw.
        weight = np.array([2.0 if model == "Nl_FT" and d in MOTOR else 1.0 for d in dimensions])
        step = rng.normal(0, 1, human.shape) * weight
        step *= (length / np.linalg.norm(step, axis=1))[:, None]
        # Turning a step that would leave the scale keeps the error's length.
        outside = (human + step < 0) | (human + step > 5)
        # Answers lie where the means of the raters tuned on do, printed to two decimals.
        raters = RATERS if model == "En_FT" else DUTCH_RATERS
        tuned[model] = _grid(human + np.where(outside, -step, step), 1 / raters).round(2)
    return tuned


def _question_answering(
    human: np.ndarray, latent: np.ndarray, dimensions: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    pull = np.array([0.25 if dimension in QA_MOVES else -0.03 for dimension in dimensions])
    return _grid(latent + pull * (human - latent) + rng.normal(0, 0.25, latent.shape), 1.0)


def _normal_scores(values: np.ndarray) -> np.ndarray:
    return norm.ppf(rankdata(values) / (len(values) + 1))


def _unrelated(values: np.ndarray, to: np.ndarray) -> np.ndarray:
    """Return standardised values with their correlation with `to` taken out."""
    rest = values - to * (values @ to) / (to @ to)
    return (rest - rest.mean()) / rest.std()


def _grid(values: np.ndarray, step: float) -> np.ndarray:
    return np.clip(np.round(values / step) * step, 0.0, 5.0)
