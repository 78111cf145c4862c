"""A run in a file, to carry it on from: tensors as safetensors, everything else as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from core.rating.errors import RatingError
from core.rating.finetuning.folders import refuse_other
from core.rating.finetuning.loop import State

SCHEMA = 1
MOMENTS = ("step", "exp_avg", "exp_avg_sq")
REMEDY = "delete its folder and start again"


def keep(state: State, path: Path, of: Mapping[str, Any]) -> None:
    """Write a run in one move: the trained weights, the optimiser's moments, the generators.

    Parameters
    ----------
    state : State
    path : Path
        What is there is replaced only by a whole file that is on the disk.
    of : mapping
        What the run follows from, as JSON; `restore` refuses a run that follows from something
        else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {f"random.{kind}": x for kind, x in state.random.items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["held_out"] = torch.tensor(state.held_out, dtype=torch.float64)
    for name, weight in state.trained().items():
        tensors[f"weight.{name}"] = weight.detach()
        for moment, x in state.optimiser.state.get(weight, {}).items():
            tensors[f"{moment}.{name}"] = x
    kept = {name: x.cpu().contiguous() for name, x in tensors.items()}
    metadata = {"schema": str(SCHEMA), "step": str(state.step), "of": json.dumps(dict(of))}
    temporary = path.with_name(f".{path.name}.part")
    try:
        save_file(kept, temporary, metadata)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        msg = f"{path}: cannot be written ({error}); make room, and run it again to go on"
        raise RatingError(msg) from error


def restore(state: State, path: Path, of: Mapping[str, Any]) -> None:
    """Set a run that has just begun to where a file has it.

    Raises
    ------
    RatingError
        If the file is damaged, of another schema, or of a run that follows from something else,
        which is named.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        msg = f"{path}: cannot be read ({error}); {REMEDY}"
        raise RatingError(msg) from error
    if metadata.get("schema") != str(SCHEMA):
        msg = f"{path}: is no checkpoint of schema {SCHEMA}; {REMEDY}"
        raise RatingError(msg)
    try:
        refuse_other(json.loads(metadata["of"]), of, path)
        step, losses = int(metadata["step"]), tensors.pop("losses").tolist()
        held_out = tensors.pop("held_out").tolist()
    except RatingError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        msg = f"{path}: makes no sense ({error!r}); {REMEDY}"
        raise RatingError(msg) from error
    _set(state, tensors, path)
    state.step, state.losses, state.held_out = step, losses, held_out


def _set(state: State, tensors: Mapping[str, Tensor], path: Path) -> None:
    trained = state.trained()
    places = {weight: i for i, weight in enumerate(trained.values())}
    moments: dict[int, dict[str, Tensor]] = {}
    try:
        with torch.no_grad():
            for name, weight in trained.items():
                weight.copy_(_like(weight, tensors[f"weight.{name}"]))
                given = {each: tensors.get(f"{each}.{name}") for each in MOMENTS}
                found = {each: x for each, x in given.items() if x is not None}
                if found:
                    for each in MOMENTS[1:]:
                        _like(weight, found[each])
                    moments[places[weight]] = found | {"step": found["step"]}
        state.random = {
            name.removeprefix("random."): x
            for name, x in tensors.items()
            if name.startswith("random.")
        }
    except (KeyError, ValueError) as error:
        msg = f"{path}: lacks tensors of this model, or has others ({error}); {REMEDY}"
        raise RatingError(msg) from error
    whole = state.optimiser.state_dict()
    state.optimiser.load_state_dict(whole | {"state": moments})


def _like(weight: Tensor, found: Tensor) -> Tensor:
    if found.shape != weight.shape or not found.isfinite().all():
        msg = f"shape {tuple(found.shape)} for {tuple(weight.shape)}, or not finite"
        raise ValueError(msg)
    return found
