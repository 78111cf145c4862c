"""Examples as tokens: as a model is asked, the answer supervised alone, and what is refused."""

from typing import Any

import pytest
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from core.rating.errors import RatingError
from core.rating.examples import RECIPES, Example, examples
from core.rating.finetuning.encoding import Chat, Encoded, check
from core.rating.finetuning.tokens import tiny_tokenizer
from core.rating.prompts import messages, rating_prompt
from tests.rating.finetuning import small

KNOWN = (
    "<unk>",
    "<s>",
    "</s>",
    "<|im_end|>",
    "<pad>",
    "user",
    "assistant",
    "rate",
    "bado",
    "1",
    "2",
)
#: As Qwen's: another token ends a turn than ends a text.
TURNS = (
    "{% for m in messages %}{{ m['role'] + ' ' + m['content'] + ' <|im_end|> ' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant ' }}{% endif %}"
)


def words(template: str | None = TURNS, *, bos=False, **roles: Any) -> Any:
    """A tokenizer that knows a few words; what separates them is no token."""
    made: Any = Tokenizer(WordLevel({word: i for i, word in enumerate(KNOWN)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    if bos:
        made.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    special: Any = {"eos_token": "</s>", "unk_token": "<unk>", "bos_token": "<s>"} | roles
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        chat_template=template,
        additional_special_tokens=["<|im_end|>"],
        **special,
    )


@pytest.mark.parametrize("recipe", RECIPES)
def test_only_the_answer_and_its_end_are_supervised(world, recipe):
    chat, told = small.chat(), examples(world, recipe)
    tokenizer = tiny_tokenizer()
    for example, each in zip(told, chat.encode(told), strict=True):
        prompt, answer = each.ids[: each.start], each.ids[each.start :]
        assert tokenizer.decode(answer) == example.answer + "<end>"
        assert tokenizer.decode(prompt) == f"<s>{example.prompt}<turn>"
        asked = tokenizer.apply_chat_template(
            messages(example.prompt), add_generation_prompt=True, return_dict=False
        )
        assert list(prompt) == asked
    check(chat, told, chat.encode(told), 256, "small")


def test_an_answer_ends_as_the_template_ends_a_turn_if_a_model_stops_there():
    tokenizer = words()
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert Chat.of(tokenizer, frozenset({2, end}), "m").end == end
    assert Chat.of(tokenizer, frozenset({2}), "m").end == 2


def test_an_answer_ends_with_the_end_of_text_where_the_template_refuses_answers():
    template = (
        "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ raise_exception('no') }}"
        "{% endif %}{{ m['content'] }}{% endfor %}"
    )
    assert Chat.of(words(template), frozenset({2}), "m").end == 2


def test_where_a_model_stops_without_the_tokenizers_own_end():
    tokenizer = words("{% for m in messages %}{{ m['content'] }}{% endfor %}", eos_token=None)
    assert Chat.of(tokenizer, frozenset({3, 4}), "m").end == 3


@pytest.mark.parametrize("bos", [False, True])
def test_without_a_chat_template_a_prompt_is_a_line(bos):
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = None
    if bos:
        tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    chat = Chat.of(tokenizer, frozenset({2}), "m")
    [each] = chat.encode([Example("rate bado", "2")])
    assert tokenizer.decode(each.ids[: each.start]) == ("<s>" if bos else "") + "rate bado\n"
    assert tokenizer.decode(each.ids[each.start :]) == "2<end>"
    # So the folder that is written is asked in the same way.
    assert tokenizer.apply_chat_template(
        messages("rate bado"), add_generation_prompt=True, return_dict=False
    ) == list(each.ids[: each.start])


@pytest.mark.parametrize(
    ("roles", "ends", "padding"),
    [
        ({"pad_token": "<pad>"}, {2}, 4),
        ({"pad_token": "</s>"}, {2}, 0),
        ({}, {2}, 0),
        ({"pad_token": "<unk>"}, {0, 1, 2}, 3),
    ],
)
def test_padding_is_never_an_end(roles, ends, padding):
    assert Chat.of(words(**roles), frozenset(ends), "m").padding == padding


def test_a_model_that_never_ends_is_refused():
    with pytest.raises(RatingError, match=r"m: .*no answer would ever end"):
        Chat.of(words(), frozenset(), "m")
    with pytest.raises(RatingError, match=r"m: .*no token but"):
        Chat.of(words(), frozenset(range(len(KNOWN))), "m")


def refused(chat, example, longest=0, encoded=None):
    several = [Example("rate bado", "1"), example]
    with pytest.raises(RatingError) as found:
        check(chat, several, encoded or chat.encode(several), longest, "model-x")
    assert str(found.value).startswith("model-x: ")
    return str(found.value)


def test_an_answer_that_the_tokenizer_cannot_write_is_refused():
    chat = Chat.of(words(pad_token="<pad>"), frozenset({2}), "m")
    assert "cannot write the answer '1.53'" in refused(chat, Example("rate bado", "1.53"))


def test_an_answer_without_its_end_is_refused():
    chat = small.chat()
    several = [Example("rate bado", "1"), Example("rate bado", "4.5")]
    first, second = chat.encode(several)
    cut = Encoded(second.ids[:-1], second.start)
    assert "cannot write" in refused(chat, several[1], encoded=[first, cut])


def test_supervision_that_begins_too_early_or_late_is_refused():
    chat = small.chat()
    several = [Example("rate bado", "1"), Example("rate bado", "4.5")]
    first, second = chat.encode(several)
    for shift in (-1, 1):
        moved = Encoded(second.ids, second.start + shift)
        assert "cannot write" in refused(chat, several[1], encoded=[first, moved])


def test_a_prompt_with_what_the_tokenizer_does_not_know_is_refused():
    chat = Chat.of(words(pad_token="<pad>"), frozenset({2}), "m")
    assert "does not know a character of 'rate mango'" in refused(chat, Example("rate mango", "2"))


def test_a_token_for_the_unknown_that_means_other_things_too_is_none():
    tokenizer = words(unk_token="</s>", pad_token="<pad>")
    chat = Chat.of(tokenizer, frozenset({2}), "m")
    several = [Example("rate bado", "1")]
    check(chat, several, chat.encode(several), 0, "m")


def test_an_example_that_is_too_long_is_refused():
    chat = small.chat()
    example = Example(rating_prompt("en", "Visual", "bado"), "1.53")
    length = len(chat.encode([example])[0].ids)
    check(chat, [example], chat.encode([example]), length, "m")
    assert f"reads {length - 1} tokens at most" in refused(chat, example, length - 1)


@pytest.mark.parametrize(("end", "padding"), [(2, 2), (3, 0)])
def test_padding_that_ends_and_ends_that_do_not_are_refused(end, padding):
    tokenizer = words()
    chat = Chat(tokenizer, frozenset({2}), end, padding, "small")
    assert "no answer would ever end" in refused(chat, Example("rate bado", "1"))


def test_no_examples_are_no_tokens():
    assert small.chat().encode([]) == []


def test_a_chat_template_that_refuses_is_named():
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('no users\\nhere') }}"
    asked = Chat.of(tokenizer, frozenset({2}), "odd/model")
    with pytest.raises(RatingError, match=r"odd/model: its chat template .*no users here.*another"):
        asked.prompts(["x"])
