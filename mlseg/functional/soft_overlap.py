"""Overlap of probabilities with a label map: sums that Dice losses are made of, differentiable."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mlseg.functional.neighbourhood import encode_one_hot


@dataclass(frozen=True)
class SoftOverlap:
    """Sums over the voxels of one image that count, by class.

    Args:
        intersection: (N,K) sum of the class's probability over its own voxels.
        predicted: (N,K) sum of the class's probability.
        reference: (N,K) number of voxels of the class.
    """

    intersection: Tensor
    predicted: Tensor
    reference: Tensor

    def pool(self) -> SoftOverlap:
        """The sums over all images together, (1,K)."""
        sums = (self.intersection, self.predicted, self.reference)
        return SoftOverlap(*(values.sum(dim=0, keepdim=True) for values in sums))


def sum_overlap(probs: Tensor, target: Tensor, weight: Tensor) -> SoftOverlap:
    """Intersection, predicted and reference volume of each image and class, in voxels.

    Args:
        probs: (N,K,*S) floating-point probabilities.
        target: (N,*S) int64 classes 0..K-1.
        weight: (N,*S) in the type of `probs`: 1, or 0 for a voxel that does not count.

    Example:
        >>> import torch
        >>> overlap = sum_overlap(torch.tensor([[[0.75, 0.5], [0.25, 0.5]]]), torch.tensor([[0, 1]]), torch.ones(1, 2))
        >>> overlap.intersection, overlap.predicted, overlap.reference
        (tensor([[0.7500, 0.5000]]), tensor([[1.2500, 0.7500]]), tensor([[1., 1.]]))
    """
    one_hot = encode_one_hot(target, weight, like=probs.detach())
    axes = tuple(range(2, probs.ndim))
    products = (probs * one_hot, probs * weight.unsqueeze(1), one_hot)
    # torch.sum adds pairwise; a matrix product would lose digits over millions of voxels.
    return SoftOverlap(*(values.sum(dim=axes) if axes else values for values in products))


def compute_soft_dice(overlap: SoftOverlap, smooth: float) -> Tensor:
    """(2 intersection + smooth) / (predicted + reference + smooth), by image and class, (N,K).

    Args:
        overlap: from `sum_overlap`.
        smooth: voxels added above and below, above 0; a class that is neither there nor predicted scores 1.

    Source: Milletari et al., 3DV 2016 (arXiv 1606.04797), with plain instead of squared volumes.

    Example:
        >>> import torch
        >>> empty = SoftOverlap(torch.zeros(1, 1), torch.tensor([[0.0]]), torch.zeros(1, 1))
        >>> compute_soft_dice(empty, 1e-5)
        tensor([[1.]])
    """
    return (2 * overlap.intersection + smooth) / (overlap.predicted + overlap.reference + smooth)
