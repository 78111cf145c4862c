"""Numbers and folders on the command line, refused with a reason that argparse shows."""

from __future__ import annotations

import argparse
from pathlib import Path


def at_least_one(text: str) -> int:
    """Return a number of things.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no whole number, or below 1.
    """
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def seed(text: str) -> int:
    """Return a seed that torch takes.

    Raises
    ------
    argparse.ArgumentTypeError
        If it is no whole number, negative, or 2**63 or more.
    """
    number = _whole(text)
    if not 0 <= number < 2**63:
        wrong = "must not be negative" if number < 0 else "must be below 2**63"
        raise argparse.ArgumentTypeError(f"{wrong}: a seed must be from 0 to 2**63 - 1")
    return number


def folder(text: str) -> Path:
    """Return a folder that is there or can be made.

    Raises
    ------
    argparse.ArgumentTypeError
        If a file stands there, or where a folder above it would be.
    """
    path = Path(text)
    there = next((each for each in (path, *path.parents) if each.exists()), None)
    if there is not None and not there.is_dir():
        raise argparse.ArgumentTypeError(f"{there} is a file; name another folder")
    return path


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        msg = f"{text!r} is not a whole number"
        raise argparse.ArgumentTypeError(msg) from None
