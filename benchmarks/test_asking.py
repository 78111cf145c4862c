"""Asking a local model against the plain way: `generate`, once per prompt."""

import re
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="asking a local model needs the extra `finetune`")
pytest.importorskip("transformers", reason="asking a local model needs the extra `finetune`")

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.timing import Way
from core.rating.asking.prefix import read
from core.rating.asking.tree import Answers
from core.rating.prompts import rating_prompt

#: An answer of a tuned model is as long, "1" "." "53", and its end comes behind it.
TOKENS = 4
VOCABULARY = 4096
SHAPES = {
    "2 layers of 64": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4},
    "8 layers of 512": {"hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8},
}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Keep torch to one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prompts(n):
    """Rating prompts of one dimension, about as many tokens as real tokenizers make of them.

    Words and signs of the template are a token each, the rated word one for three letters, and a
    chat template puts four tokens around it all.
    """
    rng, signs = np.random.default_rng(0), re.compile(r"\w+|[^\w\s]")
    known: dict[str, int] = {}
    out = []
    for _ in range(n):
        word = "".join(rng.choice([*"AEIOURSTLN"], rng.integers(3, 11)))
        before, _, after = rating_prompt("en", "Auditory", word).partition(word)
        threes = [word[i : i + 3] for i in range(0, len(word), 3)]
        pieces = [*signs.findall(before), *threes, *signs.findall(after)]
        pieces = ["<begin>", "<user>", *pieces, "<end>", "<assistant>"]
        out.append([known.setdefault(piece, len(known)) for piece in pieces])
    return out


@pytest.mark.parametrize(
    ("name", "n", "few"), [("2 layers of 64", 400, 40), ("8 layers of 512", 96, 12)]
)
@pytest.mark.benchmark(group="asking")
def test_asking(race, name, n, few):
    shape: dict[str, Any] = SHAPES[name] | {"vocab_size": VOCABULARY}
    shape |= {"intermediate_size": 3 * shape["hidden_size"], "initializer_range": 0.2}
    shape |= {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    torch.manual_seed(0)
    model: Any = LlamaForCausalLM(LlamaConfig(**shape)).eval()
    asked = prompts(n)
    # The whole numbers, each with an end, as `claims rate` scores them besides.
    answers = Answers.of([(VOCABULARY - k, 0) for k in range(1, 7)])

    def ours():
        found: dict[int, Any] = {}
        for rows in read(model, asked, answers, ends=(), most=TOKENS):
            found.update(rows)
        return found

    def plain():
        out = []
        for prompt in asked[:few]:
            ids = torch.tensor([prompt])
            mask = torch.ones_like(ids)
            # The log-probabilities are wanted too.
            found = model.generate(
                ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=TOKENS,
                output_logits=True,
                return_dict_in_generate=True,
            )
            for logits in found.logits:
                logits.log_softmax(-1).topk(5)
            out.append(found.sequences[0, len(prompt) :].tolist())
        return out

    readings = ours()
    assert [[s.token for s in readings[i].steps] for i in range(few)] == plain()
    race(
        f"asking a Llama, {name}",
        f"{n} prompts",
        Way(ours),
        {"plain": Way(plain, few, n)},
        unit="prompts",
        note="ours scores six whole answers besides; plain: generate per prompt",
    )
