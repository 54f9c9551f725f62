"""Cross-entropy."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class CELoss(VoxelwiseLoss):
    """Cross-entropy: mean over voxels of -log s_y, with s = softmax(l) and y the reference class.

    Gradient per voxel: (s - onehot(y)) / N.

    Args:
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if the shapes do not belong together.

    Example:
        >>> import torch
        >>> CELoss()(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
        tensor(1.3863)
    """

    def __init__(self, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.ce.CELoss", ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-log s_y."""
        return {"ce": negative_log_likelihood(logits.log_softmax(dim=1), target)}
