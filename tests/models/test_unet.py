"""The UNet: its size, its shapes, its norms and its errors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models.unet import UNet

SMALL = {"widths": (4, 8, 16), "strides": (2, 2)}


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def test_as_large_as_the_authors():
    assert count(UNet(1, 4)) == 7_846_180


def test_layers_are_those_of_the_authors():
    net = UNet(1, 4)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in convs] == [
        *((1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)),
        *((768, 256), (256, 256), (384, 128), (128, 128), (192, 64), (64, 64), (96, 32), (32, 32)),
        (32, 4),
    ]
    assert {m.kernel_size for m in convs[:-1]} == {(3, 3)}
    assert convs[-1].kernel_size == (1, 1)
    assert all(m.bias is not None for m in convs)
    assert net.stride == (32, 32)


def test_logits_are_not_clipped_or_normalised():
    torch.manual_seed(0)
    logits = UNet(1, 3, **SMALL)(100 * torch.randn(2, 1, 8, 12))
    assert logits.shape == (2, 3, 8, 12)
    assert logits.min() < 0 < logits.max()
    assert not torch.allclose(logits.sum(1), torch.ones(2, 8, 12))


def test_three_dimensions_with_a_stride_per_axis():
    net = UNet(2, 3, dims=3, widths=(4, 8, 16), strides=((1, 2, 2), 2))
    assert net.stride == (2, 4, 4)
    assert net(torch.randn(1, 2, 4, 8, 12)).shape == (1, 3, 4, 8, 12)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("norm", "kinds"),
    [
        ("none", ()),
        ("batch", (nn.BatchNorm2d, nn.BatchNorm3d)),
        ("instance", (nn.InstanceNorm2d, nn.InstanceNorm3d)),
        ("group", (nn.GroupNorm,)),
    ],
)
def test_norms(norm, kinds, dims):
    net = UNet(1, 2, dims=dims, norm=norm, **SMALL)
    convs = [m for m in net.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    norms = [m for m in net.modules() if isinstance(m, kinds)] if kinds else []
    assert len(norms) == (len(convs) - 1 if kinds else 0)
    assert all(m.weight is not None and m.bias is not None for m in norms)
    # A norm brings its own shift, so only the head and norm-free convolutions have a bias.
    assert all((m.bias is not None) == (norm == "none" or m is net.head) for m in convs)
    net(torch.randn(2, 1, *(8,) * dims)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in net.parameters())


def test_pooling_upsampling_and_skip_by_hand():
    net = UNet(1, 2, widths=(1, 1), strides=(2,))
    with torch.no_grad():
        for conv in (m for m in net.modules() if isinstance(m, nn.Conv2d)):
            # Each convolution hands its first channel on as it is.
            conv.weight.zero_()
            conv.bias.zero_()
            conv.weight[0, 0, conv.kernel_size[0] // 2, conv.kernel_size[1] // 2] = 1
        # The decoder adds ten times its second channel, the skip.
        net.decoder[0][0].weight[0, 1, 1, 1] = 10
    image = torch.randn(1, 1, 6, 4, generator=torch.Generator().manual_seed(0))
    skip = image.clamp(min=0)
    blocks = skip.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(-2, -1))
    upsampled = blocks.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    torch.testing.assert_close(net(image)[:, :1], upsampled + 10 * skip)


def test_channels_last_gives_the_same_logits():
    torch.manual_seed(0)
    net = UNet(1, 4, **SMALL).eval()
    image = torch.randn(2, 1, 8, 8)
    logits = net(image)
    net.to(memory_format=torch.channels_last)
    torch.testing.assert_close(net(image.contiguous(memory_format=torch.channels_last)), logits)


def test_groups_divide_the_width():
    net = UNet(1, 2, norm="group", widths=(4, 12, 16), strides=(2, 2))
    assert {(m.num_channels, m.num_groups) for m in net.modules() if isinstance(m, nn.GroupNorm)} == {
        (4, 4),
        (12, 4),
        (16, 8),
    }


@pytest.mark.parametrize("size", [(8, 10), (6, 8), (8,), (8, 8, 8)])
def test_an_image_that_does_not_fit_names_the_stride(size):
    with pytest.raises(ConfigError, match=r"^UNet: .* multiples of the stride \(4, 4\), got .*\. Pad it"):
        UNet(1, 2, **SMALL)(torch.zeros(1, 1, *size))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (4, 8), "strides": (2, 2)}, "strides must have one entry fewer than widths, got 2 strides for 2"),
        ({"norm": "bach"}, "norm must be one of none, batch, instance, group, got 'bach'"),
        ({"widths": ()}, "widths must be a list with each entry a whole number of at least 1, got"),
        ({"widths": (4, 0, 8)}, "widths must be a list with each entry"),
        ({"strides": (2, 0)}, "each stride must be a whole number of at least 1, or 2 of them"),
        ({"strides": (2, (2, 2, 2))}, "each stride must be a whole number of at least 1, or 2 of them"),
        ({"dims": 4}, "dims must be a whole number in"),
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1"),
        ({"num_classes": 1}, "num_classes must be a whole number of at least 2"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ConfigError, match=f"^UNet: {message}"):
        UNet(**{"in_channels": 1, "num_classes": 2, **SMALL, **arguments})
