"""From a case as stored to what the network sees, and the way back to the native grid.

Grids are areas of pixels: an axis of n pixels resampled to m keeps its field of view, and the centre of new pixel j
lies at (j + 1/2) n/m - 1/2 of the old axis. Nothing here needs torch but `resample_probs`, so workers start fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlseg.checks import POSITIVE, ConfigError, check_arguments, check_range
from mlseg.types import Case, PreparedCase

if TYPE_CHECKING:
    from torch import Tensor

# Voxels of each foreground class that are remembered of a case.
LANDMARKS = 4096


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is done to every case before training: clip, z-score, and (if asked for) resample in plane.

    Args:
        clip_percentiles: percentiles of a volume's channel, in [0,100], that its intensities are clipped to.
        spacing_mm: in-plane voxel size (h,w) to resample to; None keeps the native grid. The field of view is kept
            exactly, so the spacing reached differs from this by less than one pixel over the whole axis.
        normalise_over: the voxels that percentiles, mean and deviation come from: "volume" all of them, "nonzero"
            those where any channel is not 0, as for scans whose brain was cut out; the others take the lowest value.

    Raises:
        ConfigError: percentiles that don't rise from 0 to 100, a spacing that isn't two lengths, or another word.
    """

    clip_percentiles: tuple[float, float] = (0.5, 99.5)
    spacing_mm: tuple[float, float] | None = None
    normalise_over: str = "volume"

    def __post_init__(self) -> None:
        clip = tuple(self.clip_percentiles)
        if len(clip) != 2 or not 0 <= clip[0] < clip[1] <= 100:
            raise ConfigError(
                f"Preprocessing: clip_percentiles must be two rising numbers in [0, 100], got {list(clip)}. "
                "Write e.g. [0.5, 99.5], or [0, 100] for no clipping."
            )
        object.__setattr__(self, "clip_percentiles", clip)
        check_arguments("mlseg.data.preprocess.Preprocessing", normalise_over=self.normalise_over)
        if self.spacing_mm is None:
            return
        if len(self.spacing_mm) != 2:
            raise ConfigError(
                f"Preprocessing: spacing_mm must be (h,w) in mm, got {list(self.spacing_mm)}. Write e.g. [1.4, 1.4]."
            )
        for length in self.spacing_mm:
            check_range("Preprocessing", "spacing_mm", length, POSITIVE)
        object.__setattr__(self, "spacing_mm", tuple(self.spacing_mm))

    def prepare(self, case: Case) -> PreparedCase:
        """Clip and z-score each channel over its volume, then resample: the image linearly (with a widened triangle
        where it shrinks, against aliasing), the target to the nearest pixel.
        """
        inside = (case.image != 0).any(axis=0) if self.normalise_over == "nonzero" else None
        target, spacing = case.target, case.spacing_mm
        height, width = target.shape[-2:]
        size = self.resampled_size((height, width), spacing)
        rows, columns = linear_weights(height, size[0]), linear_weights(width, size[1])
        # Filled channel by channel in the order it is stored in: new memory costs more than what is computed here.
        image = np.empty((len(target), len(case.image), *size), dtype=np.float32)
        for index, channel in enumerate(case.image):
            if size == (height, width):
                normalise(channel, self.clip_percentiles, inside, out=image[:, index])
            else:
                scaled = normalise(channel, self.clip_percentiles, inside)
                image[:, index] = rows @ scaled.astype(np.float64) @ columns.T
        if size != (height, width):
            target = target[:, nearest_indices(height, size[0])][:, :, nearest_indices(width, size[1])]
            spacing = (spacing[0], spacing[1] * height / size[0], spacing[2] * width / size[1])
        return PreparedCase(
            case_id=case.case_id,
            subject_id=case.subject_id,
            image=image,
            target=target,
            spacing_mm=spacing,
            native_target=case.target,
            native_spacing_mm=case.spacing_mm,
            affine=case.affine,
            blank_slices=find_blank_slices(image),
            landmarks=draw_landmarks(target),
            group=case.group,
            frame=case.frame,
        )

    def resampled_size(self, size: tuple[int, int], spacing_mm: Sequence[float]) -> tuple[int, int]:
        """Pixels (h,w) of the working grid for a native grid of `size` with spacing (d,h,w)."""
        if self.spacing_mm is None:
            return size
        height, width = (
            max(1, math.floor(pixels * old / new + 0.5))
            for pixels, old, new in zip(size, spacing_mm[-2:], self.spacing_mm, strict=True)
        )
        return height, width


def normalise(
    volume: np.ndarray,
    clip_percentiles: tuple[float, float],
    inside: np.ndarray | None = None,
    *,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Clip to percentiles, then subtract the mean and divide by the standard deviation (float32).

    A volume that is constant between the percentiles becomes zero everywhere.

    Args:
        volume: intensities of one channel.
        clip_percentiles: in [0,100], rising.
        inside: mask of the voxels that percentiles, mean and deviation come from; the others take the lowest value.
            None, or a mask without voxels, takes all.
        out: float32 array of the volume's shape that takes the result; None makes one.
    """
    result = np.empty(volume.shape, dtype=np.float32) if out is None else out
    chosen = volume[inside] if inside is not None and inside.any() else volume
    low, high = np.percentile(chosen, clip_percentiles)
    clipped = np.clip(chosen, low, high, dtype=np.float64)
    mean, deviation = clipped.mean(), clipped.std()
    if not (high > low and deviation > 0):
        result[...] = 0
        return result
    clipped -= mean
    clipped /= deviation
    if chosen is volume:
        result[...] = clipped
    else:
        result[...] = (low - mean) / deviation
        result[inside] = clipped
    return result


def find_blank_slices(image: np.ndarray) -> tuple[int, ...]:
    """Indices of the slices of (D,C,h,w) that are constant in every channel."""
    return tuple(index for index, channels in enumerate(image) if all(map(_is_constant, channels)))


def _is_constant(pixels: np.ndarray) -> bool:
    """Whether (h,w) holds one value; its middle row tells most that don't."""
    first = pixels[0, 0]
    return bool((pixels[len(pixels) // 2] == first).all() and (pixels == first).all())


def draw_landmarks(target: np.ndarray) -> np.ndarray:
    """(n,4) int32 class, d, h, w of up to LANDMARKS voxels of each foreground class; the same each time."""
    rows = [np.zeros((0, 4), dtype=np.int32)]
    for index in np.unique(target[target > 0]):
        places = np.flatnonzero(target == index)
        if len(places) > LANDMARKS:
            places = np.sort(np.random.default_rng(int(index)).choice(places, LANDMARKS, replace=False))
        axes = np.unravel_index(places, target.shape)
        rows.append(np.stack([np.full(len(places), index), *axes], axis=1).astype(np.int32))
    return np.concatenate(rows)


def linear_weights(old: int, new: int) -> np.ndarray:
    """The (new, old) matrix of linear interpolation along one axis.

    Rows sum to 1; pixels beyond the border are left out. When the axis shrinks, the triangle is widened to the new
    pixel's size, which averages instead of skipping pixels.

    Example:
        >>> linear_weights(4, 2)
        array([[0.42857143, 0.42857143, 0.14285714, 0.        ],
               [0.        , 0.14285714, 0.42857143, 0.42857143]])
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    width = max(scale, 1.0)
    # Centres outside the outermost pixel centres take the border's value.
    centres = np.clip(centres, 0, old - 1) if scale < 1 else centres
    weights = np.clip(1 - np.abs(np.arange(old) - centres[:, None]) / width, 0, None)
    return weights / weights.sum(axis=1, keepdims=True)


def nearest_indices(old: int, new: int) -> np.ndarray:
    """For each pixel of the new axis, the old pixel that its centre lies in."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def resample_probs(probs: Tensor, shape: Sequence[int]) -> Tensor:
    """Bring probabilities back to the native grid: linear on the same areas, renormalised to sum 1.

    Args:
        probs: (K,D,h,w) on the working grid.
        shape: the native (H,W), or (D,H,W) of which the last two count.

    Shape:
        (K,D,h,w) -> (K,D,H,W), in float32 or better.
    """
    import torch
    from torch.nn.functional import interpolate

    size = tuple(int(n) for n in shape[-2:])
    probs = probs.to(torch.promote_types(probs.dtype, torch.float32))
    if tuple(probs.shape[-2:]) == size:
        return probs
    probs = interpolate(probs, size=size, mode="bilinear", align_corners=False, antialias=True)
    return probs / probs.sum(dim=0, keepdim=True)
