"""What every loss does to its inputs first: check the shapes, leave half precision, set ignored voxels aside."""

from __future__ import annotations

import torch
from torch import Tensor

from mlseg.checks import ConfigError


def prepare_inputs(owner: str, logits: Tensor, *, target: Tensor, ignore_index: int) -> tuple[Tensor, Tensor, Tensor]:
    """Check logits and target against each other and make them safe to compute with.

    Args:
        owner: name of the loss, for the error message.
        logits: (N,K,*S), any floating type; float16 and bfloat16 become float32, float64 stays.
        target: (N,*S), any integer type.
        ignore_index: the target value that is left out.

    Returns:
        logits (N,K,*S) of at least float32 in the layout they came in, target (N,*S) int64 with 0 for ignored
        voxels, and the weight (N,*S) of each voxel in the type of the logits: 1, or 0 where it is ignored.

    Raises:
        ConfigError: if the shapes do not belong together or a type is wrong.
    """
    if not logits.is_floating_point() or logits.ndim < 2 or logits.shape[1] < 2:
        raise ConfigError(
            f"{owner}: logits must be floating-point (N,K,*S) with at least 2 classes, got {_describe(logits)}. "
            "Give one channel per class, background included."
        )
    expected = (logits.shape[0], *logits.shape[2:])
    if target.shape != expected or target.is_floating_point() or target.dtype == torch.bool:
        raise ConfigError(
            f"{owner}: target must hold class indices of shape {expected}, got {_describe(target)}. "
            "Give integers without a channel axis, not one-hot masks."
        )
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    target = target.long()
    # 1 or 0 by arithmetic: what torch.compile makes of a boolean mask costs a CPU more than the whole cross-entropy.
    counts = (target - ignore_index).abs_().clamp_(max=1)
    return logits, target * counts, counts.to(logits.dtype)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
