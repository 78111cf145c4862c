"""A model on this machine, against its own plain forward passes."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.rating.asking import local as local_module
from core.rating.asking import prefix
from core.rating.asking.candidates import CANDIDATES, expectation
from core.rating.asking.local import LocalBackend, groups
from core.rating.asking.local_model import LocalModel
from core.rating.asking.parsing import parse_completion
from core.rating.asking.requests import Item
from core.rating.asking.run import plan
from core.rating.asking.store import AnswerStore
from core.rating.errors import RatingError
from core.rating.prompts import messages, rating_prompt
from tests.rating.asking.tiny import write_model

torch.set_num_threads(1)

WORDS = ("APPLE", "BELL", "HUG", "IDEA", "RED", "ROSE", "SALT", "SONG", "STONE", "TABLE", "TRUTH")
DIMENSIONS = ("Auditory", "Foot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def plain(folder):
    """The model and its tokenizer as transformers load them."""
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def store(tmp_path):
    with AnswerStore(tmp_path / "answers.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def backend(folder):
    return LocalBackend(str(folder), device="cpu", candidates="hundredth", batch=4)


@pytest.fixture(scope="module")
def responses(backend, tmp_path_factory):
    """Every item with what is stored about it; not to be changed."""
    requests = [backend.request(item) for item in plan(WORDS, "en", DIMENSIONS)]
    with AnswerStore(tmp_path_factory.mktemp("stores") / "answers.sqlite") as opened:
        outcome = backend.ask(requests, opened, lambda _: None)
        assert (outcome.answered, dict(outcome.failed), outcome.stopped) == (22, {}, "")
        found = opened.get(request.key for request in requests)
    return {request.item: found[request.key].response for request in requests}


def prompt_of(plain, item):
    chat = messages(rating_prompt(item.language, item.dimension, item.word))
    text = plain[1].apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    return plain[1](text, add_special_tokens=False)["input_ids"]


@torch.inference_mode()
def score(plain, item, text, *, ended=True):
    """The probability of an answer, from one reading of the prompt and all of it."""
    model, tokenizer = plain
    prompt = prompt_of(plain, item)
    answer = tokenizer(text, add_special_tokens=False)["input_ids"]
    answer += [tokenizer.eos_token_id] * ended
    each = model(torch.tensor([prompt + answer])).logits[0].double().log_softmax(-1)
    return np.exp(sum(float(each[len(prompt) - 1 + k, x]) for k, x in enumerate(answer)))


def requests_of(backend, words=WORDS, dimensions=DIMENSIONS):
    return [backend.request(item) for item in plan(words, "en", dimensions)]


def test_answers_are_those_that_generate_gives_one_by_one(plain, responses):
    model, tokenizer = plain
    statuses = set()
    for item, response in responses.items():
        prompt = torch.tensor([prompt_of(plain, item)])
        out = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=8
        )[0, prompt.shape[1] :]
        found = parse_completion(response)
        assert found.content == tokenizer.decode(out, skip_special_tokens=True)
        ended = int(out[-1]) == tokenizer.eos_token_id
        assert found.finish_reason == ("stop" if ended else "length")
        assert found.completion_tokens == len(out) - ended
        assert found.prompt_tokens == prompt.shape[1]
        # Without a token there is no choice to call greedy.
        assert found.greedy == (found.completion_tokens > 0)
        statuses.add(found.status)
    assert {"ok", "out_of_range", "truncated"} <= statuses


def test_first_token_figures_are_those_of_the_five_likeliest(plain, responses):
    model, tokenizer = plain
    seen = 0
    for item, response in responses.items():
        found = parse_completion(response)
        if not found.first_token:
            continue
        with torch.inference_mode():
            logits = model(torch.tensor([prompt_of(plain, item)])).logits[0, -1]
        p = logits.double().softmax(-1)
        digits = {i: tokenizer.decode([i]) for i in p.topk(5).indices.tolist()}
        digits = {i: int(text) for i, text in digits.items() if text in {*"012345"}}
        mass = sum(float(p[i]) for i in digits)
        assert_allclose(found.digit_mass, mass, atol=1e-5)
        if digits:
            mean = sum(d * float(p[i]) for i, d in digits.items()) / mass
            assert_allclose(found.expected, mean, atol=1e-4)
            seen += 1
        all_digits = tokenizer.convert_tokens_to_ids([*"012345"])
        assert_allclose(response["ratings"]["mass_digits"], float(p[all_digits].sum()), atol=1e-5)
        mean = float(p[all_digits] @ torch.arange(6.0, dtype=torch.double) / p[all_digits].sum())
        assert_allclose(response["ratings"]["expected_digits"], mean, atol=1e-4)
    assert seen > 5


def test_whole_answers_count_with_their_end(plain, responses):
    for item, response in list(responses.items())[::5]:
        p = np.array([score(plain, item, str(k)) for k in range(6)])
        assert_allclose(response["ratings"]["mass_whole"], p.sum(), rtol=1e-4)
        assert_allclose(
            response["ratings"]["expected_whole"], p @ np.arange(6) / p.sum(), rtol=1e-4
        )


def test_answers_with_two_decimals_count_whatever_follows(plain, responses):
    item, response = next(iter(responses.items()))
    candidates = CANDIDATES["hundredth"]
    p = np.array([score(plain, item, one.text, ended=one.ended) for one in candidates])
    mean = p @ [one.value for one in candidates] / p.sum()
    assert_allclose(response["ratings"]["mass_hundredth"], p.sum(), rtol=1e-4)
    assert_allclose(response["ratings"]["expected_hundredth"], mean, rtol=1e-4)
    assert p.sum() < 1


def test_candidates_are_the_scale_as_training_writes_it():
    texts = {name: [one.text for one in found] for name, found in CANDIDATES.items()}
    assert texts["whole"] == ["0", "1", "2", "3", "4", "5"]
    assert set(texts["half"]) == {*"012345", *(f"{k}.{d}" for k in range(5) for d in (0, 5)), "5.0"}
    assert len(texts["tenth"]) == len(set(texts["tenth"])) == 6 + 51
    assert len(texts["hundredth"]) == len(set(texts["hundredth"])) == 6 + 501
    assert {"0.0", "0.07", "0.7", "3.94", "5.0"} <= set(texts["hundredth"])
    for found in CANDIDATES.values():
        assert all(float(one.text) == one.value for one in found)
        assert all(one.ended == (len(one.text) < 4) for one in found)


def test_expectation():
    mean, mass = expectation([0, 5], np.log([0.1, 0.3]))
    assert_allclose((mean, mass), (3.75, 0.4))
    mean, mass = expectation([0, 5], [-np.inf, -np.inf])
    assert np.isnan(mean)
    assert mass == 0


def test_requests_name_the_model_by_what_it_is(folder, tmp_path):
    item = Item("en", "Auditory", "APPLE")
    here = LocalBackend(str(folder)).request(item)
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert LocalBackend(str(moved)).request(item).key == here.key
    others = [
        LocalBackend(str(folder), dtype="bfloat16"),
        LocalBackend(str(folder), candidates="half"),
        LocalBackend(str(write_model(tmp_path / "other", seed=1))),
    ]
    keys = {here.key, *(backend.request(item).key for backend in others)}
    assert len(keys) == 4
    # Another chat template under the same weights is another model.
    (moved / "chat_template.jinja").write_text("{{ messages[0]['content'] }}")
    assert LocalBackend(str(moved)).request(item).key not in keys


def test_a_model_is_named_without_its_path(folder, tmp_path):
    backend = LocalBackend(str(folder))
    name, _, digest = backend.model.partition("@")
    assert name == "tiny"
    assert len(digest) == 12
    assert str(folder.parent) not in repr(backend.request(Item("en", "Foot", "RED")).body)


def test_an_answer_is_stored_before_it_is_counted(folder, store):
    backend = LocalBackend(str(folder), batch=4)
    requests = requests_of(backend)
    counted = 0

    def progress(n):
        nonlocal counted
        counted += n
        assert len(store.answered(r.key for r in requests)) == counted

    backend.ask(requests, store, progress)
    assert counted == len(requests)


def test_stopped_anywhere_it_goes_on_with_the_rest(folder, store, responses):
    backend = LocalBackend(str(folder), candidates="hundredth", batch=4)
    requests = requests_of(backend)

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backend.ask(requests, store, stop)
    there = store.answered(r.key for r in requests)
    assert 0 < len(there) <= 4
    rest = [r for r in requests if r.key not in there]
    assert backend.ask(rest, store, lambda _: None).answered == len(rest)
    for request, stored in zip(requests, store.get(r.key for r in requests).values(), strict=True):
        expected = responses[request.item]
        assert stored.response["choices"][0]["message"] == expected["choices"][0]["message"]


class Narrow:
    """Memory for so many prompts at a time, of a real model."""

    def __init__(self, monkeypatch, most, error):
        self.asked = []
        real = LocalModel.read

        def read(model, prompts, batch):
            self.asked.append(batch)
            for k, rows in enumerate(real(model, prompts, min(batch, 2))):
                # The first batch goes well, so that some are done when memory is full.
                if k and batch > most:
                    raise error
                yield rows

        monkeypatch.setattr(LocalModel, "read", read)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_fewer_at_a_time_where_memory_is_short(folder, store, monkeypatch, error):
    narrow = Narrow(monkeypatch, 2, error)
    backend = LocalBackend(str(folder), batch=8)
    requests = requests_of(backend)
    outcome = backend.ask(requests, store, lambda _: None)
    assert narrow.asked == [8, 4, 2, 2]
    assert outcome.answered == len(requests) == len(store.answered(r.key for r in requests))
    assert outcome.notes == ("memory sufficed for 2 prompts at a time, not for 8",)


def test_memory_for_none_says_what_to_do(folder, store, monkeypatch):
    Narrow(monkeypatch, 0, torch.OutOfMemoryError("CUDA out of memory"))
    backend = LocalBackend(str(folder), batch=2)
    with pytest.raises(RatingError, match="does not suffice for one prompt; name a smaller model"):
        backend.ask(requests_of(backend), store, lambda _: None)
    # What was read before stays.
    assert store.answered(r.key for r in requests_of(backend))


def test_another_error_is_not_taken_for_one_of_memory(folder, store, monkeypatch):
    Narrow(monkeypatch, 0, RuntimeError("shapes do not fit"))
    backend = LocalBackend(str(folder), batch=2)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        backend.ask(requests_of(backend), store, lambda _: None)


def test_half_precision_is_told_of(folder, store):
    backend = LocalBackend(str(folder), dtype="bfloat16")
    outcome = backend.ask(requests_of(backend, WORDS[:3]), store, lambda _: None)
    assert outcome.answered == 6
    assert "good to two digits" in outcome.notes[0]


def test_pace_counts_every_token_and_keeps_nothing(backend, plain, monkeypatch):
    clock = iter([0.0, 100.0, 102.0])  # begun, begun again, done
    stopwatch = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr(local_module, "time", stopwatch)
    requests = requests_of(backend)
    pace = backend.pace(requests)
    prompts = [prompt_of(plain, request.item) for request in requests]
    assert pace.tokens == sum(map(len, prompts))
    assert pace.tried == 8
    # Two seconds for eight, and the second of two dimensions is read as long as the first.
    assert 2 * 2 < pace.seconds < 2 * 2 * 11 / 8


def test_groups_are_by_language_and_dimension():
    backend = SimpleNamespace(request=lambda item: SimpleNamespace(item=item))
    items = [
        *plan(["A", "B"], "en", ["Visual", "Foot"]),
        *plan(["C"], "nl", ["Visual"]),
        Item("en", "Visual", "D"),
    ]
    found = groups([backend.request(item) for item in items])
    assert [[one.item.word for one in group] for group in found] == [
        ["A", "B", "D"],
        ["A", "B"],
        ["C"],
    ]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"max_position_embeddings": 16}, "reads 16 tokens at most, and a prompt has 1[0-9]"),
        ({"vocab_size": 265}, "the tokenizer gives token 2[0-9]+, the model knows 265"),
    ],
)
def test_a_model_that_cannot_read_the_prompts_is_refused(tmp_path, store, changes, match):
    backend = LocalBackend(str(write_model(tmp_path / "odd", **changes)))
    with pytest.raises(RatingError, match=match):
        backend.ask(requests_of(backend), store, lambda _: None)
    assert not store.answered(r.key for r in requests_of(backend))


def test_damaged_weights_are_told_of(folder, tmp_path, store):
    damaged = shutil.copytree(folder, tmp_path / "tiny")
    weights = load_file(damaged / "model.safetensors")
    weights["lm_head.weight"][3] = float("nan")
    save_file(weights, damaged / "model.safetensors", metadata={"format": "pt"})
    backend = LocalBackend(str(damaged))
    with pytest.raises(RatingError, match=r"tiny: a logit is not a number.*copy them again"):
        backend.ask(requests_of(backend), store, lambda _: None)


@pytest.mark.parametrize(
    ("does", "said"),
    [
        (lambda *_: 0.3, r"differ by 3.0e-01\); serve it"),
        # What a Bloom does, whose keys have another shape.
        (lambda *_: (_ for _ in ()).throw(ValueError("too many values")), "ValueError: too many"),
    ],
)
def test_a_model_that_cannot_share_a_prefix_is_refused(folder, store, monkeypatch, does, said):
    monkeypatch.setattr(prefix, "away", does)
    backend = LocalBackend(str(folder))
    with pytest.raises(RatingError, match=f"cannot be read with a beginning.*{said}"):
        backend.ask(requests_of(backend), store, lambda _: None)
    assert not store.answered(r.key for r in requests_of(backend))


def test_memory_short_at_the_check_already(folder, store, monkeypatch):
    errors, real = [torch.OutOfMemoryError("CUDA out of memory")], prefix.away

    def away(*arguments):
        if errors:
            raise errors.pop()
        return real(*arguments)

    monkeypatch.setattr(prefix, "away", away)
    backend = LocalBackend(str(folder), batch=8)
    assert backend.ask(requests_of(backend), store, lambda _: None).answered == 22
    assert backend.batch == 4


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": "int8"}, "'int8' is none of float32"),
        ({"candidates": "third"}, "'third' is none of whole"),
    ],
)
def test_unknown_choices_are_refused(folder, options, match):
    with pytest.raises(RatingError, match=match):
        LocalBackend(str(folder), **options)


def test_no_such_model_is_refused(tmp_path):
    with pytest.raises(RatingError, match="no such folder"):
        LocalBackend(str(tmp_path / "none"))
