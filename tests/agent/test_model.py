"""The network, against plain versions of its parts."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from core.agent.errors import RecipeError
from core.agent.instructions import SENTENCES, tokenise
from core.agent.model import Agent, Architecture, CrossModalAttention, Language, Residual
from core.agent.runs import Recipe, begin
from core.agent.tiles import tile_table
from core.agent.training import Corpus, train

# Compared in double precision: in single, the order of a sum shows in the fifth place.
CLOSE = {"atol": 1e-10, "rtol": 0}


def agent(seed=0, **options):
    torch.manual_seed(seed)
    return Agent(Architecture(**options), tile_table())


def tiles(n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(64, size=(n, 64)))


def shaken(module):
    """A module in double precision whose zeros and ones are no longer so."""
    module.double()
    with torch.no_grad():
        for x in module.parameters():
            x += 0.3 * torch.randn_like(x)
    return module


def sentence_alone(lang, words, longest):
    """E_L of one sentence, of its own tokens, by PyTorch's own attention."""
    attention = nn.MultiheadAttention(100, 4, batch_first=True)
    attention.in_proj_weight, attention.in_proj_bias = (
        lang.query_key_value.weight,
        lang.query_key_value.bias,
    )
    attention.out_proj.weight, attention.out_proj.bias = lang.attended.weight, lang.attended.bias
    x = (lang.embedding[words] + lang.position[: len(words)])[None]
    y = lang.norm_attention(x)
    x = lang.norm_mlp(x + attention(y, y, y, need_weights=False)[0])[0]
    if lang.pooling == "mean":
        return lang.mlp(x.mean(0))
    return lang.mlp(F.pad(x, (0, 0, 0, longest - len(x))).ravel())


@pytest.mark.parametrize("pooling", ["mean", "flatten"])
@pytest.mark.parametrize("tokenisation", ["words", "words-from", "phrases"])
def test_each_sentence_is_read_as_if_it_were_alone(pooling, tokenisation):
    torch.manual_seed(0)
    lang = shaken(Language(Architecture(pooling=pooling, tokenisation=tokenisation)))
    tokens, _ = tokenise(tokenisation)
    with torch.no_grad():
        found = lang()
        alone = [sentence_alone(lang, row[row >= 0], tokens.shape[1]) for row in tokens]
    assert found.shape == (108, 128)
    assert found.std() > 0.1
    assert_close(found, torch.stack(alone), **CLOSE)


def test_a_sentence_does_not_heed_the_others():
    torch.manual_seed(0)
    lang = shaken(Language(Architecture()))
    order = torch.randperm(108)
    with torch.no_grad():
        before = lang()
        lang.tokens, lang.ends = lang.tokens[order], lang.ends[order]
        assert_close(lang(), before[order], **CLOSE)


def test_a_word_changes_its_own_sentences_only():
    torch.manual_seed(0)
    lang = Language(Architecture())
    with torch.no_grad():
        before = lang()
        lang.embedding[tokenise()[1].index("yellow"), 50] += 1
        changed = (lang() - before).abs().amax(1) > 1e-6
    assert changed.tolist() == ["yellow" in sentence for sentence in SENTENCES]


def test_the_order_of_words_counts():
    torch.manual_seed(0)
    lang = shaken(Language(Architecture()))
    with torch.no_grad():
        before = lang()
        lang.tokens = lang.tokens[:, [1, 0, 2, 3, 4]]
        assert ((lang() - before).abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize(("tokenisation", "size"), [("words", 21), ("phrases", 16)])
def test_the_identity_start_is_the_identity(tokenisation, size):
    start = agent(tokenisation=tokenisation).f_lang.embedding
    assert start.shape == (size, 100)
    assert_close(start.detach(), torch.eye(size, 100), atol=0, rtol=0)


def test_an_identity_start_tells_sentences_apart():
    with torch.no_grad():
        found = agent().sentences()
    assert torch.pdist(found).min() > 1e-3


def spread(e_l, lengths, length):
    mine = e_l[lengths == length]
    return (mine - mine[0]).abs().max().item()


def test_an_identical_start_tells_lengths_apart_and_nothing_else_until_it_learns(shown):
    recipe = Recipe(
        updates=5, batch=108, learning_rate=0.02, architecture=Architecture(initial="identical")
    )
    state = begin(recipe, "cpu")
    lengths = (tokenise()[0] >= 0).sum(1)
    with torch.no_grad():
        start = state.agent.sentences()
    assert spread(start, lengths, 4) < 1e-6
    assert spread(start, lengths, 5) < 1e-6
    assert (start[0] - start[-1]).abs().max() > 1e-4
    train(state, Corpus.of(shown, "partial"), lambda _: False, lambda *_: None)
    with torch.no_grad():
        end = state.agent.sentences()
    assert spread(end, lengths, 4) > 1e-4
    assert spread(end, lengths, 5) > 1e-4


@pytest.mark.parametrize(("width", "tokens"), [(32, 80), (128, 84)])
def test_the_folded_attention_is_plain_attention(width, tokens):
    torch.manual_seed(0)
    cma = shaken(CrossModalAttention(width))
    sentences = torch.randn(6, 128, dtype=torch.float64)
    seen = torch.randn(6, tokens, width, dtype=torch.float64)

    def heads(x):
        return x.view(6, -1, 4, 32).transpose(1, 2)

    with torch.no_grad():
        x = cma.norm(seen)
        query, key, value = heads(cma.query(sentences)), heads(cma.key(x)), heads(cma.value(x))
        plain = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(6, 128)
        found = cma(cma.fold(sentences), seen)
    assert found.std() > 0.1
    assert_close(found, cma.out(plain), **CLOSE)


def test_the_whole_is_its_parts_in_the_order_of_the_equations():
    net = shaken(agent())
    asked, seen = torch.tensor([3, 50, 50, 107]), tiles(4)
    with torch.no_grad():
        e_l = net.f_lang()[asked]
        z = e_l + net.cma(net.cma.fold(e_l), net.f_vis(seen))
        for step in net.mlp:
            assert isinstance(step, Residual)
            z = z + step.narrow(F.gelu(step.wide(step.norm(z))))
        expected = z @ net.policy.weight.T + net.policy.bias
        assert_close(net(seen, asked), expected, **CLOSE)


@pytest.mark.parametrize("vision", ["patch", "resnet"])
@pytest.mark.parametrize("pooling", ["mean", "flatten"])
def test_six_logits_per_image(vision, pooling):
    net = agent(vision=vision, pooling=pooling).double().eval()
    with torch.no_grad():
        found = net(tiles(3), torch.tensor([0, 40, 107]))
        alone = net(tiles(3)[1:2], torch.tensor([40]))
    assert found.shape == (3, 6)
    # What else is in the batch does not matter.
    assert_close(found[1:2], alone, **CLOSE)


def test_logits_depend_on_the_sentence_unless_the_agent_is_blind():
    every, image = torch.arange(108), tiles(1).expand(108, -1)
    with torch.no_grad():
        blind, ordinary = (shaken(agent(blind=b))(image, every) for b in (True, False))
    assert_close(blind, blind[:1].expand(108, -1), atol=1e-6, rtol=0)
    assert torch.pdist(ordinary).min() > 1e-4
    # Blind to sentences, not to what is seen.
    with torch.no_grad():
        assert torch.pdist(agent(blind=True)(tiles(5), every[:5])).min() > 1e-6


def test_the_seed_decides_the_start():
    first, second, other = (agent(seed).state_dict() for seed in (0, 0, 1))
    assert all((first[name] == second[name]).all() for name in first)
    assert (first["policy.weight"] != other["policy.weight"]).any()


def test_describe_counts_the_parameters():
    language = 21 * 100 + 5 * 100 + 2 * 200 + (100 * 300 + 300) + (100 * 100 + 100)
    language += (100 * 256 + 256) + (256 * 128 + 128)
    block = 2 * (32 * 32 * 9 + 32)
    vision = (3 * 16 * 32 + 32) + (32 * 4 * 32 + 32) + 32 * 64 + 2 * block + (32 * 32 + 32)
    attention = 2 * 32 + 32 * 128 * 2 + 128 + 2 * (128 * 128 + 128)
    mlp = 2 * (2 * 128 + (128 * 256 + 256) + (256 * 128 + 128))
    found = agent().describe()
    assert found["parameters"] == language + vision + attention + mlp + (128 * 6 + 6)
    assert found["actions"] == ["left", "right", "forward", "pickup", "drop", "toggle"]
    assert (found["vision"], found["blind"]) == ("patch", False)


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("initial", "random", "identity, identical"),
        ("pooling", "max", "mean, flatten"),
        ("tokenisation", "letters", "words, words-from, phrases"),
        ("vision", "vit", "patch, resnet"),
        ("view", "half", "partial, full"),
        ("blind", "yes", "False, True"),
    ],
)
def test_an_unknown_choice_is_named_with_the_known_ones(name, value, known):
    with pytest.raises(RecipeError, match=f"{name} is '{value}'; known: {known}"):
        Architecture(**{name: value})
