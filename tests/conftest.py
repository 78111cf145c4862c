"""Hypothesis profiles: `ci` is the same every time, `nightly` looks harder."""

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=1000, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
