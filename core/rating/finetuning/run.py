"""A fine-tune from its base to its folder: what it follows from, prepared, trained, written."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from core.evidence.provenance import code_version
from core.rating.examples import Example
from core.rating.finetuning import checkpoints, folders, lora, memory
from core.rating.finetuning.encoding import Chat, check
from core.rating.finetuning.loop import Corpus, Progress, State, begin, supervised, train
from core.rating.finetuning.settings import Settings


@dataclass(frozen=True, eq=False)
class Prepared:
    """A run that is ready to be trained.

    Attributes
    ----------
    state : State
        Before its first step, or where it was stopped.
    corpus : Corpus
    chat : Chat
    steps : int
    """

    state: State
    corpus: Corpus
    chat: Chat
    steps: int

    def counts(self) -> dict[str, int]:
        """Return how many examples, tokens and weights there are."""
        parameters = list(self.state.model.parameters())
        return {
            "examples": len(self.corpus.examples),
            "held_out": len(self.corpus.held_out),
            "tokens": sum(len(each.ids) for each in self.corpus.examples),
            "supervised": supervised(self.corpus.examples),
            "steps": self.steps,
            "parameters": sum(x.numel() for x in parameters),
            "trained": sum(x.numel() for x in parameters if x.requires_grad),
        }

    def memory(self) -> tuple[int, int]:
        """Return the bytes that training takes: for the model, and for a batch."""
        examples = self.corpus.examples
        longest = max(len(each.ids) for each in examples)
        answer = max(len(each.ids) - each.start for each in examples)
        return memory.needed(self.state.model, self.state.settings, longest, answer)


def prepare(
    model: Any,
    chat: Chat,
    examples: Sequence[Example],
    held_out: Sequence[Example],
    settings: Settings,
    name: str,
) -> Prepared:
    """Return a run before its first step, checked for what would silently go wrong.

    Parameters
    ----------
    model : Any
        On its device; its weights are trained in place.
    chat : Chat
    examples, held_out : sequence of Example
    settings : Settings
    name : str
        The model's, for messages.

    Raises
    ------
    RatingError
        As `core.rating.finetuning.encoding.check` and `core.rating.finetuning.lora.attach`.
    """
    encoded, measured = chat.encode(examples), chat.encode(held_out)
    longest = getattr(model.config.get_text_config(), "max_position_embeddings", None) or 0
    check(chat, [*examples, *held_out], [*encoded, *measured], longest, name)
    if settings.lora:
        model = lora.attach(model, settings.lora, settings.seed)
    corpus = Corpus(encoded, measured, chat.padding)
    return Prepared(begin(model, settings), corpus, chat, corpus.steps(settings))


def carry_on(prepared: Prepared, out: Path, of: Mapping[str, Any]) -> bool:
    """Set a run to where it was stopped, if it was; return whether it was."""
    path = folders.checkpoint_in(out)
    if not path.exists():
        return False
    checkpoints.restore(prepared.state, path, of)
    return True


def finish(
    prepared: Prepared,
    out: Path,
    of: Mapping[str, Any],
    about: Mapping[str, Any],
    progress: Progress,
    every: int,
) -> dict[str, Any]:
    """Train a run to its end and write its model; return what the manifest says of it.

    Parameters
    ----------
    prepared : Prepared
    out : Path
        The folder; while the run goes on, its checkpoint lies there.
    of, about : mapping
        What the run follows from, and what else is to be known of it, as JSON.
    progress : callable
    every : int
        Steps between two checkpoints.
    """
    state, begun = prepared.state, time.monotonic()
    path = folders.checkpoint_in(out)
    train(state, prepared.corpus, progress, lambda now: checkpoints.keep(now, path, of), every)
    counts = prepared.counts()
    model = lora.merge(state.model) if state.settings.lora else state.model
    # Greedy, and it stops where it was taught to: how the base would be sampled is dropped.
    chat = prepared.chat
    model.generation_config = GenerationConfig(
        bos_token_id=chat.tokenizer.bos_token_id,
        eos_token_id=sorted(chat.ends),
        pad_token_id=chat.padding,
    )
    manifest = {
        "of": dict(of),
        **about,
        "counts": counts,
        "held_out_loss": state.held_out,
        "losses": [float(f"{loss:.6g}") for loss in state.losses],
        "device": str(state.device),
        "threads": torch.get_num_threads(),
        "seconds_since_it_was_last_begun": round(time.monotonic() - begun, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code_version(),
    }
    folders.write_model(out, model, chat.tokenizer, manifest)
    return manifest
