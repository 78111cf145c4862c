"""The folder that a model is written to: when it is done, whose it is, and what is in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from core.embedding.families import quietly
from core.embedding.hub import sha256
from core.files import write_atomically
from core.rating.alone import LOCK
from core.rating.errors import RatingError
from core.rating.examples import RECIPES

#: Written last: a folder that holds it is finished.
MANIFEST = "finetune.json"
SCHEMA = 1
#: What a study has to know of how a model was tuned.
TUNING = ("recipe", "scrambled", "base", "data")
#: What a run keeps while it goes on, and where the model lies until it is whole.
CHECKPOINTS, PART = "checkpoints", ".part"


def checkpoint_in(out: Path) -> Path:
    """Return where a run that writes to a folder is kept while it goes on."""
    return out / CHECKPOINTS / "checkpoint.safetensors"


def finished(out: Path, of: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the manifest of a finished folder, or None where there is room for a run.

    Parameters
    ----------
    out : Path
    of : mapping
        What the model that is wanted follows from, as JSON.

    Raises
    ------
    RatingError
        If the folder holds a model that follows from something else, or that was changed since, or
        anything that is no run's.
    """
    path = out / MANIFEST
    if not path.exists():
        others = _others(out)
        if others:
            msg = f"{out}: holds {others[0]}, which is no run's; name a new folder with --out"
            raise RatingError(msg)
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        refuse_other(manifest["of"], of, out)
        files = dict(manifest["files"])
    except RatingError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read ({error!r}); delete {out} and run it again"
        raise RatingError(msg) from error
    for name, expected in files.items():
        if not (out / name).is_file() or sha256(out / name) != expected:
            msg = f"{out / name}: is missing, or no longer what was written; delete {out} and run"
            raise RatingError(f"{msg} it again")
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return manifest


def tuning(folder: Path) -> dict[str, Any]:
    """Return how a model was tuned: its recipe, whether scrambled, and digests of base and data.

    Returns
    -------
    dict
        "recipe", "scrambled", "base" and "data"; empty for a model that `claims finetune` did not
        make.

    Raises
    ------
    RatingError
        If the manifest of a model that it made cannot be read, or is of other files than are there.
    """
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        of, files = manifest["of"], dict(manifest["files"])
        changed = [name for name, expected in files.items() if sha256(folder / name) != expected]
        tuned = {name: of[name] for name in TUNING} if of["recipe"] in RECIPES else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: cannot be read ({error!r}); make the model again with `claims finetune`"
        raise RatingError(msg) from error
    if changed:
        msg = f"{folder / changed[0]}: is no longer what {MANIFEST} tells of; delete {MANIFEST} if"
        raise RatingError(f"{msg} this is another model, else make it again with `claims finetune`")
    return tuned


def write_model(out: Path, model: Any, tokenizer: Any, manifest: Mapping[str, Any]) -> None:
    """Write a model and its tokenizer as transformers reads them, and the manifest last.

    Raises
    ------
    RatingError
        If there is no room; the run's checkpoint stays.
    """
    part = out / PART
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with quietly():
            model.save_pretrained(part)
            tokenizer.save_pretrained(part)
        files = {path.name: sha256(path) for path in sorted(part.iterdir())}
        for name in files:
            (part / name).replace(out / name)
        part.rmdir()
        whole = {"schema": SCHEMA, **manifest, "files": files}
        text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(out / MANIFEST, text)
    except (OSError, SafetensorError) as error:
        msg = f"{out}: cannot be written ({error}); make room, and run it again to go on"
        raise RatingError(msg) from error
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


def refuse_other(found: Mapping[str, Any], wanted: Mapping[str, Any], path: Path) -> None:
    """Refuse a run that follows from something else than what is wanted.

    Raises
    ------
    RatingError
        Names the first thing that differs, and both of its values.
    """
    for name in sorted({*found, *wanted}):
        if found.get(name) != wanted.get(name):
            told = f"{name} {_shown(found.get(name))}, not {_shown(wanted.get(name))}"
            msg = f"{path}: was made with {told}; name another --out, or delete that folder"
            raise RatingError(msg)


def _others(out: Path) -> list[str]:
    if not out.exists():
        return []
    begun = checkpoint_in(out).exists()
    own = (CHECKPOINTS, PART, LOCK)
    names = sorted(path.name for path in out.iterdir() if path.name not in own)
    # Killed between the model's files and the manifest, which the checkpoint tells from a model
    # of the user's own.
    return [] if begun else names


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return f"{text[:13]}..." if len(text) > 40 else text
