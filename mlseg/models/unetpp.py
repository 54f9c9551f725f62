"""UNet++ with a ResNet-34 encoder, whose weights can come from a local file."""

from __future__ import annotations

from pathlib import Path

import segmentation_models_pytorch as smp
from segmentation_models_pytorch.encoders import get_encoder
from torch import nn

from mlseg.checks import ConfigError, check_arguments
from mlseg.models.weights import load_strictly, read_state_dict, without

ENCODER = "resnet34"
# Colour channels of ImageNet.
COLOURS = 3
# A classifier that the encoder does not have.
UNUSED = ("fc.",)


class UNetPlusPlus(smp.UnetPlusPlus):
    """UNet++ of segmentation-models-pytorch: a ResNet-34 encoder and nested skip connections; 2D only.

    26,072,772 parameters for 1 channel and 4 classes.

    Args:
        in_channels: image channels C.
        num_classes: classes K, background included.
        dims: 2; it has no form with 3 spatial axes.
        encoder_weights: "imagenet" downloads the library's ImageNet weights once, as the paper had them; None does not.
        weights_path: a file with the weights of a ResNet-34 encoder under the names of torchvision, timm or smp, which
            are the same (.pth or .safetensors; a classifier `fc` in it is left out). Its three colour channels become
            C as the library does it: summed for one channel, else repeated and scaled by 3/C.

    Attributes:
        stride: the sizes of an image must be multiples of it.

    Shape:
        (N,C,H,W) to logits (N,K,H,W).

    Raises:
        ConfigError: an argument is out of range, both kinds of weights are asked for, the file does not fit, or the
            weights cannot be downloaded.

    Source:
        Zhou et al., IEEE TMI 2020 (arXiv 1912.05074); class, encoder and ImageNet weights as run by Murugesan et al.,
        Medical Image Analysis 2023 (the authors' code).

    Example:
        >>> net = UNetPlusPlus(1, 4)
        >>> sum(p.numel() for p in net.parameters()), net.stride
        (26072772, (32, 32))
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        dims: int = 2,
        encoder_weights: str | None = None,
        weights_path: str | Path | None = None,
    ) -> None:
        check_arguments(
            "mlseg.models.unetpp.UNetPlusPlus",
            in_channels=in_channels,
            num_classes=num_classes,
            dims=dims,
            encoder_weights=encoder_weights,
        )
        if encoder_weights is not None and weights_path is not None:
            raise ConfigError(
                "UNetPlusPlus: the weights must have one source, got encoder_weights and weights_path. "
                "Give null for one of them."
            )
        try:
            super().__init__(ENCODER, encoder_weights=encoder_weights, in_channels=in_channels, classes=num_classes)
        except OSError as error:  # what huggingface_hub raises without a network, too
            reason = " ".join(str(error).split(". ")[0].split())
            raise ConfigError(
                f"UNetPlusPlus: encoder_weights=imagenet must be downloaded, got no connection ({reason}). "
                "Give weights_path=<file with ResNet-34 weights> and encoder_weights=null."
            ) from error
        if weights_path is not None:
            self.encoder = _read_encoder(weights_path, in_channels)
        self.stride = (self.encoder.output_stride,) * 2


def _read_encoder(path: str | Path, in_channels: int) -> nn.Module:
    encoder = get_encoder(ENCODER, in_channels=COLOURS, weights=None)
    load_strictly("UNetPlusPlus", encoder, without(read_state_dict("UNetPlusPlus", path), UNUSED), path)
    encoder.set_in_channels(in_channels, pretrained=True)
    return encoder
