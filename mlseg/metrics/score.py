"""Scores of one case from arrays: the entry point for notebooks and for predictions from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mlseg.checks import ConfigError, DataError
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.paper import PaperEvaluation
from mlseg.records import Score
from mlseg.types import CasePrediction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

EVALUATIONS: dict[str, type[DefaultEvaluation] | type[PaperEvaluation]] = {
    "default": DefaultEvaluation,
    "paper": PaperEvaluation,
}


def score(
    probs: ArrayLike | Tensor,
    target: ArrayLike | Tensor,
    *,
    spacing_mm: Sequence[float],
    labels: Sequence[str],
    evaluation: str = "default",
    case_id: str = "case",
    subject_id: str | None = None,
) -> list[Score]:
    """Every score of one case under one protocol.

    Args:
        probs: softmax probabilities.
        target: integer classes 0..K-1.
        spacing_mm: voxel size (d,h,w); "paper" ignores it.
        labels: K class names, background first.
        evaluation: "default" (the definitions to trust) or "paper" (the authors' code, quirks included).
        case_id: name of the case in the rows.
        subject_id: name of the person in the rows; None takes `case_id`.

    Shape:
        `probs` (K,D,H,W), `target` (D,H,W).

    Returns:
        Rows as in scores.csv.

    Raises:
        ConfigError: if `evaluation` or `labels` cannot be used.
        DataError: if the probabilities are not probabilities or do not fit the target.

    Example:
        >>> target = np.zeros((1, 8, 8), dtype=np.uint8)
        >>> target[:, 2:6, 2:6] = 1
        >>> probs = np.stack([target == 0, target == 1]) * 0.8 + 0.1
        >>> rows = score(probs, target, spacing_mm=(10, 1.5, 1.5), labels=("background", "LV"))
        >>> [(r.metric, round(r.value, 3)) for r in rows if r.metric in ("dice", "ece") and r.region == "image"]
        [('dice', 1.0), ('ece', 0.1)]
    """
    if evaluation not in EVALUATIONS:
        raise ConfigError(
            f"score: evaluation must be one of {', '.join(EVALUATIONS)}, got {evaluation!r}. Take one of them."
        )
    prediction = CasePrediction(
        case_id=case_id,
        subject_id=case_id if subject_id is None else subject_id,
        probs=_to_tensor("probs", probs),
        target=_to_tensor("target", target),
        spacing_mm=_check_spacing(spacing_mm),
    )
    protocol = EVALUATIONS[evaluation](labels)
    return list(protocol.score_case(prediction).rows)


def _check_spacing(spacing_mm: Sequence[float]) -> tuple[float, float, float]:
    if len(spacing_mm) != 3:
        raise DataError(f"score: spacing_mm must be 3 numbers (d,h,w), got {spacing_mm}. Give the voxel size in mm.")
    depth, height, width = (float(step) for step in spacing_mm)
    return depth, height, width


def _to_tensor(name: str, values: ArrayLike | Tensor) -> Tensor:
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        return torch.from_numpy(array.astype(np.int64))
    if array.dtype.kind != "f":
        raise DataError(f"score: {name} must be numbers, got {array.dtype}. Pass a numeric array.")
    # Readers of medical images return big-endian and read-only arrays, which torch does not take.
    return torch.from_numpy(np.array(array, dtype=np.float32 if array.dtype.itemsize < 8 else np.float64))
