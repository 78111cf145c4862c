"""Behavioural cloning: what an update does, and that a cut leaves no trace."""

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.testing import assert_array_equal
from torch.testing import assert_close

from core.agent import runs, training
from core.agent.errors import TrainingError
from core.agent.model import Architecture
from core.agent.rooms import BLANK
from core.agent.runs import Recipe, begin, load_run
from core.agent.shards import replay
from core.agent.training import Corpus, learning_rate, minibatch, train


@pytest.fixture(scope="module")
def corpus(shown):
    return Corpus.of(shown, "partial")


@pytest.fixture
def often(monkeypatch):
    """Checkpoints every four updates, losses every two, embeddings at four points."""
    monkeypatch.setattr(training, "EVERY", 4)
    monkeypatch.setattr(training, "CURVE", 2)
    monkeypatch.setattr(runs, "SCHEDULE", (0, 3, 6))


def quietly(*_: Any) -> Any:
    return False


def weights(state):
    return {name: x.clone() for name, x in state.agent.state_dict().items()}


def same(first, second):
    assert first.keys() == second.keys()
    for name, x in first.items():
        assert torch.equal(x, second[name]), name


def moments(state):
    found = state.optimiser.state_dict()["state"]
    return {f"{n} {name}": x for n, each in found.items() for name, x in each.items()}


def test_a_corpus_in_the_partial_view(shown, corpus):
    n = len(shown.actions)
    assert (corpus.tiles.shape, corpus.tiles.dtype) == ((n, 64), torch.uint8)
    grid = corpus.tiles.numpy().reshape(n, 8, 8)
    assert_array_equal(grid[:, :7, :7].reshape(n, 49), shown.views)
    assert (grid[:, 7] == BLANK).all()
    assert corpus.actions.tolist() == shown.actions.tolist()
    assert corpus.instruction.tolist() == shown.instruction.tolist()
    assert corpus.actions.dtype == corpus.instruction.dtype == torch.int64
    assert corpus.sha256 == shown.sha256()
    assert corpus.starts is shown.starts


def test_a_corpus_in_the_full_view(shown, corpus):
    full = Corpus.of(shown, "full")
    whole, _ = replay(shown.starts, shown.length, shown.actions, full=True)
    assert_array_equal(full.tiles.numpy(), whole)
    assert torch.equal(full.actions, corpus.actions)


def test_each_pass_visits_every_row_once_and_in_an_order_of_its_own():
    recipe = Recipe(seed=2, batch=7)
    passes = [[minibatch(recipe, 35, 5 * k + i) for i in range(5)] for k in range(3)]
    orders = [np.concatenate(each).tolist() for each in passes]
    assert all(sorted(order) == list(range(35)) for order in orders)
    assert orders[0] != orders[1] != orders[2] != list(range(35))
    assert all(len(rows) == 7 for each in passes for rows in each)


def test_rows_that_do_not_fill_a_minibatch_wait_for_another_pass():
    recipe = Recipe(batch=10)
    seen = [
        Counter(np.concatenate([minibatch(recipe, 35, 3 * k + i) for i in range(3)]).tolist())
        for k in range(20)
    ]
    assert all(sum(rows.values()) == len(rows) == 30 for rows in seen)
    assert set().union(*seen) == set(range(35))


def test_minibatches_follow_from_seed_and_update_alone():
    recipe = Recipe(seed=3, batch=8)
    forwards = [minibatch(recipe, 50, update).tolist() for update in range(20)]
    minibatch(Recipe(seed=9, batch=8), 70, 4)
    backwards = [minibatch(recipe, 50, update).tolist() for update in reversed(range(20))]
    assert forwards == backwards[::-1]
    assert forwards[0] != minibatch(Recipe(seed=4, batch=8), 50, 0).tolist()


def test_a_minibatch_larger_than_the_corpus_is_the_corpus():
    found = [sorted(minibatch(Recipe(batch=64), 10, update).tolist()) for update in (0, 1, 5)]
    assert found == [list(range(10))] * 3


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (0, 1e-3 / 200),
        (99, 0.5e-3 * 0.99994),
        (199, 1e-3 * 0.99976),
        (5000, 1e-3 * (2 + 2**0.5) / 4),
        (10000, 0.5e-3),
        (15000, 1e-3 * (2 - 2**0.5) / 4),
        (19999, 6.2e-12),
    ],
)
def test_the_learning_rate_rises_then_falls_as_a_half_cosine(update, rate):
    assert learning_rate(Recipe(), update) == pytest.approx(rate, rel=1e-2 if rate < 1e-9 else 1e-5)


def test_the_learning_rate_scales_with_its_peak():
    for update in (0, 150, 700):
        high, low = (learning_rate(Recipe(updates=1000, learning_rate=r), update) for r in (2, 1))
        assert high == pytest.approx(2 * low)


@pytest.mark.parametrize("vision", ["patch", "resnet"])
def test_updates_are_those_of_a_loop_by_hand(corpus, vision):
    architecture = Architecture(vision=vision)
    recipe = Recipe(seed=1, updates=3, batch=24, learning_rate=0.2, architecture=architecture)
    agent = begin(recipe, "cpu").agent
    optimiser = torch.optim.AdamW(agent.parameters(), lr=1.0, fused=False, foreach=False)
    clipped = 0
    for update in range(3):
        rate = 0.2 * (update + 1) / 200 * (1 + math.cos(math.pi * update / 3)) / 2
        optimiser.param_groups[0]["lr"] = rate
        rows = np.random.default_rng((1, 0)).permutation(len(corpus.actions))
        rows = torch.from_numpy(rows[24 * update : 24 * update + 24])
        logits = agent(corpus.tiles[rows].long(), corpus.instruction[rows])
        optimiser.zero_grad()
        F.cross_entropy(logits, corpus.actions[rows]).backward()
        gradients = [p.grad for p in agent.parameters() if p.grad is not None]
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in gradients))
        clipped += norm > 1
        for gradient in gradients:
            gradient *= min(1.0, 1 / (norm + 1e-6))
        optimiser.step()
    found = train(begin(recipe, "cpu"), corpus, quietly, quietly).agent.state_dict()
    assert clipped
    # A bias on keys changes no attention: its gradient is rounding, whose sign decides a step.
    for each in (found, expected := agent.state_dict()):
        each["f_lang.query_key_value.bias"][100:200] = 0
    for name, x in expected.items():
        # Close enough to see the decay of a weight of one, 3e-5 of it.
        assert_close(found[name], x, rtol=0, atol=2e-6, msg=lambda m, n=name: f"{n}: {m}")


def test_the_learning_curve_is_the_mean_loss(corpus, monkeypatch):
    monkeypatch.setattr(training, "CURVE", 3)
    recipe, expected = Recipe(updates=6, batch=16), []
    state = train(begin(recipe, "cpu"), corpus, quietly, quietly)
    # A rate of next to nothing leaves the network as it began, on which losses can be told.
    still = begin(recipe, "cpu").agent
    slow = replace(recipe, learning_rate=1e-12)
    found = train(begin(slow, "cpu"), corpus, quietly, quietly).losses
    with torch.no_grad():
        for update in range(6):
            rows = minibatch(recipe, len(corpus.actions), update)
            logits = still(corpus.tiles[rows].long(), corpus.instruction[rows])
            expected.append(F.cross_entropy(logits, corpus.actions[rows]).item())
    assert found == pytest.approx([np.mean(expected[:3]), np.mean(expected[3:])], abs=1e-5)
    assert len(state.losses) == 2
    assert state.losses != found


def test_the_loss_falls(corpus, monkeypatch):
    monkeypatch.setattr(training, "CURVE", 20)
    few = replace(
        corpus,
        tiles=corpus.tiles[:60],
        instruction=corpus.instruction[:60],
        actions=corpus.actions[:60],
    )
    recipe = Recipe(updates=120, batch=20, learning_rate=3e-3)
    losses = train(begin(recipe, "cpu"), few, quietly, quietly).losses
    assert len(losses) == 6
    assert losses[-1] < 0.5 * losses[0]


class CutError(Exception):
    pass


@pytest.mark.parametrize("vision", ["patch", "resnet"])
def test_a_run_that_was_cut_ends_in_the_same_bits(corpus, often, tmp_path, vision):
    path = tmp_path / "run" / "checkpoint.safetensors"
    batch = 16 if vision == "patch" else 4
    recipe = Recipe(seed=4, updates=10, batch=batch, architecture=Architecture(vision=vision))
    whole = train(begin(recipe, "cpu"), corpus, quietly, quietly, tmp_path / "whole")

    def cut(update, _):
        if update == 8:
            raise CutError

    with pytest.raises(CutError):
        train(begin(recipe, "cpu"), corpus, quietly, cut, path)
    torch.manual_seed(99)
    state, data = load_run(path)
    assert (state.update, len(state.losses), data) == (4, 2, corpus.sha256)
    train(state, corpus, quietly, quietly, path)
    assert state.update == whole.update == 10
    same(weights(state), weights(whole))
    assert state.losses == whole.losses
    assert len(state.losses) == 5
    same(moments(state), moments(whole))
    # What is on disk is that too.
    same(weights(load_run(path)[0]), weights(load_run(tmp_path / "whole")[0]))


def test_a_run_that_is_done_is_left_as_it_is(corpus, often, tmp_path):
    path = tmp_path / "checkpoint"
    done = train(begin(Recipe(updates=4, batch=8), "cpu"), corpus, quietly, quietly, path)
    again = train(load_run(path)[0], corpus, quietly, quietly, path)
    assert again.update == 4
    same(weights(again), weights(done))
    same(moments(again), moments(done))


def test_two_runs_of_one_seed_are_the_same_and_another_seed_is_not(corpus):
    first, second, other = (
        train(begin(Recipe(seed=seed, updates=2, batch=8), "cpu"), corpus, quietly, quietly)
        for seed in (0, 0, 1)
    )
    same(weights(first), weights(second))
    assert not torch.equal(first.agent.policy.weight, other.agent.policy.weight)


def test_the_points_of_the_schedule_are_observed_before_their_update(corpus, often):
    seen, start = [], weights(begin(Recipe(), "cpu"))

    def observe(state):
        seen.append(state.update)
        if state.update == 0:
            same(weights(state), start)
        return False

    train(begin(Recipe(updates=8, batch=8), "cpu"), corpus, observe, quietly)
    assert seen == [0, 3, 6, 8]


def test_progress_is_told_with_the_latest_loss(corpus, often):
    told = []
    state = train(
        begin(Recipe(updates=10, batch=8), "cpu"), corpus, quietly, lambda *x: told.append(x)
    )
    assert told == [(update, state.losses[update // 2 - 1]) for update in (2, 4, 6, 8, 10)]


def test_an_observer_may_end_the_run_early_and_it_is_kept(corpus, often, tmp_path):
    path = tmp_path / "checkpoint"
    recipe = Recipe(updates=10, batch=8)
    state = train(begin(recipe, "cpu"), corpus, lambda s: s.update >= 6, quietly, path)
    assert state.update == 6
    kept, _ = load_run(path)
    assert kept.update == 6
    same(weights(kept), weights(state))


def poison(at):
    """An observer that makes a weight NaN."""

    def observe(state):
        if state.update == at:
            with torch.no_grad():
                state.agent.policy.bias[0] = torch.nan
        return False

    return observe


def test_a_loss_that_is_not_finite_ends_the_run_and_the_checkpoint_stays(corpus, often, tmp_path):
    path, recipe = tmp_path / "checkpoint", Recipe(seed=3, updates=20, batch=8)
    with pytest.raises(TrainingError, match=r"seed 3.* nan .*update 8.*--learning-rate"):
        train(begin(recipe, "cpu"), corpus, poison(6), quietly, path)
    state, _ = load_run(path)
    assert state.update == 4
    assert all(torch.isfinite(x).all() for x in state.agent.parameters())
    # From there the run goes on as if nothing had been.
    state = train(state, corpus, quietly, quietly)
    same(weights(state), weights(train(begin(recipe, "cpu"), corpus, quietly, quietly)))


def test_a_loss_that_is_not_finite_at_the_very_end_is_not_kept(corpus, often, tmp_path):
    # Update 7 does not fill the learning curve's last stretch.
    path, recipe = tmp_path / "checkpoint", Recipe(seed=3, updates=7, batch=8)
    with pytest.raises(TrainingError, match=r"seed 3.*update 7"):
        train(begin(recipe, "cpu"), corpus, poison(6), quietly, path)
    assert load_run(path)[0].update == 4


def test_weights_that_are_not_finite_are_not_kept(corpus, often, tmp_path):
    path, state = tmp_path / "checkpoint", begin(Recipe(seed=3, updates=20, batch=8), "cpu")
    # The loss of update 8 is finite still, but not the step that follows from it.
    state.agent.policy.bias.register_hook(lambda g: g * torch.inf if state.update == 7 else g)
    with pytest.raises(TrainingError, match="seed 3"):
        train(state, corpus, quietly, quietly, path)
    kept, _ = load_run(path)
    assert kept.update == 4
    assert all(torch.isfinite(x).all() for x in kept.agent.parameters())


def test_without_a_checkpoint_nothing_is_written(corpus, often, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train(begin(Recipe(updates=4, batch=8), "cpu"), corpus, quietly, quietly)
    assert list(tmp_path.iterdir()) == []
