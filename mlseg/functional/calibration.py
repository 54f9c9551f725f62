"""From the probabilities of a case to all that is said of their calibration, in one pass on their device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.checks import DataError
from mlseg.functional.bins import BinCounts
from mlseg.functional.counting import OUTSIDE, PassResult, VoxelPass, find_extremes

# How far rounding may carry a probability beyond [0, 1]; half-precision softmaxes stay well inside.
ROUNDING = 1e-3
# Softmaxes stored in float16 miss a sum of 1 by up to 5e-4; logits and sigmoids miss it by far more.
SUM_TOLERANCE = 1e-3
# The top label is a uint8.
MAX_CLASSES = 256
# Overlapping regions become the bits of a uint8.
MAX_REGIONS = 8


@dataclass(frozen=True, kw_only=True)
class RegionCalibration:
    """Calibration of one region.

    Args:
        counts: histograms of the top label's and of each class's probability.
        nll: mean over voxels of -log p of the reference class, in nats, p floored at 1.2e-38; NaN without voxels.
        brier: mean over voxels of sum_k (p_k - [y = k])^2, from 0 to 2; NaN without voxels.

    Source: Good, Journal of the Royal Statistical Society B 1952 (NLL); Brier, Monthly Weather Review 1950.
    """

    counts: BinCounts
    nll: float
    brier: float


@dataclass(frozen=True, kw_only=True)
class CaseCalibration:
    """What one pass over a case found.

    Args:
        label: (*S) uint8 top label on the device of the probabilities; the lowest class wins a tie.
        regions: by name, in the order they were asked for.
    """

    label: Tensor
    regions: dict[str, RegionCalibration]


def measure_calibration(
    probs: Tensor,
    target: Tensor,
    regions: Mapping[str, Tensor | None],
    *,
    edges: str = "exact",
    from_logits: bool = False,
    owner: str = "measure_calibration",
) -> CaseCalibration:
    """Histograms, NLL and Brier score of every region, and the top label, from a single read of the probabilities.

    Works in chunks, so the memory beyond the inputs is bounded, and on a CPU in as many threads as torch has. Counts
    and fixed-point sums are integers: chunks, threads, devices and the order of merging change nothing. NLL and Brier
    are summed in float64. Rounding errors beyond [0, 1] are clamped.

    Args:
        probs: floating-point probabilities; half precision is read as float32.
        target: integer classes 0..K-1.
        regions: name -> boolean mask, None for every voxel; up to 8 masks, which may overlap.
        edges: "exact" puts p = 0 in the first bin; "paper" uses the authors' float32 edges and leaves p = 0 out.
        from_logits: True takes `probs` for logits, whose softmax is computed chunk by chunk.
        owner: what an error message begins with.

    Shape:
        `probs` (K,*S), `target` and each mask (*S).

    Raises:
        DataError: shapes that do not fit, a class outside 0..K-1, a probability that is NaN or outside [0, 1] by more
            than 1e-3, or sums over the classes that are off 1 by more than 1e-3.

    Example:
        >>> probs, target = torch.tensor([[0.5, 0.25], [0.5, 0.75]]), torch.tensor([0, 1])
        >>> found = measure_calibration(probs, target, {"image": None, "foreground": target > 0})
        >>> found.label.tolist(), found.regions["foreground"].counts.voxels, found.regions["foreground"].brier
        ([0, 1], 1, 0.125)
    """
    _check_inputs(owner, probs, target, regions)
    masks = [mask for mask in regions.values() if mask is not None]
    code = _encode(masks) if masks else None
    result = VoxelPass(
        probs=probs.reshape(len(probs), -1),
        target=target.reshape(-1),
        code=code,
        codes=2 ** len(masks),
        edges=edges,
        from_logits=from_logits,
        skip_zero=len(masks) == len(regions) > 0,
    ).run()
    _check_extremes(owner, result.extremes)
    bit, found = 0, {}
    for name, mask in regions.items():
        inside = torch.ones(2 ** len(masks), dtype=torch.bool)
        if mask is not None:
            inside, bit = (torch.arange(2 ** len(masks)) >> bit & 1).bool(), bit + 1
        found[name] = _collect(result, inside, edges)
    return CaseCalibration(label=result.label.reshape(target.shape), regions=found)


def count_bins(probs: Tensor, target: Tensor, *, mask: Tensor | None = None, edges: str = "exact") -> BinCounts:
    """The histograms of one region; arguments, shapes and errors are those of `measure_calibration`.

    Example:
        >>> counts = count_bins(torch.tensor([[0.9, 0.2], [0.1, 0.8]]), torch.tensor([0, 0]))
        >>> counts.counts.sum(1).tolist(), counts.hits.sum(1).tolist()
        ([2, 2, 2], [1, 2, 0])
    """
    found = measure_calibration(probs, target, {"region": mask}, edges=edges, owner="count_bins")
    return found.regions["region"].counts


def check_probabilities(owner: str, probs: Tensor) -> None:
    """Raise DataError unless probs (K,*S) lie in [0, 1] and sum to 1 over K, each to within 1e-3.

    Args:
        owner: what the message begins with.
        probs: (K,*S).
    """
    if probs.numel():
        _check_extremes(owner, tuple(find_extremes(probs.reshape(len(probs), -1)).tolist()))


def _check_inputs(owner: str, probs: Tensor, target: Tensor, regions: Mapping[str, Tensor | None]) -> None:
    shapes = [tuple(part.shape) for part in (probs, target, *regions.values()) if part is not None]
    if any(shape != shapes[0][1:] for shape in shapes[1:]):
        raise DataError(
            f"{owner}: shapes must be (K,*S) for probs and (*S) for the target and each mask, got {shapes}. "
            "Bring all to the same grid."
        )
    if sum(mask is not None for mask in regions.values()) > MAX_REGIONS:
        raise DataError(f"{owner}: at most {MAX_REGIONS} masks are counted at once, got {len(regions)}. Ask twice.")
    if len(probs) > MAX_CLASSES:
        raise DataError(f"{owner}: at most {MAX_CLASSES} classes are counted, got {len(probs)}. Merge some.")
    if target.numel():
        low, high = (int(value) for value in torch.aminmax(target))
        if low < 0 or high >= len(probs):
            raise DataError(
                f"{owner}: target must be in 0..{len(probs) - 1}, got values from {low} to {high}. "
                "Map the labels to 0..K-1."
            )


def _encode(masks: list[Tensor]) -> Tensor:
    """(n,) uint8: bit b is set where mask b is True."""
    code = torch.zeros(masks[0].numel(), dtype=torch.uint8, device=masks[0].device)
    for bit, mask in enumerate(masks):
        code.add_(mask.reshape(-1), alpha=1 << bit)
    return code


def _check_extremes(owner: str, extremes: tuple[float, ...]) -> None:
    low, high, least, most = extremes
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        finite = math.isfinite(low) and math.isfinite(high)
        raise DataError(
            f"{owner}: probabilities must lie in [0, 1], got "
            f"{f'values from {low:g} to {high:g}' if finite else 'NaN or infinity'}. "
            "Pass softmax probabilities, not logits."
        )
    if not max(1 - least, most - 1) <= SUM_TOLERANCE:
        raise DataError(
            f"{owner}: probabilities must sum to 1 over the classes, got sums from {least:g} to {most:g}. "
            "Pass a softmax over all classes, background included."
        )


def _collect(result: PassResult, inside: Tensor, edges: str) -> RegionCalibration:
    """Put the codes of one region together: row 0 is the top label, row k + 1 class k."""
    # (K, is top label, is reference, column)
    counts, sums = (cells[:, inside].sum(1) for cells in (result.counts, result.sums))
    own = counts.sum(1)
    rows = torch.cat([counts[:, 1].sum(0, keepdim=True), own])
    found = BinCounts(
        counts=rows.sum(1)[:, :OUTSIDE].numpy(),
        hits=rows[:, 1, :OUTSIDE].numpy(),
        sums=torch.cat([sums[:, 1].sum(0, keepdim=True), sums.sum(1)]).sum(1)[:, :OUTSIDE].numpy(),
        total=rows.sum((1, 2)).numpy(),
        edges=edges,
        reference=torch.cat([rows[:1].sum((1, 2)), own[:, 1].sum(1)]).numpy(),
    )
    nll, brier = (result.proper[:, inside].sum(1) / found.voxels).tolist() if found.voxels else (math.nan, math.nan)
    return RegionCalibration(counts=found, nll=nll, brier=brier)
