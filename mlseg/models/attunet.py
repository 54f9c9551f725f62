"""The Attention-UNet of the paper's authors, in two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mlseg.checks import check_arguments
from mlseg.models.blocks import (
    build_conv,
    build_conv_unit,
    build_norm,
    check_image_size,
    expand_strides,
    total_stride,
)

# All convolutions but the last are followed by batch norm and keep their own bias, as the authors have it.
NORM = "batch"


class AttentionGate(nn.Module):
    r"""Weighs each voxel of a skip by how much the coarser level cares for it.

    a = sigmoid(norm(w * relu(norm(U * gate) + norm(V * skip)))), output a * skip: additive attention with 1x1
    convolutions U, V, w and one weight a in (0, 1) per voxel for all channels.

    Args:
        channels: of the gate and of the skip; half as many inside, at least one.
        dims: 2 or 3 spatial axes.

    Shape:
        gate (N,channels,*S) and skip (N,channels,*S) to (N,channels,*S).

    Source:
        Oktay et al., MIDL 2018 (arXiv 1804.03999), equations 1 and 2; norms and gate from the level below, brought up
        to the skip's size, as run by Murugesan et al., Medical Image Analysis 2023 (the authors' code).

    Example:
        >>> gate = AttentionGate(4, dims=2).eval()
        >>> skip = torch.ones(1, 4, 8, 8)
        >>> weight = gate(torch.zeros(1, 4, 8, 8), skip)
        >>> bool((weight > 0).all() and (weight < 1).all())
        True
    """

    def __init__(self, channels: int, *, dims: int) -> None:
        super().__init__()
        inside = max(1, channels // 2)
        self.from_gate = nn.Sequential(*_pointwise(channels, inside, dims=dims))
        self.from_skip = nn.Sequential(*_pointwise(channels, inside, dims=dims))
        self.weigh = nn.Sequential(*_pointwise(inside, 1, dims=dims), nn.Sigmoid())

    def forward(self, gate: Tensor, skip: Tensor) -> Tensor:
        """The skip, weighed."""
        return skip * self.weigh(F.relu(self.from_gate(gate) + self.from_skip(skip)))


class AttUNet(nn.Module):
    """A UNet with batch norm whose skips pass additive attention gates.

    Two 3x3 convolutions with batch norm and ReLU a level, max-pooling down, nearest up-sampling with one such
    convolution up, the gated skip put before the up-sampled channels, a 1x1 convolution to the logits. The defaults
    have 34,877,616 parameters for 1 channel and 4 classes.

    Args:
        in_channels: image channels C.
        num_classes: classes K, background included.
        dims: 2 or 3 spatial axes.
        widths: channels of each level, from the finest to the coarsest.
        strides: pooling between the levels, one fewer than `widths`; each a number for all axes or one number per axis.

    Attributes:
        stride: per axis the product of the strides; the sizes of an image must be multiples of it.

    Shape:
        (N,C,*S) to logits (N,K,*S).

    Raises:
        ConfigError: if an argument is out of range, `strides` does not fit `widths`, or an image does not fit `stride`.

    Source:
        Oktay et al., MIDL 2018 (arXiv 1804.03999), as run by Murugesan et al., Medical Image Analysis 2023: widths,
        norms and gates from the authors' code.

    Example:
        >>> net = AttUNet(1, 4)
        >>> sum(p.numel() for p in net.parameters()), net.stride
        (34877616, (16, 16))
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        dims: int = 2,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        strides: Sequence[int | Sequence[int]] = (2, 2, 2, 2),
    ) -> None:
        check_arguments(
            "mlseg.models.attunet.AttUNet", in_channels=in_channels, num_classes=num_classes, dims=dims, widths=widths
        )
        super().__init__()
        widths = tuple(widths)
        self.pools = expand_strides("AttUNet", strides, dims, levels=len(widths))
        self.stride = total_stride(self.pools)
        self._max_pool = F.max_pool2d if dims == 2 else F.max_pool3d
        self.encoder = nn.ModuleList(
            _conv_block(before, after, dims=dims)
            for before, after in zip((in_channels, *widths[:-1]), widths, strict=True)
        )
        steps = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(nn.Sequential(*_conv_unit(below, skip, dims=dims)) for below, skip in steps)
        self.gates = nn.ModuleList(AttentionGate(skip, dims=dims) for _, skip in steps)
        self.decoder = nn.ModuleList(_conv_block(2 * skip, skip, dims=dims) for _, skip in steps)
        self.head = build_conv(dims, widths[0], num_classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N,K,*S) of an image (N,C,*S)."""
        check_image_size("AttUNet", image, self.stride, remedy="data.crop or model.strides")
        skips = []
        x = image
        for block, pool in zip(self.encoder, self.pools, strict=False):
            skips.append(block(x))
            x = self._max_pool(skips[-1], pool)
        x = self.encoder[-1](x)
        for up, gate, block, skip in zip(self.up, self.gates, self.decoder, reversed(skips), strict=True):
            x = up(F.interpolate(x, size=skip.shape[2:], mode="nearest"))
            x = block(torch.cat([gate(x, skip), x], dim=1))
        return self.head(x)


def _conv_unit(before: int, after: int, *, dims: int) -> list[nn.Module]:
    return build_conv_unit(dims, before, after, norm=NORM, bias=True)


def _conv_block(before: int, after: int, *, dims: int) -> nn.Sequential:
    return nn.Sequential(*_conv_unit(before, after, dims=dims), *_conv_unit(after, after, dims=dims))


def _pointwise(before: int, after: int, *, dims: int) -> list[nn.Module]:
    """A 1x1 convolution with bias, and batch norm."""
    return [build_conv(dims, before, after, kernel_size=1), *build_norm(NORM, after, dims=dims)]
