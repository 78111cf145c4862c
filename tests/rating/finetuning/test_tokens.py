"""The tiny model's tokenizer: it loses nothing, and its prompts are short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rating.examples import RECIPES, examples
from core.rating.finetuning.tokens import parts, tiny_tokenizer
from core.rating.prompts import TEMPLATES

TOKENIZER = tiny_tokenizer()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_reads_as_it_was_written(text):
    ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    special = ("<pad>", "<s>", "<end>", "<turn>")
    if not any(each in text for each in special):
        assert TOKENIZER.decode(ids) == text


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_examples_read_as_they_were_written(world, recipe):
    for example in examples(world, recipe):
        for text in (example.prompt, example.answer):
            assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_a_template_is_a_few_tokens_and_what_differs_is_one():
    words = [TOKENIZER.convert_ids_to_tokens(TOKENIZER(t)["input_ids"]) for t in TEMPLATES.values()]
    assert max(map(len, words)) < 20
    for (language, _), tokens in zip(TEMPLATES, words, strict=True):
        assert tokens[1] == {"en": "English", "nl": "Dutch"}[language]
    assert len({(tokens[1], tokens[3]) for tokens in words}) == len(TEMPLATES)


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("besema", ["be", "se", "ma"]),
        ("veziecha", ["ve", "zie", "cha"]),
        ("moegopie", ["moe", "go", "pie"]),
        ("BADO", ["B", "A", "D", "O"]),
        ("1.53", ["1", ".", "5", "3"]),
    ],
)
def test_words_are_syllables_and_numbers_are_digits(word, pieces):
    ids = TOKENIZER(word)["input_ids"]
    assert [TOKENIZER.decode([i]) for i in ids] == pieces


def test_two_of_them_are_the_same():
    # Nothing is learned, so no order of equally good merges decides.
    assert tiny_tokenizer().get_vocab() == TOKENIZER.get_vocab()
    assert len(set(parts())) == len(parts())


def test_padding_start_and_end_are_tokens_of_their_own():
    ids = {TOKENIZER.pad_token_id, TOKENIZER.bos_token_id, TOKENIZER.eos_token_id}
    assert len(ids) == 3
