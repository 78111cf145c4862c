"""f_vis, equation (1): images to visual tokens at several scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from core.agent.tiles import GRID, TILE
from core.evidence.errors import EvidenceError


class VisionWeightsError(EvidenceError):
    """Weights that are not those of a ResNet-18: names the file and the fault."""


def _pixels(table: np.ndarray) -> Tensor:
    """Return tiles as the networks take them, shape (t, 3, 8, 8), about -1 to 1."""
    return torch.from_numpy(table.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1.0


class ConvBlock(nn.Module):
    """Two 3x3 convolutions and a short cut around them."""

    def __init__(self, width: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1)
        self.shortcut = nn.Conv2d(width, out, 1, stride) if (width, 1) != (out, stride) else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, half as wide and high at stride 2."""
        short = x if self.shortcut is None else self.shortcut(x)
        return short + self.conv2(F.relu(self.conv1(F.relu(x))))


class PatchEncoder(nn.Module):
    """A residual encoder whose first layers see one tile at a time.

    Those layers give the same for the same tile, so they run on the table of tiles, once per
    batch, and their output is gathered: what they would give on the images, up to rounding.
    """

    width = 32
    table: Tensor

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("table", _pixels(table), persistent=False)
        self.patch1 = nn.Conv2d(3, 32, 4, 4)
        self.patch2 = nn.Conv2d(32, self.width, 2, 2)
        self.position = nn.Parameter(0.02 * torch.randn(1, self.width, GRID, GRID))
        self.fine = ConvBlock(self.width, self.width)
        self.coarse = ConvBlock(self.width, self.width, stride=2)

    def patches(self, images: Tensor) -> Tensor:
        """Return one vector per tile of the images, shape (n, 3, 8 s, 8 s) to (n, 32, s, s)."""
        return self.patch2(F.relu(self.patch1(images)))

    def scales(self, grid: Tensor) -> Tensor:
        """Return the tokens of both scales, shape (n, 80, 32), of patches on their grid."""
        fine = self.fine(grid + self.position)
        coarse = self.coarse(fine)
        return torch.cat([fine.flatten(2), coarse.flatten(2)], 2).transpose(1, 2)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the visual tokens of images given as tiles, shape (n, 64) to (n, 80, 32)."""
        vectors = self.patches(self.table)[:, :, 0, 0]
        return self.scales(
            F.embedding(tiles, vectors).view(-1, GRID, GRID, self.width).permute(0, 3, 1, 2)
        )


class BasicBlock(nn.Module):
    """The block of ResNet-18, its parts named as in torchvision so that its weights load."""

    def __init__(self, width: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        same = (width, 1) == (out, stride)
        self.downsample = (
            None
            if same
            else nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, half as wide and high at stride 2."""
        short = x if self.downsample is None else self.downsample(x)
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(short + inner)


class ResNetEncoder(nn.Module):
    """The encoder of the paper's figure 2: two stages of ResNet-18, two convolutions more.

    Tokens come from three scales of a 64x64 image: 8x8, 4x4 and 2x2.
    """

    width = 128
    table: Tensor

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("table", _pixels(table), persistent=False)
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128))
        self.coarse = nn.Conv2d(128, self.width, 3, 2, 1)
        self.coarser = nn.Conv2d(self.width, self.width, 3, 2, 1)

    def forward(self, tiles: Tensor) -> Tensor:
        """Return the visual tokens of images given as tiles, shape (n, 64) to (n, 84, 128)."""
        stem = F.relu(self.bn1(self.conv1(images(self.table, tiles))))
        fine = self.layer2(self.layer1(F.max_pool2d(stem, 3, 2, 1)))
        coarse = self.coarse(fine)
        scales = (fine, coarse, self.coarser(F.relu(coarse)))
        return torch.cat([scale.flatten(2) for scale in scales], 2).transpose(1, 2)

    def load_imagenet(self, path: Path) -> None:
        """Take the stem and the first two stages from a file of ResNet-18 weights.

        Parameters
        ----------
        path : Path
            A safetensors file with torchvision's names; what else it holds is left.

        Raises
        ------
        VisionWeightsError
            If the file cannot be read, or lacks a tensor or holds one of another shape.
        """
        own = {
            name: x
            for name, x in self.state_dict().items()
            if name.startswith(("conv1.", "bn1.", "layer1.", "layer2."))
        }
        try:
            found = load_file(path)
        except (OSError, SafetensorError) as error:
            msg = f"{path}: cannot be read as safetensors: {error}"
            raise VisionWeightsError(msg) from error
        wrong = [n for n, x in own.items() if n not in found or found[n].shape != x.shape]
        if wrong:
            msg = f"{path}: is not ResNet-18: {wrong[0]} is missing or of another shape"
            raise VisionWeightsError(msg)
        self.load_state_dict({n: found[n] for n in own}, strict=False)


def images(table: Tensor, tiles: Tensor) -> Tensor:
    """Return images as the networks take them, shape (n, 64) to (n, 3, 64, 64)."""
    n = len(tiles)
    grid = table[tiles].view(n, GRID, GRID, 3, TILE, TILE)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(n, 3, GRID * TILE, GRID * TILE)


ENCODERS = {"patch": PatchEncoder, "resnet": ResNetEncoder}
