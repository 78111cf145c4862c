"""Folders of embeddings as `claims embed` leaves them, without any model."""

import numpy as np

from core.agent.instructions import SENTENCES
from core.embedding.store import write_embedding

WIDTH = 6


def manifest(checkpoint, *, pooling, default, untrained=None, model=""):
    """All that a manifest holds but the hash."""
    return {
        "model": model or checkpoint,
        "revision": "a" * 40,
        "reference": "",
        "checkpoint": checkpoint,
        "declared": bool(model),
        "family": "decoder",
        "class": "Model",
        "pooling": pooling,
        "default": default,
        "untrained": untrained,
        "tokenizer": {"class": "Tokenizer", "kind": "own"},
        "tokens": [sentence.split() for sentence in SENTENCES],
        "width": WIDTH,
        "layers": 1,
        "parameters": 1,
        "weights": {},
        "sentences": list(SENTENCES),
        "dtype": "float32",
        "batch": 16,
        "produced_by": {},
    }


def vectors(seed):
    """A space that differs from every other."""
    return np.random.default_rng(seed).standard_normal((108, WIDTH)).astype(np.float32)


def write(folder, checkpoint, space=0, *, pooling="mean", default=True, untrained=None, model=""):
    """Write one reading of a checkpoint; `space` is a matrix, or the seed of one."""
    told = manifest(checkpoint, pooling=pooling, default=default, untrained=untrained, model=model)
    if not isinstance(space, np.ndarray):
        space = vectors(space)
    return write_embedding(folder, space, told | {"width": space.shape[1]})
