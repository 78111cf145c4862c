"""Statements that no evidence at hand can settle; the registry says what would."""


def test_untested(judge):
    judge()
