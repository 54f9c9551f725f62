"""TransUNet: a ResNet-50 and a vision transformer as encoder, a convolutional decoder with skips; 2D only."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from timm.models import adapt_input_conv
from torch import Tensor, nn
from torch.nn import functional as F

from mlseg.checks import ConfigError, check_arguments
from mlseg.models.blocks import build_conv, build_conv_unit, check_image_size
from mlseg.models.weights import load_strictly, read_state_dict, unreadable, without

ENCODER = "vit_base_r50_s16_224"
# timm's copy of the ImageNet-21k weights that the paper used.
IMAGENET21K = f"{ENCODER}.orig_in21k"
PATCH = 16
# Colour channels of ImageNet.
COLOURS = 3
ROOT_KERNEL = "patch_embed.backbone.stem.conv.weight"
# Parts of published weights that a segmentation network does not have.
UNUSED = ("cls_token", "head.", "pre_logits.", "fc_norm.")
UNUSED_ORIGINAL = ("head/", "pre_logits/")
# Channels of the decoder, and of the skips at 1/8, 1/4, 1/2 and 1/1 of the image's size.
DECODER, SKIPS = (256, 128, 64, 16), (512, 256, 64, 0)
BOTTLENECK = 512


class TransUNet(nn.Module):
    """R50-ViT-B/16 encoder, cascaded decoder 256-128-64-16 with skips at 1/8, 1/4 and 1/2 of the image's size.

    Three stages of a ResNet-50 with standardised weights and group norm, a 1x1 convolution to 768 channels, one token
    for each 16 x 16 pixels, 12 transformer layers; then 3x3 convolution, four times bilinear up-sampling by 2 with two
    3x3 convolutions, batch norm and ReLU each, and a 3x3 convolution to the logits. Positions are bilinearly
    interpolated for images of another size than `image_size`.

    The encoder is timm's. Differences from the published code (github.com/Beckschen/TransUNet):

    - Root convolution, strided convolutions and max-pool pad like TensorFlow's SAME, as the weights' authors do; there
      3 or 1 on both sides and 0 for the pool, whose 1/4 skip is filled up with zeros.
    - Weight standardisation adds 1e-8 to the variance, there 1e-5; group norm adds 1e-5, there 1e-6.
    - The norm of a projection shortcut has 32 groups, there one per channel.
    - The root convolution has C channels; there one channel is repeated to three. With published weights, summed over
      the colours for one channel, each filter differs by a positive factor that the group norm takes out in part.
    - Images need not be square and positions adapt to any size; there both are fixed when the network is built.
    - What is not loaded is initialised as timm and torch do it, the last norm of each residual branch with zero; there
      with Xavier's in the transformer's MLP, and that norm with one.

    The same are: no class token, dropout in embedding and MLP and none in the attention, layer norm with 1e-6, skips,
    decoder and head, and the interpolation of loaded positions (bilinear, corners aligned).

    Args:
        in_channels: image channels C.
        num_classes: classes K, background included.
        dims: 2; it has no form with 3 spatial axes.
        image_size: (h,w) in pixels for which positions are learned, the training crop; rounded up to the patch of 16.
        dropout: share of the embedding and of the MLP's values that is dropped in training, in [0, 1].
        encoder_weights: "imagenet21k" downloads timm's copy of the paper's weights once; None does not.
        weights_path: a file with the encoder's weights: the original `R50+ViT-B_16.npz` of the transformer's authors,
            or timm's (.pth, .safetensors). Colours become C channels as timm does it: summed for one channel, else
            repeated and scaled by 3/C. A class token and a classifier in it are left out.

    Attributes:
        stride: the patch; the sizes of an image must be multiples of it.

    Shape:
        (N,C,H,W) to logits (N,K,H,W).

    Raises:
        ConfigError: an argument is out of range, both kinds of weights are asked for, the file does not fit, the
            weights cannot be downloaded, or an image does not fit the patch.

    Source:
        Chen et al., 2021 (arXiv 2102.04306), as run by Murugesan et al., Medical Image Analysis 2023; encoder of
        Dosovitskiy et al., ICLR 2021 (arXiv 2010.11929).

    Example:
        >>> net = TransUNet(1, 4, image_size=(30, 32)).eval()
        >>> net(torch.zeros(1, 1, 32, 48)).shape
        torch.Size([1, 4, 32, 48])
    """

    stride = (PATCH, PATCH)
    encoder: Any  # timm's VisionTransformer over a ResNetV2

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        dims: int = 2,
        image_size: Sequence[int] = (192, 192),
        dropout: float = 0.1,
        encoder_weights: str | None = None,
        weights_path: str | Path | None = None,
    ) -> None:
        check_arguments(
            "mlseg.models.transunet.TransUNet",
            in_channels=in_channels,
            num_classes=num_classes,
            dims=dims,
            image_size=image_size,
            dropout=dropout,
            encoder_weights=encoder_weights,
        )
        if encoder_weights is not None and weights_path is not None:
            raise ConfigError(
                "TransUNet: the weights must have one source, got encoder_weights and weights_path. "
                "Give null for one of them."
            )
        super().__init__()
        state: dict[str, Tensor] | None = None  # read first: a wrong file is found at once
        if encoder_weights is not None:
            state = _download()
        elif weights_path is not None:
            read = _read_original if Path(weights_path).suffix == ".npz" else read_state_dict
            state = read("TransUNet", weights_path)
        self.encoder = _build_encoder(in_channels, image_size, dropout)
        if state is not None:
            _load(self.encoder, state, weights_path or IMAGENET21K)
        self.bottleneck = nn.Sequential(*_conv_unit(self.encoder.embed_dim, BOTTLENECK))
        self.decoder = nn.ModuleList(
            nn.Sequential(*_conv_unit(before + skip, after), *_conv_unit(after, after))
            for before, after, skip in zip((BOTTLENECK, *DECODER[:-1]), DECODER, SKIPS, strict=True)
        )
        self.head = build_conv(2, DECODER[-1], num_classes, kernel_size=3)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (N,K,H,W) of an image (N,C,H,W)."""
        check_image_size("TransUNet", image, self.stride, remedy="data.crop")
        x, skips = self._encode(image)
        x = self.bottleneck(x)
        for block, skip in zip(self.decoder, (*skips, None), strict=True):
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            x = block(x if skip is None else torch.cat([x, skip], dim=1))
        return self.head(x)

    def _encode(self, image: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Features (N,768,H/16,W/16) and the skips at 1/8, 1/4 and 1/2."""
        vit, backbone = self.encoder, self.encoder.patch_embed.backbone
        half = backbone.stem.norm(backbone.stem.conv(image))
        quarter = backbone.stages[0](backbone.stem.pool(half))
        eighth = backbone.stages[1](quarter)
        grid = vit.patch_embed.proj(backbone.stages[2](eighth))
        size = grid.shape[2:]
        positions = resize_positions(vit.pos_embed, vit.patch_embed.grid_size, size)
        tokens = vit.blocks(vit.pos_drop(grid.flatten(2).transpose(1, 2) + positions))
        return vit.norm(tokens).transpose(1, 2).unflatten(2, size), (eighth, quarter, half)


def resize_positions(positions: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """Positions (1,h*w,E) of a grid `old` for a grid `new`: bilinear, corners aligned, as the ViT authors do it.

    Example:
        >>> resize_positions(torch.tensor([[[0.0], [2.0]]]), (1, 2), (1, 3)).flatten().tolist()
        [0.0, 1.0, 2.0]
    """
    if tuple(old) == tuple(new):
        return positions
    grid = positions.transpose(1, 2).unflatten(2, tuple(old)).float()
    resized = F.interpolate(grid, size=tuple(new), mode="bilinear", align_corners=True)
    return resized.flatten(2).transpose(1, 2).to(positions.dtype)


def _build_encoder(in_channels: int, image_size: Sequence[int], dropout: float) -> Any:
    if len(image_size) != 2:
        raise ConfigError(f"TransUNet: image_size must be (h,w), got {list(image_size)}. Give data.crop two numbers.")
    encoder: Any = timm.create_model(
        ENCODER,
        pretrained=False,
        img_size=tuple(math.ceil(n / PATCH) * PATCH for n in image_size),
        in_chans=in_channels,
        num_classes=0,
        class_token=False,
        global_pool="",
        pos_drop_rate=dropout,
        proj_drop_rate=dropout,
    )
    for block in encoder.blocks:
        block.attn.proj_drop.p = 0.0  # timm's rate is for the MLP and for this
    return encoder


def _conv_unit(before: int, after: int) -> list[nn.Module]:
    return build_conv_unit(2, before, after, norm="batch", bias=False)


def _load(encoder: Any, state: dict[str, Tensor], source: str | Path) -> None:
    """Fill the encoder from tensors under timm's names: colours to channels, positions to the grid."""
    state = without(state, UNUSED)
    if ROOT_KERNEL in state and state[ROOT_KERNEL].shape[1] == COLOURS:
        state[ROOT_KERNEL] = adapt_input_conv(encoder.patch_embed.in_chans, state[ROOT_KERNEL])
    if "pos_embed" in state:
        positions = state["pos_embed"]
        side = math.isqrt(positions.shape[1])
        grid = positions[:, positions.shape[1] - side * side :]  # without the class token's, if any
        state["pos_embed"] = resize_positions(grid, (side, side), encoder.patch_embed.grid_size)
    load_strictly("TransUNet", encoder, state, source)


def _read_original(owner: str, path: str | Path) -> dict[str, Tensor]:
    """The tensors of the authors' .npz under timm's names, with timm's own reader."""
    if not Path(path).is_file():
        return read_state_dict(owner, path)  # which says so
    try:
        with np.load(path) as arrays:
            tokens = arrays["Transformer/posembed_input/pos_embedding"].shape[1]
            size = sum(arrays[name].size for name in arrays.files if not name.startswith(UNUSED_ORIGINAL))
            has_token = "cls" in arrays.files
        # The twin has the file's grid and class token, so that timm's reader takes the positions as they are.
        twin: Any = timm.create_model(
            ENCODER, img_size=PATCH * math.isqrt(tokens), num_classes=0, class_token=has_token, global_pool=""
        )
        twin.load_pretrained(str(path))
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise ConfigError(unreadable(owner, path, f"not the weights of R50+ViT-B_16: {error}")) from error
    wanted = sum(parameter.numel() for parameter in twin.parameters())
    if size != wanted:
        raise ConfigError(unreadable(owner, path, f"{size} numbers where R50+ViT-B_16 has {wanted}"))
    return twin.state_dict()


def _download() -> dict[str, Tensor]:
    try:
        return timm.create_model(IMAGENET21K, pretrained=True, num_classes=0).state_dict()
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split(". ")[0].split())
        raise ConfigError(
            f"TransUNet: encoder_weights=imagenet21k must be downloaded, got no connection ({reason}). "
            "Give weights_path=<R50+ViT-B_16.npz> and encoder_weights=null."
        ) from error
