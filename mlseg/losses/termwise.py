"""The frame of every loss: inputs made safe, autocast left, terms kept for logging."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from mlseg.losses.inputs import prepare_inputs


class TermwiseLoss(nn.Module):
    """A sum of weighted terms, computed outside autocast in at least float32.

    A loss that is a mean over voxels derives from `VoxelwiseLoss`, which is simpler; one that looks at whole images or
    at neighbours derives from this.

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
    def compute_terms(self, logits: Tensor, target: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """The weighted terms, scalars that add up to the loss.

        Args:
            logits: (N,K,*S) float32 or float64.
            target: (N,*S) int64 in 0..K-1, 0 for ignored voxels.
            weight: (N,*S) in the type of the logits: 1, or 0 for ignored voxels, which must change nothing.
        """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The scalar loss. Raises ConfigError if the shapes do not belong together."""
        owner = type(self).__name__
        logits, target, weight = prepare_inputs(owner, logits, target=target, ignore_index=self.ignore_index)
        with torch.autocast(logits.device.type, enabled=False):
            terms = self.compute_terms(logits, target, weight)
        self._terms = {name: term.detach() for name, term in terms.items()}
        return torch.stack(list(terms.values())).sum()

    def terms(self) -> dict[str, Tensor]:
        """The weighted, detached terms of the last call, which add up to its value; empty before the first call."""
        return dict(self._terms)


def mean_over_voxels(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of `values` (N,*S) over the voxels that count; 0 if none does.

    Args:
        values: (N,*S), finite.
        weight: (N,*S), 1 or 0.

    Example:
        >>> mean_over_voxels(torch.tensor([1.0, 2.0, 9.0]), torch.tensor([1.0, 1.0, 0.0]))
        tensor(1.5000)
    """
    return (values * weight).sum() / weight.sum().clamp(min=1)
