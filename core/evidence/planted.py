"""Embedding spaces drawn by a recipe that says what they share: worlds with a known answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from core.agent.instructions import COLOURS, INSTRUCTIONS, KINDS, PHRASES, TASK_OF, TASKS
from core.embedding.nulls import bag_of_words
from core.evidence.embedded import Space
from core.evidence.replicated import Agents
from core.evidence.simulated_agents import WIDTH, AgentWorld

#: Dimensions of a simulated model's space and of the meaning that spaces share.
MODEL_WIDTH, MEANING = 256, 12
SEEDS = 10


@dataclass(frozen=True)
class Recipe:
    """What a space is the sum of; each part is a Gaussian draw times its weight.

    Attributes
    ----------
    meaning : float
        A point per sentence, the same in every space of the world.
    kinship : float
        Another, the same in every decoder.
    words : float
        A vector per word, the phrase's three times as long as the others; own to the space but for
        `shared` of it.
    phrases : float
        A vector per phrase, own to the space.
    noise : float
        Own to the space, in all its dimensions.
    norms : float
        Standard deviation of the logarithm of each sentence's length, which a cosine ignores and
        a disparity does not.
    shared : float
        Share of the words' vectors, from 0 to 1, that is the same in every space.
    tasks : float
        A vector per task, the same in every space.
    average : float
        A vector per word, each word of a phrase with its own, averaged over the sentence; own to
        the space.
    """

    meaning: float = 0.0
    kinship: float = 0.0
    words: float = 0.0
    phrases: float = 0.0
    noise: float = 0.0
    norms: float = 0.0
    shared: float = 0.0
    tasks: float = 0.0
    average: float = 0.0


WORDS = Recipe(words=1, noise=0.03)
BAG = bag_of_words()


def draw(
    recipe: Recipe, width: int, rng: np.random.Generator, common: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Return a space of the 108 sentences, shape (108, width).

    Parameters
    ----------
    recipe : Recipe
    width : int
        At least that of the common parts, 128.
    rng : numpy.random.Generator
        Draws what is the space's own.
    common : mapping of str to ndarray
        What spaces of one world share, as `commons` makes it.
    """
    n = len(INSTRUCTIONS)

    def wide(part: np.ndarray) -> np.ndarray:
        return np.pad(part, ((0, 0), (0, width - part.shape[1])))

    space = recipe.noise * rng.standard_normal((n, width)) / np.sqrt(width)
    space += wide(recipe.meaning * common["meaning"] + recipe.kinship * common["kinship"])
    own = rng.standard_normal((len(_VOCABULARY), width)) / np.sqrt(width)
    words = np.sqrt(1 - recipe.shared) * own + np.sqrt(recipe.shared) * wide(common["words"])
    space += recipe.words * (_INCIDENCE @ words)
    space += recipe.tasks * wide(common["tasks"][TASK_OF])
    each = rng.standard_normal((BAG.shape[1], width)) / np.sqrt(width)
    space += recipe.average * (BAG / BAG.sum(axis=1, keepdims=True)) @ each
    space += recipe.phrases * (_INCIDENCE[:, : len(PHRASES)] @ own[: len(PHRASES)])
    # The same lengths in every space, in an order of its own.
    lengths = np.exp(recipe.norms * ndtri((rng.permutation(n) + 0.5) / n))
    return space * lengths[:, None]


def commons(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return what the spaces of one world share: each part with rows of length one on average."""
    n = len(INSTRUCTIONS)
    return {
        "meaning": rng.standard_normal((n, MEANING)) / np.sqrt(MEANING),
        "kinship": rng.standard_normal((n, MEANING)) / np.sqrt(MEANING),
        "words": rng.standard_normal((len(_VOCABULARY), WIDTH)) / np.sqrt(WIDTH),
        "tasks": rng.standard_normal((len(TASKS), MEANING)) / np.sqrt(MEANING),
    }


_VOCABULARY = (*PHRASES, *COLOURS, *KINDS)
#: Which phrase, colour and kind each sentence has; a phrase weighs three times as much.
_INCIDENCE = np.array(
    [
        [3.0 * (word == i.phrase) + (word in (i.colour, i.kind)) for word in _VOCABULARY]
        for i in INSTRUCTIONS
    ]
) / np.sqrt(11)


class PlantedWorld:
    """Agents and one model, drawn anew from a generator: a world of which there can be many.

    Parameters
    ----------
    agents, model : Recipe
        Trained agents, and the model; untrained agents have words and nothing else.
    rng : numpy.random.Generator
    related : bool
        Whether what the agents' spaces share is what the model shares, too. If not, agents are
        like each other beyond words, and the model is like none of them.
    """

    def __init__(
        self, agents: Recipe, model: Recipe, rng: np.random.Generator, *, related: bool = True
    ) -> None:
        common = commons(rng)
        told = AgentWorld("agents-told").agents("baseline")
        spaces = [
            [draw(WORDS, WIDTH, rng, common), draw(agents, WIDTH, rng, common)]
            for _ in range(SEEDS)
        ]
        self._agents = replace(told, embeddings=np.array(spaces))
        shared = common if related else commons(rng)
        self._model = Space("model", draw(model, MODEL_WIDTH, rng, shared))

    def agents(self, _variant: str) -> Agents:
        """Return the agents, before and after training."""
        return self._agents

    def embedding(self, _reference: str, _pooling: str = "") -> Space:
        """Return the model's space."""
        return self._model
