"""How much memory training takes, by hand."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from core.rating.finetuning.memory import needed
from core.rating.finetuning.settings import Settings
from tests.rating.finetuning import small


def test_trained_weights_take_sixteen_bytes_each():
    model = small.llama()
    n = sum(x.numel() for x in model.parameters())
    assert needed(model, Settings(), 20, 5)[0] == 16 * n
    frozen = model.bfloat16().requires_grad_(requires_grad=False)
    assert needed(frozen, Settings(), 20, 5)[0] == 2 * n


def test_a_batch_by_hand():
    model = small.llama()
    # 2 layers, 16 wide, 717 tokens known; 4 examples of 20 tokens, answers of 5.
    logits, layer = 4 * 6 * 717 * 10, 4 * 20 * 16 * 34
    found = [
        needed(model, Settings(batch=4, half=half, recompute=recompute), 20, 5)[1] - logits
        for half, recompute in ((True, False), (False, False), (True, True))
    ]
    assert found == [2 * layer, 2 * 2 * layer, layer + 2 * 4 * 20 * 16 * 4]


@pytest.mark.parametrize(("name", "shape", "gigabytes"), [("1B", (2048, 16, 8192), 1.24)])
def test_a_known_model_is_of_its_known_size(name, shape, gigabytes):
    # Llama 3.2 1B, whose card says 1.23 billion weights.
    width, layers, inner = shape
    config = LlamaConfig(
        vocab_size=128256,
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=inner,
        num_attention_heads=32,
        num_key_value_heads=8,
        tie_word_embeddings=True,
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    fixed, passing = needed(model, Settings(half=True), 100, 6)
    assert fixed / 16e9 == pytest.approx(gigabytes, rel=0.01)
    assert 1e9 < passing < 2e10
