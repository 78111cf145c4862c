"""The raw answers: who gave them, to how many requests, how, and whether the tables hold them."""

from __future__ import annotations

from functools import cache
from typing import Any

from core.evidence.mapping import differences, mapping_witnesses, ratings_table, rebuild_ratings
from core.evidence.tables import DIMENSION_SETS, MODELS
from core.verdict.estimate import Estimate

BASE = "gpt-4o-mini-2024-07-18"
LANGUAGES = ("en", "nl")


@cache
def answers(evidence) -> Any:
    return evidence.completions()


def count(rows: Any, what: str) -> Estimate:
    """Return how many of a boolean column hold, as a full count."""
    return Estimate.exact(int(rows.sum()), len(rows), what)


def other_base(evidence):
    """Answers given as Base by another model."""
    table = answers(evidence)
    base = table[table["model"] == "Base"]
    return count(base["model_id"] != BASE, f"answers not by {BASE}")


def test_other_base(judge):
    judge(other_base)


def tuned_models(evidence):
    """Different tuned models that answered."""
    table = answers(evidence)
    tuned = table[table["model"] != "Base"]
    return Estimate.exact(tuned["model_id"].nunique(), len(tuned), "different model ids")


def test_tuned_models(judge):
    judge(tuned_models)


def not_of_base(evidence):
    """Answers by a tuned model that is no tune of Base."""
    table = answers(evidence)
    tuned = table[table["model"] != "Base"]
    return count(~tuned["model_id"].str.startswith(f"ft:{BASE}:"), "ids that name another base")


def test_not_of_base(judge):
    judge(not_of_base)


def requests(evidence, language, reading="answered"):
    """Count the requests of a language: those answered, or those numbered in its files."""
    table = answers(evidence)
    here = table[table["language"] == language]
    if reading == "asked":
        last = here.groupby("file")["task"].max()
        return Estimate.exact(last.sum(), len(last), "last task number, summed over files")
    asked = here.drop_duplicates(["file", "custom_id"])
    return Estimate.exact(len(asked), len(here), "different requests answered")


def test_requests(judge):
    """Each word was put to each model on each dimension."""
    judge(requests)


def repeated(evidence):
    """Count requests answered more than once."""
    return count(answers(evidence).duplicated(["file", "custom_id"]), "requests answered again")


def test_repeated(judge):
    judge(repeated)


def sampled(evidence):
    """Answers with a token that was not a most probable one."""
    return count(~answers(evidence)["greedy"], "answers with a less probable token chosen")


def test_sampled(judge):
    """At temperature 0 every token is a most probable one."""
    judge(sampled)


def backends(evidence):
    """Count the configurations of the service that answered as each model."""
    table = answers(evidence)
    found = table.groupby("model")["fingerprint"].agg(["nunique", "size"])
    return [
        Estimate.exact(found["nunique"][m], found["size"][m], "system fingerprints", m)
        for m in MODELS
    ]


def test_backends(judge):
    """Answers are comparable when one configuration gave them all."""
    judge(backends)


def unusable(evidence, models):
    """Answers that are no number from 0 to 5, with the words that got them."""
    table = answers(evidence)
    chosen = table[(table["model"] != "Base") | (models == "all")]
    bad = chosen["status"] != "ok"
    words = sorted(set(chosen.loc[bad, "word"]))
    named = ", ".join(words) if len(words) < 5 else f"{len(words)} words"
    return Estimate.exact(int(bad.sum()), len(chosen), "answers that are no number", named)


def test_unusable(judge):
    judge(unusable)


def cut_short(evidence):
    """Answers that the service cut short."""
    return count(answers(evidence)["finish_reason"] != "stop", "answers not ended by the model")


def test_cut_short(judge):
    judge(cut_short)


def complete_words(evidence, language, dimensions, models):
    """Count the evaluated words with a rating from every model on every dimension."""
    table = evidence.outputs(language)
    names = DIMENSION_SETS[dimensions]
    chosen = [(m, d) for m, d in table.columns if d in names and (m != "Base" or models == "all")]
    whole = table[chosen].notna().all(axis=1)
    lost = ", ".join(table.index[~whole][:5])
    return Estimate.exact(int(whole.sum()), len(table), "words rated throughout", lost)


def test_complete_words(judge):
    judge(complete_words)


def invented_scores(evidence):
    """Similarity scores of the authors' table for words that the model did not rate throughout."""
    scores, table = evidence.similarities("en", "all"), evidence.outputs("en")
    found = 0
    for model in scores.columns:
        lacking = table.index[table[model].isna().any(axis=1)]
        found += int(scores[model].reindex(lacking).notna().sum())
    return Estimate.exact(found, scores.size, "scores of words with a missing rating")


def test_invented_scores(judge):
    judge(invented_scores)


def unlike_prompts(evidence):
    """Words and dimensions whose prompt had another length for another model."""
    keys = ["language", "dimension", "task"]
    lengths = answers(evidence).groupby(keys, sort=False)["prompt_tokens"].nunique()
    return count(lengths > 1, "prompts whose length in tokens depends on the model")


def test_unlike_prompts(judge):
    """All models got the same prompt."""
    judge(unlike_prompts)


def odd_lengths(evidence):
    """Count prompts whose length is not that of the template and of the word said to be asked."""
    found = [mapping_witnesses(answers(evidence), language) for language in LANGUAGES]
    odd = sum(len(witness.exceptions) for witness in found)
    asked = sum(witness.files * witness.tasks for witness in found)
    return Estimate.exact(odd, asked, "prompts not template plus word, in tokens")


def test_odd_lengths(judge):
    """The same task asks about the same word in every file."""
    judge(odd_lengths)


def same_columns(evidence, step):
    """Columns of ratings in which one table holds exactly the cells of the one before it.

    The steps go from the raw answers to the output workbooks, and from those to the workbooks that
    the analysis reads.
    """
    same, cells = 0, 0
    for language in LANGUAGES:
        outputs = evidence.outputs(language)
        if step == "raw":
            other = rebuild_ratings(answers(evidence), language, list(outputs.index))
        else:
            other = ratings_table(evidence.ratings(language))
        unlike = differences(outputs, other)
        same += len(outputs.columns) - len(unlike[["model", "dimension"]].drop_duplicates())
        cells += outputs.size
    return Estimate.exact(same, cells, f"columns without a differing cell, {step}")


def test_same_columns(judge):
    judge(same_columns)
