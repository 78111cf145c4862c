"""The options of the claims run, and what they ask for."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from claims.settings import FEWEST_RESAMPLES, RESAMPLES
from core.arguments import at_least_one, seed
from core.evidence.errors import EvidenceError
from core.evidence.rated import STUDY, check_roles, chosen
from core.evidence.studies import read_study
from core.paths import ROOT
from core.report.verdicts import FAIL_ON
from core.verdict.claim import TIERS


def add_options(group: pytest.OptionGroup) -> None:
    """Add the options."""
    group.addoption(
        "--evidence",
        metavar="TIER[,TIER]",
        help=f"judge on these tiers only: {', '.join(TIERS)} (default: all; controls always run)."
        " Ratings made on this machine are judged where fresh is named",
    )
    group.addoption(
        "--study",
        type=Path,
        metavar="DIR",
        help="judge the ratings of this study (default, where fresh is named: the one that "
        "`claims rate` finished last)",
    )
    group.addoption(
        "--require-tier",
        metavar="TIER",
        action="append",
        default=[],
        help="a claim whose evidence of this tier is out of reach is an error, not a skip",
    )
    group.addoption(
        "--fail-on",
        choices=sorted(FAIL_ON),
        default="drift",
        help="what turns a run red besides drift from the reviewed verdicts (default: drift)",
    )
    group.addoption(
        "--update-lock",
        action="store_true",
        help="write this run's verdicts into claims/lock.toml as the reviewed ones",
    )
    group.addoption(
        "--verdicts",
        type=Path,
        default=ROOT / "verdicts.json",
        metavar="FILE",
        help="where to write what was found (default: verdicts.json in the checkout)",
    )
    group.addoption(
        "--resamples",
        type=_resamples,
        default=RESAMPLES,
        metavar="B",
        help=f"resamples of the RSA bootstraps (default: {RESAMPLES}; the paper has 200), but of "
        "the one that is standardised anew in every draw, which keeps the paper's 200",
    )
    group.addoption(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="other draws for the bootstraps of the sensorimotor and coverage claims: N is added "
        "to their seed (default: 0)",
    )
    group.addoption(
        "--scheduler",
        metavar="ADDRESS",
        help="send the RSA bootstraps to the Dask cluster of this scheduler "
        "(default: CLAIMS_SCHEDULER, else the cores of this machine)",
    )


def _resamples(text: str) -> int:
    number = at_least_one(text)
    if number < FEWEST_RESAMPLES:
        raise ArgumentTypeError(f"must be at least {FEWEST_RESAMPLES}")
    return number


def asked_tiers(config: pytest.Config) -> set[str]:
    """Return the tiers to be judged."""
    option = config.option.evidence
    return {tier.strip() for tier in option.split(",")} if option else set(TIERS)


def choose_study(config: pytest.Config) -> None:
    """Note the study to be judged; refuse one that is none before claims are judged on it."""
    folder = config.option.study
    if folder is not None and "fresh" not in asked_tiers(config):
        raise pytest.UsageError(f"--study {folder}: fresh is left out by --evidence")
    if folder is not None:
        os.environ[STUDY] = str(folder.resolve())
    if not study_asked(config):
        return
    try:
        at = chosen()
        if at and (folder is not None or at.exists()):
            study = read_study(at)
            for language in study.languages:
                check_roles(study, language)
    except EvidenceError as error:
        raise pytest.UsageError(str(error)) from error


def study_asked(config: pytest.Config) -> bool:
    """Tell whether ratings that were made on this machine are to be judged: on request only."""
    named = config.option.evidence and "fresh" in asked_tiers(config)
    return bool(named or config.option.study)
