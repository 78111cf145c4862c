"""The encoders: tiles give what their pixels give, and ResNet-18 is ResNet-18."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.testing import assert_close

from core.agent.tiles import render, tile_table
from core.agent.vision import PatchEncoder, ResNetEncoder, VisionWeightsError, images

# What torchvision's resnet18 calls its first stages, and their shapes.
NORM = ("weight", "bias", "running_mean", "running_var")
RESNET = {
    "conv1.weight": (64, 3, 7, 7),
    "layer1.0.conv1.weight": (64, 64, 3, 3),
    "layer1.0.conv2.weight": (64, 64, 3, 3),
    "layer1.1.conv1.weight": (64, 64, 3, 3),
    "layer1.1.conv2.weight": (64, 64, 3, 3),
    "layer2.0.conv1.weight": (128, 64, 3, 3),
    "layer2.0.conv2.weight": (128, 128, 3, 3),
    "layer2.0.downsample.0.weight": (128, 64, 1, 1),
    "layer2.1.conv1.weight": (128, 128, 3, 3),
    "layer2.1.conv2.weight": (128, 128, 3, 3),
}
NORMS = {
    "bn1": 64,
    "layer1.0.bn1": 64,
    "layer1.0.bn2": 64,
    "layer1.1.bn1": 64,
    "layer1.1.bn2": 64,
    "layer2.0.bn1": 128,
    "layer2.0.bn2": 128,
    "layer2.0.downsample.1": 128,
    "layer2.1.bn1": 128,
    "layer2.1.bn2": 128,
}
RESNET |= {f"{norm}.{part}": (width,) for norm, width in NORMS.items() for part in NORM}
RESNET |= {f"{norm}.num_batches_tracked": () for norm in NORMS}
STAGES = ("conv1", "bn1", "layer1", "layer2")


@pytest.fixture
def tiles():
    return torch.from_numpy(np.random.default_rng(0).integers(64, size=(5, 64)))


@pytest.fixture
def patch():
    torch.manual_seed(0)
    return PatchEncoder(tile_table())


@pytest.fixture
def resnet():
    torch.manual_seed(0)
    encoder = ResNetEncoder(tile_table()).eval()
    with torch.no_grad():
        for name, x in encoder.state_dict().items():
            if name.endswith(("running_mean", "bias")):
                x.normal_(0, 0.1)
            elif name.endswith(("running_var", "bn1.weight", "bn2.weight")):
                x.uniform_(0.5, 1.5)
    return encoder


@pytest.fixture
def weights():
    """A ResNet-18's tensors, the last stages and the classifier cut down to one."""
    generator = torch.Generator().manual_seed(1)
    found = {
        name: torch.rand(shape, generator=generator) if shape else torch.tensor(7)
        for name, shape in RESNET.items()
    }
    return found | {"fc.weight": torch.zeros(1000, 512)}


def test_images_are_the_rendered_pixels_from_minus_one_to_one(patch, tiles):
    pixels = torch.from_numpy(render(tiles.numpy().astype(np.uint8))).permute(0, 3, 1, 2)
    found = images(patch.table, tiles)
    assert found.shape == (5, 3, 64, 64)
    assert_close(found, pixels.float() / 255 * 2 - 1)
    assert (found.min(), found.max()) == (-1, 1)


def test_tiles_give_what_the_convolutions_give_on_the_images(patch, tiles):
    with torch.no_grad():
        patch.position.normal_()
        found = patch(tiles)
        assert_close(
            found, patch.scales(patch.patches(images(patch.table, tiles))), atol=1e-5, rtol=0
        )
    assert found.shape == (5, 80, 32)


def test_gradients_through_tiles_are_those_through_the_images(patch, tiles):
    weigh = torch.randn(5, 80, 32)
    found = []
    for tokens in (patch(tiles), patch.scales(patch.patches(images(patch.table, tiles)))):
        patch.zero_grad()
        (tokens * weigh).sum().backward()
        found.append(patch.patch1.weight.grad.clone())
    assert found[0].abs().max() > 1
    assert_close(*found, atol=1e-2, rtol=1e-4)


def test_the_fine_tokens_of_the_patch_encoder_come_first_and_row_by_row(patch):
    before, after = torch.zeros(2, 64, dtype=torch.int64)
    after[0] = 7  # the top left tile
    with torch.no_grad():
        changed = (patch(before[None]) != patch(after[None])).any(2)[0]
    # Two 3x3 convolutions reach two tiles far, and the coarse scale from (0, 0) on.
    near = [8 * row + column for row in range(3) for column in range(3)]
    assert changed[:64].nonzero().ravel().tolist() == near
    assert changed[64]
    assert not changed[79]


def test_the_patch_encoder_knows_where_a_tile_is(patch):
    floor = torch.full((1, 64), 2)
    # Far from the borders, where convolutions see the same on all sides.
    middle = [27, 28, 35, 36]
    with torch.no_grad():
        assert torch.pdist(patch(floor)[0, middle]).min() > 1e-3
        patch.position.zero_()
        assert torch.pdist(patch(floor)[0, middle]).max() < 1e-5


def test_resnet_has_torchvision_s_names_and_shapes(resnet):
    found = {
        name: tuple(x.shape)
        for name, x in resnet.state_dict().items()
        if name.split(".")[0] in STAGES
    }
    assert found == RESNET


def plain_resnet(own, x):
    """Those stages by the book, of their tensors alone."""

    def conv(name, x, stride=1):
        weight = own[f"{name}.weight"]
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    def norm(name, x):
        weight, bias, mean, var = (own[f"{name}.{part}"][:, None, None] for part in NORM)
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    x = F.max_pool2d(norm("bn1", conv("conv1", x, 2)).relu(), 3, 2, 1)
    for block, stride in (("layer1.0", 1), ("layer1.1", 1), ("layer2.0", 2), ("layer2.1", 1)):
        inner = norm(f"{block}.bn1", conv(f"{block}.conv1", x, stride)).relu()
        inner = norm(f"{block}.bn2", conv(f"{block}.conv2", inner))
        if f"{block}.downsample.0.weight" in own:
            x = norm(f"{block}.downsample.1", conv(f"{block}.downsample.0", x, stride))
        x = (x + inner).relu()
    return x


def test_resnet_computes_resnet_18_and_two_more_scales(resnet, tiles):
    own = resnet.state_dict()
    with torch.no_grad():
        found = resnet(tiles)
        fine = plain_resnet(own, images(resnet.table, tiles))
        coarse = F.conv2d(fine, own["coarse.weight"], own["coarse.bias"], 2, 1)
        last = F.conv2d(coarse.relu(), own["coarser.weight"], own["coarser.bias"], 2, 1)
    assert found.shape == (5, 84, 128)
    assert fine.std() > 0.1
    expected = torch.cat([x.flatten(2).mT for x in (fine, coarse, last)], 1)
    assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_imagenet_weights_are_loaded_and_the_rest_is_left(resnet, weights, tmp_path):
    save_file(weights, tmp_path / "resnet18.safetensors")
    before = {name: x.clone() for name, x in resnet.state_dict().items()}
    resnet.load_imagenet(tmp_path / "resnet18.safetensors")
    for name, x in resnet.state_dict().items():
        assert_close(x, weights[name] if name in RESNET else before[name], atol=0, rtol=0)
    assert {name.split(".")[0] for name in before} == {*STAGES, "coarse", "coarser"}


def test_loaded_weights_change_what_is_seen(resnet, weights, tiles, tmp_path):
    save_file(weights, tmp_path / "w")
    with torch.no_grad():
        before = resnet(tiles)
        resnet.load_imagenet(tmp_path / "w")
        assert (resnet(tiles) != before).any()


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("layer2.1.conv2.weight", None),
        ("bn1.running_var", None),
        ("conv1.weight", torch.zeros(64, 3, 3, 3)),
        ("layer2.0.downsample.0.weight", torch.zeros(128, 128, 1, 1)),
    ],
)
def test_what_is_not_resnet_18_is_refused_and_nothing_is_loaded(
    resnet, weights, name, tensor, tmp_path
):
    path = tmp_path / "other.safetensors"
    changed = weights | {name: tensor}
    save_file({n: x for n, x in changed.items() if x is not None}, path)
    before = {n: x.clone() for n, x in resnet.state_dict().items()}
    with pytest.raises(VisionWeightsError, match=f"is not ResNet-18: {name} is missing") as found:
        resnet.load_imagenet(path)
    assert str(path) in str(found.value)
    assert all((x == before[n]).all() for n, x in resnet.state_dict().items())


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_what_cannot_be_read_is_refused(resnet, content, tmp_path):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(VisionWeightsError, match=r"weights\.safetensors: cannot be read"):
        resnet.load_imagenet(path)
