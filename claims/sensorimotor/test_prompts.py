"""The prompts: one structure, whose language and described experience alone change."""

from __future__ import annotations

import re

from core.evidence.tables import DUTCH
from core.verdict.estimate import Estimate

#: The rating prompt as printed, with what may change left open; quotes may be of any kind.
RATING = re.compile(
    r"Complete the following task as a native speaker of (?P<native>English|Dutch)\. Please "
    r"indicate how strongly the concept is experienced by (?P<experience>.+) on a scale from 0 "
    r"\(not at all\) to 5 \(greatly\), with the midpoint representing moderate strength\. The "
    r"concept is: .\{(?P<place>Word|Woord)\}.\. Only answer with a number from 0 to 5\."
)
QUESTION = (
    "Read the question and the answer choices below. Choose the single best answer and reply with "
    "exactly one uppercase letter from the set {A, B, C, D} — and nothing else. "
    "Question {index}: {question} Choices: {options}"
)
PLACE = {"English": "Word", "Dutch": "Woord"}


def rating_prompts(evidence) -> dict[str, str]:
    """Return the rating prompts by dimension as its file names it, whitespace at the ends off."""
    found = evidence.prompts().items()
    return {k.removesuffix("_prompt"): text.strip() for k, text in found if k.endswith("_prompt")}


def off_template(evidence):
    """Rating prompts that are not the printed one with their language and experience put in."""
    prompts = rating_prompts(evidence)
    found = {name: RATING.fullmatch(text) for name, text in prompts.items()}
    fits = [m and PLACE[m["native"]] == m["place"] for m in found.values()]
    return Estimate.exact(
        fits.count(None) + fits.count(False), len(fits), "prompts off the template"
    )


def test_template(judge):
    judge(off_template)


def unlike(evidence):
    """Senses whose Dutch prompt differs from the English one by more than the language."""
    prompts = rating_prompts(evidence)
    pairs = {
        english: (prompts[english.lower()], prompts[dutch].replace("Dutch", "English"))
        for dutch, english in DUTCH.items()
    }
    odd = [name for name, (a, b) in pairs.items() if a != b.replace("{Woord}", "{Word}")]
    return Estimate.exact(len(odd), len(pairs), "senses with unlike prompts", ", ".join(odd))


def test_unlike(judge):
    """Between the languages only the language is replaced."""
    judge(unlike)


def experiences(evidence, language):
    """Different experiences that a language's rating prompts ask about."""
    native = {"en": "English", "nl": "Dutch"}[language]
    found = [RATING.fullmatch(text) for text in rating_prompts(evidence).values()]
    asked = {m["experience"] for m in found if m and m["native"] == native}
    return Estimate.exact(len(asked), len(found), "different experiences asked about")


def test_experiences(judge):
    judge(experiences)


def question_prompt(evidence):
    """Whether the question prompt is the printed one, but for quotation marks and line breaks."""
    text = " ".join(evidence.prompts()["prompt_mcq_en"].replace('"', "").split())
    return Estimate.exact(float(text == QUESTION), 1, "1 when the text is the printed one")


def test_question_prompt(judge):
    judge(question_prompt)
