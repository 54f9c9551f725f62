"""From a prepared case to probabilities on the grid that an evaluation asks for; the one place that pads images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mlseg.checks import RunError
from mlseg.data.framing import crop_offsets, crop_or_pad, pad_volume
from mlseg.data.preprocess import resample_probs
from mlseg.engine.checkpoint import bare_network
from mlseg.engine.device import Compute
from mlseg.types import CasePrediction, PreparedCase

# Encoders of segmentation-models-pytorch halve an image five times.
LIBRARY_STRIDE = 32


@dataclass(frozen=True, kw_only=True)
class Inference:
    """Turns prepared cases into predictions.

    Args:
        compute: device and precision.
        crop: training crop (h,w) of slices, or patch (d,h,w) of volumes, in voxels of the working grid.
        mode: "full" sees a whole slice in one pass, "window" in overlapping windows of the training crop. Volumes are
            always seen in windows.
        batch_size: slices (or windows) per forward pass.
        calibrator: maps logits (N,K,*S) float32 to calibrated ones before the softmax; None leaves them alone.
    """

    compute: Compute
    crop: tuple[int, ...]
    mode: Literal["full", "window"] = "full"
    batch_size: int = 8
    calibrator: Callable[[Tensor], Tensor] | None = None

    def predict(self, network: nn.Module, case: PreparedCase, *, grid: str) -> CasePrediction:
        """Predict one case.

        Args:
            network: in eval mode, on the device of `compute`.
            case: slice-major image (D,C,h,w) on the working grid.
            grid: "native" gives the whole image on the grid of its file, "crop" the training crop on the working grid
                (of volumes, whose patches lie anywhere, all of it).

        Returns:
            Probabilities (K,D,*) float32 on the device, with the reference on the same grid.

        Raises:
            RunError: the network's output is not finite.
        """
        if grid == "crop":
            target, spacing = self._crop(case.target), case.spacing_mm
            image = self.crop_image(case)
            probs = self._whole(network, image) if self.in_3d else self._forward(network, image)
        else:
            target, spacing = case.native_target, case.native_spacing_mm
            probs = self._whole(network, np.asarray(case.image))
            if probs.shape[1:] != target.shape:
                probs = resample_probs(probs, target.shape[-2:])
        if not bool(torch.isfinite(probs).all()):
            raise RunError(
                f"inference: the network's output must be finite, got NaN or infinity for case {case.case_id}. "
                "Set trainer.amp=off, lower optimizer.lr, or check this case."
            )
        return CasePrediction(
            case_id=case.case_id,
            subject_id=case.subject_id,
            probs=probs,
            target=torch.from_numpy(np.array(target)).to(probs.device),
            spacing_mm=spacing,
            group=case.group,
            frame=case.frame,
        )

    @property
    def in_3d(self) -> bool:
        """True if the network sees volumes."""
        return len(self.crop) == 3

    def crop_image(self, case: PreparedCase) -> np.ndarray:
        """What the grid "crop" shows of an image, (D,C,h,w)."""
        return self._crop(case.image)

    def _frame(self, image: np.ndarray) -> tuple[np.ndarray, tuple[slice, ...]]:
        """The image (D,C,h,w) padded to at least the training crop (or itself), and where it lies in there."""
        if self.in_3d:
            return pad_volume(image, self.crop)
        size = tuple(max(old, new) for old, new in zip(image.shape[-2:], self.crop, strict=True))
        if size == image.shape[-2:]:
            return image, ()
        return crop_or_pad(image, size), (slice(None), *crop_offsets(image.shape, size)[1])

    def _crop(self, array: np.ndarray) -> np.ndarray:
        return np.asarray(array) if self.in_3d else crop_or_pad(array, self.crop)

    def _whole(self, network: nn.Module, image: np.ndarray) -> Tensor:
        """(D,C,h,w) -> probabilities (K,D,h,w) of slices in one pass, or of slices or a volume in windows."""
        # What is smaller than the training crop is framed as in training, or the network would see something new.
        framed, back = self._frame(image)
        if framed is not image:
            return self._whole(network, framed)[(slice(None), *back)].contiguous()
        if self.mode == "full" and not self.in_3d:
            return self._forward(network, image)
        from monai.inferers import sliding_window_inference

        def predict_window(window: Tensor) -> Tensor:
            return self._softmax(network, window)

        with torch.inference_mode():
            batch = torch.from_numpy(np.array(image)).to(self.compute.device)
            summed = sliding_window_inference(
                batch.movedim(0, 1).unsqueeze(0) if self.in_3d else batch,
                self.crop,
                self.batch_size,
                predict_window,
                overlap=0.5,
                mode="gaussian",
                padding_mode="replicate",
            )
        probs = torch.as_tensor(summed)
        probs = probs / probs.sum(dim=1, keepdim=True)
        return probs[0] if self.in_3d else probs.movedim(0, 1).contiguous()

    @torch.inference_mode()
    def _forward(self, network: nn.Module, image: np.ndarray) -> Tensor:
        """(D,C,h,w) -> probabilities (K,D,h,w), a few slices at a time."""
        probs = [
            self._softmax(network, torch.from_numpy(np.array(image[start : start + self.batch_size]))).movedim(0, 1)
            for start in range(0, len(image), self.batch_size)
        ]
        return torch.cat(probs, dim=1)

    def _softmax(self, network: nn.Module, image: Tensor) -> Tensor:
        """Probabilities (N,K,*S) of images (N,C,*S)."""
        logits = forward(network, image, self.compute).float()
        return (logits if self.calibrator is None else self.calibrator(logits)).softmax(dim=1)


def forward(network: nn.Module, image: Tensor, compute: Compute) -> Tensor:
    """Logits (N,K,*S) of images (N,C,*S) of any size, in the precision of `compute`, for training and inference."""
    padded = compute.arrange(pad_to_stride(image, find_stride(network, image.dim() - 2)))
    with compute.autocast():
        logits = network(padded)
    return logits[(..., *(slice(0, n) for n in image.shape[2:]))]


def find_stride(network: nn.Module, dims: int) -> tuple[int, ...]:
    """What image sizes must be multiples of, per axis.

    The network's `stride`; where a library's has none, the product of its `strides` (MONAI's DynUNet and UNet list one
    per level), or else 32.

    Example:
        >>> find_stride(nn.Identity(), 3)
        (32, 32, 32)
    """
    network = bare_network(network)
    stride, levels = getattr(network, "stride", LIBRARY_STRIDE), getattr(network, "strides", None)
    if not hasattr(network, "stride") and isinstance(levels, Sequence):
        axes = zip(*((level,) * dims if isinstance(level, int) else level for level in levels), strict=True)
        return tuple(math.prod(axis) for axis in axes)
    return (stride,) * dims if isinstance(stride, int) else tuple(stride)


def pad_to_stride(image: Tensor, stride: Sequence[int]) -> Tensor:
    """Pad (N,C,*S) at the far ends, with the values of the border, up to multiples of the network's stride.

    Example:
        >>> pad_to_stride(torch.zeros(1, 1, 30, 33), (32, 32)).shape
        torch.Size([1, 1, 32, 64])
    """
    missing = [math.ceil(n / s) * s - n for n, s in zip(image.shape[2:], stride, strict=True)]
    if not any(missing):
        return image
    pads = [amount for missing_here in reversed(missing) for amount in (0, missing_here)]
    return F.pad(image, pads, mode="replicate")
