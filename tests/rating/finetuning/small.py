"""Small random models, and examples for them."""

import sys
from typing import Any

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from core import cli
from core.embedding.families import quietly
from core.rating.examples import Example
from core.rating.finetuning.encoding import Chat
from core.rating.finetuning.tokens import tiny_tokenizer

WORDS = ("bado", "fi", "gumolate", "peri", "so", "zumbo", "kalami", "ru")


def llama(seed=0, **changes: Any) -> Any:
    shape: dict[str, Any] = {"vocab_size": len(tiny_tokenizer()), "hidden_size": 16}
    shape |= {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    shape |= {"max_position_embeddings": 256, "initializer_range": 0.3}
    shape |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**shape | changes))


def gpt2(seed=0, dropout=0.2) -> Any:
    """A model with positions that are learned, other linear layers, and dropout."""
    shape: dict[str, Any] = {"vocab_size": len(tiny_tokenizer()), "n_embd": 16, "n_layer": 2}
    shape |= {"n_head": 2, "n_positions": 128, "initializer_range": 0.3}
    shape |= {"bos_token_id": 1, "eos_token_id": 2}
    shape |= dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), dropout)
    torch.manual_seed(seed)
    return GPT2LMHeadModel(GPT2Config(**shape))


def chat() -> Chat:
    tokenizer = tiny_tokenizer()
    return Chat.of(tokenizer, frozenset({2}), "small")


def examples(n=8) -> list[Example]:
    """Prompts and answers of several lengths."""
    answers = ("0.0", "1.53", "2", "4.9")
    return [
        Example(f"rate {WORDS[i % 8]} {'again ' * (i // 8)}", answers[(i + i // 4) % 4])
        for i in range(n)
    ]


def save(folder, model=None, tokenizer=None):
    with quietly():
        (model or llama()).save_pretrained(folder)
        (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


def weights(model) -> dict[str, torch.Tensor]:
    return {name: x.detach().clone() for name, x in model.state_dict().items()}


def same(first, second) -> bool:
    a, b = (x if isinstance(x, dict) else x.state_dict() for x in (first, second))
    return a.keys() == b.keys() and all(torch.equal(x, b[name]) for name, x in a.items())


def claims(arguments):
    """Run the command in a process of its own, and end it with the exit code."""
    sys.exit(cli.main(arguments))


def quietly_done(*_: Any) -> None:
    """Progress that nobody watches."""
