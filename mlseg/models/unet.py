"""The UNet of the paper's authors, in two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mlseg.checks import check_arguments
from mlseg.models.blocks import build_conv, build_conv_unit, check_image_size, expand_strides, total_stride


class UNet(nn.Module):
    """An encoder and decoder with skip connections, two 3x3 convolutions and ReLUs a level.

    Max-pooling between the levels, nearest up-sampling back, the skip appended after the up-sampled channels, a 1x1
    convolution to the logits. The defaults have 7,846,180 parameters for 1 channel and 4 classes.

    Args:
        in_channels: image channels C.
        num_classes: classes K, background included.
        dims: 2 or 3 spatial axes.
        widths: channels of each level, from the finest to the coarsest.
        strides: pooling between the levels, one fewer than `widths`; each a number for all axes or one number per axis.
        norm: `none` (the paper), `batch`, `instance` or `group` (8 groups, or as many of them as divide the width)
            after each 3x3 convolution, which then has no bias of its own; the norm brings scale and shift.

    Attributes:
        stride: per axis the product of the strides; the sizes of an image must be multiples of it.

    Shape:
        (N,C,*S) to logits (N,K,*S).

    Raises:
        ConfigError: if an argument is out of range, `strides` does not fit `widths`, or an image does not fit `stride`.

    Source:
        Ronneberger et al., MICCAI 2015 (arXiv 1505.04597), as run by Murugesan et al., Medical Image Analysis 2023:
        widths, pooling and the absence of normalisation from the authors' code.

    Example:
        >>> net = UNet(1, 4)
        >>> sum(p.numel() for p in net.parameters()), net.stride
        (7846180, (32, 32))
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        dims: int = 2,
        widths: Sequence[int] = (32, 64, 128, 256, 512),
        strides: Sequence[int | Sequence[int]] = (2, 2, 2, 4),
        norm: str = "none",
    ) -> None:
        check_arguments(
            "mlseg.models.unet.UNet",
            in_channels=in_channels,
            num_classes=num_classes,
            dims=dims,
            widths=widths,
            norm=norm,
        )
        super().__init__()
        widths = tuple(widths)
        self.pools = expand_strides("UNet", strides, dims, levels=len(widths))
        self.stride = total_stride(self.pools)
        self._max_pool = F.max_pool2d if dims == 2 else F.max_pool3d
        self.encoder = nn.ModuleList(
            _conv_block(before, after, dims=dims, norm=norm)
            for before, after in zip((in_channels, *widths[:-1]), widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            _conv_block(below + skip, skip, dims=dims, norm=norm)
            for skip, below in zip(widths[-2::-1], widths[:0:-1], strict=True)
        )
        self.head = build_conv(dims, widths[0], num_classes, kernel_size=1)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N,K,*S) of an image (N,C,*S)."""
        check_image_size("UNet", image, self.stride, remedy="data.crop or model.strides")
        skips = []
        x = image
        for block, pool in zip(self.encoder, self.pools, strict=False):
            skips.append(block(x))
            x = self._max_pool(skips[-1], pool)
        x = self.encoder[-1](x)
        for block, skip in zip(self.decoder, reversed(skips), strict=True):
            x = block(torch.cat([F.interpolate(x, size=skip.shape[2:], mode="nearest"), skip], dim=1))
        return self.head(x)


def _conv_block(before: int, after: int, *, dims: int, norm: str) -> nn.Sequential:
    """Two 3x3 convolutions, each followed by the norm, if any, and a ReLU."""
    first, second = (
        build_conv_unit(dims, channels, after, norm=norm, bias=norm == "none") for channels in (before, after)
    )
    return nn.Sequential(*first, *second)
