"""Margin-based label smoothing."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.margins import distance_excess
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class MbLSLoss(VoxelwiseLoss):
    """Margin-based label smoothing: CE + alpha * mean over voxels AND classes of max(0, d_k - margin).

    d_k = max_j l_j - l_k is the distance of class k from the winner, the largest logit (not the reference class). The
    penalty asks for d <= margin only: inside the margin its gradient is zero, unlike that of label smoothing, focal
    loss and entropy penalties, which push towards the uniform prediction d = 0 for ever. Beyond the margin it is
    -alpha/(N K) on each class that lies too far below, and the opposite of their sum on the winner; classes that tie
    for the winner share that equally. At d_k = margin exactly it is zero. margin = 0 is the plain linear penalty
    alpha * mean d_k.

    Args:
        margin: logit distance that stays free of penalty, at least 0.
        alpha: weight of the penalty, at least 0; 0 is the cross-entropy.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if margin or alpha is out of range or the shapes do not belong together.

    Source:
        Murugesan et al., Medical Image Analysis 2023 (arXiv 2209.09641); Liu et al., CVPR 2022 (arXiv 2111.15430).

    Example:
        >>> import torch
        >>> loss = MbLSLoss(margin=10.0, alpha=0.1)
        >>> value = loss(torch.tensor([[[12.0], [0.0]]]), torch.tensor([[1]]))
        >>> {name: round(float(term), 4) for name, term in loss.terms().items()}
        {'ce': 12.0, 'margin': 0.1}
    """

    def __init__(self, margin: float = 10.0, alpha: float = 0.1, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.mbls.MbLSLoss", margin=margin, alpha=alpha, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.margin = margin
        self.alpha = alpha

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-log s_y and alpha * mean_k max(0, d_k - margin)."""
        excess = distance_excess(logits, self.margin)
        return {
            "ce": negative_log_likelihood(logits.log_softmax(dim=1), target),
            "margin": excess.sum(dim=1) * (self.alpha / logits.shape[1]),
        }
