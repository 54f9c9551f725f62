"""Logit distances d_k = max_j l_j - l_k: what the margin losses penalise and what training logs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def logit_distances(logits: Tensor) -> Tensor:
    """How far each class lies below the winner of its voxel: d_k = max_j l_j - l_k.

    The winner is the largest logit, not the reference class; its own distance is 0. The gradient of the maximum goes
    to the winner, in equal shares where several classes tie for it.

    Args:
        logits: (N,K,*S), any floating type.

    Returns:
        (N,K,*S), >= 0, in the type and memory layout of `logits`.

    Source:
        Liu et al., CVPR 2022 (arXiv 2111.15430), equation 3.

    Example:
        >>> logit_distances(torch.tensor([[2.0, 5.0, -1.0]]))
        tensor([[3., 0., 6.]])
    """
    return logits.amax(dim=1, keepdim=True) - logits


def distance_excess(logits: Tensor, margin: float) -> Tensor:
    """How far each class lies beyond a margin below the winner of its voxel: max(0, d_k - margin).

    The same as `(logit_distances(logits) - margin).relu()`, gradient included, with fewer passes over the memory. The
    gradient is -1 on each class with d_k > margin; the winner gets the opposite of their sum, in equal shares where
    several classes tie for it. At d_k = margin exactly it is zero.

    Args:
        logits: (N,K,*S), any floating type.
        margin: the distance that is free, at least 0, in logits.

    Returns:
        (N,K,*S), >= 0, in the type and memory layout of `logits`.

    Example:
        >>> distance_excess(torch.tensor([[2.0, 5.0, -1.0]]), 4.0)
        tensor([[0., 0., 2.]])
    """
    excess: Tensor = _Excess.apply(logits, margin)
    return excess


class _Excess(torch.autograd.Function):
    """The gradient in floating-point steps: autograd's own makes boolean masks, which cost a CPU ten times as much."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, margin: float) -> Tensor:
        winner = logits.amax(dim=1, keepdim=True)
        ctx.margin = margin
        ctx.save_for_backward(logits, winner)
        return (winner - logits).sub_(margin).relu_()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        # Piecewise constant in the logits, so a second derivative runs through `gradient` alone.
        logits, winner = (saved.detach() for saved in ctx.saved_tensors)
        distances = winner - logits
        wins = distances.clone().eq_(0)
        pushed = distances.gt_(ctx.margin).mul_(gradient)
        share = pushed.sum(dim=1, keepdim=True) / wins.sum(dim=1, keepdim=True)
        return wins.mul_(share).sub_(pushed), None


@torch.no_grad()
def share_beyond(logits: Tensor, margin: float) -> Tensor:
    """Share of voxels that break d <= margin, that is, with any distance above it.

    A voxel with a NaN among its logits counts as beyond.

    Args:
        logits: (N,K,*S), any floating type.
        margin: the largest distance that is allowed, in logits.

    Returns:
        A float32 scalar in [0, 1] on the device of `logits`.

    Example:
        >>> share_beyond(torch.tensor([[0.0, 5.0], [0.0, 11.0]]), 10.0)
        tensor(0.5000)
    """
    largest = logits.amax(dim=1) - logits.amin(dim=1)
    return (largest <= margin).logical_not().float().mean()


@torch.no_grad()
def distance_histogram(logits: Tensor, bins: int = 40, *, high: float = 20.0) -> tuple[Tensor, Tensor]:
    """Count the distances of all voxels and classes in equal-width bins [lo, hi) from 0 to `high`.

    The winners' own zeros are counted too, in the first bin. What lies at or above `high` falls in the last bin, and so
    does a NaN.

    Args:
        logits: (N,K,*S), any floating type.
        bins: number of bins.
        high: upper edge of the last bin, in logits.

    Returns:
        (bins,) int64 counts on the device of `logits`, and their (bins+1,) edges.

    Example:
        >>> distance_histogram(torch.tensor([[2.0, 5.0, -1.0]]), bins=4, high=4.0)
        (tensor([1, 0, 0, 2]), tensor([0., 1., 2., 3., 4.]))
    """
    position = logit_distances(logits.float()) * (bins / high)
    index = position.nan_to_num_(nan=bins).clamp_(max=bins - 1).long()
    return torch.bincount(index.flatten(), minlength=bins), torch.linspace(0, high, bins + 1)
