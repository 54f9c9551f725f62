"""Scores of one case as rows of scores.csv: what all protocols share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from torch import Tensor

from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.records import Score
from mlseg.types import CasePrediction

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
    judge: Callable[[float, np.ndarray, np.ndarray], Found],
) -> list[Score]:
    """Rows of each foreground label over the whole image; n counts the voxels of either mask.

    Args:
        segmented: (D,H,W) label map, on the device of the target.
        labels: class names, background first.
        judge: (Dice, predicted mask (D,H,W), reference mask (D,H,W)) -> what the protocol says of a label.
    """
    overlap = count_overlap(segmented, prediction.target, len(labels))
    dice = compute_dice(overlap).tolist()
    union = (overlap.predicted + overlap.reference - overlap.intersection).tolist()
    predicted, reference = segmented.cpu().numpy(), prediction.target.cpu().numpy()
    rows: list[Score] = []
    for index, label in enumerate(labels[1:], start=1):
        found = judge(dice[index], predicted == index, reference == index)
        rows += build_rows(prediction, evaluation, label=label, region="image", found=found, n=union[index])
    return rows
