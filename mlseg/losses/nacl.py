"""Neighbour-aware calibration."""

from __future__ import annotations

from torch import Tensor

from mlseg.checks import check_arguments
from mlseg.functional.neighbourhood import add_neighbours, encode_one_hot, normalise_shares
from mlseg.losses.termwise import TermwiseLoss, mean_over_voxels
from mlseg.losses.voxelwise import negative_log_likelihood


class NACLLoss(TermwiseLoss):
    """Neighbour-aware calibration: CE + alpha * mean over voxels AND classes of |tau_k - l_k|, or of (tau_k - l_k)^2.

    tau_k is the share of class k among the labels of the 3x3 (3D: 3x3x3) window around the voxel, outside the image
    counting as class 0. The penalty is on raw logits: unlike the other losses it is not the same after a shift of all
    logits of a voxel. (MONAI's NACLLoss pads otherwise, so its border voxels differ.)

    An ignored voxel has no say in its neighbours' tau, which is the mean over the rest of the window.

    Gradient of the penalty: alpha/(N K) sign(l_k - tau_k), or 2 alpha/(N K) (l_k - tau_k).

    Args:
        alpha: weight of the penalty, at least 0; 0 is the cross-entropy.
        penalty: "l1" or "l2", the absolute or the squared difference.
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.

    Raises:
        ConfigError: if alpha or penalty is out of range or the shapes do not belong together.

    Source:
        Murugesan et al., MICCAI 2023 (arXiv 2303.06268); class 0 outside the image: the authors' code.

    Example:
        >>> import torch
        >>> loss = NACLLoss(alpha=0.1)
        >>> value = loss(torch.tensor([[[4.0], [0.0]]]), torch.tensor([[0]]))
        >>> {name: round(float(term), 4) for name, term in loss.terms().items()}
        {'ce': 0.0181, 'neighbours': 0.15}
    """

    def __init__(self, alpha: float = 0.1, penalty: str = "l1", *, ignore_index: int = -100) -> None:
        check_arguments("mlseg.losses.nacl.NACLLoss", alpha=alpha, penalty=penalty, ignore_index=ignore_index)
        super().__init__(ignore_index=ignore_index)
        self.alpha = alpha
        self.penalty = penalty

    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """CE and alpha * mean_k |tau_k - l_k|."""
        one_hot = encode_one_hot(target, weight, like=logits.detach())
        difference = normalise_shares(add_neighbours(one_hot, 1.0, outside="background")) - logits
        penalty = difference.abs() if self.penalty == "l1" else difference.square()
        nll = negative_log_likelihood(logits.log_softmax(dim=1), target)
        return {
            "ce": mean_over_voxels(nll, weight),
            "neighbours": mean_over_voxels(penalty.sum(dim=1) * (self.alpha / logits.shape[1]), weight),
        }
