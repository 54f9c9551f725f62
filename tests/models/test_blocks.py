"""Strides, sizes, convolutions and norms that the networks share."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.models.blocks import (
    build_conv,
    build_conv_unit,
    build_norm,
    check_image_size,
    expand_strides,
    total_stride,
)


def test_strides_per_axis():
    pools = expand_strides("Net", [2, [1, 2, 4]], 3, levels=3)
    assert pools == [(2, 2, 2), (1, 2, 4)]
    assert total_stride(pools) == (2, 4, 8)


@pytest.mark.parametrize(
    ("strides", "message"),
    [
        ([2], "strides must have one entry fewer than widths, got 1 strides for 3 widths. Give 2"),
        (
            [2, 0],
            r"each stride must be a whole number of at least 1, or 2 of them, got \[2, 0\]. Give for example \[2, 2\]",
        ),
        ([2, [2, 2, 2]], "each stride must be"),
        ([2, [2, 1.5]], "each stride must be"),
    ],
)
def test_wrong_strides(strides, message):
    with pytest.raises(ConfigError, match=f"^Net: {message}"):
        expand_strides("Net", strides, 2, levels=3)


def test_an_image_that_fits():
    check_image_size("Net", torch.zeros(1, 1, 4, 6), (4, 3), remedy="data.crop")


@pytest.mark.parametrize("size", [(4, 7), (2, 6), (4,), (4, 6, 4)])
def test_an_image_that_does_not_fit(size):
    with pytest.raises(ConfigError, match=r"^Net: .* multiples of the stride \(4, 3\), got .*or change data.crop"):
        check_image_size("Net", torch.zeros(1, 1, *size), (4, 3), remedy="data.crop")


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_a_convolution_keeps_the_size(dims, kernel_size):
    image = torch.zeros(1, 2, *(5, 4, 3)[:dims])
    conv = build_conv(dims, 2, 3, kernel_size=kernel_size, bias=False)
    assert conv(image).shape == (1, 3, *image.shape[2:])
    assert conv.bias is None


@pytest.mark.parametrize("dims", [2, 3])
def test_norms_have_scale_and_shift(dims):
    kinds = {"batch": f"BatchNorm{dims}d", "instance": f"InstanceNorm{dims}d", "group": "GroupNorm"}
    for norm, kind in kinds.items():
        (layer,) = build_norm(norm, 12, dims=dims)
        assert type(layer).__name__ == kind
        assert layer.weight.shape == layer.bias.shape == (12,)
    assert build_norm("none", 12, dims=dims) == []
    assert build_norm("group", 12, dims=dims)[0].num_groups == 4


def test_a_unit_is_convolution_norm_and_relu():
    layers = build_conv_unit(2, 1, 2, norm="batch", bias=True)
    assert [type(layer) for layer in layers] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU]
    assert layers[0].bias is not None
    assert [type(layer) for layer in build_conv_unit(3, 1, 2, norm="none", bias=True)] == [nn.Conv3d, nn.ReLU]
