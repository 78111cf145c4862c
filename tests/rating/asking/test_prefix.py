"""Reading prompts that begin alike, against transformers reading each alone."""

from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.testing import assert_allclose

from core.rating.asking import prefix
from core.rating.asking.prefix import away, batches, common_prefix, read
from core.rating.asking.tree import Answers

torch.set_num_threads(1)

VOCABULARY, DIGITS, POINT = 60, range(40, 46), 50
ENDS = (3, 5, 11, 12, 17, 23, 29, 37, 51, 58)
#: Answers such as "4" and "4.7", each with its end, and some that may go on.
SEQUENCES = [
    *((a, 3) for a in DIGITS),
    *((a, POINT, b, 3) for a in DIGITS for b in range(20, 24)),
    *((a, POINT, b) for a in DIGITS for b in range(30, 34)),
]


def config(kind):
    # Weights this large make a random model say something else after every word.
    shape: dict[str, Any] = {"vocab_size": VOCABULARY, "initializer_range": 0.3}
    shape |= {"bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
    if kind == "gpt2":
        shape |= {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
        return transformers.GPT2Config(**shape)
    shape |= {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64}
    kinds = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}
    return kinds[kind](**shape)


def build(kind, attention="sdpa", dtype=torch.float32):
    torch.manual_seed(0)
    made = transformers.AutoModelForCausalLM.from_config(
        config(kind), attn_implementation=attention
    )
    return made.to(dtype).eval()


@pytest.fixture(scope="module", params=["llama", "gpt2", "qwen2", "llama, eager"])
def model(request):
    """Rotary positions with shared keys, absolute positions, biases; and masks that are added."""
    kind, _, attention = request.param.partition(", ")
    return build(kind, attention or "sdpa")


def some_prompts(n=24, seed=0):
    """Twenty tokens in common, one to eight of their own, and two at the end in common."""
    rng = np.random.default_rng(seed)
    shared = rng.integers(0, VOCABULARY, 20).tolist()
    return [
        [*shared, *rng.integers(0, VOCABULARY, rng.integers(1, 9)).tolist(), 7, 8] for _ in range(n)
    ]


def all_readings(model, prompts, sequences=SEQUENCES, batch=16, **options):
    options = {"ends": ENDS, "watch": DIGITS} | options
    found = {}
    for rows in read(model, prompts, Answers.of(sequences), batch=batch, **options):
        found.update(rows)
    return [found[i] for i in range(len(prompts))]


def generated(model, prompt, most=8):
    """Transformers' own greedy answer, without its end, and the logits behind every token."""
    out = model.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        do_sample=False,
        max_new_tokens=most,
        eos_token_id=list(ENDS),
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    tokens = out.sequences[0, len(prompt) :].tolist()
    ended = tokens[-1] in ENDS
    return tokens[:-1] if ended else tokens, ended, [x[0] for x in out.logits]


@torch.inference_mode()
def plain_score(model, prompt, sequence):
    """The log-probability of an answer, from one reading of the prompt and all of it."""
    ids = torch.tensor([[*prompt, *sequence]])
    each = model(ids, use_cache=False).logits[0].double().log_softmax(-1)
    return sum(float(each[len(prompt) - 1 + k, token]) for k, token in enumerate(sequence))


def test_greedy_answers_are_those_that_transformers_generates_one_by_one(model):
    prompts = some_prompts()
    lengths = set()
    for prompt, reading in zip(prompts, all_readings(model, prompts), strict=True):
        tokens, ended, logits = generated(model, prompt)
        assert ([step.token for step in reading.steps], reading.ended) == (tokens, ended)
        for step, row in zip(reading.steps, logits, strict=False):
            expected = row.log_softmax(-1)
            assert_allclose(step.logprob, expected[step.token], atol=1e-4)
            assert_allclose([x for _, x in step.top], expected.topk(5).values, atol=1e-4)
            assert step.top[0] == (step.token, step.logprob)
        lengths.add(len(tokens))
    assert len(lengths) > 1


def test_an_answer_that_runs_through_the_tree_is_that_of_transformers_too(model):
    # The tree holds the very answers that the model gives, cut at every length.
    prompts = some_prompts(10)
    own = [generated(model, prompt)[0] for prompt in prompts]
    sequences = [(*tokens[: 1 + i % 5], 3) for i, tokens in enumerate(own) if tokens]
    for prompt, tokens, reading in zip(
        prompts, own, all_readings(model, prompts, sequences), strict=True
    ):
        assert [step.token for step in reading.steps] == tokens
        assert reading.ended == generated(model, prompt)[1]


def test_scores_are_those_of_every_answer_read_alone(model):
    prompts = some_prompts(9)
    for prompt, reading in zip(prompts, all_readings(model, prompts, batch=4), strict=True):
        expected = [plain_score(model, prompt, sequence) for sequence in SEQUENCES]
        assert_allclose(reading.scores, expected, atol=1e-4)
        with torch.inference_mode():
            first = model(torch.tensor([prompt])).logits[0, -1].log_softmax(-1)
        assert_allclose(reading.watched, first[list(DIGITS)], atol=1e-4)


def test_neither_order_nor_company_changes_an_answer(model):
    prompts = some_prompts()
    shuffled = np.random.default_rng(1).permutation(len(prompts))
    first = all_readings(model, prompts)
    again = all_readings(model, [prompts[i] for i in shuffled])
    for place, i in enumerate(shuffled):
        # The same batches, whatever the order: the same to the bit.
        assert again[place].steps == first[i].steps
        assert (again[place].scores == first[i].scores).all()
    for other in (all_readings(model, prompts, batch=1), all_readings(model, prompts, batch=64)):
        for one, two in zip(first, other, strict=True):
            assert [x.token for x in one.steps] == [x.token for x in two.steps]
            assert_allclose(one.scores, two.scores, atol=1e-4)


def test_one_prompt_alone_is_read_too(model):
    (prompt,) = some_prompts(1)
    (reading,) = all_readings(model, [prompt])
    assert [step.token for step in reading.steps] == generated(model, prompt)[0]
    assert_allclose(reading.scores[0], plain_score(model, prompt, SEQUENCES[0]), atol=1e-4)


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_answer_is_longer_than_allowed(most):
    model = build("llama")
    prompts = some_prompts(20)
    for prompt, reading in zip(prompts, all_readings(model, prompts, most=most), strict=True):
        tokens, ended, _ = generated(model, prompt, most)
        assert ([step.token for step in reading.steps], reading.ended) == (tokens, ended)


def test_of_equals_the_lowest_token_is_taken():
    model = build("llama")
    torch.nn.init.zeros_(model.lm_head.weight)
    for reading in all_readings(model, some_prompts(3), ends=(30,)):
        assert [step.token for step in reading.steps] == [0] * 8
        assert_allclose(reading.steps[0].logprob, -np.log(VOCABULARY), rtol=1e-6)


def test_away_is_rounding_where_masks_and_positions_are_heeded(model):
    prompts = some_prompts()
    found = away(model, max(prompts, key=len), [min(prompts, key=len)], Answers.of(SEQUENCES))
    assert 0 < found < 1e-4


@pytest.mark.parametrize("deaf", ["position_ids", "attention_mask"])
def test_away_tells_a_model_that_heeds_them_not(deaf):
    model = build("llama")

    def forward(**options: Any) -> Any:
        options[deaf] = None
        return transformers.LlamaForCausalLM.forward(model, **options)

    model.forward = forward
    prompts = some_prompts()
    assert away(model, prompts[0], prompts[1:], Answers.of(SEQUENCES)) > 0.01


def test_a_model_that_gives_no_numbers_is_told():
    model = build("llama")
    with torch.no_grad():
        model.lm_head.weight[2] = float("nan")
    with pytest.raises(FloatingPointError, match="not a number"):
        all_readings(model, some_prompts(2))


def test_prompts_that_share_nothing_are_refused():
    with pytest.raises(ValueError, match="share no first token"):
        all_readings(build("llama"), [[1, 2], [2, 2]])
    assert list(read(build("llama"), [], Answers.of(SEQUENCES), ends=ENDS)) == []


def test_half_precision_is_near():
    model = build("llama", dtype=torch.bfloat16)
    exact = all_readings(build("llama"), some_prompts(8))
    for one, two in zip(all_readings(model, some_prompts(8)), exact, strict=True):
        assert_allclose(np.exp(one.watched), np.exp(two.watched), atol=0.05)


def test_logits_held_at_a_time_are_limited(monkeypatch):
    model, seen = build("llama"), []
    prompts = some_prompts()
    whole = all_readings(model, prompts, batch=64)
    nodes = len(Answers.of(SEQUENCES).tokens)
    monkeypatch.setattr(prefix, "MOST_LOGITS", 3 * (nodes + 1) * VOCABULARY)
    for rows in read(model, prompts, Answers.of(SEQUENCES), ends=ENDS, batch=64):
        seen.append(len(rows))
        for i, reading in rows:
            assert [x.token for x in reading.steps] == [x.token for x in whole[i].steps]
    assert max(seen) == 3


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2]], 1),  # the shorter keeps a token of its own
        ([[1, 2, 3]], 2),
        ([[1, 2], [1, 2]], 1),
        ([[1, 9], [2, 9], [1, 3]], 0),
        ([[1, 2, 3, 4], [1, 9, 3, 4], [1, 2, 3, 5]], 1),
    ],
)
def test_common_prefix(prompts, shared):
    assert common_prefix(prompts) == shared


def test_batches_are_of_one_length_each_and_hold_every_prompt_once():
    prompts = [[1] * n for n in (3, 2, 3, 3, 2, 5)]
    found = batches(prompts, 2)
    assert sorted(i for rows in found for i in rows) == list(range(6))
    assert [[len(prompts[i]) for i in rows] for rows in found] == [[2, 2], [3, 3], [3], [5]]


def test_batches_do_not_depend_on_the_order_of_the_prompts():
    prompts = some_prompts()
    shuffled = [prompts[i] for i in np.random.default_rng(2).permutation(len(prompts))]
    found = [[[of[i] for i in rows] for rows in batches(of, 4)] for of in (prompts, shuffled)]
    assert found[0] == found[1]


def test_the_tree_shares_beginnings_and_hides_the_rest():
    # Answers 1 9, 1 2 9, 1 3 and 4 9: nodes 1, 1 2 and 4; what 1 3 ends in is read off node 1.
    tree = Answers.of([(1, 9), (1, 2, 9), (1, 3), (4, 9)])
    assert (tree.tokens, tree.parents, tree.depths) == ((1, 2, 4), (-1, 0, -1), (1, 2, 1))
    assert tree.steps() == (
        [-1, 0, -1, 0, 1, -1, 0, -1, 2],
        [1, 9, 1, 2, 9, 1, 3, 4, 9],
        [0, 0, 1, 1, 1, 2, 2, 3, 3],
    )
    # Two tokens shared, two of the prompt's own, three nodes.
    assert tree.sees(2, 2).astype(int).tolist() == [
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 0],
        [1, 1, 1, 1, 0, 0, 1],
    ]
