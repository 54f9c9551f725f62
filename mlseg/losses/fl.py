"""Focal loss."""

from __future__ import annotations

import torch
from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class FLLoss(VoxelwiseLoss):
    """Focal loss: mean over voxels of -(1 - s_y)^gamma log s_y.

    gamma = 0 is the cross-entropy. The mean is over voxels alone; MONAI's FocalLoss also averages over the K classes.

    Args:
        gamma: focusing exponent, at least 0.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if gamma is out of range or the shapes do not belong together.

    Source:
        Lin et al., ICCV 2017 (arXiv 1708.02002), equation 4 without class weights.

    Example:
        >>> import torch
        >>> FLLoss(2.0)(torch.zeros(1, 4, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long))
        tensor(0.7798)
    """

    def __init__(self, gamma: float = 3.0, *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.fl.FLLoss", gamma=gamma, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.gamma = gamma

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-(1 - s_y)^gamma log s_y."""
        nll = negative_log_likelihood(logits.log_softmax(dim=1), target)
        return {"focal": miss_probability(nll) ** self.gamma * nll}


def miss_probability(nll: Tensor) -> Tensor:
    """1 - s_y from -log s_y, without cancellation where s_y is near 1.

    The floor keeps the slope of its powers finite where s_y rounds to 1 and the exponent is below 1.

    Example:
        >>> miss_probability(torch.tensor([0.0, 1e-6, 100.0]))
        tensor([1.1755e-38, 1.0000e-06, 1.0000e+00])
    """
    return (-torch.expm1(-nll)).clamp(min=torch.finfo(nll.dtype).tiny)
