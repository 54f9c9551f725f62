"""Spatially varying label smoothing."""

from __future__ import annotations

import math

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.neighbourhood import add_neighbours, encode_one_hot, normalise_shares
from mlseg.losses.termwise import TermwiseLoss, mean_over_voxels


class SVLSLoss(TermwiseLoss):
    """Spatially varying label smoothing: mean over voxels of sum_k t_k (-log s_k), t the labels blurred near borders.

    t is the one-hot label map filtered with a Gaussian window of 3x3 (3D: 3x3x3) voxels whose centre weighs as much as
    all its neighbours together: 0.5; at sigma = 1 in 2D the edges weigh 0.0778 and the corners 0.0472, in 3D faces
    0.0308, edges 0.0187 and corners 0.0113. Inside a structure t is the one-hot label, so the loss there is the
    cross-entropy. Outside the image the border is repeated. Distances count in voxels, whatever the spacing.

    An ignored voxel has no say in its neighbours' labels: there the window's other weights are scaled up to a sum of 1.

    Gradient per voxel: (s - t) / N.

    Args:
        sigma: standard deviation of the Gaussian, in voxels, at least 0.3.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if sigma is out of range or the shapes do not belong together.

    Source:
        Islam and Glocker, IPMI 2021.

    Example:
        >>> import torch
        >>> logits, target = torch.tensor([[[9.0, 9.0, 0.0], [0.0, 0.0, 9.0]]]), torch.tensor([[0, 0, 1]])
        >>> SVLSLoss()(logits, target)  # of three voxels, two lose a quarter to their neighbour's class
        tensor(1.5001)
    """

    def __init__(self, sigma: float = 1.0, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.svls.SVLSLoss", sigma=sigma, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.sigma = sigma

    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The cross-entropy against the blurred labels."""
        log_probs = logits.log_softmax(dim=1)
        side, axes = math.exp(-0.5 / self.sigma**2), target.ndim - 1
        one_hot = encode_one_hot(target, weight, like=log_probs.detach())
        blurred = add_neighbours(one_hot, side, outside="nearest")
        if axes > 0:
            # The window has 1 at its centre and this at its neighbours together: make both the same.
            blurred = blurred.add_(one_hot, alpha=(1 + 2 * side) ** axes - 2)
        soft = normalise_shares(blurred)
        return {"svls": mean_over_voxels(-(soft * log_probs).sum(dim=1), weight)}
