"""The norms, the translation pairs and the split: what was sampled, trained on and tested on."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.stats import ttest_ind

from core.evidence.mapping import evaluation_order, order_breaks
from core.evidence.tables import ALL, HIGHEST, LOWEST, SENSORY
from core.verdict.estimate import Estimate

#: Pool sizes tried on either side of five times the evaluated words.
REACH = 50


@cache
def dutch_of(evidence) -> dict[str, str]:
    """Return the Dutch word of each English one, in capitals, among the pairs kept."""
    table = evidence.translations()
    kept = table[table["include"]]
    return dict(zip(kept["english"].str.upper(), kept["dutch"], strict=True))


@cache
def evaluated_pairs(evidence) -> frozenset[tuple[str, str]]:
    """Return the (English, Dutch) pairs evaluated; the Dutch word is empty for no kept pair."""
    dutch = dutch_of(evidence)
    return frozenset((word, dutch.get(word, "")) for word in evidence.outputs("en").index)


def pairs_of(sample) -> set[tuple[str, str]]:
    return set(zip(sample["Word"], sample["Woord"], strict=True))


def listed(evidence):
    """Dutch words in the translation table."""
    words = evidence.translations()["dutch"]
    return Estimate.exact(words.nunique(), len(words), "different Dutch words listed")


def test_listed(judge):
    judge(listed)


def kept(evidence):
    """Pairs marked as kept."""
    include = evidence.translations()["include"]
    return Estimate.exact(int(include.sum()), len(include), "pairs marked as kept")


def test_kept(judge):
    judge(kept)


def rule_broken(evidence, case):
    """Pairs whose mark is not what the rule gives: same Dutch back, other word in English."""
    table = evidence.translations()
    dutch, english, back = (table[name] for name in ("dutch", "english", "back"))
    if case == "folded":
        dutch, english, back = (words.str.lower() for words in (dutch, english, back))
    rule = (dutch == back) & (dutch != english)
    broken = int((rule != table["include"]).sum())
    return Estimate.exact(broken, len(table), f"pairs marked against the rule, case {case}")


def test_rule(judge):
    """The pairs kept are those that the stated rule keeps, and no others."""
    judge(rule_broken)


@cache
def pool_size(evidence) -> int:
    """Return the one pool size that gives the evaluation order, 0 if none or several do."""
    words = tuple(evidence.outputs("en").index)
    near = range(5 * len(words) - REACH, 5 * len(words) + REACH)
    found = [n for n in near if order_breaks(words, n) == 0]
    return found[0] if len(found) == 1 else 0


def pool(evidence):
    """Size of the alphabetical pool from which two seeded draws give the evaluation order."""
    size = pool_size(evidence)
    return Estimate.exact(size, len(evidence.outputs("en")), "only pool size that gives the order")


def test_pool(judge):
    judge(pool)


def split_sizes(evidence) -> dict[str, int]:
    size = pool_size(evidence)
    train, test = evaluation_order(size) if size else ((), ())
    return {"sampled": len(train) + len(test), "train": len(train), "test": len(test)}


def split(evidence, part):
    """Words in a part of the regenerated split."""
    return Estimate.exact(split_sizes(evidence)[part], pool_size(evidence), "regenerated split")


def test_split(judge):
    judge(split)


def examples(evidence, language):
    """Training words of the regenerated split times the rating prompts of a language."""
    native = {"en": "{Word}", "nl": "{Woord}"}[language]
    prompts = sum(native in text for text in evidence.prompts().values())
    trained = split_sizes(evidence)["train"]
    return Estimate.exact(trained * prompts, trained, f"regenerated split times {prompts} prompts")


def test_examples(judge):
    judge(examples)


def released_rows(evidence, part):
    """Pairs in a released sample workbook."""
    rows = len(evidence.samples()[part])
    return Estimate.exact(rows, rows, f"rows of the released {part} workbook")


def test_released_rows(judge):
    judge(released_rows)


def evaluated_in(evidence, parts):
    """Count the evaluated pairs that released sample workbooks hold."""
    names = parts.split("+")
    held = set().union(*(pairs_of(evidence.samples()[name]) for name in names))
    words = evaluated_pairs(evidence)
    return Estimate.exact(len(words & held), len(words), f"evaluated pairs in {' or '.join(names)}")


def test_evaluated_in(judge):
    """The released workbooks are those that were trained and tested on, or are not."""
    judge(evaluated_in)


def unfiltered(evidence):
    """Pairs of the released sample workbooks that the translation filter does not keep."""
    dutch = dutch_of(evidence)
    pairs = set().union(*map(pairs_of, evidence.samples().values()))
    count = sum(dutch.get(english) != word for english, word in pairs)
    return Estimate.exact(count, len(pairs), "released pairs that are not kept pairs")


def test_unfiltered(judge):
    judge(unfiltered)


def in_both(evidence, by):
    """Count the pairs, or the English words, that stand in both released sample workbooks."""
    samples = [evidence.samples()[name] for name in ("train", "test")]
    train, test = (pairs_of(x) if by == "pair" else set(x["Word"].str.upper()) for x in samples)
    return Estimate.exact(len(train & test), len(train | test), f"{by} in both workbooks")


def test_in_both(judge):
    judge(in_both)


def shared_words(evidence, language):
    """Count evaluated words that stand in another kept pair too, and so could be trained on."""
    table = evidence.translations()
    kept_pairs = table[table["include"]]
    column = kept_pairs["english"].str.upper() if language == "en" else kept_pairs["dutch"]
    twice = set(column[column.duplicated(keep=False)])
    single = set(column) - twice
    words = evidence.outputs(language).index
    lost = sum(word not in single for word in words)
    return Estimate.exact(lost, len(words), "evaluated words not in exactly one kept pair")


def test_shared_words(judge):
    """No word evaluated is part of a second pair, which could have been trained on."""
    judge(shared_words)


def memorised(evidence):
    """En_FT's advantage on evaluated words that the released training workbook holds."""
    scores = evidence.similarities("en", "all")["En_FT"].dropna()
    trained = scores.index.isin(set(evidence.samples()["train"]["Word"]))
    inside, outside = scores[trained].to_numpy(), scores[~trained].to_numpy()
    method = "mean similarity, in the training workbook or not, Welch 90% interval"
    if not len(inside):
        return Estimate.exact(0, len(scores), "no evaluated word is in the training workbook")
    gap = inside.mean() - outside.mean()
    half = welch_half_width(inside, outside, 0.9)
    return Estimate(gap, gap - half, gap + half, len(scores), method, confidence=0.9)


def welch_half_width(x: np.ndarray, y: np.ndarray, confidence: float) -> float:
    """Return half the width of Welch's interval for the difference of two means."""
    interval = ttest_ind(x, y, equal_var=False).confidence_interval(confidence)
    return float(interval.high - interval.low) / 2


def test_memorised(judge):
    """Had the released training words been trained on, En_FT would know them better."""
    judge(memorised)


def unmatched(evidence):
    """Concepts evaluated in one language only."""
    english_of = {dutch: english for english, dutch in dutch_of(evidence).items()}
    dutch = {english_of.get(word, word) for word in evidence.outputs("nl").index}
    english = set(evidence.outputs("en").index)
    return Estimate.exact(len(english ^ dutch), len(english | dutch), "concepts in one language")


def test_unmatched(judge):
    judge(unmatched)


def off_scale(evidence, source):
    """Ratings below 0 or above 5."""
    if source == "people":
        columns = [*ALL, *(f"nl_{d}" for d in SENSORY)]
        blocks = [sample[columns].to_numpy() for sample in evidence.samples().values()]
    else:
        blocks = [evidence.outputs(language).to_numpy() for language in ("en", "nl")]
    values = np.concatenate([block.ravel() for block in blocks])
    off = (values < LOWEST) | (values > HIGHEST)
    return Estimate.exact(int(off.sum()), len(values), "ratings below 0 or above 5")


def test_off_scale(judge):
    judge(off_scale)


def norms_missing(evidence):
    """Released pairs that lack a mean on one of the six senses in one of the languages."""
    columns = [*SENSORY, *(f"nl_{d}" for d in SENSORY)]
    empty = [sample[columns].isna().any(axis=1) for sample in evidence.samples().values()]
    count = sum(int(rows.sum()) for rows in empty)
    return Estimate.exact(count, sum(map(len, empty)), "pairs without all twelve means")


def test_norms_missing(judge):
    judge(norms_missing)
