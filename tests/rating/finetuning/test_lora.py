"""Low-rank adapters: what they train, and that they are merged into the same model."""

import sys

import pytest
import torch

from core.rating.errors import RatingError
from core.rating.finetuning import checkpoints, lora
from core.rating.finetuning.loop import Corpus, begin, train
from core.rating.finetuning.settings import Settings
from tests.rating.finetuning import small

MODELS = {"llama": small.llama, "gpt2": lambda: small.gpt2(dropout=0.0)}
IDS = torch.tensor([[1, 20, 30, 40, 3, 50]])
SETTINGS = Settings(epochs=6, batch=4, rate=1e-2, lora=3)


def logits(model):
    model.eval()
    with torch.no_grad():
        return model(input_ids=IDS).logits


def corpus():
    chat = small.chat()
    return Corpus(chat.encode(small.examples(8)), [], chat.padding)


@pytest.fixture(params=MODELS)
def make(request):
    pytest.importorskip("peft")
    return MODELS[request.param]


def test_adapters_begin_as_no_change_and_alone_are_trained(make):
    before = logits(make())
    model = lora.attach(make(), 3, seed=0)
    torch.testing.assert_close(logits(model), before, rtol=0, atol=1e-6)
    base = {n: x for n, x in model.named_parameters() if "lora" not in n}
    assert not any(x.requires_grad for x in base.values())
    state = begin(model, SETTINGS)
    assert state.trained()
    assert all("lora" in name for name in state.trained())
    kept = {n: x.clone() for n, x in base.items()}
    train(state, corpus(), small.quietly_done)
    assert small.same(base, kept)
    assert state.losses[-1] < 0.9 * state.losses[0]
    assert (logits(model) - before).abs().max() > 0.1


def test_merged_the_model_gives_the_same_logits(make):
    state = begin(lora.attach(make(), 3, seed=0), SETTINGS)
    train(state, corpus(), small.quietly_done)
    trained = logits(state.model)
    merged = lora.merge(state.model)
    assert type(merged) is type(make())
    assert {n: x.shape for n, x in merged.state_dict().items()} == {
        n: x.shape for n, x in make().state_dict().items()
    }
    torch.testing.assert_close(logits(merged), trained, rtol=1e-4, atol=1e-4)


def test_adapters_follow_from_the_seed_and_leave_the_global_generator_alone(make):
    model = make()
    before = torch.get_rng_state()
    first = lora.attach(model, 3, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert small.same(first, lora.attach(make(), 3, seed=0))
    assert not small.same(first, lora.attach(make(), 3, seed=1))


def test_a_cut_run_ends_in_the_same_bits(make, tmp_path):
    whole = train(begin(lora.attach(make(), 3, 0), SETTINGS), corpus(), small.quietly_done)
    half = begin(lora.attach(make(), 3, 0), SETTINGS)
    path, kept = tmp_path / "c", []

    def keep(state):
        if not kept:
            checkpoints.keep(state, path, {})
            kept.append(state.step)

    train(half, corpus(), small.quietly_done, keep, every=5)
    state = begin(lora.attach(make(), 3, 0), SETTINGS)
    checkpoints.restore(state, path, {})
    assert state.step == 5
    train(state, corpus(), small.quietly_done)
    assert small.same(state.model, whole.model)
    # Adapters alone are kept.
    assert path.stat().st_size < sum(x.numel() * 4 for x in make().parameters())


def test_without_peft_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(RatingError, match=r"peft is not installed: pip install -e '.\[lora\]'"):
        lora.attach(small.llama(), 3, 0)
