"""Tiny models that are written once for all tests; a test that changes one copies it first."""

import shutil
import threading

import pytest
import torch
from huggingface_hub import constants

from tests.embedding import tiny
from tests.embedding.hub_server import Hub

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """A folder with a checkpoint of every kind, by its kind; not to be changed."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {kind: tiny.save(root / f"tiny-{kind}", kind) for kind in tiny.KINDS}


@pytest.fixture
def copied(checkpoints, tmp_path):
    """A function that gives a checkpoint that may be changed."""

    def copy(kind):
        return shutil.copytree(checkpoints[kind], tmp_path / f"tiny-{kind}", dirs_exist_ok=True)

    return copy


@pytest.fixture
def hub(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Hub()
    server.cache = tmp_path / "cache"
    server.files = {path.name: path.read_bytes() for path in checkpoints["llama"].iterdir()}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()
