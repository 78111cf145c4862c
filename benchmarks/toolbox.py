"""rsatoolbox, used as its documentation does, on the distances and the draws given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from unittest import mock

import numpy as np
import numpy.typing as npt
from rsatoolbox.inference import evaluate  # pyright: ignore[reportMissingImports]
from rsatoolbox.model.model import ModelFixed  # pyright: ignore[reportMissingImports]
from rsatoolbox.rdm.compare import compare as compare_rdms  # pyright: ignore[reportMissingImports]
from rsatoolbox.rdm.rdms import RDMs  # pyright: ignore[reportMissingImports]
from scipy.spatial.distance import pdist

from core.metrics.checks import FloatArray


def rsa(human: FloatArray, models: Mapping[str, FloatArray]) -> dict[str, float]:
    """RSA of every model from the ratings; it has no cosine distance, so they are SciPy's."""
    theirs = RDMs(np.array([pdist(model, "cosine") for model in models.values()]))
    found = compare(RDMs(pdist(human, "cosine")[None]), theirs, "spearman")
    return dict(zip(models, found, strict=True))


def correlate(a: FloatArray, b: FloatArray, method: str) -> float:
    """Compare two RDMs by one of its methods."""
    return float(compare(RDMs(a[None]), RDMs(b[None]), method)[0])


def compare(a: RDMs, b: RDMs, method: str) -> list[float]:
    """Compare one RDM with several."""
    return [float(value) for value in compare_rdms(a, b, method=method)[0]]


def bootstrap(
    human: FloatArray,
    models: Mapping[str, FloatArray],
    draws: Sequence[npt.NDArray[np.intp]],
    noise_ceiling: bool,
) -> dict[str, FloatArray]:
    """RSA of every model on each draw of concepts, from condensed RDMs.

    It leaves out the pairs of a concept with itself, and bounds by default the noise ceiling of
    every resample; told not to, still that of the whole once per call, which a few resamples scaled
    to many would count many times. Without `noise_ceiling` it bounds none. It takes its draws from
    numpy's global state, which has to be led to ours.
    """
    fixed = [ModelFixed(name, RDMs(model[None])) for name, model in models.items()]
    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(np.random, "randint", side_effect=draws))
        if not noise_ceiling:
            none = mock.patch.object(evaluate, "boot_noise_ceiling", return_value=(np.nan, np.nan))
            patches.enter_context(none)
        found = evaluate.eval_bootstrap_pattern(
            fixed, RDMs(human[None]), method="spearman", N=len(draws), boot_noise_ceil=noise_ceiling
        )
    return dict(zip(models, np.asarray(found.evaluations).T, strict=True))
