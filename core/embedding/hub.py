"""Where a model comes from: a folder on this machine, or the hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    IncompleteSnapshotError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import httpx

from core.embedding.errors import EmbeddingError, HubError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
#: Configuration and tokeniser; never pickled weights, never code.
SMALL = ("*.json", "*.txt", "*.model", "*.jinja")
#: Statuses of a token that may not read, or of none.
REFUSED = (401, 403)
#: What the hub's client raises where a model cannot be had.
FAULTS = (
    *(HfHubHTTPError, HFValidationError, IncompleteSnapshotError, LocalEntryNotFoundError),
    *(OfflineModeIsEnabled, httpx.HTTPError, ConnectionError, TimeoutError),
)


@dataclass(frozen=True)
class Source:
    """A model's files.

    Attributes
    ----------
    model : str
        The repository on the hub, or the folder's name.
    folder : Path
    revision : str
        The hub's commit, 40 hexadecimal digits; of a folder, the SHA-256 over its configuration
        and weights.
    fetched : bool
        Whether it comes from the hub.
    """

    model: str
    folder: Path
    revision: str
    fetched: bool

    def config(self) -> dict[str, Any]:
        """Return config.json.

        Raises
        ------
        EmbeddingError
            If there is none, or it is none.
        """
        path = self.folder / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            msg = f"{self.model}: its config.json cannot be read ({error}); is it a whole model?"
            raise EmbeddingError(msg) from error
        if not isinstance(config, dict):
            msg = f"{path}: is no configuration of a model"
            raise EmbeddingError(msg)
        return config

    def weights(self) -> dict[str, str]:
        """Return the SHA-256 of every weight file that is read, by its name."""
        return {path.name: sha256(path) for path in weight_files(self.folder, self.model)}


def local(folder: Path) -> Source:
    """Return a model in a folder.

    Raises
    ------
    EmbeddingError
        If it has no config.json, or not all the weights that its index names.
    """
    folder = folder.resolve()
    files = [folder / "config.json", *_present(folder, str(folder))]
    if not files[0].is_file():
        msg = f"{folder}: has no config.json; name the folder that holds the model's files"
        raise EmbeddingError(msg)
    lines = "".join(f"{sha256(path)}  {path.name}\n" for path in files)
    return Source(folder.name, folder, hashlib.sha256(lines.encode()).hexdigest(), fetched=False)


def fetch(
    repo: str, revision: str = "", *, weights: bool = True, endpoint: str | None = None
) -> Source:
    """Fetch a model from the hub into its cache, or find it there.

    Parameters
    ----------
    repo : str
        Such as "Qwen/Qwen2.5-0.5B".
    revision : str
        A commit or reference; "" for the main branch.
    weights : bool
        Whether to fetch the weights too, or only the configuration and the tokeniser.
    endpoint : str or None
        The hub's address; None for what HF_ENDPOINT says.

    Raises
    ------
    HubError
        If it is gated, missing or out of reach, or has no weights as safetensors.
    """
    # One request settles which commit it is; the weights are then that commit's.
    folder = _snapshot(repo, revision, SMALL, endpoint)
    source = Source(repo, folder, folder.name, fetched=True)
    if weights:
        _snapshot(repo, source.revision, (*SMALL, "model*.safetensors"), endpoint)
        weight_files(folder, f"{repo} at {source.revision}")
    return source


def weight_files(folder: Path, model: str) -> tuple[Path, ...]:
    """Return the safetensors of a model, one or several.

    Raises
    ------
    HubError
        If there are none, one of several is missing, or the index names what is no such file.
    """
    files = _present(folder, model)
    if not files:
        pickled = sorted(path.name for path in folder.glob("*.bin"))
        why = f" ({pickled[0]} is pickled, which may run code)" if pickled else ""
        msg = (
            f"{model}: holds no {WEIGHTS}, and nothing else is loaded{why}; name a --revision that "
            "has it, or convert the weights and name their folder"
        )
        raise HubError(msg)
    return files


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _present(folder: Path, model: str) -> tuple[Path, ...]:
    """Return the weight files that are there, if any, in the loader's order of preference."""
    if (folder / WEIGHTS).is_file():
        return (folder / WEIGHTS,)
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        names = set(index["weight_map"].values())
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{folder / INDEX}: cannot be read ({error!r}); fetch the model again"
        raise HubError(msg) from error
    for name in names:
        # The loader would follow a name with a folder in it anywhere, and unpickle other kinds.
        plain = isinstance(name, str) and Path(name).name == name
        if not plain or not name.endswith(".safetensors"):
            msg = (
                f"{folder / INDEX}: names {name!r}, a file outside its folder, or no safetensors; "
                "fetch the model again"
            )
            raise HubError(msg)
    files = tuple(folder / name for name in sorted(names))
    missing = [path.name for path in files if not path.is_file()]
    if missing:
        msg = f"{model}: {missing[0]} is missing, which {INDEX} names; fetch the model again"
        raise HubError(msg)
    return files


def _snapshot(repo: str, revision: str, patterns: Sequence[str], endpoint: str | None) -> Path:
    wanted: dict[str, Any] = {
        "revision": revision or "main",
        "allow_patterns": list(patterns),
        "ignore_patterns": ["*/*"],
        "endpoint": endpoint,
    }
    fault = ""
    try:
        # Asked first, for the download itself would try for half a minute.
        HfApi(endpoint=endpoint).model_info(repo, revision=revision or "main")
    except FAULTS as error:
        fault = _told(error, repo, revision)
    try:
        return Path(snapshot_download(repo, local_files_only=bool(fault), **wanted))
    except FAULTS as error:
        fault = fault or _told(error, repo, revision)
    # Outside the handler: what the hub's client says may hold more than should be told.
    raise HubError(fault)


def _told(error: BaseException, repo: str, revision: str) -> str:
    """Return what to tell the user of what the hub's client raised."""
    while error.__cause__ is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    if isinstance(error, HFValidationError):
        return f"{repo}: is no folder here, and no name of a model on the hub (OWNER/NAME)"
    if isinstance(error, GatedRepoError):
        return (
            f"{repo}: is gated; accept its licence at https://huggingface.co/{repo}, then set "
            "HF_TOKEN to a token of that account"
        )
    at = revision or "its main branch"
    if isinstance(error, RevisionNotFoundError):
        return f"{repo}: the hub has no revision {at}; see its history for a commit"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, RepositoryNotFoundError) or status in REFUSED:
        return (
            f"{repo}: is no folder here and not on the hub, or is private; check the name, or set "
            "HF_TOKEN to a token that may read it"
        )
    if status is not None:
        return f"{repo}: the hub answered {status}; try again later, or name a local folder"
    return (
        f"{repo}: {at} is not in the cache, and the hub is out of reach; run once online, or name "
        "a folder that holds the model"
    )
