"""How much alignment is left above what shared words alone give."""

from claims.alm import lexical


def test_over_null(judge):
    """Whether trained agents are nearer than spaces that know words alone."""
    judge(lexical.over_null)


def test_renamed(judge):
    """Whether it matters which word is which."""
    judge(lexical.renamed)


def test_within_phrase(judge):
    """Whether more is shared than phrases."""
    judge(lexical.within_phrase)


def test_beyond_words(judge):
    """Whether similarities go together where words and letters are held fixed."""
    judge(lexical.beyond_words)


def test_block_share(judge):
    """How much of the alignment is the phrase."""
    judge(lexical.block_share)


def test_over_blocks(judge):
    """How much is above it."""
    judge(lexical.over_blocks)


def test_course(judge):
    """How it moves over the training."""
    judge(lexical.course)


def test_null_alone(judge):
    """How well a space does that knows no meaning."""
    judge(lexical.null_alone)
