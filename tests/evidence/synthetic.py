"""A small made-up release, laid out as the authors' one: no word and no figure of theirs."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from core.evidence.mapping import evaluation_order
from core.evidence.store import Entry, Store
from core.evidence.tables import ALL, DUTCH, MODELS, SENSORY

POOL = 40
DUTCH_NAME = {english: dutch for dutch, english in DUTCH.items()}
STEM = {"Base": "base", "En_FT": "en_ft", "Nl_FT": "nl_ft", "QA_FT": "QA_ft"}


def write_registry(root: Path, at: Path) -> dict[str, Entry]:
    """Register every file under a folder, as the released registry does."""
    entries = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        name = path.relative_to(root).as_posix()
        data = path.read_bytes()
        entries[name] = Entry(name, hashlib.sha256(data).hexdigest(), len(data))
    at.write_text("# made up\n" + "".join(f"{e.line}\n" for e in entries.values()))
    return entries


def store_of(root: Path, cache: Path) -> Store:
    return Store(write_registry(root, cache.with_suffix(".txt")), str(root), cache)


def pool_words() -> list[str]:
    """A pool in alphabetical order, in which the first word evaluated is NA."""
    _, test = evaluation_order(POOL)
    at = int(test[0])
    return [f"M{i:02d}" if i < at else f"P{i:02d}" if i > at else "NA" for i in range(POOL)]


def evaluated() -> list[str]:
    return [pool_words()[i] for i in evaluation_order(POOL)[1]]


def dutch_of(word: str) -> str:
    return "null" if word == "NA" else f"w{word[1:]}"


def rating(word: str, model: str, dimension: str, language: str) -> float:
    """A rating that is different for nearly every cell, on a tenth of a point."""
    key = hashlib.sha256(f"{word}{model}{dimension}{language}".encode()).digest()
    return key[0] % 51 / 10


def answer(custom_id: str, content: str, *, tokens: list | None = None, **body: object) -> dict:
    """One line of a batch output file."""
    first = content[:1]
    tokens = tokens or [
        {
            "token": first,
            "logprob": math.log(0.6),
            "top_logprobs": [
                {"token": first, "logprob": math.log(0.6)},
                {"token": "5", "logprob": math.log(0.2)},
                {"token": "x", "logprob": math.log(0.1)},
            ],
        }
    ]
    return {
        "custom_id": custom_id,
        "error": None,
        "response": {
            "status_code": 200,
            "body": {
                "model": "made-up-1",
                "created": 1765458920,
                "system_fingerprint": "fp_1",
                "usage": {"prompt_tokens": 70 + len(custom_id), "completion_tokens": 3},
                "choices": [
                    {
                        "finish_reason": "stop",
                        "message": {"content": content, "refusal": None},
                        "logprobs": {"content": tokens},
                    }
                ],
                **body,
            },
        },
    }


def write_lines(path: Path, records: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in records))


def write_sheets(path: Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pd.ExcelWriter(path) as writer:
        for title, frame in sheets.items():
            frame.to_excel(writer, sheet_name=title, index=False)


def norms(words: list[str], *, dotted: bool) -> pd.DataFrame:
    """Human means as the workbooks spell them; `dotted` as the samples do."""
    spelled = {"Foot": "Foot_leg", "Hand": "Hand_arm"}
    frame = pd.DataFrame({"Word": words})
    for d in ALL:
        mean = spelled.get(d, d) if dotted else d
        frame[f"{mean}.mean"] = [rating(w, "Human", d, "en") for w in words]
        frame[f"{spelled.get(d, d)}.SD"] = 1.5
    frame["N_known.perceptual"] = [16026, *[18] * (len(words) - 1)]
    frame["N_known.action"] = 20
    frame["Woord"] = [dutch_of(w) for w in words]
    for d in SENSORY:
        frame[DUTCH_NAME[d]] = [rating(w, "Human", d, "nl") for w in words]
    return frame


def release(root: Path) -> Path:
    """Write the whole release under a folder; Base has no Visual rating of NA, nor a Foot row."""
    words = evaluated()
    rng = np.random.default_rng(0)
    for language in ("en", "nl"):
        models = MODELS if language == "en" else MODELS[:3]
        dimensions = ALL if language == "en" else SENSORY
        frame = norms(sorted(words), dotted=False)
        shown = [w if language == "en" else dutch_of(w) for w in words]
        for model in models:
            for d in dimensions:
                stem = f"{d.lower() if language == 'en' else DUTCH_NAME[d]}_{STEM[model]}"
                values = {w: rating(w, model, d, language) for w in words}
                if (language, model, d) == ("en", "Base", "Visual"):
                    values["NA"] = math.nan
                frame[stem] = [values[w] for w in frame["Word"]]
                lost = (language, model, d) == ("en", "Base", "Foot")
                kept = [
                    (s, w) for s, w in zip(shown, words, strict=True) if not (lost and w == "NA")
                ]
                if lost:
                    frame.loc[frame["Word"] == "NA", stem] = math.nan
                table = pd.DataFrame(
                    {"word": [s for s, _ in kept], stem: [values[w] for _, w in kept]}
                )
                folder = root / "model_outputs"
                write_sheets(
                    folder / f"{language}_output_files" / f"{stem}_output_1.xlsx", {"Sheet1": table}
                )
                lines = [
                    answer(
                        f"Finetuning_task_{words.index(w) + 1}",
                        "Which concept?" if math.isnan(values[w]) else str(values[w]),
                    )
                    for _, w in kept
                ]
                write_lines(folder / f"{stem}_test_results_0_2025.jsonl", lines)
        write_sheets(
            root / "analysis" / f"{language.capitalize()}_all_models_results.xlsx",
            {"Sheet1": frame},
        )
        _write_analysis(root, language, models, dimensions, list(frame["Word"]), rng)
    _write_data(root)
    return root


def _write_analysis(root, language, models, dimensions, words, rng) -> None:
    folder = root / "analysis"
    named = [d.lower() if language == "en" else DUTCH_NAME[d] for d in dimensions]
    figures = pd.DataFrame({"Dimension": named[::-1]})
    for m in models:
        figures[f"{STEM[m]}_Spearman"] = rng.random(len(named))
    short = {m: STEM[m].removesuffix("_ft").replace("QA", "qa") for m in models}
    for a, b in combinations(models, 2):
        for letter in "Zp":
            figures[f"{letter}_{short[a]}_vs_{short[b]}"] = rng.random(len(named))
    figures.to_csv(folder / f"{language}_correlation_comparison_results.csv", index=False)
    sheets = ("All", "Motor", "Sensory") if language == "en" else ("Sensory",)
    scores = pd.DataFrame({"word": words} | {m: rng.random(len(words)) for m in models})
    scores["Base"] = scores["Base"].astype(object)
    scores.loc[0, "Base"] = ""
    write_sheets(
        folder / f"{language}_word_wise_similarity_results.xlsx", dict.fromkeys(sheets, scores)
    )


def _write_data(root: Path) -> None:
    pool, folder = pool_words(), root / "data"
    write_sheets(
        folder / "2_train_sensorimotor_random_sample.xlsx", {"S": norms(pool[::2], dotted=True)}
    )
    other = norms(pool[1::2], dotted=True)
    other.loc[other.index[-1], "Woord"] = "elders"
    write_sheets(folder / "2_test_sensorimotor_random_sample.xlsx", {"S": other})
    table = pd.DataFrame(
        [(dutch_of(w), w.lower(), dutch_of(w), 1) for w in pool] + [("aai", "aai", "", 0)],
        columns=pd.Index(
            ["Original_word", "Deepl_translation_English", "Back_translation", "Include?"]
        ),
    )
    name = "Words_Speed_Brysbaert_with_English_translation_and_back_translation.xlsx"
    write_sheets(folder / name, {"Sheet1": table})
    item = {"index": 7, "question": "Q?", "options": dict(zip("ABCD", "abcd", strict=True))}
    for half in ("train_60", "test_40"):
        (folder / f"{half}.json").write_text(json.dumps([item | {"correct_option": "C"}]))
    (root / "prompts").mkdir()
    (root / "prompts" / "foot_prompt.txt").write_text('The concept is: "{Word}".\n')
