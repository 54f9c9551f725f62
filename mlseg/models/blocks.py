"""What the networks of this package are made of, in two or three dimensions: convolutions, norms, strides and sizes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from mlseg.checks import ConfigError

# Channels per group of `norm=group` where the width allows it.
GROUPS = 8


def expand_strides(
    owner: str, strides: Sequence[int | Sequence[int]], dims: int, *, levels: int
) -> list[tuple[int, ...]]:
    """One tuple of `dims` whole numbers per pooling.

    Args:
        owner: who asks, for the error.
        strides: between the levels; each a number for all axes or one number per axis.
        dims: 2 or 3 spatial axes.
        levels: of the network, one more than strides.

    Raises:
        ConfigError: another number of strides, or one that is not a whole number of at least 1.

    Example:
        >>> expand_strides("UNet", [[1, 2, 2], 2], 3, levels=3)
        [(1, 2, 2), (2, 2, 2)]
    """
    if len(strides) != levels - 1:
        raise ConfigError(
            f"{owner}: strides must have one entry fewer than widths, got {len(strides)} strides for {levels} widths. "
            f"Give {levels - 1}."
        )
    pools = [(stride,) * dims if isinstance(stride, int) else tuple(stride) for stride in strides]
    if any(len(pool) != dims or not all(isinstance(n, int) and n >= 1 for n in pool) for pool in pools):
        raise ConfigError(
            f"{owner}: each stride must be a whole number of at least 1, or {dims} of them, got {list(strides)}. "
            f"Give for example {[2] * (levels - 1)}."
        )
    return pools


def total_stride(pools: Sequence[Sequence[int]]) -> tuple[int, ...]:
    """Per axis the product of the poolings: what the sizes of an image must be multiples of."""
    return tuple(math.prod(axis) for axis in zip(*pools, strict=True))


def check_image_size(owner: str, image: Tensor, stride: tuple[int, ...], *, remedy: str) -> None:
    """Raise ConfigError unless `image` is (N,C,*S) with sizes that are multiples of `stride`."""
    size = tuple(image.shape[2:])
    if len(size) != len(stride) or any(n % s for n, s in zip(size, stride, strict=True)):
        raise ConfigError(
            f"{owner}: an image must be (N,C,*S) with sizes that are multiples of the stride {stride}, "
            f"got {tuple(image.shape)}. Pad it, or change {remedy}."
        )


def build_conv(dims: int, before: int, after: int, *, kernel_size: int, bias: bool = True) -> nn.Conv2d | nn.Conv3d:
    """A convolution that keeps the size."""
    kind = nn.Conv2d if dims == 2 else nn.Conv3d
    return kind(before, after, kernel_size=kernel_size, padding=kernel_size // 2, bias=bias)


def build_conv_unit(dims: int, before: int, after: int, *, norm: str, bias: bool) -> list[nn.Module]:
    """A 3x3 convolution, the norm, if any, and a ReLU."""
    conv = build_conv(dims, before, after, kernel_size=3, bias=bias)
    return [conv, *build_norm(norm, after, dims=dims), nn.ReLU(inplace=True)]


def build_norm(norm: str, channels: int, *, dims: int) -> list[nn.Module]:
    """The layer of `norm` with scale and shift, none for "none".

    Args:
        norm: "none", "batch", "instance" or "group" (8 groups, or as many of them as divide the channels).
        channels: of its input.
        dims: 2 or 3 spatial axes.
    """
    if norm == "batch":
        return [nn.BatchNorm2d(channels) if dims == 2 else nn.BatchNorm3d(channels)]
    if norm == "instance":
        return [nn.InstanceNorm2d(channels, affine=True) if dims == 2 else nn.InstanceNorm3d(channels, affine=True)]
    if norm == "group":
        return [nn.GroupNorm(math.gcd(GROUPS, channels), channels)]
    return []
