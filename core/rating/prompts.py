"""What a model is told: the rating prompts in two languages, and the question prompt.

The texts are the released ones to the byte, blanks at the end included: 11 of the 17 rating
prompts end in a blank, 6 do not, and so they were sent. In the tokenizer of the model that was
asked (``o200k_base``), each released template with the word put in is 7 tokens short of the
released count of prompt tokens, for all 1,572 words; 7 is what a chat takes that has one user
message and no system message. Without the blank the gap is 8. The same counts tell that English
words were sent in capitals, as the norms write them.

Paper: Methods, "Prompt Design".
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from core.evidence.tables import ALL, SENSORY
from core.rating.errors import RatingError

_RATING = (
    "Complete the following task as a native speaker of {native}. Please indicate how strongly the "
    "concept is experienced by {experience} on a scale from 0 (not at all) to 5 (greatly), with "
    'the midpoint representing moderate strength. The concept is: "{place}". Only answer with a '
    "number from 0 to 5."
)
_NATIVE = {"en": "English", "nl": "Dutch"}
#: Where the word goes.
_PLACE = {"en": "{Word}", "nl": "{Woord}"}
#: By language where the two differ: Dutch touch is put in other words.
_EXPERIENCE = {
    "Auditory": "hearing",
    "Gustatory": "tasting",
    "Haptic": "feeling through touch",
    "Interoceptive": "sensations inside your body",
    "Olfactory": "smelling",
    "Visual": "seeing",
    "Foot": "performing an action with the foot/leg",
    "Hand": "performing an action with the hand/arm",
    "Head": "performing an action with the head excluding mouth",
    "Mouth": "performing an action with the mouth",
    "Torso": "performing an action with the torso",
}
_DUTCH_EXPERIENCE = _EXPERIENCE | {"Haptic": "touching"}
#: Templates without a blank at the end.
_BARE = {
    "en": ("Foot", "Gustatory", "Haptic", "Interoceptive"),
    "nl": ("Interoceptive", "Olfactory"),
}


def _template(language: str, dimension: str) -> str:
    experience = (_EXPERIENCE if language == "en" else _DUTCH_EXPERIENCE)[dimension]
    text = _RATING.replace("{native}", _NATIVE[language]).replace("{experience}", experience)
    end = "" if dimension in _BARE[language] else " "
    return text.replace("{place}", _PLACE[language]) + end


#: The rating prompts by language and English dimension, with {Word} or {Woord} left open.
TEMPLATES: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        (language, dimension): _template(language, dimension)
        for language, dimensions in (("en", ALL), ("nl", SENSORY))
        for dimension in dimensions
    }
)
#: The question prompt of the release. The paper prints it without the quotation marks and line
#: breaks; no answer to it is released that could tell which of the two was sent.
QUESTION = (
    "Read the question and the answer choices below. Choose the single best answer and reply with "
    "exactly one uppercase letter from the set {A, B, C, D} — and nothing else.\n\n"
    'Question "{index}":\n{question}\n\nChoices:\n{options}\n'
)
LETTERS = "ABCD"


def rating_prompt(language: str, dimension: str, word: str) -> str:
    """Return the prompt that asks for one rating.

    Parameters
    ----------
    language : {"en", "nl"}
    dimension : str
        English name, one of `core.evidence.tables.ALL`; in Dutch one of `SENSORY`.
    word : str
        Put in as it stands: capitals are the data set's affair.

    Raises
    ------
    RatingError
        For a language and dimension that have no prompt.
    """
    template = TEMPLATES.get((language, dimension))
    if template is None:
        known = [f"{d} ({tongue})" for tongue, d in TEMPLATES]
        msg = f"no prompt asks for {dimension!r} in language {language!r}: {', '.join(known)}"
        raise RatingError(msg)
    return template.replace(_PLACE[language], word)


def question_prompt(index: int, question: str, options: Mapping[str, str]) -> str:
    """Return the prompt that puts a multiple-choice question.

    How the choices were laid out is not released. Here each stands on a line of its own, after its
    letter, a point and a blank.

    Parameters
    ----------
    index : int
        The question's number in PerceptualQA.
    question : str
    options : mapping of str to str
        The choices under A, B, C and D.

    Raises
    ------
    RatingError
        When the choices are not A to D.
    """
    if sorted(options) != list(LETTERS):
        msg = f"question {index}: its choices are {', '.join(options) or 'none'}, not A, B, C, D"
        raise RatingError(msg)
    choices = "\n".join(f"{letter}. {options[letter]}" for letter in LETTERS)
    # Put in from the back, so that a brace in a question is never taken for a place.
    head, _, tail = QUESTION.partition("{index}")
    middle, _, rest = tail.partition("{question}")
    return f"{head}{index}{middle}{question}{rest.replace('{options}', choices)}"


def messages(prompt: str) -> list[dict[str, str]]:
    """Return a prompt as a chat: one user message, and no system message, as the paper sent it."""
    return [{"role": "user", "content": prompt}]
