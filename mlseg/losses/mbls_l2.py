"""Margin-based label smoothing with a quadratic penalty."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.margins import distance_excess
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class MbLSL2Loss(VoxelwiseLoss):
    """Margin-based label smoothing, quadratic: CE + alpha * mean over voxels AND classes of max(0, d_k - margin)^2.

    d_k = max_j l_j - l_k is the distance of class k from the winner, the largest logit (not the reference class). The
    penalty asks for d <= margin and leaves smaller distances alone. The authors' code squares d - margin before it cuts
    at zero, which drags small distances up to the margin too, a penalty for d = margin; that is not repeated here.
    Its gradient beyond the margin is -2 alpha (d_k - margin)/(N K) on each class, and the opposite of their sum on the
    winner; classes that tie for the winner share that equally.

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
        >>> loss = MbLSL2Loss(margin=10.0, alpha=0.1)
        >>> value = loss(torch.tensor([[[12.0], [0.0]]]), torch.tensor([[1]]))
        >>> {name: round(float(term), 4) for name, term in loss.terms().items()}
        {'ce': 12.0, 'margin': 0.2}
    """

    def __init__(self, margin: float = 10.0, alpha: float = 0.1, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.mbls_l2.MbLSL2Loss", margin=margin, alpha=alpha, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.margin = margin
        self.alpha = alpha

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-log s_y and alpha * mean_k max(0, d_k - margin)^2."""
        excess = distance_excess(logits, self.margin)
        return {
            "ce": negative_log_likelihood(logits.log_softmax(dim=1), target),
            "margin": excess.square().sum(dim=1) * (self.alpha / logits.shape[1]),
        }
