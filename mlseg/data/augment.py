"""Random changes to training images, whole batches at a time on their device; image and target move alike.

What happens to a sample follows from (seed, epoch, sample) alone: not from its batch, its place in it, the worker or
the rank that it fell to. So a resumed or a distributed run sees the same images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mlseg.checks import check_arguments

# Axis names of the last three dimensions of an image, outermost first.
AXES = ("d", "h", "w")
# Uniform numbers per sample, one for each thing that is drawn; the noise comes from a generator of its own.
_DRAWS = (
    "rotation",
    "scale",
    "shift_h",
    "shift_w",
    "brightness",
    "contrast",
    "gamma",
    "noise",
    "flip_d",
    "flip_h",
    "flip_w",
)


@dataclass(frozen=True)
class SampleKey:
    """What the draws of one sample follow from."""

    seed: int
    epoch: int
    sample: int


class Augment(Protocol):
    """Changes a training batch at random."""

    def __call__(self, image: Tensor, target: Tensor, keys: Sequence[SampleKey]) -> tuple[Tensor, Tensor]:
        """New image (N,C,*S) and target (N,*S), whose draws follow from each sample's key."""


class NoAugmentation:
    """Leaves every sample as it is, which is what the paper's authors did."""

    def __call__(self, image: Tensor, target: Tensor, keys: Sequence[SampleKey]) -> tuple[Tensor, Tensor]:
        """Image and target, untouched."""
        return image, target


class Augmentation:
    """Rotation, scale, shift and flips in one interpolation, then contrast, brightness, gamma and noise.

    Every strength is drawn evenly from its range for each sample; 0 switches a change off. Rotation, scale and shift
    are in plane, for slices and volumes alike, because slices are often thick. What comes in from outside the image
    repeats its border, in the target too.

    Args:
        flip_axes: axes out of d, h, w that are flipped with probability 1/2; only where anatomy allows.
        rotation_deg: largest rotation in degrees, in pixels that count as square.
        scale: largest relative change of size, e.g. 0.2 for 0.8 to 1.2 times.
        shift: largest shift as a share of the image's height and width.
        brightness: largest addition, in standard deviations of the prepared image.
        contrast: largest relative change of the deviation from the image's mean.
        gamma: largest change of the exponent, on a logarithmic scale: 0.3 is from exp(-0.3) to exp(0.3).
        noise: largest standard deviation of added Gaussian noise.

    Shape:
        image (N,C,*S) float, target (N,*S) integers, with two or three axes in S; returns new tensors of the same.

    Raises:
        ConfigError: if a strength is out of its range or an axis is not one of d, h, w.
    """

    def __init__(
        self,
        *,
        flip_axes: Sequence[str] = (),
        rotation_deg: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
        gamma: float = 0.0,
        noise: float = 0.0,
    ) -> None:
        self.strengths = {
            "rotation_deg": rotation_deg,
            "scale": scale,
            "shift": shift,
            "brightness": brightness,
            "contrast": contrast,
            "gamma": gamma,
            "noise": noise,
        }
        check_arguments("mlseg.data.augment.Augmentation", flip_axes=flip_axes, **self.strengths)
        self.flip_axes = tuple(flip_axes)

    def __call__(self, image: Tensor, target: Tensor, keys: Sequence[SampleKey]) -> tuple[Tensor, Tensor]:
        """Change each sample by the draws of its key.

        Args:
            keys: one for each sample of the batch.
        """
        seeds, uniform = draw_samples(keys)
        draws = {name: torch.from_numpy(uniform[:, place]) for place, name in enumerate(_DRAWS)}
        image, target = self._move(image, target, draws)
        return self._change_intensities(image, draws, seeds), target

    def _move(self, image: Tensor, target: Tensor, draws: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        dims = image.dim() - 2
        matrix = self._build_matrices(draws, tuple(image.shape[2:]))
        still = (matrix == torch.eye(dims, dims + 1, dtype=matrix.dtype)).flatten(1).all(dim=1)
        if bool(still.all()):
            return image, target
        grid = F.affine_grid(matrix.to(image.device, torch.float32), list(image.shape), align_corners=False)
        moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)
        labels = target.unsqueeze(1).float()
        labels = F.grid_sample(labels, grid, mode="nearest", padding_mode="border", align_corners=False)
        # Interpolation rounds: a sample that stays in place must be the same in any batch.
        still = still.to(image.device).view(-1, *[1] * (image.dim() - 1))
        labels = torch.where(still, target.unsqueeze(1), labels.to(target.dtype))
        return torch.where(still, image, moved), labels.squeeze(1)

    def _build_matrices(self, draws: dict[str, Tensor], size: tuple[int, ...]) -> Tensor:
        """(N,dims,dims+1) affine maps from output to input places, in coordinates of -1 to 1, innermost axis first."""
        dims, count = len(size), len(draws["scale"])
        angle = math.radians(self.strengths["rotation_deg"]) * _signed(draws["rotation"])
        zoom = 1 / (1 + self.strengths["scale"] * _signed(draws["scale"]))
        signs = {
            axis: 1 - 2.0 * (draws[f"flip_{axis}"] < 0.5) if axis in self.flip_axes else torch.ones(count)
            for axis in AXES[-dims:]
        }
        height, width = size[-2:]
        matrix = torch.zeros(count, dims, dims + 1, dtype=torch.float64)
        # In pixels a rotation; in coordinates of -1 to 1 the sides count.
        matrix[:, 0, 0], matrix[:, 0, 1] = zoom * angle.cos(), -zoom * angle.sin() * height / width
        matrix[:, 1, 0], matrix[:, 1, 1] = zoom * angle.sin() * width / height, zoom * angle.cos()
        matrix[:, :, 0] *= signs["w"][:, None]
        matrix[:, :, 1] *= signs["h"][:, None]
        if dims == 3:
            matrix[:, 2, 2] = signs["d"]
        for row, axis in enumerate(("w", "h")):
            matrix[:, row, dims] = 2 * self.strengths["shift"] * _signed(draws[f"shift_{axis}"])
        return matrix

    def _change_intensities(self, image: Tensor, draws: dict[str, Tensor], seeds: Sequence[int]) -> Tensor:
        strengths, axes = self.strengths, tuple(range(2, image.dim()))

        def spread(values: Tensor) -> Tensor:
            return values.to(image.device, image.dtype).view(-1, *[1] * (image.dim() - 1))

        if strengths["contrast"]:
            mean = image.mean(dim=axes, keepdim=True)
            image = (image - mean) * spread(1 + strengths["contrast"] * _signed(draws["contrast"])) + mean
        if strengths["brightness"]:
            image = image + spread(strengths["brightness"] * _signed(draws["brightness"]))
        if strengths["gamma"]:
            low, high = image.amin(dim=axes, keepdim=True), image.amax(dim=axes, keepdim=True)
            width = (high - low).clamp(min=1e-6)
            image = ((image - low) / width) ** spread(
                (strengths["gamma"] * _signed(draws["gamma"])).exp()
            ) * width + low
        if strengths["noise"]:
            noise = torch.stack([_draw_noise(image[0], seed) for seed in seeds])
            image = image + spread(strengths["noise"] * draws["noise"]) * noise
        return image


def draw_samples(keys: Sequence[SampleKey]) -> tuple[list[int], np.ndarray]:
    """A seed for the noise of each sample, and (N, draws) even numbers in [0, 1)."""
    states = draw_bits(keys, len(_DRAWS) + 1)
    return [int(state >> np.uint64(1)) for state in states[:, 0]], to_uniform(states[:, 1:])


def draw_bits(keys: Sequence[SampleKey], count: int, *, stream: Sequence[int] = ()) -> np.ndarray:
    """(N, count) uint64 of random bits; other streams of the same keys share nothing.

    Samples are mixed by NumPy's SeedSequence, so that neighbours share nothing either.
    """
    mixed = (np.random.SeedSequence((k.seed % 2**64, k.epoch, k.sample), spawn_key=tuple(stream)) for k in keys)
    return np.array([one.generate_state(count, np.uint64) for one in mixed], np.uint64).reshape(len(keys), count)


def to_uniform(bits: np.ndarray) -> np.ndarray:
    """Random bits (uint64) as even numbers in [0, 1): 53 of them, as many as a float64 holds."""
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _signed(uniform: Tensor) -> Tensor:
    """[0, 1) to [-1, 1)."""
    return 2 * uniform - 1


def _draw_noise(like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
