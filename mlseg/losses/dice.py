"""Soft Dice."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.soft_overlap import compute_soft_dice, sum_overlap
from mlseg.losses.termwise import TermwiseLoss


class DiceLoss(TermwiseLoss):
    """Soft Dice loss: mean over images and ALL classes, background included, of 1 - Dice_nk.

    Dice_nk = (2 sum_x s_k [y = k] + smooth) / (sum_x s_k + sum_x [y = k] + smooth), the sums over the voxels x of image
    n. This is MONAI's DiceLoss(to_onehot_y=True, softmax=True): volumes are not squared, and each image counts alike. A
    class that an image lacks scores smooth / (sum_x s_k + smooth): nearly 0 until hardly any voxel believes in it.

    Ignored voxels are left out of all three sums; an image of ignored voxels only is left out of the mean.

    Args:
        smooth: voxels added to numerator and denominator, above 0.
        batch: True sums over the images of the batch first, as for one large image, and means over classes only.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar in [0, 1].

    Raises:
        ConfigError: if smooth is out of range or the shapes do not belong together.

    Source:
        Milletari et al., 3DV 2016 (arXiv 1606.04797), with plain instead of squared volumes.

    Example:
        >>> import torch
        >>> DiceLoss()(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 1]]))
        tensor(0.5000)
    """

    def __init__(self, smooth: float = 1e-5, *, batch: bool = False, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.dice.DiceLoss", smooth=smooth, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.smooth = smooth
        self.batch = batch

    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """Mean of 1 - Dice."""
        overlap = sum_overlap(logits.softmax(dim=1), target, weight)
        if self.batch:
            overlap = overlap.pool()
        there = overlap.reference.sum(dim=1).clamp(max=1)
        misses = (1 - compute_soft_dice(overlap, self.smooth)).mean(dim=1)
        return {"dice": (misses * there).sum() / there.sum().clamp(min=1)}
