"""The question set: its size, its domains, and its split."""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd

from core.verdict.estimate import Estimate

LETTERS = tuple("ABCD")
#: Index 1001 to 1200 is the first visual domain, 6001 to 6100 the first of the other senses.
DOMAIN = 1000
VISUAL = (1, 2, 3, 4, 5)


@cache
def items(evidence) -> Any:
    """Return both parts, with the part's name and the domain's number."""
    parts = evidence.questions()
    table = pd.concat([frame.assign(part=name) for name, frame in parts.items()])
    return table.assign(domain=table["index"] // DOMAIN).reset_index(drop=True)


def size(evidence, part):
    """Different questions, by index, in a part or in both."""
    table = items(evidence)
    chosen = table if part == "both" else table[table["part"] == part]
    return Estimate.exact(chosen["index"].nunique(), len(chosen), f"questions in {part}")


def part_length(evidence, part):
    return float(len({int(index) for index in evidence.questions()[part]["index"]}))


def test_size(judge):
    judge(size)


def test_part_size(judge):
    """A part has the printed number of questions."""
    judge(size, oracle=part_length)


def domains(evidence, kind, questions):
    """Domains with the stated number of questions each."""
    table = items(evidence)
    counts = table[table["domain"].isin(VISUAL) == (kind == "visual")].groupby("domain").size()
    return Estimate.exact(int((counts == questions).sum()), len(counts), f"domains of {questions}")


def test_domains(judge):
    judge(domains)


def train_share(evidence):
    """Share of the questions in the training part, in per cent."""
    table = items(evidence)
    share = 100 * float((table["part"] == "train").mean())
    return Estimate.exact(share, len(table), "training questions of all, per cent")


def test_train_share(judge):
    judge(train_share)


def off_share(evidence, label):
    """Largest number of questions of a label by which its training part misses the overall share.

    A split stratified by the label is off by less than one.
    """
    table = items(evidence)
    train = table["part"] == "train"
    expected = table.groupby(label).size() * train.mean()
    gap = (
        table[train].groupby(label).size().reindex(expected.index, fill_value=0) - expected
    ).abs()
    return Estimate.exact(gap.max(), len(table), f"largest gap over {label}s", str(gap.idxmax()))


def test_off_share(judge):
    """A split that preserves the labels trains on the same share of each."""
    judge(off_share)


def letter_shares(evidence):
    """How much more often each letter is the answer in training than in testing, all counted."""
    table = items(evidence)
    train, test = (table[table["part"] == part]["correct"] for part in ("train", "test"))
    gaps = {letter: (train == letter).mean() - (test == letter).mean() for letter in LETTERS}
    method = "difference of shares, full count"
    return [Estimate.exact(gap, len(table), method, label) for label, gap in gaps.items()]


def test_letter_shares(judge):
    judge(letter_shares)


def shared(evidence, by):
    """Test questions that stand in the training part too, told apart by what is given."""
    table = items(evidence)
    given = table["index" if by == "index" else "question"].tolist()
    if by in ("options", "content"):
        options = zip(*(table[letter] for letter in LETTERS), strict=True)
        of_item = sorted if by == "content" else list
        given = [(text, *of_item(some)) for text, some in zip(given, options, strict=True)]
    where = table["part"].tolist()
    train, test = ([x for x, at in zip(given, where, strict=True) if at == part]
                   for part in ("train", "test"))  # fmt: skip
    known = set(train)
    return Estimate.exact(sum(x in known for x in test), len(test), f"same {by} in training")


def test_shared(judge):
    """Nothing that is tested was trained on."""
    judge(shared)
