"""Proper scores of probabilities: negative log-likelihood and Brier score, summed in float64."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mlseg.checks import DataError

# The smallest normal float32: a probability of 0 costs 87.3 nats instead of infinity.
FLOOR = torch.finfo(torch.float32).tiny
CHUNK = 2**20


def compute_nll(probs: Tensor, target: Tensor, *, mask: Tensor | None = None) -> float:
    """Mean over voxels of -log p of the reference class, in nats, p floored at 1.2e-38; NaN without voxels.

    Args:
        probs: probabilities.
        target: integer classes 0..K-1.
        mask: True where a voxel counts; None counts all.

    Shape:
        `probs` (K,*S), `target` and `mask` (*S).

    Raises:
        DataError: if the shapes do not fit.

    Source: Good, Journal of the Royal Statistical Society B 1952.

    Example:
        >>> round(compute_nll(torch.tensor([[0.5], [0.5]]), torch.tensor([1])), 4)
        0.6931
    """
    return _average(probs, target, mask, lambda part, chosen: -chosen.clamp_min(FLOOR).log())


def compute_brier(probs: Tensor, target: Tensor, *, mask: Tensor | None = None) -> float:
    """Mean over voxels of sum_k (p_k - [y = k])^2, from 0 to 2; NaN without voxels.

    Args, shape and errors as `compute_nll`.

    Source: Brier, Monthly Weather Review 1950.

    Example:
        >>> compute_brier(torch.tensor([[0.5], [0.5]]), torch.tensor([1]))
        0.5
    """
    return _average(probs, target, mask, lambda part, chosen: part.square().sum(0) - 2 * chosen + 1)


def _average(probs: Tensor, target: Tensor, mask: Tensor | None, score: Callable[[Tensor, Tensor], Tensor]) -> float:
    """Mean of score(probs (K,n), probability of the reference (n,)) over the voxels, in chunks of float64."""
    if probs.shape[1:] != target.shape or (mask is not None and mask.shape != target.shape):
        shapes = [tuple(part.shape) for part in (probs, target, mask) if part is not None]
        raise DataError(
            f"Proper score: shapes must be (K,*S), (*S) and (*S), got {shapes}. Bring all to the same grid."
        )
    flat_probs, flat_target = probs.reshape(probs.shape[0], -1), target.reshape(-1)
    flat_mask = None if mask is None else mask.reshape(-1)
    total, voxels = torch.zeros((), dtype=torch.float64, device=probs.device), 0
    for start in range(0, flat_target.numel(), CHUNK):
        part, classes = flat_probs[:, start : start + CHUNK], flat_target[start : start + CHUNK]
        if flat_mask is not None:
            index = flat_mask[start : start + CHUNK].nonzero().squeeze(1)
            part, classes = part[:, index], classes[index]
        part = part.double()
        chosen = part.gather(0, classes.long().unsqueeze(0)).squeeze(0)
        total += score(part, chosen).sum()
        voxels += classes.numel()
    return float(total) / voxels if voxels else float("nan")
