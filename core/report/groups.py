"""The spaces that are compared, in groups: agents, models, their untrained copies, and nulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.embedding.nulls import NULLS, gaussian
from core.embedding.references import REFERENCES, load_references
from core.evidence.embedded import Embedded
from core.evidence.errors import NoWeights
from core.evidence.replicated import Agents
from core.metrics.procrustes import reduce_to

SEED = 15
#: Gaussian spaces, as wide as BERT's.
GAUSSIANS, WIDTH = 100, 768
#: Members of a group that CKA and disparities, which take long, are averaged over.
FEW = 3
TRAINED, UNTRAINED, RANDOM = "agent", "agent, untrained", "Gaussian"
#: Names of our own stand-ins in the table of models.
STAND_INS = tuple(each.repo for each in load_references() if not each.reference)


@dataclass(frozen=True, eq=False)
class Group:
    """Spaces that differ by chance alone, such as agents by their seed.

    Attributes
    ----------
    name : str
    spaces : ndarray of float64, shape (members, 108, width)
    model : bool
        Whether it is a model with real weights.
    """

    name: str
    spaces: np.ndarray
    model: bool = False

    @cached_property
    def few(self) -> list[np.ndarray]:
        """The first three, turned into the few columns that hold all that their shape has."""
        n, width = self.spaces.shape[1:]
        return [reduce_to(one, min(n - 1, width)) for one in self.spaces[:FEW]]


def groups(agents: Agents, sources: Sequence[Embedded]) -> list[Group]:
    """Return all groups of spaces: agents, models, their untrained copies, and nulls.

    Parameters
    ----------
    agents : Agents
    sources : sequence of Embedded
        Where models are looked for; the first that has one counts.
    """
    found = [Group(TRAINED, agents.embeddings[:, -1])]
    untrained = [Group(UNTRAINED, agents.embeddings[:, 0])]
    for reference in (*REFERENCES, *STAND_INS):
        for source in sources:
            try:
                space = source.trained(reference)
            except NoWeights:
                continue
            found.append(Group(space.name, space.values[None], model=True))
            break
        for source in sources:
            try:
                copies = np.array([copy.values for copy in source.untrained(reference)])
            except NoWeights:
                continue
            untrained.append(Group(f"{reference}, untrained", copies))
            break
    nulls = [Group(name, make()[None]) for name, make in NULLS.items()]
    draws = gaussian(np.random.default_rng(SEED), WIDTH, GAUSSIANS)
    return [*found, *untrained, *nulls, Group(RANDOM, draws)]
