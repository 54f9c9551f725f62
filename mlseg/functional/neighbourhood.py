"""Labels blurred over the nearest neighbours of a voxel: what losses with an eye for borders ask for."""

from __future__ import annotations

import torch
from torch import Tensor


def encode_one_hot(target: Tensor, weight: Tensor, *, like: Tensor) -> Tensor:
    """One channel per class: the voxel's weight in the channel of its class, 0 in the others.

    Args:
        target: (N,*S) int64 classes 0..K-1.
        weight: (N,*S) in the type of `like`, e.g. 1, or 0 for a voxel that belongs to no class.
        like: (N,K,*S), whose number of classes, type, device and memory layout the result takes.

    Example:
        >>> encode_one_hot(torch.tensor([[1, 0]]), torch.tensor([[1.0, 0.0]]), like=torch.zeros(1, 2, 2))
        tensor([[[0., 0.],
                 [1., 0.]]])
    """
    return torch.zeros_like(like).scatter_(1, target.unsqueeze(1), weight.unsqueeze(1))


def add_neighbours(shares: Tensor, side: float, *, outside: str) -> Tensor:
    """Each voxel plus its neighbours in the 3x3 (3x3x3) window, a neighbour weighing `side` per axis that it is off.

    side = 1 sums the window; side = exp(-1 / (2 sigma^2)) is a Gaussian of standard deviation sigma whose centre is 1.

    Args:
        shares: (N,K,*S), any floating type; class 0 is the background.
        side: weight of a neighbour along one axis, at least 0.
        outside: what lies beyond the image: "nearest" repeats its border, "background" is class 0.

    Returns:
        (N,K,*S), in the type and memory layout of `shares`.

    Example:
        >>> labels = torch.tensor([[[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]])
        >>> add_neighbours(labels, 0.5, outside="nearest")
        tensor([[[0.5000, 1.5000, 2.0000],
                 [1.5000, 0.5000, 0.0000]]])
    """
    beyond = 1.0
    for axis in range(2, shares.ndim):
        size = shares.shape[axis]
        summed = shares.clone()
        summed.narrow(axis, 1, size - 1).add_(shares.narrow(axis, 0, size - 1), alpha=side)
        summed.narrow(axis, 0, size - 1).add_(shares.narrow(axis, 1, size - 1), alpha=side)
        for edge in (0, -1):
            if outside == "nearest":
                summed.select(axis, edge).add_(shares.select(axis, edge), alpha=side)
            else:
                summed.select(axis, edge)[:, 0].add_(side * beyond)
        # The background beyond the image has neighbours along the axes that are done.
        beyond *= 1 + 2 * side
        shares = summed
    return shares


def normalise_shares(shares: Tensor) -> Tensor:
    """Divide by the sum over the classes; where that is 0, in the midst of ignored voxels, the shares stay 0.

    Args:
        shares: (N,K,*S), >= 0.

    Example:
        >>> normalise_shares(torch.tensor([[3.0, 1.0], [0.0, 0.0]]))
        tensor([[0.7500, 0.2500],
                [0.0000, 0.0000]])
    """
    return shares / shares.sum(dim=1, keepdim=True).clamp(min=torch.finfo(shares.dtype).tiny)
