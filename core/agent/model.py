"""The agent's network: equations (1) to (5) of the ALM paper."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from core.agent.errors import RecipeError
from core.agent.geometry import ACTIONS
from core.agent.instructions import TOKENISATIONS, tokenise
from core.agent.vision import ENCODERS, PatchEncoder, ResNetEncoder

#: Sizes that the paper gives: of a token's vector and of E_L.
TOKEN_WIDTH, SENTENCE_WIDTH = 100, 128
HEADS = 4


@dataclass(frozen=True)
class Architecture:
    """What the paper leaves open, or says in two ways.

    Attributes
    ----------
    initial : str
        Token vectors start as the rows of an identity matrix ("identity"), or all the same
        ("identical"): the paper says both (sections 2.2 and 2.5).
    pooling : str
        How a sentence's word vectors become one: "mean", or "flatten", one after the other.
    tokenisation : str
        One of `core.agent.instructions.TOKENISATIONS`.
    vision : str
        "patch", whose first layer is cut along the tiles, or "resnet", as the paper's figure 2.
    view : str
        "partial", the 7x7 cells before the agent, or "full", the whole room.
    blind : bool
        Whether every sentence is read as the first one: a clone that is deaf to language, to
        measure what success needs no language.
    """

    initial: str = "identity"
    pooling: str = "mean"
    tokenisation: str = "words"
    vision: str = "patch"
    view: str = "partial"
    blind: bool = False

    def __post_init__(self) -> None:
        choices = {
            "initial": ("identity", "identical"),
            "pooling": ("mean", "flatten"),
            "tokenisation": TOKENISATIONS,
            "vision": tuple(ENCODERS),
            "view": ("partial", "full"),
            "blind": (False, True),
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                msg = f"{name} is {getattr(self, name)!r}; known: {', '.join(map(str, known))}"
                raise RecipeError(msg)


class Language(nn.Module):
    """f_lang, equation (2): the 108 instructions to their sentence embeddings E_L."""

    tokens: Tensor
    ends: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        tokens, vocabulary = tokenise(architecture.tokenisation)
        ends = torch.from_numpy(tokens < 0)
        self.register_buffer("tokens", torch.from_numpy(tokens.clip(0)), persistent=False)
        self.register_buffer("ends", ends, persistent=False)
        self.pooling = architecture.pooling
        self.embedding = nn.Parameter(_initial(architecture.initial, len(vocabulary)))
        self.position = nn.Parameter(0.02 * torch.randn(tokens.shape[1], TOKEN_WIDTH))
        self.norm_attention = nn.LayerNorm(TOKEN_WIDTH)
        self.query_key_value = nn.Linear(TOKEN_WIDTH, 3 * TOKEN_WIDTH)
        self.attended = nn.Linear(TOKEN_WIDTH, TOKEN_WIDTH)
        self.norm_mlp = nn.LayerNorm(TOKEN_WIDTH)
        wide = TOKEN_WIDTH * (tokens.shape[1] if architecture.pooling == "flatten" else 1)
        self.mlp = nn.Sequential(nn.Linear(wide, 256), nn.GELU(), nn.Linear(256, SENTENCE_WIDTH))

    def forward(self) -> Tensor:
        """Return E_L of every instruction, shape (108, 128)."""
        words = F.embedding(self.tokens, self.embedding) + self.position
        words = self.norm_mlp(words + self._attend(self.norm_attention(words)))
        words = words.masked_fill(self.ends[..., None], 0.0)
        if self.pooling == "flatten":
            return self.mlp(words.flatten(1))
        return self.mlp(words.sum(1) / (~self.ends).sum(1, keepdim=True))

    def _attend(self, words: Tensor) -> Tensor:
        """Self-attention among the words of each sentence, shape (108, length, 100)."""
        n, length, _ = words.shape
        query, key, value = (
            self.query_key_value(words)
            .view(n, length, 3, HEADS, TOKEN_WIDTH // HEADS)
            .permute(2, 0, 3, 1, 4)
        )
        scores = query @ key.transpose(-1, -2) * (TOKEN_WIDTH // HEADS) ** -0.5
        scores = scores.masked_fill(self.ends[:, None, None], -torch.inf)
        return self.attended((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))


def _initial(kind: str, size: int) -> Tensor:
    if kind == "identity":
        return torch.eye(size, TOKEN_WIDTH)
    return torch.full((size, TOKEN_WIDTH), TOKEN_WIDTH**-0.5)


class CrossModalAttention(nn.Module):
    """CMA, equation (3): language is the query, visual tokens are keys and values."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(SENTENCE_WIDTH, SENTENCE_WIDTH)
        self.key = nn.Linear(width, SENTENCE_WIDTH, bias=False)
        self.value = nn.Linear(width, SENTENCE_WIDTH)
        self.out = nn.Linear(SENTENCE_WIDTH, SENTENCE_WIDTH)

    def fold(self, sentences: Tensor) -> Tensor:
        """Return each sentence's query with the keys' weights in it, shape (n, heads, width).

        A score is q.(W_k x) = (W_k' q).x, so keys of 80 tokens are never computed.
        """
        each = SENTENCE_WIDTH // HEADS
        query = self.query(sentences).view(-1, HEADS, each) * each**-0.5
        return torch.einsum("nhe,hew->nhw", query, self.key.weight.view(HEADS, each, -1))

    def forward(self, folded: Tensor, tokens: Tensor) -> Tensor:
        """Attend to the tokens, shape (n, m, width), with folded queries; shape (n, 128)."""
        tokens = self.norm(tokens)
        weights = torch.bmm(folded, tokens.transpose(1, 2)).softmax(-1)
        # The mean of values is the value of the mean: W_v too acts on one vector a head.
        context = torch.bmm(weights, tokens)
        each = SENTENCE_WIDTH // HEADS
        values = torch.einsum("nhw,hew->nhe", context, self.value.weight.view(HEADS, each, -1))
        return self.out(values.flatten(1) + self.value.bias)


class Residual(nn.Module):
    """One step of the residual MLP, equation (4): z + MLP(z)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, z: Tensor) -> Tensor:
        """Return z + MLP(z)."""
        return z + self.narrow(F.gelu(self.wide(self.norm(z))))


class Agent(nn.Module):
    """The whole network.

    Parameters
    ----------
    architecture : Architecture
    table : ndarray of uint8, shape (t, 8, 8, 3)
        The pixels of every tile.
    """

    def __init__(self, architecture: Architecture, table: np.ndarray) -> None:
        super().__init__()
        self.architecture = architecture
        self.f_lang = Language(architecture)
        self.f_vis: PatchEncoder | ResNetEncoder = ENCODERS[architecture.vision](table)
        self.cma = CrossModalAttention(self.f_vis.width)
        self.mlp = nn.Sequential(*(Residual(SENTENCE_WIDTH) for _ in range(2)))
        self.policy = nn.Linear(SENTENCE_WIDTH, len(ACTIONS))

    def sentences(self) -> Tensor:
        """Return E_L of the 108 instructions, shape (108, 128)."""
        e_l = self.f_lang()
        return e_l[:1].expand_as(e_l) if self.architecture.blind else e_l

    def forward(self, tiles: Tensor, instruction: Tensor) -> Tensor:
        """Return the logits of the six actions.

        Parameters
        ----------
        tiles : Tensor of int64, shape (n, 64)
            The image as 8x8 tiles.
        instruction : Tensor of int64, shape (n,)

        Returns
        -------
        Tensor, shape (n, 6)
            Equation (5) before its softmax.
        """
        # One pass over all 108 sentences costs less than one over a batch of them.
        e_l = self.sentences()
        folded = self.cma.fold(e_l)
        e_v = self.f_vis(tiles)
        asked = F.embedding(instruction, folded.flatten(1)).view(-1, *folded.shape[1:])
        z = F.embedding(instruction, e_l) + self.cma(asked, e_v)
        return self.policy(self.mlp(z))

    def describe(self) -> dict[str, object]:
        """Return what a manifest says of the network."""
        return asdict(self.architecture) | {
            "parameters": sum(p.numel() for p in self.parameters()),
            "actions": list(ACTIONS),
        }
