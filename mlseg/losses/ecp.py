"""Explicit confidence penalty."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class ECPLoss(VoxelwiseLoss):
    """Explicit confidence penalty: CE - alpha * mean over voxels AND classes of (-s_k log s_k).

    That is CE minus alpha/K times the entropy H of the softmax. The penalty is smallest at the uniform prediction,
    d = 0, and pushes towards it wherever it is not. Gradient per voxel: (s_k - onehot(y)_k + alpha/K s_k (log s_k + H))
    / N.

    Args:
        alpha: weight of the entropy, at least 0; 0 is the cross-entropy.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if alpha is out of range or the shapes do not belong together.

    Source:
        Pereyra et al., ICLR workshops 2017 (arXiv 1701.06548); the mean over classes: the authors' code of Murugesan et
        al., Medical Image Analysis 2023 (arXiv 2209.09641).

    Example:
        >>> import torch
        >>> loss = ECPLoss(0.1)
        >>> value = loss(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
        >>> {name: round(float(term), 4) for name, term in loss.terms().items()}
        {'ce': 1.3863, 'entropy': -0.0347}
    """

    def __init__(self, alpha: float = 0.1, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.ecp.ECPLoss", alpha=alpha, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.alpha = alpha

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-log s_y and alpha * mean_k s_k log s_k."""
        log_probs = logits.log_softmax(dim=1)
        return {
            "ce": negative_log_likelihood(log_probs, target),
            "entropy": (log_probs.exp() * log_probs).sum(dim=1) * (self.alpha / logits.shape[1]),
        }
