"""One thread, for the networks are small; and a few demonstrations for all to read."""

import pytest
import torch

from core.agent.dataset import demonstrations

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shown():
    """Two demonstrations of every instruction; not to be changed."""
    return demonstrations(0, 0, range(216))[0]
