"""Focal loss with a sample-dependent exponent."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.losses.fl import miss_probability
from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class FLSDLoss(VoxelwiseLoss):
    """Focal loss, sample-dependent (FLSD-53): mean over voxels of -(1 - s_y)^g log s_y with g by s_y.

    g = gamma_low where s_y < threshold, the reference class being unlikely, and gamma_high elsewhere. The value jumps
    at the threshold; the gradient on either side is that of the focal loss with its exponent.

    Args:
        gamma_low: exponent where the reference class is unlikely, at least 0.
        gamma_high: exponent elsewhere, at least 0.
        threshold: the probability between the two, in [0, 1]; 0 is the focal loss with gamma_high.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if an argument is out of range or the shapes do not belong together.

    Source:
        Mukhoti et al., NeurIPS 2020 (arXiv 2002.09437): 5 for s_y in [0, 0.2), 3 for s_y in [0.2, 1].

    Example:
        >>> import torch
        >>> logits = torch.tensor([[[0.75], [0.25]]]).log()
        >>> FLSDLoss(threshold=0.5)(logits, torch.tensor([[1]]))  # -(1 - 0.25)^5 log 0.25
        tensor(0.3290)
    """

    def __init__(
        self, gamma_low: float = 5.0, gamma_high: float = 3.0, *, threshold: float = 0.2, ignore_index: int = -100
    ) -> None:
        check_arguments(
            "mlseg.losses.flsd.FLSDLoss",
            gamma_low=gamma_low,
            gamma_high=gamma_high,
            threshold=threshold,
            ignore_index=ignore_index,
        )
        super().__init__(ignore_index=ignore_index)
        self.gamma_low = gamma_low
        self.gamma_high = gamma_high
        self.threshold = threshold

    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """-(1 - s_y)^g log s_y."""
        nll = negative_log_likelihood(logits.log_softmax(dim=1), target)
        miss = miss_probability(nll)
        # 1 or 0 in floating point, which is several times as fast on a CPU as a boolean mask.
        unlikely = (-nll.detach()).exp_().lt_(self.threshold)
        factor = unlikely * miss**self.gamma_low + (1 - unlikely) * miss**self.gamma_high
        return {"focal": factor * nll}
