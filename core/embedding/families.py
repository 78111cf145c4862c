"""The families of models: how each is loaded, or drawn at random, and what it gives."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModel,
    BertModel,
    BlipForImageTextRetrieval,
    CLIPTextModelWithProjection,
    PreTrainedConfig,
)
from transformers.utils import logging

from core.embedding.errors import EmbeddingError, WeightsError

#: How many keys a message names.
NAMED = 4


@dataclass(frozen=True)
class Family:
    """What models of a kind have in common.

    Attributes
    ----------
    name : str
    model_types : tuple of str
        What config.json may say.
    poolings : tuple of str
        What a sentence's embedding may be, the default first.
    unused : str
        Regular expression of what a checkpoint may hold beyond the part that is read: heads and
        the other tower. Anything else that is left over is a fault.
    """

    name: str
    model_types: tuple[str, ...]
    poolings: tuple[str, ...]
    unused: str


FAMILIES = {
    family.name: family
    for family in (
        # The frequencies of rotary positions are computed, and were once saved too.
        Family(
            "decoder",
            ("llama", "qwen2", "qwen3"),
            ("mean",),
            r"lm_head\.weight|(model\.)?layers\.\d+\.self_attn\.rotary_emb\.inv_freq",
        ),
        Family(
            "bert",
            ("bert",),
            ("cls", "mean"),
            r"cls\..*|(bert\.)?pooler\..*|(bert\.)?embeddings\.position_ids",
        ),
        Family(
            "clip",
            ("clip", "clip_text_model"),
            ("projected", "eot"),
            r"vision_model\..*|visual_projection\.weight|logit_scale"
            r"|text_model\.embeddings\.position_ids|embeddings\.position_ids",
        ),
        Family(
            "blip",
            ("blip",),
            ("projected", "cls"),
            r"text_encoder\.embeddings\.position_ids",
        ),
    )
}


def family_of(config: Mapping[str, Any], model: str) -> Family:
    """Return the family that a configuration is of.

    Raises
    ------
    EmbeddingError
        If there is no reading for such a model, or its weights are quantised.
    """
    kind = config.get("model_type")
    for family in FAMILIES.values():
        if kind in family.model_types:
            if "quantization_config" in config:
                msg = f"{model}: its weights are quantised; name the checkpoint that is not"
                raise WeightsError(msg)
            return family
    known = ", ".join(kind for family in FAMILIES.values() for kind in family.model_types)
    code = "; code from its repository is never run" if "auto_map" in config else ""
    msg = f"{model}: is a model of the kind {kind!r}, known are {known}{code}"
    raise EmbeddingError(msg)


def text_shape(config: Mapping[str, Any], family: Family) -> tuple[str, int, int]:
    """Return the text model's kind, width and number of layers as config.json gives them.

    Raises
    ------
    EmbeddingError
        If it does not give them.
    """
    text: Any = config
    if family.name in ("clip", "blip") and config.get("model_type") == family.name:
        text = config.get("text_config") or {}
    kind = {"clip": "clip_text_model", "blip": "blip_text_model"}.get(
        family.name, str(config.get("model_type"))
    )
    # A part's configuration may leave out what is its class's default.
    default = AutoConfig.for_model(kind)
    width = text.get("hidden_size", default.hidden_size)
    layers = text.get("num_hidden_layers", default.num_hidden_layers)
    if not isinstance(width, int) or not isinstance(layers, int):
        msg = f"config.json: hidden_size and num_hidden_layers are {width!r} and {layers!r}"
        raise EmbeddingError(msg)
    return kind, width, layers


def load(folder: Path, family: Family) -> nn.Module:
    """Load a model's weights, all that it needs and nothing that is left over.

    In float32, from safetensors only, without running code of the checkpoint.

    Raises
    ------
    WeightsError
        If the configuration is of another family, a key is missing or unexpected, a shape does
        not fit, or the file is broken.
    """
    kind = _config(folder).model_type
    if kind not in family.model_types:
        msg = (
            f"{folder}: config.json says {kind!r}, and {family.name} models are "
            f"{' or '.join(family.model_types)}; load it as what it is"
        )
        raise WeightsError(msg)
    options: dict[str, Any] = {
        "output_loading_info": True,
        "use_safetensors": True,
        "local_files_only": True,
        "dtype": torch.float32,
        "attn_implementation": "eager",
        # Else the loader refuses without saying which; `_check` names them.
        "ignore_mismatched_sizes": True,
    }
    if family.name == "bert":
        options["add_pooling_layer"] = False
    if family.name == "decoder":
        options["trust_remote_code"] = False
    try:
        with quietly():
            model, found = _class(family).from_pretrained(folder, **options)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        why = " ".join(str(error).split())[:300]
        msg = f"{folder}: its weights do not load: {why}"
        raise WeightsError(msg) from error
    _check(folder, family, found)
    return model.float().eval().requires_grad_(requires_grad=False)


def draw(config: PreTrainedConfig, family: Family, seed: int) -> nn.Module:
    """Return a model with random weights, as its class draws them before training.

    The global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]), quietly():
        torch.manual_seed(seed)
        kind = _class(family)
        if family.name == "bert":
            model = kind(config, add_pooling_layer=False)
        elif family.name == "decoder":
            model = kind.from_config(
                config, dtype=torch.float32, attn_implementation="eager", trust_remote_code=False
            )
        else:
            model = kind(config)
    return model.float().eval().requires_grad_(requires_grad=False)


def config_in(folder: Path, family: Family) -> PreTrainedConfig:
    """Return the configuration that `draw` takes of a model in a folder."""
    config = _config(folder)
    config._attn_implementation = "eager"
    return config.text_config if config.model_type == "clip" and family.name == "clip" else config


def config_of_shape(
    shape: Mapping[str, Any], vocabulary: int, special: Mapping[str, int]
) -> PreTrainedConfig:
    """Return the configuration of an architecture from the table of models, for `draw`.

    Parameters
    ----------
    shape : mapping
        As in `models.toml`.
    vocabulary : int
        How many tokens the model is to know, in place of the checkpoint's own number.
    special : mapping
        The ids of the special tokens.
    """
    fields = dict(shape) | {"vocab_size": vocabulary} | dict(special)
    kind, projected = str(fields.pop("model_type")), fields.pop("image_text_hidden_size", None)
    if kind == "blip_text_model":
        # Its vision tower is built too, in its class's own shape, and never read.
        config = AutoConfig.for_model("blip", text_config=fields, image_text_hidden_size=projected)
    else:
        config = AutoConfig.for_model(kind, **fields)
    config._attn_implementation = "eager"
    return config


def _config(folder: Path) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = " ".join(str(error).split())[:300]
        msg = f"{folder}: its config.json makes no sense: {why}"
        raise WeightsError(msg) from error


def _class(family: Family) -> Any:
    return {
        "decoder": AutoModel,
        "bert": BertModel,
        "clip": CLIPTextModelWithProjection,
        "blip": BlipForImageTextRetrieval,
    }[family.name]


def _check(folder: Path, family: Family, found: Mapping[str, Any]) -> None:
    unexpected = [key for key in found["unexpected_keys"] if not re.fullmatch(family.unused, key)]
    shapes = [str(each[0]) for each in found["mismatched_keys"]]
    missing = [key for key in found["missing_keys"] if key not in shapes]
    which = " a retrieval checkpoint is needed;" if family.name == "blip" else ""
    faults = (
        (
            "has another shape for",
            shapes,
            "than config.json says; copy the one that was saved with it",
        ),
        (
            "lacks",
            missing,
            f"which would be drawn at random;{which} name one that holds it, or use --untrained",
        ),
        (
            "holds what the model has no place for:",
            unexpected,
            f"so it is another kind of model;{which} name the checkpoint it was saved from",
        ),
    )
    for fault, keys, so in faults:
        if keys:
            named = ", ".join(sorted(keys)[:NAMED])
            more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
            msg = f"{folder}: the checkpoint {fault} {named}{more}, {so}"
            raise WeightsError(msg)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep the reports and bars of transformers to themselves: what matters of it is checked."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
