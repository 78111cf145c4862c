"""The training loop: its loss and its steps are the textbook's, and a cut leaves no trace."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.rating.errors import RatingError
from core.rating.examples import Example
from core.rating.finetuning import checkpoints, loop
from core.rating.finetuning.batches import collate
from core.rating.finetuning.loop import Corpus, begin, loss_of, mean_loss, train
from core.rating.finetuning.settings import Settings
from core.rating.prompts import messages
from tests.rating.finetuning import small
from tests.rating.finetuning.small import quietly_done

MODELS = {"llama": small.llama, "gpt2": lambda seed=0: small.gpt2(seed, dropout=0.0)}


def corpus(n=8, held_out=0):
    chat = small.chat()
    encoded = chat.encode(small.examples(n + held_out))
    return Corpus(encoded[:n], encoded[n:], chat.padding)


def alone(model, each):
    """An example's summed loss by transformers' own reading of labels, without any padding."""
    ids = torch.tensor([each.ids])
    labels = ids.clone()
    labels[:, : each.start] = -100
    return model(input_ids=ids, labels=labels).loss * (len(each.ids) - each.start)


def supervised(several):
    return sum(len(each.ids) - each.start for each in several)


def gradients(model):
    return {n: x.grad.clone() for n, x in model.named_parameters() if x.grad is not None}


def by_hand(model, several):
    """The mean loss per supervised token, and its gradient, each example read alone."""
    model.zero_grad()
    loss = torch.stack([alone(model, each) for each in several]).sum() / supervised(several)
    loss.backward()
    norm = math.sqrt(sum(float(x.double().square().sum()) for x in gradients(model).values()))
    return loss.item(), gradients(model), norm


@pytest.mark.parametrize("name", MODELS)
def test_the_loss_is_that_of_every_example_alone(name):
    model, several = MODELS[name](), corpus(8).examples
    expected = sum(alone(model, each).item() for each in several)
    for padding in (0, 7):
        found = loss_of(model, collate(several, padding)).item()
        assert found == pytest.approx(expected, rel=1e-5)


def test_the_loss_where_a_model_gives_all_logits(monkeypatch):
    model, several = small.llama(), corpus(8).examples
    expected = loss_of(model, collate(several, 0)).item()
    monkeypatch.setattr(loop, "_trims", lambda _: False)
    assert loss_of(model, collate(several, 0)).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("batch", "accumulate"), [(8, 1), (4, 2), (3, 3), (1, 8)])
def test_accumulated_gradients_are_those_of_one_large_batch(name, batch, accumulate):
    data = corpus(8)
    # Answers of several lengths, or a mean of means would do as well.
    assert len({len(each.ids) - each.start for each in data.examples}) > 1
    loss, expected, norm = by_hand(MODELS[name](), data.examples)
    assert norm > 1
    settings = Settings(epochs=1, batch=batch, accumulate=accumulate)
    state = train(begin(MODELS[name](), settings), data, quietly_done)
    assert state.losses == [pytest.approx(loss, rel=1e-5)]
    found = gradients(state.model)
    assert found.keys() == expected.keys()
    for key, gradient in expected.items():
        # What is left after a step is the gradient as it was shortened.
        torch.testing.assert_close(found[key], gradient / norm, rtol=1e-3, atol=2e-6)


def test_steps_are_those_of_a_loop_by_hand():
    data, settings = corpus(24), Settings(epochs=2, batch=8, rate=0.02, seed=3)
    model = small.llama()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.0, weight_decay=0.0, foreach=False)
    clipped = 0
    for step in range(6):
        # Stretches of 32 batches are longer than these examples: one sort, then a shuffle.
        rng = np.random.default_rng((3, step // 3))
        rows = rng.permutation(24)
        rows = rows[np.argsort([len(data.examples[i].ids) for i in rows], kind="stable")]
        rows = rows.reshape(3, 8)[rng.permutation(3)[step % 3]]
        *_, norm = by_hand(model, [data.examples[i] for i in rows])
        clipped += norm > 1
        for x in model.parameters():
            assert x.grad is not None
            x.grad *= min(1.0, 1 / (norm + 1e-6))
        optimiser.param_groups[0]["lr"] = (
            0.02 if step == 0 else 0.02 * (1 + math.cos(math.pi * (step - 1) / 5)) / 2
        )
        optimiser.step()
    found = train(begin(small.llama(), settings), data, quietly_done)
    assert clipped
    assert found.step == 6
    expected = small.weights(model)
    for name, x in found.model.state_dict().items():
        torch.testing.assert_close(x, expected[name], rtol=0, atol=3e-4)
    moved = [(x - small.llama().state_dict()[n]).abs().max() for n, x in expected.items()]
    assert max(moved) > 0.02


def test_a_model_learns_what_it_is_told_and_ends_its_answers():
    chat = small.chat()
    told = [Example(f"rate {word}", f"{i % 5}.{i}") for i, word in enumerate(small.WORDS)]
    data = Corpus(chat.encode(told), [], chat.padding)
    settings = Settings(epochs=80, batch=4, rate=1e-2)
    state = train(begin(small.llama(), settings), data, quietly_done)
    assert state.losses[-1] < 0.05 < 1 < state.losses[0]
    model = state.model.eval()
    for each in told:
        ids = torch.tensor(
            [
                chat.tokenizer.apply_chat_template(
                    messages(each.prompt), add_generation_prompt=True, return_dict=False
                )
            ]
        )
        out = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=10,
            do_sample=False,
            pad_token_id=0,
        )
        assert chat.tokenizer.decode(out[0, ids.shape[1] :]) == each.answer + "<end>"


class CutError(Exception):
    pass


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_run_that_was_cut_ends_in_the_same_bits(tmp_path, dropout):
    data = corpus(20, held_out=3)
    settings = Settings(epochs=3, batch=4, accumulate=2, rate=1e-3, seed=5)
    whole = train(begin(small.gpt2(0, dropout), settings), data, quietly_done, every=4)
    path, of = tmp_path / "run" / "checkpoint", {"seed": 5}

    def cut(step, _):
        if step == 6:
            raise CutError

    state = begin(small.gpt2(0, dropout), settings)
    with pytest.raises(CutError):
        train(state, data, cut, lambda s: checkpoints.keep(s, path, of), every=4)
    torch.manual_seed(99)
    # The base is read anew; only what the file holds is left of the run.
    resumed = begin(small.gpt2(0, dropout), settings)
    checkpoints.restore(resumed, path, of)
    assert (resumed.step, len(resumed.losses), len(resumed.held_out)) == (4, 4, 2)
    train(resumed, data, quietly_done)
    assert resumed.step == whole.step == 9
    assert small.same(resumed.model, whole.model)
    assert resumed.losses == whole.losses
    assert resumed.held_out == whole.held_out
    assert len(whole.held_out) == 4


def test_dropout_draws_from_the_seed_and_leaves_the_global_generator_alone():
    data = corpus(8)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    losses = [
        train(begin(small.gpt2(0), Settings(epochs=2, batch=4, seed=seed)), data, quietly_done)
        for seed in (0, 0, 1)
    ]
    assert losses[0].losses == losses[1].losses != losses[2].losses
    # Building the models drew from the global generator; training did not.
    torch.manual_seed(7)
    state = begin(small.llama(), Settings(epochs=1, batch=4))
    torch.set_rng_state(before)
    train(state, data, quietly_done)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_follows_from_the_seed():
    data = corpus(24)
    one, two = (
        train(begin(small.llama(), Settings(epochs=1, batch=4, seed=s)), data, quietly_done)
        for s in (0, 1)
    )
    assert one.losses != two.losses


def test_held_out_loss_is_measured_before_and_after_every_epoch_without_dropout():
    data, settings = corpus(8, held_out=5), Settings(epochs=3, batch=4, rate=1e-3)
    assert data.held_out
    state = begin(small.gpt2(), settings)
    model = small.gpt2().eval()
    expected = sum(alone(model, x).item() for x in data.held_out) / supervised(data.held_out)
    told = []
    train(state, data, lambda *x: told.append((*x, len(state.held_out))))
    assert len(state.held_out) == 4
    assert state.held_out[0] == pytest.approx(expected, rel=1e-5)
    assert [n for *_, n in told] == [1, 1, 2, 2, 3, 3]
    last = state.model.eval()
    after = sum(alone(last, x).item() for x in data.held_out) / supervised(data.held_out)
    assert state.held_out[-1] == pytest.approx(after, rel=1e-5)
    assert [x[:2] for x in told] == list(enumerate(state.losses, start=1))


def test_held_out_examples_are_not_learned():
    data = corpus(8, held_out=4)
    settings = Settings(epochs=2, batch=4, rate=1e-3)
    with_them = train(begin(small.llama(), settings), data, quietly_done)
    without = train(begin(small.llama(), settings), replace(data, held_out=[]), quietly_done)
    assert small.same(with_them.model, without.model)
    assert without.held_out == []


def test_the_mean_loss_does_not_depend_on_the_batch():
    data = corpus(13)
    states = [begin(small.llama(), Settings(batch=batch)) for batch in (1, 5, 32)]
    found = [mean_loss(state, data.examples, 0) for state in states]
    assert found == pytest.approx([found[0]] * 3, rel=1e-5)


def test_a_run_may_be_ended_early():
    data = corpus(24)
    state = train(begin(small.llama(), Settings(batch=4, max_steps=5)), data, quietly_done)
    assert (state.step, len(state.losses)) == (5, 5)
    # The rate falls to its end by then.
    assert state.optimiser.param_groups[0]["lr"] == Settings().learning_rate(4, 5)


def test_a_run_is_kept_every_so_often_and_at_its_end():
    kept = []
    state = begin(small.llama(), Settings(epochs=1, batch=4))
    train(state, corpus(28), quietly_done, lambda s: kept.append(s.step), every=3)
    assert kept == [3, 6, 7]


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_what_is_not_finite_ends_the_run_before_it_is_in_the_weights(where):
    state, kept = begin(small.llama(), Settings(epochs=4, batch=4)), []

    def poison(step, _):
        with torch.no_grad():
            if step == 3 and where == "loss":
                state.model.lm_head.weight[0, 0] = torch.nan
            elif step == 3:
                state.model.lm_head.weight.register_hook(lambda g: g * torch.inf)

    with pytest.raises(RatingError, match=r"nan|inf.*at step 4.*lower --rate"):
        train(state, corpus(8), poison, lambda s: kept.append(s.step), every=1)
    assert kept == [1, 2, 3]
    assert state.step == 3
    assert torch.isfinite(state.model.model.embed_tokens.weight).all()


@pytest.mark.parametrize(
    ("error", "lora"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), 0),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 8 GB"), 4),
    ],
)
def test_too_little_memory_names_what_to_do(monkeypatch, error, lora):
    def fail(*_):
        raise error

    monkeypatch.setattr(loop, "loss_of", fail)
    state = begin(small.llama(), Settings(batch=8, accumulate=2, lora=lora))
    with pytest.raises(RatingError, match="--batch 4 --accumulate 4, --recompute") as found:
        train(state, corpus(8), quietly_done)
    assert ("--lora" in str(found.value)) == (not lora)


def test_other_faults_are_not_taken_for_memory(monkeypatch):
    def fail(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(loop, "loss_of", fail)
    with pytest.raises(RuntimeError, match="shapes differ"):
        train(begin(small.llama(), Settings()), corpus(8), quietly_done)


def test_recomputed_activations_give_the_same_gradients():
    data, found = corpus(8), []
    for recompute in (False, True):
        settings = Settings(epochs=1, batch=8, recompute=recompute)
        state = train(begin(small.llama(), settings), data, quietly_done)
        recomputing = [
            getattr(each, "gradient_checkpointing", None) for each in state.model.modules()
        ]
        assert (True in recomputing) == recompute
        found.append(gradients(state.model))
    for name, x in found[0].items():
        torch.testing.assert_close(found[1][name], x, rtol=1e-5, atol=1e-7)


def test_bfloat16_is_of_activations_and_never_of_weights():
    data = corpus(8)
    states = [
        train(begin(small.llama(), Settings(epochs=1, batch=8, half=half)), data, quietly_done)
        for half in (False, True)
    ]
    assert states[1].losses == pytest.approx(states[0].losses, rel=0.02)
    assert states[1].losses != states[0].losses
    assert {x.dtype for x in states[1].model.parameters()} == {torch.float32}
