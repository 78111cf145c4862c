"""The servers of these tests are on loopback: a proxy would stand between."""

import pytest


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
