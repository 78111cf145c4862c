"""Simulated embedding spaces of agents and models: worlds where it is known what they share."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from scipy.special import ndtri

from core.agent.instructions import COLOURS, INSTRUCTIONS, KINDS, PHRASES
from core.evidence.embedded import Space, Table
from core.evidence.errors import EvidenceError
from core.evidence.replicated import Agents
from core.evidence.simulated_agents import UPDATES, WIDTH, AgentWorld

#: What each world is; a claim names two of them in its registry, where it holds and where it fails.
WORLDS = {
    "spaces-told": "as the paper tells it: agents and decoders share what sentences mean, BLIP as "
    "much as they by neighbours and less by shape, CLIP and BERT less",
    "spaces-swapped": "CLIP and BERT are near to the agents, the decoders far, and all alike; "
    "agents differ in how near they come",
    "spaces-apart": "no two spaces have anything in common",
    "spaces-words": "spaces share which words two sentences have in common, and nothing else",
    "spaces-planted": "on top of shared words, trained agents and models share what words mean",
    "spaces-phrases": "spaces share which sentences have the same phrase, and nothing else",
    "spaces-thin": "every trained agent has the same space, almost all of it in one dimension, and "
    "every model has it half as large again",
}
STAND_IN = "tinystories-llama-260k"
DECODERS = ("llama", "qwen", "deepseek", STAND_IN)
REFERENCES = (*DECODERS, "blip", "clip", "bert")
#: Dimensions of a simulated model's space and of the meaning that spaces share.
MODEL_WIDTH, MEANING = 256, 12
SEEDS = 10
#: How much of the vectors of two words is shared in the world with meaning planted on words.
PLANTED = 0.8
#: Which draw a world is. A test at the .05 level is wrong in one of twenty worlds where nothing is
#: to be found, and a figure of ten runs strays from that of ten others; these are draws where none
#: does. How often they do is counted over many draws by `claims.alm.calibration`.
DRAWS = {"spaces-told": 43, "spaces-swapped": 2, "spaces-apart": 2}
OTHER_DRAW = 3
#: The k of Table 1.
TABLE_K = (1, 5, 10, 15)


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
    """

    meaning: float = 0.0
    kinship: float = 0.0
    words: float = 0.0
    phrases: float = 0.0
    noise: float = 0.0
    norms: float = 0.0
    shared: float = 0.0


WORDS = Recipe(words=1, noise=0.03)
APART = Recipe(noise=1)
PHRASES_ONLY = Recipe(phrases=1, noise=0.1)
DECODER = Recipe(meaning=1, kinship=0.15, noise=0.38, norms=1.36)
#: Agents at the end of their training, by world.
AGENTS = {
    "spaces-told": Recipe(meaning=1, noise=0.74, norms=0.2),
    "spaces-swapped": Recipe(meaning=1, noise=0.4),
    "spaces-apart": APART,
    "spaces-words": WORDS,
    "spaces-planted": replace(WORDS, shared=PLANTED),
    "spaces-phrases": PHRASES_ONLY,
}
#: Models, by world; "" stands for those that are not named.
MODELS = {
    "spaces-told": {
        "": DECODER,
        "qwen": replace(DECODER, norms=1.27),
        "deepseek": replace(DECODER, norms=1.27),
        "blip": Recipe(meaning=1, noise=0.67, norms=1.9),
        "bert": Recipe(meaning=1, noise=3, norms=1.9),
        "clip": Recipe(meaning=1, noise=3.5, norms=4),
    },
    "spaces-swapped": {
        "": Recipe(meaning=0.6, kinship=1, noise=0.1),
        "blip": Recipe(meaning=1, noise=2),
        "bert": Recipe(meaning=1, noise=0.4),
        "clip": Recipe(meaning=1, noise=0.4),
    },
    "spaces-apart": {"": APART},
    "spaces-words": {"": WORDS},
    "spaces-planted": {"": replace(WORDS, shared=PLANTED)},
    "spaces-phrases": {"": PHRASES_ONLY},
}
#: Agents before any training, by world: where words make sentences alike, they do from the start.
STARTS = {
    "spaces-told": WORDS,
    "spaces-swapped": WORDS,
    "spaces-apart": APART,
    "spaces-words": WORDS,
    "spaces-planted": WORDS,
    "spaces-phrases": PHRASES_ONLY,
}
#: How much of the way from the start to the end a space has come, at each of `UPDATES`.
COURSE = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
#: In the world of swapped roles, agents' noise grows from seed to seed by this much.
UNEVEN = 0.25


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


class SpaceWorld:
    """A simulated body of evidence with the spaces of `Replicated`.

    Parameters
    ----------
    name : str
        A key of `WORLDS`; it fixes the world, the same one every time.
    """

    #: A world is made by its name and this code, and has no file to hash.
    sha256 = ""

    def __init__(self, name: str) -> None:
        if name not in WORLDS:
            msg = f"no simulated world {name!r}; there are {', '.join(WORLDS)}"
            raise EvidenceError(msg)
        self.name = name
        self._common = commons(self._rng("common"))
        self._agents: dict[str, Agents] = {}

    def acquire(self, parts: Iterable[str]) -> None:
        """Do nothing: a world needs no loading."""

    def _rng(self, part: str) -> np.random.Generator:
        draw = DRAWS.get(self.name, OTHER_DRAW)
        return np.random.default_rng(zlib.crc32(f"{self.name} {draw} {part}".encode()))

    def agents(self, variant: str) -> Agents:
        """Return ten agents; a variant is other ten of the same kind."""
        if variant not in self._agents:
            told = AgentWorld("agents-told").agents("baseline")
            spaces = np.array([self._course(variant, seed) for seed in range(SEEDS)])
            self._agents[variant] = replace(told, embeddings=spaces)
        return self._agents[variant]

    def _course(self, variant: str, seed: int) -> np.ndarray:
        """Return one agent's spaces along its training, shape (points, 108, 128)."""
        if self.name == "spaces-thin":
            return np.repeat(self._thin()[None], len(UPDATES), axis=0)
        rng = self._rng(f"{variant} {seed}")
        start = draw(STARTS[self.name], WIDTH, rng, self._common)
        recipe = AGENTS[self.name]
        if self.name == "spaces-swapped":
            recipe = replace(recipe, noise=recipe.noise + UNEVEN * seed)
        end = draw(recipe, WIDTH, rng, self._common)
        return np.array([(1 - share) * start + share * end for share in COURSE])

    def _thin(self) -> np.ndarray:
        rng, n = self._rng("thin"), len(INSTRUCTIONS)
        along = np.zeros((n, WIDTH))
        along[:, 0] = rng.standard_normal(n)
        return along + 0.02 * rng.standard_normal((n, WIDTH)) / np.sqrt(WIDTH)

    def embedding(self, reference: str, _pooling: str = "") -> Space:
        """Return a model's space; every pooling gives the same one.

        Raises
        ------
        EvidenceError
            If there is no such model.
        """
        if reference not in REFERENCES:
            msg = f"{self.name}: no model {reference!r}; there are {', '.join(REFERENCES)}"
            raise EvidenceError(msg)
        if self.name == "spaces-thin":
            return Space(reference, np.pad(1.5 * self._thin(), ((0, 0), (0, WIDTH))))
        models = MODELS[self.name]
        recipe = models.get(reference, models[""])
        rng = self._rng(reference)
        return Space(reference, draw(recipe, MODEL_WIDTH, rng, self._common))

    def untrained(self, reference: str) -> tuple[Space, ...]:
        """Return three copies of a model that were never trained."""
        recipe = WORDS if self.name in {"spaces-words", "spaces-planted"} else APART
        return tuple(
            Space(
                f"{reference}, untrained {seed}",
                draw(recipe, MODEL_WIDTH, self._rng(f"{reference} untrained {seed}"), self._common),
            )
            for seed in range(3)
        )

    def table(self, reference: str) -> Table:
        """Return Table 1 as it would be printed in the world that is as the paper tells it.

        It is of ten other agents, and counted without the metrics of the suite.
        """
        return _told_table(reference)


@cache
def _told_table(reference: str) -> Table:
    world = SpaceWorld("spaces-told")
    runs = world.agents("printed runs").embeddings[:, -1]
    near = _nearest(world.embedding(reference).values)
    shared = [
        [np.mean([len({*a[:k]} & {*b[:k]}) / k for a, b in zip(one, near, strict=True)])
         for k in TABLE_K]
        for one in map(_nearest, runs)
    ]  # fmt: skip
    return Table(TABLE_K, tuple(np.mean(shared, axis=0)), tuple(np.std(shared, axis=0, ddof=1)))


def _nearest(space: np.ndarray) -> Sequence[list[int]]:
    """Return each row's others from the nearest on, by cosine."""
    unit = space / np.linalg.norm(space, axis=1, keepdims=True)
    order = np.argsort(-(unit @ unit.T), axis=1, kind="stable")
    return [[int(j) for j in row if j != i] for i, row in enumerate(order)]
