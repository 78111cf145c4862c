"""Every two spaces against each other: the data behind the tables, the heatmap and the violins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from core.embedding.nulls import gaussian
from core.evidence.embedded import Embedded
from core.evidence.replicated import Agents
from core.metrics.cka import linear_cka
from core.metrics.nearest import neighbour_list
from core.metrics.neighbours import effective_rank, pairwise_precision_at_k
from core.metrics.permutation import relabellings
from core.metrics.procrustes import disparity, pairwise_disparity, permuted_disparity
from core.metrics.words import mean_interval, pairs_interval
from core.report.groups import FEW, SEED, UNTRAINED, Group, groups

SCHEMA = 2
MOST = 15
#: For the null of a disparity.
RELABELLINGS = 100
#: Widths of unrelated Gaussian spaces, and how many pairs of each.
WIDTHS, PAIRS = (2, 5, 10, 20, 50, 107, 768), 20


@dataclass(frozen=True)
class Pair:
    """How alike two groups of spaces are.

    Attributes
    ----------
    first, second : str
        The groups' names; the same twice for the members of one among themselves.
    members : tuple of int
        How many spaces each has.
    precision : tuple of float
        P@k at k = 1 to 15, the mean over pairs of members.
    low, high : tuple of float
        Its 95 % interval over members of the first group, Student's t; within a group, the
        jackknife's. Empty where the first group has one member, or its own group fewer than three.
    cka, debiased_cka : float
        Linear CKA, the mean over pairs of the first three members.
    """

    first: str
    second: str
    members: tuple[int, int]
    precision: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    cka: float
    debiased_cka: float


@dataclass(frozen=True)
class Form:
    """How far the agents are from a space, in one form of the disparity.

    Attributes
    ----------
    values : tuple of float
        Per agent, the mean over the group's first three members.
    permuted : float
        The mean over relabellings of the sentences and three agents: what no relation gives.
    """

    values: tuple[float, ...]
    permuted: float


@dataclass(frozen=True)
class Disparities(Form):
    """How far the agents are from a space after rotation and scaling.

    Attributes
    ----------
    values, permuted
        Of the standardised disparity, the wider space reduced to the narrower's width by PCA.
    name : str
    padded : Form or None
        The same without PCA, the narrower space with columns of zeros; of models only.
    rotation : Form or None
        As `padded`, with a rotation and no scale; in [0, 2].
    """

    name: str
    padded: Form | None = None
    rotation: Form | None = None


def pair(first: Group, second: Group, shared: np.ndarray) -> Pair:
    """Describe how alike two groups are, or the members of one among themselves.

    Parameters
    ----------
    first, second : Group
    shared : ndarray, shape (15, members, members)
        P@k of every member of the first with every one of the second.
    """
    same = first is second and len(first.spaces) > 1
    which = ~np.eye(*shared.shape[1:], dtype=bool) if same else np.ones(shared.shape[1:], bool)
    low, high = _interval(shared, same=same)
    ckas = [
        (linear_cka(x, y), linear_cka(x, y, debiased=True))
        for i, x in enumerate(first.few)
        for j, y in enumerate(second.few)
        if which[i, j]
    ]
    cka, debiased = np.mean(ckas, axis=0)
    return Pair(
        first=first.name,
        second=second.name,
        members=(len(first.spaces), len(second.spaces)),
        precision=tuple(map(float, shared[:, which].mean(axis=1))),
        low=low,
        high=high,
        cka=float(cka),
        debiased_cka=float(debiased),
    )


def _interval(shared: np.ndarray, *, same: bool) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the ends of the interval at every k."""
    if shared.shape[1] < (3 if same else 2):
        return (), ()
    ends = [pairs_interval(one) if same else mean_interval(one.mean(axis=1)) for one in shared]
    return tuple(low for _, low, _ in ends), tuple(high for _, _, high in ends)


def disparities(agents: Group, other: Group) -> Disparities:
    """Return how far each agent is from a group's spaces, and would be from unrelated ones."""
    drawn = relabellings(agents.spaces.shape[1], RELABELLINGS, np.random.default_rng(SEED))
    padded = rotation = None
    if other.model:
        width = max(agents.spaces.shape[2], other.spaces.shape[2])
        relabelled = _relabelled(_wide(agents.spaces, width), _wide(other.spaces, width), drawn)
        apart = pairwise_disparity(agents.spaces, other.spaces[:FEW], pca=False)
        padded = _form(apart, relabelled)
        # Both come from one nuclear norm: 1 less its square, and 2 less twice it.
        rotation = _form(*(2 - 2 * np.sqrt(1 - each) for each in (apart, relabelled)))
    form = _form(
        pairwise_disparity(agents.spaces, other.spaces[:FEW]),
        _relabelled(agents.spaces, other.spaces, drawn),
    )
    return Disparities(**asdict(form), name=other.name, padded=padded, rotation=rotation)


def _form(apart: np.ndarray, relabelled: np.ndarray) -> Form:
    return Form(tuple(map(float, apart.mean(axis=1))), float(relabelled.mean()))


def _relabelled(agents: np.ndarray, others: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return np.array([permuted_disparity(x, others[0], drawn) for x in agents[:FEW]])


def _wide(spaces: np.ndarray, width: int) -> np.ndarray:
    """Add columns of zeros, with which spaces are equally wide and nothing is reduced."""
    return np.pad(spaces, ((0, 0), (0, 0), (0, width - spaces.shape[2])))


def random_disparity() -> list[dict[str, float]]:
    """Return how far unrelated spaces are apart, by their width: the wider, the less.

    Returns
    -------
    list of dict
        "width"; "disparity", the mean over 20 pairs of Gaussian spaces; and their mean
        "effective_rank".
    """
    rng, found = np.random.default_rng(SEED), []
    for width in WIDTHS:
        draws = gaussian(rng, width, 2 * PAIRS)
        apart = [disparity(x, y) for x, y in zip(draws[::2], draws[1::2], strict=True)]
        rank = np.mean([effective_rank(draw) for draw in draws])
        found.append(
            {"width": width, "disparity": float(np.mean(apart)), "effective_rank": float(rank)}
        )
    return found


def of(bodies: Sequence[Any]) -> dict[str, Any]:
    """Return the document of bodies of evidence with agents and models, see `document`."""
    return document(bodies[0].agents("baseline"), [each.embedded for each in bodies])


def course(agents: Agents, found: Sequence[Group]) -> dict[str, Any]:
    """Return P@15 with each group along the training, the mean over agents and three members."""
    along = agents.embeddings.reshape(-1, *agents.embeddings.shape[2:])
    few = [group.spaces[:FEW] for group in found]
    others = [space for spaces in few for space in spaces]
    shared = pairwise_precision_at_k([*along, *others], MOST)[: len(along), len(along) :]
    means = shared.reshape(*agents.embeddings.shape[:2], len(others)).mean(axis=0)
    parts = np.split(means, np.cumsum([len(spaces) for spaces in few])[:-1], axis=1)
    return {
        "updates": list(agents.updates),
        "precision": {
            group.name: part.mean(axis=1).tolist() for group, part in zip(found, parts, strict=True)
        },
    }


def precisions(spaces: Sequence[np.ndarray]) -> np.ndarray:
    """Return P@k of every two spaces at k = 1 to 15, shape (15, spaces, spaces).

    As `pairwise_precision_at_k`, with each space's neighbours found once for all k.
    """
    near = [neighbour_list(space, MOST) for space in spaces]
    n, found = len(near[0]), []
    for k in range(1, MOST + 1):
        weights = np.zeros((len(near), n, n))
        for one, each in zip(weights, (one.nearest(k) for one in near), strict=True):
            one[each.rows, each.indices] = each.weights
        flat = weights.reshape(len(near), -1)
        found.append(flat @ flat.T / (k * n))
    return np.array(found)


def document(agents: Agents, sources: Sequence[Embedded]) -> dict[str, Any]:
    """Return all pairs of spaces, P@k of each agent, and the disparities, as JSON takes them."""
    found = groups(agents, sources)
    spaces = [space for group in found for space in group.spaces]
    shared = precisions(spaces)
    ends = np.cumsum([0, *(len(group.spaces) for group in found)])
    rows = {g.name: slice(*each) for g, each in zip(found, pairwise(ends), strict=True)}
    pairs = [
        asdict(pair(a, b, shared[:, rows[a.name], rows[b.name]]))
        for a, b in combinations_with_replacement(found, 2)
    ]
    trained, others = found[0], found[1:]
    with_agents = shared[:, rows[trained.name]]
    violins = {
        other.name: with_agents[:, :, rows[other.name]].mean(axis=2).T.tolist() for other in others
    }
    return {
        "schema": SCHEMA,
        "groups": [group.name for group in found],
        "pairs": pairs,
        "violins": violins,
        "course": course(agents, [group for group in others if group.name != UNTRAINED]),
        "disparities": [asdict(disparities(trained, other)) for other in others],
        "random_disparity": random_disparity(),
    }
