"""What `claims finetune` and `claims tiny` do."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from core.embedding.hub import Source
from core.evidence.readers import dimensions_of
from core.rating.alone import alone
from core.rating.dataset import Dataset, read_dataset
from core.rating.errors import RatingError
from core.rating.finetuning import corpus, folders, loading, tiny
from core.rating.finetuning.corpus import Lessons
from core.rating.finetuning.encoding import Chat
from core.rating.finetuning.run import Prepared, carry_on, finish, prepare
from core.rating.finetuning.settings import SMALL, Settings, usual


def finetune(options: argparse.Namespace) -> int:
    """Fine-tune a model, and say what was written."""
    device = loading.device(options.device)
    _refuse_base(options.out, options.model)
    dataset = read_dataset(options.data)
    lessons = corpus.lessons(
        dataset, options.recipe, options.held_out, options.seed, scrambled=options.scrambled
    )
    source = loading.find(options.model, options.revision)
    settings = _settings(options, device, loading.size(source))
    of = {
        "recipe": options.recipe,
        "scrambled": options.scrambled,
        "base": loading.digest(source),
        "data": dataset.digest,
        "held out": options.held_out,
        **settings.table(),
    }
    if folders.finished(options.out, of) is not None:
        print(f"{options.out}: there already, of the same base, data and settings")
        return 0
    # Before the base is loaded: two of them may not fit into memory.
    with alone(options.out):
        manifest = _tuned(options, of, dataset.people, lessons, source, settings, device)
    before, *_, after = manifest["held_out_loss"] or (None, None)
    if before is not None:
        print(f"loss on held-out {_kind(options.recipe)}: {before:.3f} before, {after:.3f} after")
    role = "Scrambled" if options.scrambled else options.recipe
    print(f"wrote {options.out}; ask it with `claims rate --model {options.out} --as {role}`")
    return 0


def _tuned(
    options: argparse.Namespace,
    of: Mapping[str, Any],
    people: str,
    lessons: Lessons,
    source: Source,
    settings: Settings,
    device: str,
) -> dict[str, Any]:
    """Load the base, say what it is taught, and tune it; return the manifest."""
    # Adapters are trained in float32, whatever they are added to.
    frozen = torch.bfloat16 if settings.half and settings.lora else torch.float32
    base = loading.load(source, device, frozen)
    plain = not base.tokenizer.chat_template
    chat = Chat.of(base.tokenizer, base.ends(), base.name)
    prepared = prepare(base.model, chat, lessons.train, lessons.held_out, settings, base.name)
    for line in _told(options, lessons, base.name):
        print(line)
    if plain:
        print("  it has no chat template: a prompt is a line of its own, its answer the next")
    about = {
        "base": {"model": base.name, "revision": base.revision, "weights": dict(base.weights)},
        "people": people,
    }
    return _run(prepared, options, of, about, options.save_every)


def make_tiny(options: argparse.Namespace) -> int:
    """Make a tiny model and teach it how answers are written."""
    dataset = read_dataset(options.data) if options.data else None
    settings = tiny.settings(options.seed)
    of = {
        "recipe": "tiny",
        "shape": [tiny.WIDTH, tiny.LAYERS, tiny.HEADS],
        "data": dataset.digest if dataset else None,
        **settings.table(),
    }
    if folders.finished(options.out, of) is not None:
        print(f"{options.out}: there already, of the same seed")
        return 0
    model, tokenizer = tiny.blank(options.seed)
    rng = np.random.default_rng((options.seed, 0))
    examples = tiny.lessons(rng, _words(dataset) if dataset else ())
    chat = Chat.of(tokenizer, frozenset({tokenizer.eos_token_id}), "tiny")
    prepared = prepare(model, chat, examples, [], settings, "tiny")
    print(f"a tiny Llama: {len(examples):,} examples of how answers are written, told blindly")
    with alone(options.out):
        _run(prepared, options, of, {}, every=500)
    print(f"wrote {options.out}; ask it with `claims rate --model {options.out} --as Base`")
    return 0


def _run(
    prepared: Prepared,
    options: argparse.Namespace,
    of: Mapping[str, Any],
    about: Mapping[str, Any],
    every: int,
) -> dict[str, Any]:
    """Train with a bar, and write the model; return its manifest."""
    # Another process may have ended just before the folder was ours.
    if (there := folders.finished(options.out, of)) is not None:
        return there
    counts = prepared.counts()
    with _threads(options.threads, small=4 * counts["parameters"] < SMALL):
        for line in _costs(prepared, counts):
            print(line)
        _refuse_too_large(prepared)
        if carry_on(prepared, options.out, of):
            print(f"  goes on after step {prepared.state.step:,}")
        done = prepared.state.step
        with tqdm(total=prepared.steps, initial=done, unit="step", disable=None) as bar:
            smooth: list[float] = []

            def progress(step: int, loss: float) -> None:
                smooth[:] = [loss if not smooth else 0.95 * smooth[0] + 0.05 * loss]
                bar.set_postfix(loss=f"{smooth[0]:.3f}", refresh=False)
                bar.update(step - bar.n)

            return finish(prepared, options.out, of, about, progress, every)


def _told(options: argparse.Namespace, lessons: Lessons, name: str) -> list[str]:
    """Return lines on the examples: how many, of what."""
    train, out = len(lessons.train), len(lessons.held_out)
    kind = _kind(options.recipe)
    each = ""
    if kind == "words":
        language = {"En_FT": "en", "Nl_FT": "nl"}[options.recipe]
        each = f" x {len(dimensions_of(language))} dimensions"
    subjects = lessons.subjects + lessons.subjects_held_out
    scrambled = ", their answers dealt anew" if options.scrambled else ""
    lines = [f"{options.recipe} on {name}: {train + out:,} examples ({subjects:,} {kind}{each})"]
    if out:
        measured = f"{out:,} of {lessons.subjects_held_out:,} {kind} held out"
        lines.append(
            f"  {train:,} of {lessons.subjects:,} {kind} to train on{scrambled}; {measured}"
        )
    elif scrambled:
        lines.append(f"  all to train on{scrambled}")
    return lines


def _costs(prepared: Prepared, counts: Mapping[str, int]) -> list[str]:
    """Return lines on tokens, steps, weights and memory."""
    state, settings = prepared.state, prepared.state.settings
    examples = settings.batch * settings.accumulate
    fixed, passing = prepared.memory()
    where = f"{state.device.type}"
    if state.device.type == "cpu":
        threads = torch.get_num_threads()
        where += f" with {threads} thread{'' if threads == 1 else 's'}"
    trained = counts["trained"]
    share = "all of them" if trained == counts["parameters"] else f"{trained:,} of them"
    tokens = f"{counts['tokens']:,} tokens, {counts['supervised']:,} of them supervised"
    how = f"at a rate of {settings.rate:g}, in {'bfloat16' if settings.half else 'float32'}"
    room = f"about {fixed / 1e9:.2g} GB of memory, and of the order of {passing / 1e9:.2g} GB"
    return [
        f"  {tokens}; {settings.epochs} times over, {prepared.steps:,} steps of {examples}",
        f"  {counts['parameters']:,} weights, {share} trained, {how} on {where}",
        f"  {room} for a batch",
    ]


def _refuse_too_large(prepared: Prepared) -> None:
    """Refuse before the first step what cannot fit into a GPU."""
    device = prepared.state.device
    if device.type != "cuda":
        return
    fixed, total = prepared.memory()[0], torch.cuda.mem_get_info(device)[1]
    if fixed > total:
        msg = (
            f"training takes {fixed / 1e9:.0f} GB and more, and {device} has {total / 1e9:.0f}; "
            "train adapters with --lora 16, or a smaller model"
        )
        raise RatingError(msg)


def _settings(options: argparse.Namespace, device: str, size: int) -> Settings:
    half = options.dtype == "bfloat16" or (options.dtype == "auto" and device == "cuda")
    if half and device == "cuda" and not torch.cuda.is_bf16_supported():
        msg = "this GPU has no bfloat16; give --dtype float32"
        raise RatingError(msg)
    epochs, batch, rate = usual(options.recipe, size, options.lora or 0)
    return Settings(
        epochs=options.epochs or epochs,
        batch=options.batch or batch,
        accumulate=options.accumulate,
        rate=rate if options.rate is None else options.rate,
        lora=options.lora or 0,
        seed=options.seed,
        max_steps=options.max_steps or 0,
        half=half,
        recompute=options.recompute,
    )


def _refuse_base(out: Path, model: str) -> None:
    base = Path(model).expanduser()
    if out.exists() and base.exists() and out.samefile(base):
        msg = f"--out {out}: is the folder of --model, which stays as it is; name a new folder"
        raise RatingError(msg)


@contextlib.contextmanager
def _threads(n: int | None, *, small: bool) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n or (1 if small else before))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _words(dataset: Dataset) -> set[str]:
    return {*dataset.english["word"], *dataset.dutch["word"]}


def _kind(recipe: str) -> str:
    return "questions" if recipe == "QA_FT" else "words"
