"""Average calibration error of each image and class, differentiable in the probabilities."""

from __future__ import annotations

import torch
from torch import Tensor

# A bin with less mass says nothing. Source: the authors' code; with hard bins the mass is a number of voxels.
SMALLEST_MASS = 0.01


def average_calibration_error(
    probs: Tensor, target: Tensor, weight: Tensor, *, bins: int = 20, soft: bool = False
) -> Tensor:
    """Mean over the filled bins of |mean probability - share of the class|, by image and class.

    Every filled bin counts alike, however few voxels it holds. Hard bins (lo, hi] take each voxel whole, p = 0 in the
    first; the bin is constant for the gradient. Soft bins share a voxel between the two bins whose centres are nearest,
    linearly in p, and the gradient runs through the shares too; half a bin from 0 or 1 there is only one. Sums are
    taken in float64, bin by bin they would lose digits otherwise.

    Args:
        probs: (N,K,*S) floating-point probabilities in [0, 1].
        target: (N,*S) int64 classes 0..K-1.
        weight: (N,*S) in the type of `probs`: 1, or 0 for a voxel that does not count.
        bins: number of equal-width bins of [0, 1], at least 1.
        soft: True for soft bins.

    Returns:
        (N,K) in [0, 1]; 0 where no voxel counts.

    Source:
        Barfoot et al., arXiv 2506.03942 (mL1-ACE), per image and class.

    Example:
        >>> probs, target = torch.tensor([[[0.9, 0.7], [0.1, 0.3]]]), torch.tensor([[0, 1]])
        >>> average_calibration_error(probs, target, torch.ones(1, 2), bins=10)
        tensor([[0.4000, 0.4000]])
    """
    weight, target = weight.flatten(1), target.flatten(1)
    errors = []
    for k, values in enumerate(probs.flatten(2).unbind(1)):
        gap = (values - (target == k).to(values.dtype)) * weight
        mass, difference = _sum_bins(values, gap, weight, bins, soft)
        filled = (mass.detach() >= SMALLEST_MASS).to(mass.dtype)
        means = filled * difference.abs() / mass.clamp(min=SMALLEST_MASS)
        errors.append(means.sum(dim=1) / filled.sum(dim=1).clamp(min=1))
    return torch.stack(errors, dim=1).to(probs.dtype)


def _sum_bins(values: Tensor, gap: Tensor, weight: Tensor, bins: int, soft: bool) -> tuple[Tensor, Tensor]:
    """Sum of `weight` and of `gap` in each bin, (N,bins) float64, from (N,V)."""
    empty = torch.zeros(len(values), bins, dtype=torch.float64, device=values.device)
    if not soft:
        index = (values.detach() * bins).ceil_().sub_(1).clamp_(0, bins - 1).long()
        return empty.scatter_add(1, index, weight.double()), empty.scatter_add(1, index, gap.double())
    position = values * bins - 0.5
    left = position.detach().floor().clamp_(0, bins - 1)
    beyond = (position - left).clamp(0, 1)
    index, after = left.long(), (left + 1).clamp_(max=bins - 1).long()
    sums = []
    for addend in (weight, gap):
        kept = empty.scatter_add(1, index, (addend * (1 - beyond)).double())
        sums.append(kept.scatter_add(1, after, (addend * beyond).double()))
    return sums[0], sums[1]
