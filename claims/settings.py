"""What the command line sets for the claims of a run; in the environment, for all its processes."""

import os

#: Resamples of RSA bootstraps at which verdicts are reviewed; the paper's own has 200.
RESAMPLES = 2000
#: Below it, the ends of a 95 % percentile interval are next to the extremes.
FEWEST_RESAMPLES = 100
_VARIABLE = "CLAIMS_RESAMPLES"
_SEED = "CLAIMS_SEED"


def set_resamples(number: int) -> None:
    """Set how often RSA bootstraps draw, here and in processes started from here."""
    os.environ[_VARIABLE] = str(number)


def resamples() -> int:
    """Return how often RSA bootstraps draw."""
    return int(os.environ.get(_VARIABLE, RESAMPLES))


def set_seed(offset: int) -> None:
    """Set what is added to the seed of all draws, here and in processes started from here."""
    os.environ[_SEED] = str(offset)


def seed_offset() -> int:
    """Return what is added to the seed of all draws; 0 gives the verdicts that are reviewed."""
    return int(os.environ.get(_SEED, 0))
