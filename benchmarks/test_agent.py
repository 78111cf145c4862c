"""The agent's pipeline against the plain way: minigrid's own rendering and steps, a plain loop."""

import copy

import numpy as np
import pytest

pytest.importorskip("torch", reason="the agent needs the extra `alm`")
pytest.importorskip("minigrid", reason="the agent needs the extra `alm`")

import torch
import torch.nn.functional as F

from benchmarks.timing import Way
from core.agent.dataset import demonstrations, draw_start
from core.agent.instructions import INSTRUCTIONS
from core.agent.rooms import Rooms, Starts
from core.agent.runs import Recipe, begin
from core.agent.tasks import RequestLevel
from core.agent.tiles import pad_views, render
from core.agent.training import Corpus, learning_rate, minibatch, train
from core.agent.vision import images


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Keep torch to one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def levels(n):
    rng = np.random.default_rng(0)
    envs = [RequestLevel(INSTRUCTIONS[k % 108], max_steps=10**6) for k in range(n)]
    states = [(*draw_start(env, rng), k % 108) for k, env in enumerate(envs)]
    return envs, Starts(*(np.array(column, np.uint8) for column in zip(*states, strict=True)))


@pytest.mark.benchmark(group="rendering")
def test_rendering(race):
    envs, starts = levels(108)
    rows = np.resize(np.arange(108), 2000)
    rooms = Rooms(starts[rows])
    frames = np.stack([env.get_frame(tile_size=8, agent_pov=True) for env in envs])
    np.testing.assert_array_equal(render(pad_views(rooms.views()))[:108, :56, :56], frames)

    def ours():
        render(pad_views(rooms.views()))

    def plain():
        for env in envs:
            env.get_frame(tile_size=8, agent_pov=True)

    ways = Way(ours), {"plain": Way(plain, len(envs), len(rows))}
    race("rendering", f"{len(rows):,} frames", *ways, unit="frames")


@pytest.mark.benchmark(group="stepping")
def test_stepping(race):
    envs, starts = levels(108)
    rows = np.resize(np.arange(108), 2000)
    # Turns, moves and the rest; what the agent sees is part of a step on either side.
    actions = np.random.default_rng(1).integers(6, size=(20, 2000))
    rooms = Rooms(starts[rows])
    for action in actions[:5]:
        rooms.step(action)
        for env, one in zip(envs, action, strict=False):
            env.step(int(one))
        seen = [env.get_frame(tile_size=8, agent_pov=True) for env in envs]
        np.testing.assert_array_equal(render(pad_views(rooms.views()))[:108, :56, :56], seen)

    def ours():
        rooms = Rooms(starts[rows])
        for action in actions:
            rooms.step(action)
            rooms.views()
        return actions.size

    def plain():
        for action in actions[:10]:
            for env, one in zip(envs, action, strict=False):
                env.step(int(one))
        return 10 * len(envs)

    ways = Way(ours), {"plain": Way(plain, plain(), ours())}
    race("stepping rooms", f"{actions.size:,} steps", *ways, unit="steps")


def plain_logits(agent, tiles, instruction):
    """Run the language tower on each sample's own sentence, keys of every token, pixels."""
    tower = copy.copy(agent.f_lang)
    tower._buffers = {  # the same weights, other sentences
        name: buffer[instruction] for name, buffer in agent.f_lang._buffers.items()
    }
    e_l = tower()
    vision, cma = agent.f_vis, agent.cma
    seen = cma.norm(vision.scales(vision.patches(images(vision.table, tiles))))

    def heads(x):
        return x.view(len(tiles), -1, 4, 32).transpose(1, 2)

    query, key, value = heads(cma.query(e_l)), heads(cma.key(seen)), heads(cma.value(seen))
    met = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(1)
    return agent.policy(agent.mlp(e_l + cma.out(met)))


@pytest.mark.benchmark(group="training")
def test_training(race):
    corpus = Corpus.of(demonstrations(0, 0, range(216))[0], "partial")
    recipe = Recipe(updates=20)
    columns = corpus.tiles, corpus.instruction, corpus.actions

    def batch(update):
        rows = torch.from_numpy(minibatch(recipe, len(corpus.actions), update))
        tiles, instruction, actions = (column[rows] for column in columns)
        return tiles.long(), instruction, actions

    agent = begin(recipe, "cpu").agent
    tiles, instruction, actions = batch(0)
    losses, gradients = [], []
    for logits in (agent(tiles, instruction), plain_logits(agent, tiles, instruction)):
        agent.zero_grad()
        losses.append(F.cross_entropy(logits, actions))
        losses[-1].backward()
        gradients.append(
            torch.cat([x.grad.ravel() for x in agent.parameters() if x.grad is not None])
        )
    torch.testing.assert_close(*losses, atol=1e-5, rtol=0)
    torch.testing.assert_close(*gradients, atol=1e-4, rtol=1e-3)

    def ours():
        return train(begin(recipe, "cpu"), corpus, lambda _: False, lambda *_: None).update

    def plain():
        state = begin(recipe, "cpu")
        for update in range(recipe.updates):
            tiles, instruction, actions = batch(update)
            state.optimiser.param_groups[0]["lr"] = learning_rate(recipe, update)
            loss = F.cross_entropy(plain_logits(state.agent, tiles, instruction), actions)
            state.optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(state.agent.parameters(), 1.0)
            state.optimiser.step()
        return recipe.updates

    assert ours() == plain()
    race("training the agent", f"{recipe.updates} updates", Way(ours), {"plain": Way(plain)})
