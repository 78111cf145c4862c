"""Whether fine-tuning and asking work at all: a tiny model of our own, and people made up."""

from __future__ import annotations

from claims.sensorimotor.common import rsa_difference


def test_rsa_difference(judge):
    """One way of tuning raises the RSA above another's, or does not."""
    judge(rsa_difference)
