"""Counting confidences on the device that holds them: from probabilities to the counts of `mlseg.functional.bins`."""

from __future__ import annotations

import torch
from torch import Tensor

from mlseg.checks import DataError
from mlseg.functional.bins import FINE_BINS, SCALE, THRESHOLD, BinCounts, compute_edges

COLUMNS = FINE_BINS + 1
# Voxels per chunk: temporary arrays of a few MB stay in a CPU's cache; a GPU wants more work at once.
CHUNK_CPU, CHUNK_DEVICE = 2**17, 2**22
# How far rounding may carry a probability beyond [0, 1]; half-precision softmaxes stay well inside.
ROUNDING = 1e-3


def count_bins(probs: Tensor, target: Tensor, *, mask: Tensor | None = None, edges: str = "exact") -> BinCounts:
    """Histograms of the top label's and of each class's probability, on the device of `probs`.

    Works in chunks, so the memory beyond the inputs is bounded. Counts and sums are integers: chunks, devices and
    the order of merging change nothing. Rounding errors beyond [0, 1] are clamped. Where classes tie, the lowest wins.

    Args:
        probs: floating-point probabilities; half precision is read as float32.
        target: integer classes; a voxel outside 0..K-1 is a hit of no class.
        mask: True where a voxel counts; None counts all.
        edges: "exact" puts p = 0 in the first bin; "paper" uses the authors' float32 edges and leaves p = 0 out.

    Shape:
        `probs` (K,*S), `target` and `mask` (*S).

    Raises:
        DataError: if the shapes do not fit, or if a probability is NaN or outside [0, 1].

    Example:
        >>> counts = count_bins(torch.tensor([[0.9, 0.2], [0.1, 0.8]]), torch.tensor([0, 0]))
        >>> counts.counts.sum(1).tolist(), counts.hits.sum(1).tolist()
        ([2, 2, 2], [1, 2, 0])
    """
    if probs.shape[1:] != target.shape or (mask is not None and mask.shape != target.shape):
        shapes = [tuple(part.shape) for part in (probs, target, mask) if part is not None]
        raise DataError(f"count_bins: shapes must be (K,*S), (*S) and (*S), got {shapes}. Bring all to the same grid.")
    num_classes, device = probs.shape[0], probs.device
    flat_probs, flat_target = probs.reshape(num_classes, -1), target.reshape(-1)
    flat_mask = None if mask is None else mask.reshape(-1)
    table = torch.zeros((3, (num_classes + 1) * COLUMNS + 1), dtype=torch.int64, device=device)
    extremes = torch.tensor([0.0, 0.0], dtype=torch.float32, device=device)
    fine_edges = torch.from_numpy(compute_edges(edges)).to(device)
    step = CHUNK_CPU if device.type == "cpu" else CHUNK_DEVICE
    voxels = 0
    for start in range(0, flat_target.numel(), step):
        part, classes = flat_probs[:, start : start + step], flat_target[start : start + step]
        if flat_mask is not None:
            chosen = flat_mask[start : start + step].nonzero().squeeze(1)
            part, classes = part[:, chosen], classes[chosen]
        if classes.numel():
            voxels += classes.numel()
            _count_chunk(table, extremes, part, classes, fine_edges, edges)
    low, high = extremes.tolist()
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise DataError(
            f"count_bins: probabilities must lie in [0, 1], got values from {low:g} to {high:g}. "
            "Pass softmax probabilities without NaN, not logits."
        )
    counts, hits, sums = table[:, :-1].reshape(3, num_classes + 1, COLUMNS).cpu().numpy()
    total = torch.full((num_classes + 1,), voxels, dtype=torch.int64).numpy()
    return BinCounts(counts=counts, hits=hits, sums=sums, total=total, edges=edges)


def find_top_label(probs: Tensor) -> tuple[Tensor, Tensor]:
    """Largest probability (*S) and its class (*S, int64) of probs (K,*S); the lowest class wins a tie.

    Example:
        >>> confidence, label = find_top_label(torch.tensor([[0.5, 0.25], [0.5, 0.75]]))
        >>> confidence.tolist(), label.tolist()
        ([0.5, 0.75], [0, 1])
    """
    confidence, label = probs[0], torch.zeros(probs.shape[1:], dtype=torch.uint8, device=probs.device)
    # A running maximum is several times faster on a CPU than max over the first axis, and its ties are defined.
    for index in range(1, probs.shape[0]):
        label.masked_fill_(probs[index] > confidence, index)
        confidence = torch.maximum(confidence, probs[index])
    return confidence, label.long()


def _count_chunk(table: Tensor, extremes: Tensor, probs: Tensor, target: Tensor, edges: Tensor, kind: str) -> None:
    probs = probs if probs.dtype == torch.float64 else probs.float()
    low, high = torch.aminmax(probs)
    extremes[0], extremes[1] = torch.minimum(extremes[0], low.float()), torch.maximum(extremes[1], high.float())
    confidence, label = find_top_label(probs)
    _count_row(table, 0, confidence, label == target, edges, kind)
    for index in range(probs.shape[0]):
        _count_row(table, index + 1, probs[index], target == index, edges, kind)


def _count_row(table: Tensor, row: int, probs: Tensor, hit: Tensor, edges: Tensor, kind: str) -> None:
    is_single = probs.dtype == torch.float32
    wide = probs.double().nan_to_num(0.0).clamp_(0.0, 1.0)
    if is_single and kind == "exact":
        # A float32 times 300 is exact in float64, so this is the bin of the exact edges k/300, without a search.
        column = (wide * FINE_BINS).ceil_().clamp_(min=1.0).sub_((wide <= THRESHOLD).double()).long()
    else:
        column = torch.bucketize(wide, edges, right=False).sub_(1)
        outside = column < 0
        column = column.masked_fill_(outside, table.shape[1] - 1 - row * COLUMNS if kind == "paper" else 0)
    column += row * COLUMNS
    fixed = (wide * SCALE).round_().long()
    table[0].scatter_add_(0, column, torch.ones((), dtype=torch.int64, device=column.device).expand_as(column))
    table[1].scatter_add_(0, column, hit.long())
    table[2].scatter_add_(0, column, fixed)
