"""The frame of every loss that is a mean over voxels; a new loss writes its formula for one voxel."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from mlseg.losses.termwise import TermwiseLoss, mean_over_voxels


class VoxelwiseLoss(TermwiseLoss):
    """A sum of weighted terms, each a mean over the voxels that are not ignored.

    Computed outside autocast in at least float32. If every voxel is ignored the loss is 0 with zero gradient.

    Args:
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.
    """

    @abstractmethod
    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The loss of each voxel, by term.

        Args:
            logits: (N,K,*S) float32 or float64.
            target: (N,*S) int64 in 0..K-1; the values of ignored voxels are left out later.

        Returns:
            For each term its weighted value (N,*S), finite.
        """

    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The means of `voxel_terms`."""
        maps = self.voxel_terms(logits, target)
        return {name: mean_over_voxels(values, weight) for name, values in maps.items()}


def negative_log_likelihood(log_probs: Tensor, target: Tensor) -> Tensor:
    """-log s_y of every voxel: (N,K,*S) log-probabilities and (N,*S) class indices to (N,*S).

    Unlike `torch.nn.functional.nll_loss` it neither copies a channels-last input nor lacks a deterministic GPU kernel.
    """
    return -log_probs.gather(1, target.unsqueeze(1)).squeeze(1)
