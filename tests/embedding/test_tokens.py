"""How sentences become tokens, and what is refused."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core.agent.instructions import SENTENCES
from core.embedding.errors import EmbeddingError
from core.embedding.tokens import own_tokens, word_tokens
from tests.embedding import tiny

BOTH = {("with", True), ("without", False)}


def kinds(cut):
    return {(each.bos, each.default) for each in cut.cuts}


def test_a_decoder_that_puts_a_token_first(checkpoints):
    cut = own_tokens(checkpoints["llama"], "decoder")
    assert kinds(cut) == BOTH
    by = {each.bos: each for each in cut.cuts}
    assert by["with"].tokens[0] == ("<s>", "go", "to", "the", "red", "box")
    assert by["without"].tokens[0] == ("go", "to", "the", "red", "box")
    assert by["with"].ids[0] == (1, *by["without"].ids[0])
    assert (cut.name, cut.kind) == ("TokenizersBackend", "own")


def test_a_decoder_that_could_and_does_not(tmp_path):
    cut = tiny.tokenizer("llama", template="$A")
    cut.save_pretrained(tmp_path)
    assert kinds(own_tokens(tmp_path, "decoder")) == {("with", False), ("without", True)}


def test_a_decoder_without_such_a_token(checkpoints):
    cut = own_tokens(checkpoints["qwen2"], "decoder")
    assert kinds(cut) == {("without", True)}


def test_the_others_have_one_way(checkpoints):
    ends = {
        "bert": ("[CLS]", "[SEP]"),
        "blip": ("[CLS]", "[SEP]"),
        "clip": ("<|startoftext|>", "<|endoftext|>"),
    }
    for kind, (first, last) in ends.items():
        cut = own_tokens(checkpoints[kind], kind)
        assert kinds(cut) == {("", True)}
        for tokens in cut.cuts[0].tokens:
            assert (tokens[0], tokens[-1]) == (first, last)


def test_clips_pieces_are_read_as_words(checkpoints):
    tokens = own_tokens(checkpoints["clip"], "clip").cuts[0].tokens
    pieces = [piece for sentence in tokens for piece in sentence[1:-1]]
    assert any(not piece.endswith("</w>") for piece in pieces)
    assert "".join(tokens[0][1:-1]).replace("</w>", " ").split() == SENTENCES[0].split()


def test_a_decoder_that_ends_sentences_has_no_reading(tmp_path):
    tiny.tokenizer("llama", template="<s> $A </s>").save_pretrained(tmp_path)
    with pytest.raises(EmbeddingError, match="<s> go to the red box </s>"):
        own_tokens(tmp_path, "decoder")


@pytest.mark.parametrize(
    ("bos", "declared"), [(None, "declares none"), ("</s>", "declares '</s>'")]
)
def test_a_token_before_sentences_must_be_declared(bos, declared, tmp_path):
    tiny.tokenizer("llama", bos_token=bos).save_pretrained(tmp_path)
    told = f"puts '<s>' before every sentence and {declared}; set bos_token .*tokenizer_config.json"
    with pytest.raises(EmbeddingError, match=told):
        own_tokens(tmp_path, "decoder")


@pytest.mark.parametrize("family", ["bert", "blip"])
def test_a_sentence_must_begin_with_cls(family, tmp_path):
    tiny.tokenizer("bert", template="$A [SEP]").save_pretrained(tmp_path)
    with pytest.raises(EmbeddingError, match=r"begins with \[CLS\]"):
        own_tokens(tmp_path, family)


def test_clips_sentence_must_end_with_its_end(tmp_path):
    tiny.tokenizer("clip", template="<|startoftext|> $A").save_pretrained(tmp_path)
    with pytest.raises(EmbeddingError, match="ends with the end-of-text token"):
        own_tokens(tmp_path, "clip")


def test_words_that_a_tokeniser_lacks_are_refused(tmp_path):
    known = tiny.vocabulary("llama")
    del known["purple"]
    tiny.tokenizer("llama", known=known).save_pretrained(tmp_path)
    with pytest.raises(EmbeddingError, match="'go to the purple box' what reads 'go to the box'"):
        own_tokens(tmp_path, "decoder")


def byte_level(folder):
    """A byte-level tokeniser that its configuration calls a Llama's, as DeepSeek's is."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(SENTENCES, trainers.BpeTrainer(vocab_size=80, show_progress=False))
    cut = PreTrainedTokenizerFast(tokenizer_object=made)
    cut.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(path.read_text().replace("TokenizersBackend", "LlamaTokenizerFast"))
    return made


def test_a_tokeniser_is_taken_as_it_is_written(tmp_path):
    made = byte_level(tmp_path)
    found = own_tokens(tmp_path, "decoder").cuts[-1]
    assert [list(ids) for ids in found.ids] == [made.encode(text).ids for text in SENTENCES]


def test_a_tokeniser_that_loses_the_spaces_is_refused(tmp_path, monkeypatch):
    # What happens where the class is believed that the configuration names.
    byte_level(tmp_path)
    broken = AutoTokenizer.from_pretrained(tmp_path)
    broken.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    monkeypatch.setattr(PreTrainedTokenizerFast, "from_pretrained", lambda *_, **__: broken)
    with pytest.raises(EmbeddingError, match="'go to the red box' what reads 'gototheredbox'"):
        own_tokens(tmp_path, "decoder")


def test_no_tokeniser(tmp_path):
    told = "tokeniser does not load; copy the tokenizer's files into the folder"
    for content in (None, "{"):
        if content:
            (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(EmbeddingError, match=told) as raised:
            own_tokens(tmp_path, "decoder")
        assert str(raised.value).startswith(f"{tmp_path}: ")
        assert "\n" not in str(raised.value)
        assert not str(raised.value).endswith(":")


def test_a_configuration_without_its_tokeniser(copied):
    # The reason has several lines, of which the first ends in a colon.
    folder = copied("llama")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EmbeddingError, match=r"one of: \(1\)"):
        own_tokens(folder, "decoder")


def test_words_of_a_decoder():
    cut = word_tokens("decoder", bos=True)
    assert kinds(cut) == BOTH
    by = {each.bos: each for each in cut.cuts}
    assert by["with"].tokens[-1] == ("<s>", "avoid", "the", "blue", "ball")
    assert [" ".join(tokens) for tokens in by["without"].tokens] == list(SENTENCES)
    assert kinds(word_tokens("decoder", bos=False)) == {("without", True)}


@pytest.mark.parametrize(
    ("family", "first", "last"),
    [
        ("bert", "[CLS]", "[SEP]"),
        ("blip", "[CLS]", "[SEP]"),
        ("clip", "<|startoftext|>", "<|endoftext|>"),
    ],
)
def test_words_of_the_others(family, first, last):
    cut = word_tokens(family, bos=False)
    (only,) = cut.cuts
    assert only.default
    assert only.tokens[0] == (first, "go", "to", "the", "red", "box", last)
    # One number per word and no others; padding is in no sentence.
    numbers = {
        i: token
        for ids, tokens in zip(only.ids, only.tokens, strict=True)
        for i, token in zip(ids, tokens, strict=True)
    }
    assert sorted(numbers) == list(range(1, cut.vocabulary))
    assert set(numbers.values()) == {first, last, *tiny.WORDS}
    assert cut.special["eos_token_id"] == only.ids[0][-1]
    assert (cut.name, cut.kind) == ("words", "words")
