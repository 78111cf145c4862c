"""A server of another's making, as a process on loopback, with a tiny model built here."""

import math
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from core.rating.asking.requests import MOST_TOKENS, Item
from core.rating.asking.run import ask, plan
from core.rating.asking.server import ServerBackend
from core.rating.asking.store import AnswerStore
from core.rating.asking.tables import long_table

LONGEST_START = 60.0
SERVE = Path(sys.executable).with_name("transformers")
WORDS = ("apple", "birch", "cloud", "drum")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A random Llama that says one digit, which one depends on the prompt, and ends."""
    transformers = pytest.importorskip("transformers", reason="pip install -e '.[finetune]'")
    torch = pytest.importorskip("torch")
    from core.rating.finetuning.tokens import tiny_tokenizer

    tokenizer, folder = tiny_tokenizer(), tmp_path_factory.mktemp("model") / "tiny"
    end, digits = tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids([*"012345"])
    shape = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64}
    shape |= {"num_hidden_layers": 2, "num_attention_heads": 4, "initializer_range": 0.5}
    ids = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": end}
    torch.manual_seed(0)
    llama = transformers.LlamaForCausalLM(transformers.LlamaConfig(**shape, **ids))
    embed, head = llama.model.embed_tokens.weight, llama.lm_head.weight
    with torch.no_grad():
        # Of a token's vector two numbers pass through unchanged: one that all have, one of digits.
        for layer in llama.model.layers:
            layer.self_attn.o_proj.weight[:2] = layer.mlp.down_proj.weight[:2] = 0.0
        embed[:, :2] = torch.tensor([4.0, 0.0])
        embed[digits, 1] = 4.0
        head[:, :2] = 0.0
        head[end], head[end, 1] = 0.0, 500.0
        head[digits, 0] = 200.0
    llama.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    for package in ("fastapi", "uvicorn"):
        pytest.importorskip(package, reason="no server: pip install 'transformers[serving]'")
    if not SERVE.exists():
        pytest.skip("no server: pip install 'transformers[serving]'")
    port, folder = free_port(), tmp_path_factory.mktemp("server")
    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    kept = {name: value for name, value in os.environ.items() if name not in proxies}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [SERVE, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**kept, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "OMP_NUM_THREADS": "1"},
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(address, process, log):
    until = time.monotonic() + LONGEST_START
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < until and process.poll() is None:
        try:
            with direct.open(address, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as opened:
        yield opened


def greedy(model, items):
    """What the model itself says, one prompt at a time, by the library's own greedy search."""
    from transformers import AutoTokenizer, LlamaForCausalLM

    from core.rating.prompts import messages, rating_prompt

    tokenizer, llama = AutoTokenizer.from_pretrained(model), LlamaForCausalLM.from_pretrained(model)
    # Typed as belonging to other classes than the one that has it.
    generate: Any = getattr(llama, "generate")  # noqa: B009
    for item in items:
        asked = messages(rating_prompt(item.language, item.dimension, item.word))
        text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
        prompt = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        found: Any = generate(**prompt, do_sample=False, max_new_tokens=MOST_TOKENS)
        answer = found[0, prompt["input_ids"].shape[1] :]
        yield tokenizer.decode(answer, skip_special_tokens=True)


def test_answers_of_a_real_server_are_kept_and_dropped_logprobs_are_said(
    url, model, store, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    heard = []
    server = ServerBackend(url, str(model), concurrency=2, say=heard.append)
    items = plan(WORDS, "en", ["Visual", "Hand"])
    run = ask(server, items, store)
    assert run.complete
    assert run.outcome.answered == len(items) == 8
    dropped = "this server drops logprobs: greedy ratings only, without expected ratings"
    assert dropped in heard
    assert f"{dropped} (8 of 8 answers)" in run.outcome.notes
    answers = long_table([server.request(item) for item in items], store)
    assert answers["content"].tolist() == list(greedy(model, items))
    assert set(answers["status"]) == {"ok"}
    assert len(set(answers["rating"])) > 1
    assert all(math.isnan(value) for value in answers["expected"])
    assert ask(server, items, store).outcome.answered == 0


def test_a_model_that_a_real_server_does_not_have_ends_the_run(url, store):
    server = ServerBackend(url, "someone/none-such", max_tries=2)
    run = ask(server, [Item("en", "Visual", "apple")], store)
    assert not run.complete
    (told,) = run.outcome.failed.values()
    assert "someone/none-such" in told
