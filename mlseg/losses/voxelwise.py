"""The frame of every loss that is a mean over voxels; a new loss writes its formula for one voxel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from mlseg.losses.inputs import prepare_inputs


class VoxelwiseLoss(nn.Module):
    """A sum of weighted terms, each a mean over the voxels that are not ignored.

    Computed outside autocast in at least float32. If every voxel is ignored the loss is 0 with zero gradient.

    Args:
        ignore_index: target value that is left out.

    Shape:
        logits (N,K,*S) of any floating type, target (N,*S) integers; returns a scalar.
    """

    def __init__(self, *, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index
        self._terms: dict[str, Tensor] = {}

    @abstractmethod
    def voxel_terms(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """The loss of each voxel, by term.

        Args:
            logits: (N,K,*S) float32 or float64.
            target: (N,*S) int64 in 0..K-1; the values of ignored voxels are left out later.

        Returns:
            For each term its weighted value (N,*S).
        """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss. Raises ConfigError if the shapes do not belong together."""
        owner = type(self).__name__
        logits, target, valid = prepare_inputs(owner, logits, target=target, ignore_index=self.ignore_index)
        count = valid.sum().clamp(min=1)
        with torch.autocast(logits.device.type, enabled=False):
            maps = self.voxel_terms(logits, target)
            means = {name: values.where(valid, 0).sum() / count for name, values in maps.items()}
        self._terms = {name: mean.detach() for name, mean in means.items()}
        return torch.stack(list(means.values())).sum()

    def terms(self) -> dict[str, Tensor]:
        """The weighted, detached terms of the last call, which add up to its value; empty before the first call."""
        return dict(self._terms)


def negative_log_likelihood(log_probs: Tensor, target: Tensor) -> Tensor:
    """-log s_y of every voxel: (N,K,*S) log-probabilities and (N,*S) class indices to (N,*S).

    Unlike `torch.nn.functional.nll_loss` it neither copies a channels-last input nor lacks a deterministic GPU kernel.
    """
    return -log_probs.gather(1, target.unsqueeze(1)).squeeze(1)
