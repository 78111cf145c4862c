"""A data set and a model to fine-tune, written once; a test that changes one copies it first."""

import numpy as np
import pytest
import torch

from core.rating.dataset import write_dataset
from core.rating.rehearsal import rehearsal
from tests.rating.finetuning import small

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def world():
    """Thirty pairs of words, 18 to train on, and 14 questions, 8 to train on."""
    return rehearsal(np.random.default_rng(0), words=30, questions=14)


@pytest.fixture(scope="session")
def data(world, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_dataset(folder, world)
    return folder


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    return small.save(tmp_path_factory.mktemp("models") / "base")
