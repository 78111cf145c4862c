"""Tiny models of every family, with random weights, saved as a real checkpoint is."""

import json
from functools import cache
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, pre_tokenizers, processors
from tokenizers.models import BPE, WordLevel
from tokenizers.trainers import BpeTrainer
from transformers import (
    BertConfig,
    BertForPreTraining,
    BlipConfig,
    BlipForImageTextRetrieval,
    CLIPConfig,
    CLIPModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from core.agent.instructions import SENTENCES
from core.embedding import families

WORDS = sorted({word for sentence in SENTENCES for word in sentence.split()})
#: Per kind: special tokens, the first of them at id 0, and what surrounds a sentence.
SPECIAL = {
    "llama": (["<unk>", "<s>", "</s>", "<pad>"], "<s> $A"),
    "qwen2": (["<unk>", "<|endoftext|>"], "$A"),
    "qwen3": (["<unk>", "<|endoftext|>"], "$A"),
    "bert": (["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "[CLS] $A [SEP]"),
    "blip": (["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "[CLS] $A [SEP]"),
    "clip": (["<|startoftext|>", "<|endoftext|>"], "<|startoftext|> $A <|endoftext|>"),
}
ROLES = {
    "llama": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
    "qwen2": {"eos_token": "<|endoftext|>", "unk_token": "<unk>", "pad_token": "<|endoftext|>"},
    "bert": {"cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]"}
    | {"pad_token": "[PAD]"},
    # As OpenAI's: padding with the token whose place is read.
    "clip": {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"}
    | {"unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
}
ROLES |= {"qwen3": ROLES["qwen2"], "blip": ROLES["bert"]}
KINDS = tuple(SPECIAL)
VOCABULARY = 64
WIDTH, LAYERS = 16, 2
SHAPE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 40,
    # Large enough that words and positions show in every result.
    "initializer_range": 0.5,
}


def vocabulary(kind):
    return {token: i for i, token in enumerate([*SPECIAL[kind][0], *WORDS])}


@cache
def word_pieces():
    """Cut as CLIP does, words into pieces whose last has a mark; the special tokens come last.

    As JSON, and once: merges that are equally good come in any order.
    """
    made = Tokenizer(BPE(end_of_word_suffix="</w>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = BpeTrainer(vocab_size=60, end_of_word_suffix="</w>", show_progress=False)
    made.train_from_iterator(SENTENCES, trainer)
    made.add_special_tokens(SPECIAL["clip"][0])
    made.decoder = decoders.ByteLevel()
    return made.to_str()


def tokenizer(kind, *, template=None, known=None, **roles):
    if kind == "clip":
        made = Tokenizer.from_str(word_pieces())
    else:
        made = Tokenizer(WordLevel(known or vocabulary(kind), unk_token=ROLES[kind]["unk_token"]))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
    template = template or SPECIAL[kind][1]
    made.post_processor = processors.TemplateProcessing(
        single=template,
        special_tokens=[
            (each, made.token_to_id(each)) for each in template.split() if each != "$A"
        ],
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, **(ROLES[kind] | roles))


def model(kind, seed=0):
    torch.manual_seed(seed)
    shape: dict[str, Any] = SHAPE | {"vocab_size": VOCABULARY}
    grouped = shape | {"num_key_value_heads": 1, "tie_word_embeddings": False}
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**grouped))
    if kind == "qwen2":
        return Qwen2ForCausalLM(Qwen2Config(**grouped))
    if kind == "qwen3":
        return Qwen3ForCausalLM(Qwen3Config(**grouped, head_dim=8))
    if kind == "bert":
        return BertForPreTraining(BertConfig(**shape))
    seen = SHAPE | {"image_size": 8, "patch_size": 4}
    if kind == "clip":
        # Its weights are drawn by a factor rather than with a given spread.
        known = Tokenizer.from_str(word_pieces())
        ends = {
            "bos_token_id": known.token_to_id("<|startoftext|>"),
            "eos_token_id": known.token_to_id("<|endoftext|>"),
        }
        text = shape | ends | {"initializer_factor": 5.0, "projection_dim": 12}
        vision = seen | {"projection_dim": 12}
        return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    text = shape | {"pad_token_id": 0, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
    return BlipForImageTextRetrieval(
        BlipConfig(text_config=text, vision_config=seen, image_text_hidden_size=12)
    )


def save(folder, kind, seed=0, cut=None):
    """Write a whole checkpoint; `cut` is a tokeniser in place of the kind's own."""
    with families.quietly():
        model(kind, seed).save_pretrained(folder)
    (cut or tokenizer(kind)).save_pretrained(folder)
    return folder


def weights(folder):
    return load_file(folder / "model.safetensors")


def change_weights(folder, tensors):
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def change_config(folder, **fields):
    path = folder / "config.json"
    config = json.loads(path.read_text()) | fields
    path.write_text(json.dumps(config))
