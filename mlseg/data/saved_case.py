"""One case that was predicted elsewhere, in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mlseg.data.grids import Steps
from mlseg.data.nifti import orientation_steps
from mlseg.types import CasePrediction


@dataclass(frozen=True, kw_only=True)
class SavedCase:
    """One case, all on the grid of its reference.

    Args:
        affine: (4,4) of that grid, voxel (i,j,k) to world mm.
        image: (D,H,W) of the image's first channel, or None.
        agreement: share of the foreground in which the top label of the probabilities is the label map; NaN without
            foreground, None if one of the two is not there.
        arrangement: how the axes of the probabilities were found; "" without probabilities.
        sum_error: how far the sums of the stored probabilities were off 1 before they were divided out; 0 if they were
            left as they are.
    """

    prediction: CasePrediction
    affine: np.ndarray
    image: np.ndarray | None = None
    agreement: float | None = None
    arrangement: str = ""
    sum_error: float = 0.0

    def turn(self, orientation: str) -> SavedCase:
        """The same case with its axes in another order, e.g. "LPS", in which a reader sees axial slices upright."""
        steps, old = Steps(*orientation_steps(self.affine, orientation)), self.prediction
        if steps == Steps():
            return self
        spacing = old.spacing_mm
        d, h, w = (spacing[2 - axis] for axis in reversed(steps.axes))
        return replace(
            self,
            prediction=replace(
                old,
                probs=None if old.probs is None else _turn(old.probs, steps),
                target=_turn(old.target, steps),
                segmentation=None if old.segmentation is None else _turn(old.segmentation, steps),
                spacing_mm=(d, h, w),
            ),
            affine=steps.move_affine(self.affine, old.target.shape),
            image=None if self.image is None else steps.apply(self.image),
        )


def to_tensor(array: np.ndarray) -> Tensor:
    """A tensor of an array with any strides, copied only where torch needs it."""
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def _turn(tensor: Tensor, steps: Steps) -> Tensor:
    return to_tensor(steps.apply(tensor.numpy()))
