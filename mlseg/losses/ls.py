"""Label smoothing."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class LSLoss(VoxelwiseLoss):
    """Label smoothing: mean over voxels of (1 - alpha) (-log s_y) + alpha/K sum_k (-log s_k).

    The smoothing term is, up to a constant, a linear penalty on the logit distances d_k = max_j l_j - l_k:
    sum_k d_k <= sum_k (-log s_k) <= sum_k d_k + K log K. It never stops pushing towards d = 0.
    Gradient per voxel: (s - (1 - alpha) onehot(y) - alpha/K) / N.

    Args:
        alpha: share of the uniform distribution in the labels, in [0, 1]; 0 is the cross-entropy.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if alpha is out of range or the shapes do not belong together.

    Source:
        Szegedy et al., CVPR 2016 (arXiv 1512.00567), section 7; the bounds: Liu et al., CVPR 2022 (arXiv 2111.15430).

    Example:
        >>> import torch
        >>> LSLoss(0.1)(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
        tensor(1.3863)
    """

    def __init__(self, alpha: float = 0.1, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.ls.LSLoss", alpha=alpha, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.alpha = alpha

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """(1 - alpha) (-log s_y) and alpha/K sum_k (-log s_k)."""
        log_probs = logits.log_softmax(dim=1)
        return {
            "ce": (1 - self.alpha) * negative_log_likelihood(log_probs, target),
            "smoothing": -self.alpha * log_probs.mean(dim=1),
        }
