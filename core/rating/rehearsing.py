"""What `claims rehearse` does: the commands of the whole pipeline, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from core.rating.examples import RECIPES

#: The model tuned on answers that were dealt anew among the words.
SCRAMBLED = "Scrambled"


def steps(out: Path, seed: int) -> Iterator[tuple[str, ...]]:
    """Yield the arguments of each command.

    Parameters
    ----------
    out : Path
        Data, models, answers and the study go into folders of it.
    seed : int
        Of the people, the words and the models.
    """
    drawn = ("--seed", str(seed))
    data, tiny = ("--data", f"{out / 'data'}"), f"{out / 'Base'}"
    yield ("data", "--from", "rehearsal", "--out", f"{out / 'data'}", *drawn)
    yield ("tiny", *data, "--out", tiny, *drawn)
    tuned = [(recipe, recipe, ()) for recipe in RECIPES]
    for role, recipe, more in (*tuned, (SCRAMBLED, "En_FT", ("--scrambled",))):
        options = ("--recipe", recipe, "--model", tiny, *data, "--out", f"{out / role}")
        yield ("finetune", *options, *more, *drawn)
    for language, roles in (("en", ("Base", *RECIPES, SCRAMBLED)), ("nl", ("Base", *RECIPES[:2]))):
        for role in roles:
            options = ("--model", f"{out / role}", "--as", role, "--language", language, *data)
            kept = ("--store", f"{out / 'answers.sqlite'}", "--out", f"{out / 'study'}")
            yield ("rate", *options, *kept)


def rehearse(out: Path, seed: int, run: Callable[[Sequence[str]], int] | None = None) -> int:
    """Run the commands and print each; stops at the first that fails, with its exit code."""
    if run is None:
        # The command line knows this module, not the other way round.
        from core.cli import main as run
    for step in steps(out, seed):
        print(f"\n$ claims {' '.join(step)}", flush=True)
        if code := run(step):
            return code
    return 0
