"""Scores of one case from arrays: the entry point for notebooks and for predictions from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from mlseg.checks import ConfigError, DataError
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.merged import MergedEvaluation
from mlseg.metrics.paper import PaperEvaluation
from mlseg.records import Score
from mlseg.types import CasePrediction

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

EVALUATIONS = ("default", "paper", "merged")


def score(
    probs: ArrayLike | Tensor | None,
    target: ArrayLike | Tensor,
    *,
    spacing_mm: Sequence[float],
    labels: Sequence[str],
    evaluation: str = "default",
    segmentation: ArrayLike | Tensor | None = None,
    merged: Mapping[str, Sequence[str]] | None = None,
    bins: int | None = None,
    tolerance_mm: float | None = None,
    boundary_mm: float | None = None,
    roi_margin_mm: float | None = None,
    case_id: str = "case",
    subject_id: str | None = None,
) -> list[Score]:
    """Every score of one case under one protocol.

    Args:
        probs: softmax probabilities; None if only a label map is known, which then must be given: overlap and surfaces
            are judged, calibration is not.
        target: integer classes 0..K-1.
        spacing_mm: voxel size (d,h,w); "paper" ignores it.
        labels: K class names, background first.
        evaluation: "default" (the definitions to trust), "paper" (the authors' code, quirks included) or "merged"
            (labels made of several classes, as `merged` says).
        segmentation: integer label map that overlap and surfaces are judged by, for predictions that were processed
            further; None takes the top label of `probs`.
        merged: name -> the classes that a merged label is made of; "merged" needs it, the others take none.
        bins: equal-width confidence bins, a divisor of 300; None takes the protocol's own, 15. This and the following
            settings are for "default" and "merged"; those of "paper" are fixed.
        tolerance_mm: surface distance in mm that NSD takes as agreement; None: 2.
        boundary_mm: half-width in mm of the region "boundary"; None: 3.
        roi_margin_mm: margin in mm around the reference's bounding box for the region "roi"; None: 10.
        case_id: name of the case in the rows.
        subject_id: name of the person in the rows; None takes `case_id`.

    Shape:
        `probs` (K,D,H,W), `target` and `segmentation` (D,H,W).

    Returns:
        Rows as in scores.csv.

    Raises:
        ConfigError: if `evaluation`, `labels`, `merged` or a setting cannot be used.
        DataError: if the probabilities are not probabilities, or the parts do not fit each other.

    All is done on the device of the probabilities.

    Example:
        >>> target = np.zeros((1, 8, 8), dtype=np.uint8)
        >>> target[:, 2:6, 2:6] = 1
        >>> probs = np.stack([target == 0, target == 1]) * 0.8 + 0.1
        >>> rows = score(probs, target, spacing_mm=(10, 1.5, 1.5), labels=("background", "LV"))
        >>> [(r.metric, round(r.value, 3)) for r in rows if r.metric in ("dice", "ece") and r.region == "image"]
        [('dice', 1.0), ('ece', 0.1)]
        >>> rows = score(None, target, segmentation=1 - target, spacing_mm=(10, 1.5, 1.5), labels=("background", "LV"))
        >>> [(r.metric, r.value) for r in rows if r.metric in ("dice", "ece")]
        [('dice', 0.0)]
    """
    settings = {
        "bins": bins,
        "tolerance_mm": tolerance_mm,
        "boundary_mm": boundary_mm,
        "roi_margin_mm": roi_margin_mm,
    }
    given = {name: value for name, value in settings.items() if value is not None}
    protocol = build_protocol(evaluation, labels, merged=merged, settings=given)
    confidence = None if probs is None else _to_tensor("probs", probs)
    reference = _to_tensor("target", target)
    device = reference.device if confidence is None else confidence.device
    prediction = CasePrediction(
        case_id=case_id,
        subject_id=case_id if subject_id is None else subject_id,
        probs=confidence,
        target=reference.to(device),
        spacing_mm=_check_spacing(spacing_mm),
        segmentation=None if segmentation is None else _to_tensor("segmentation", segmentation).to(device),
    )
    return list(protocol.score_case(prediction).rows)


def build_protocol(
    evaluation: str,
    labels: Sequence[str],
    *,
    merged: Mapping[str, Sequence[str]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> DefaultEvaluation | PaperEvaluation:
    """The protocol of a name.

    Args:
        evaluation: one of EVALUATIONS.
        labels: K class names, background first.
        merged: name -> classes; for "merged", which needs it.
        settings: bins, tolerance_mm, boundary_mm, roi_margin_mm, as far as they are not the protocol's own.

    Raises:
        ConfigError: an unknown name, or arguments that the protocol does not take.

    Example:
        >>> build_protocol("merged", ["background", "a", "b"], merged={"both": ["a", "b"]}, settings={"bins": 10}).bins
        10
    """
    options = dict(settings or {})
    if evaluation not in EVALUATIONS:
        raise ConfigError(
            f"score: evaluation must be one of {', '.join(EVALUATIONS)}, got {evaluation!r}. Take one of them."
        )
    if (merged is None) == (evaluation == "merged"):
        raise ConfigError(
            f"score: merged must say which classes make up each label of evaluation=merged, and stand beside no other, "
            f"got {merged!r} with {evaluation}. Give e.g. merged={{'tumour': ['edema', 'core']}}, evaluation='merged'."
        )
    if evaluation == "paper":
        if options:
            raise ConfigError(
                f"score: evaluation=paper has no settings, for its authors fixed them, got {', '.join(options)}. "
                "Leave them out, or take evaluation=default."
            )
        return PaperEvaluation(labels)
    if merged is not None:
        return MergedEvaluation(labels, merged, **options)
    return DefaultEvaluation(labels, **options)


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
