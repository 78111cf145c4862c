"""A small random model in a folder that answers with numbers more often than not."""

from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.rating.prompts import TEMPLATES

#: A seed of weights that give ratings, numbers off the scale, cut numbers, and no numbers.
SEED = 12
#: What all templates begin with, cut from the rest so that prompts of all dimensions share it.
TASK = "Complete the following task as a native speaker of"
CHAT = "{{ bos_token }}{% for message in messages %}{{ message['content'] + '<turn>' }}{% endfor %}"


def small_tokenizer() -> Any:
    """Return a tokenizer with a token for every part of the templates, and one per letter."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    special = ["<pad>", "<s>", "<end>", "<turn>"]
    made = Tokenizer(BPE({piece: i for i, piece in enumerate([*special, *letters])}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(special)
    parts = {TASK}
    for template in TEMPLATES.values():
        before, _, after = (
            template.removeprefix(TASK).replace("{Woord}", "{Word}").partition("{Word}")
        )
        parts |= {before, after.strip()}
    made.add_tokens([AddedToken(part, normalized=False) for part in sorted(parts)])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="<end>",
        chat_template=CHAT,
    )


def write_model(folder, seed=SEED, **changes):
    """Write a Llama whose digits, point and end are lifted, so that many an answer is a number."""
    tokenizer = small_tokenizer()
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "hidden_size": 32}
    shape |= {"intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    shape |= {"max_position_embeddings": 256, "initializer_range": 0.4}
    shape |= {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": tokenizer.bos_token_id}
    torch.manual_seed(seed)
    model: Any = LlamaForCausalLM(
        LlamaConfig(**shape | {"eos_token_id": tokenizer.eos_token_id} | changes)
    )
    end, numbers = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids([*"0123456", "."])
    embed, head = model.model.embed_tokens.weight, model.lm_head.weight
    others = [i for i in range(len(head)) if i not in (end, *numbers)]
    with torch.no_grad():
        # Two numbers of every hidden state stay as they are read: one is large behind anything,
        # the other behind a digit, where the end is likely.
        embed[:, :2] = torch.tensor([4.0, 0.0])
        embed[numbers[:-1], 1] = 4.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[:2] = layer.mlp.down_proj.weight[:2] = 0.0
        head[others] = 0.0
        head[:, :2] = torch.tensor([2.0, 0.0])
        head[others, 0] = -2.0
        head[end, 2:] *= 0.3
        head[end, :2] = torch.tensor([1.5, 4.0])
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
