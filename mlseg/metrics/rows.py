"""Scores of one case as rows of scores.csv: what all protocols share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.functional.surfaces import SurfaceDistances, compute_label_distances
from mlseg.records import Score
from mlseg.types import CasePrediction


@dataclass(frozen=True, kw_only=True)
class LabelComparison:
    """One label's prediction beside its reference.

    Args:
        dice: NaN if both are empty.
        missed: in the reference and not predicted.
        invented: predicted and not in the reference.
        distances: between the surfaces, in the unit of the spacing; empty if either is.
    """

    dice: float
    missed: bool
    invented: bool
    distances: SurfaceDistances


Found = Mapping[str, tuple[float, str]]
"""metric -> (value, unit)"""


def build_rows(
    prediction: CasePrediction, evaluation: str, *, label: str, region: str, found: Found, n: int
) -> list[Score]:
    """One row per metric, with the case's identity; the other fields are those of `mlseg.records.Score`."""
    return [
        Score(
            evaluation=evaluation,
            subject_id=prediction.subject_id,
            case_id=prediction.case_id,
            frame=prediction.frame,
            group=prediction.group,
            label=label,
            region=region,
            metric=metric,
            value=float(value),
            unit=unit,
            n=int(n),
        )
        for metric, (value, unit) in found.items()
    ]


def score_labels(
    prediction: CasePrediction,
    evaluation: str,
    *,
    segmented: Tensor,
    labels: Sequence[str],
    spacing: Sequence[float],
    judge: Callable[[LabelComparison], Found],
) -> list[Score]:
    """Rows of each foreground label over the whole image; n counts the voxels of either mask.

    Args:
        segmented: (D,H,W) label map, on the device of the target.
        labels: class names, background first.
        spacing: voxel size (d,h,w) that distances are measured in: mm, or ones for voxels.
        judge: what the protocol says of a label.
    """
    overlap = count_overlap(segmented, prediction.target, len(labels))
    dice = compute_dice(overlap).tolist()
    union = (overlap.predicted + overlap.reference - overlap.intersection).tolist()
    maps = (part.to(torch.uint8).cpu().numpy() for part in (segmented, prediction.target))
    distances = compute_label_distances(*maps, labels=range(1, len(labels)), spacing_mm=spacing)
    predicted, reference = ((part > 0).tolist() for part in (overlap.predicted, overlap.reference))
    rows: list[Score] = []
    for index, label in enumerate(labels[1:], start=1):
        missed = reference[index] and not predicted[index]
        invented = predicted[index] and not reference[index]
        found = judge(
            LabelComparison(dice=dice[index], missed=missed, invented=invented, distances=distances[index - 1])
        )
        rows += build_rows(prediction, evaluation, label=label, region="image", found=found, n=union[index])
    return rows
