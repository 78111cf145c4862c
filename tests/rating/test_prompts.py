import hashlib
import os

import pytest

from core.evidence.completions import file_facts
from core.evidence.mapping import mapping_witnesses
from core.evidence.released import Released
from core.evidence.store import REGISTRY, read_registry
from core.evidence.tables import ALL, DUTCH, SENSORY
from core.rating.errors import RatingError
from core.rating.prompts import QUESTION, TEMPLATES, messages, question_prompt, rating_prompt

OPTIONS = {"A": "red", "B": "blue", "C": "green", "D": "none"}
DUTCH_NAME = {english: dutch for dutch, english in DUTCH.items()}

needs_release = pytest.mark.skipif(
    not os.environ.get("CLAIMS_MIRROR"), reason="the release: set CLAIMS_MIRROR"
)


def file_of(language, dimension):
    stem = dimension.lower() if language == "en" else DUTCH_NAME[dimension]
    return f"{stem}_prompt"


def released_texts():
    ours = {file_of(*key): text for key, text in TEMPLATES.items()}
    return ours | {"prompt_mcq_en": QUESTION}


@pytest.mark.parametrize("stem", sorted(released_texts()))
def test_every_template_is_the_released_file_to_the_byte(stem):
    # The registry holds the hashes of the release and no content of it.
    registered = read_registry(REGISTRY)[f"prompts/{stem}.txt"]
    text = released_texts()[stem].encode()
    assert len(text) == registered.size
    assert hashlib.sha256(text).hexdigest() == registered.sha256


def test_there_is_a_template_for_every_dimension_and_for_no_other():
    assert set(TEMPLATES) == {("en", d) for d in ALL} | {("nl", d) for d in SENSORY}
    registered = {p for p in read_registry(REGISTRY) if p.startswith("prompts/")}
    assert registered == {f"prompts/{stem}.txt" for stem in released_texts()}


@needs_release
def test_the_templates_are_the_released_texts():
    assert Released.from_environment().prompts() == released_texts()


@needs_release
def test_the_blank_at_the_end_was_sent():
    """Asking about smelling took a token more than about tasting in English, one less in Dutch.

    The words are of one token each; what differs is the blank, which English has after smelling and
    Dutch after tasting.
    """
    completions = Released.from_environment().completions()
    tokens = {}
    for language in ("en", "nl"):
        for file, offset in mapping_witnesses(completions, language).offsets.items():
            tokens[language, file_facts(file)[1]] = offset
    for language, more in (("en", 1), ("nl", -1)):
        gap = tokens[language, "Olfactory"] - tokens[language, "Gustatory"]
        ends = [TEMPLATES[language, d].endswith(" ") for d in ("Olfactory", "Gustatory")]
        assert gap == more
        assert ends == [more == 1, more == -1]


@pytest.mark.parametrize("word", ["APPLE", "SAY {Word}", r"BACK\1SLASH", "{", "it's"])
@pytest.mark.parametrize(("language", "dimension"), sorted(TEMPLATES))
def test_the_word_is_put_in_once_as_it_stands(language, dimension, word):
    prompt, template = rating_prompt(language, dimension, word), TEMPLATES[language, dimension]
    assert prompt.count(f'The concept is: "{word}".') == 1
    place = {"en": "{Word}", "nl": "{Woord}"}[language]
    assert len(prompt) == len(template) - len(place) + len(word)


@pytest.mark.parametrize(("language", "dimension"), [("nl", "Foot"), ("de", "Visual"), ("en", "x")])
def test_what_has_no_prompt_is_named(language, dimension):
    with pytest.raises(RatingError, match=f"{dimension}.*{language}"):
        rating_prompt(language, dimension, "APPLE")


def test_a_question_has_its_number_its_text_and_a_line_for_each_choice():
    prompt = question_prompt(1171, "Which colour?", OPTIONS)
    assert prompt.splitlines()[1:] == [
        *("", 'Question "1171":', "Which colour?", "", "Choices:"),
        *("A. red", "B. blue", "C. green", "D. none"),
    ]
    assert "{A, B, C, D}" in prompt.splitlines()[0]


def test_braces_in_a_question_are_text():
    prompt = question_prompt(1, "Is it {options} or {index}?", OPTIONS | {"A": "{question}"})
    assert "\nIs it {options} or {index}?\n" in prompt
    assert "\nA. {question}\n" in prompt


@pytest.mark.parametrize("options", [{}, {"A": "a"}, OPTIONS | {"E": "e"}])
def test_choices_other_than_a_to_d_are_refused(options):
    with pytest.raises(RatingError, match="question 7"):
        question_prompt(7, "Which?", options)


def test_a_chat_is_one_user_message():
    assert messages("Hi") == [{"role": "user", "content": "Hi"}]
