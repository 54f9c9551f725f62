"""Overlap of two label maps: counted once per case or batch, added up exactly, turned into Dice or IoU at the end."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.checks import DataError


@dataclass(frozen=True)
class OverlapCounts:
    """Voxels per class; counts of several images add with `+`.

    Args:
        intersection: (K,) int64, voxels where prediction and reference are both class k.
        predicted: (K,) int64, voxels predicted as class k.
        reference: (K,) int64, voxels of class k in the reference.
    """

    intersection: Tensor
    predicted: Tensor
    reference: Tensor

    def __add__(self, other: OverlapCounts) -> OverlapCounts:
        return OverlapCounts(
            self.intersection + other.intersection,
            self.predicted + other.predicted,
            self.reference + other.reference,
        )


def count_overlap(prediction: Tensor, target: Tensor, num_classes: int) -> OverlapCounts:
    """Count prediction, reference and their intersection per class, in one pass and without waiting for the device.

    Voxels whose target lies outside 0..K-1 (an ignore index) are left out.

    Args:
        prediction: integer classes 0..K-1.
        target: integer classes, same shape and device.
        num_classes: K, background included.

    Shape:
        `prediction` and `target` (*S); each count (K,).

    Raises:
        DataError: if the shapes differ.

    Example:
        >>> counts = count_overlap(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 2)
        >>> counts.intersection.tolist(), counts.predicted.tolist(), counts.reference.tolist()
        ([1, 1], [1, 2], [2, 1])
    """
    if prediction.shape != target.shape:
        raise DataError(
            f"count_overlap: prediction and target must have one shape, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}. Bring both to the same grid."
        )
    cells = num_classes * num_classes
    predicted, reference = prediction.reshape(-1).long(), target.reshape(-1).long()
    valid = (reference >= 0) & (reference < num_classes)
    cell = torch.where(valid, predicted * num_classes + reference, cells)
    # A scatter rather than torch.bincount: bincount asks a GPU for the largest value and waits for the answer.
    table = torch.zeros(cells + 1, dtype=torch.int64, device=cell.device)
    table.scatter_add_(0, cell, torch.ones((), dtype=torch.int64, device=cell.device).expand_as(cell))
    confusion = table[:cells].view(num_classes, num_classes)
    return OverlapCounts(confusion.diagonal().clone(), confusion.sum(1), confusion.sum(0))


def compute_dice(counts: OverlapCounts) -> Tensor:
    """Dice per class, 2|P and T| / (|P| + |T|), as (K,) float64 on the counts' device; NaN where both are empty.

    Source: Dice, Ecology 1945.

    Example:
        >>> compute_dice(count_overlap(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 3))
        tensor([0.6667, 0.6667,    nan], dtype=torch.float64)
    """
    return 2 * counts.intersection.double() / (counts.predicted + counts.reference).double()


def compute_iou(counts: OverlapCounts) -> Tensor:
    """Intersection over union per class, |P and T| / |P or T|, as (K,) float64; NaN where both are empty.

    Source: Jaccard, New Phytologist 1912.

    Example:
        >>> compute_iou(count_overlap(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]), 2))
        tensor([0.5000, 0.5000], dtype=torch.float64)
    """
    return counts.intersection.double() / (counts.predicted + counts.reference - counts.intersection).double()
