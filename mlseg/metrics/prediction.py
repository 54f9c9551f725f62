"""What is asked of a prediction before it is judged: parts that fit, and probabilities that are probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mlseg.checks import ConfigError, DataError, find_label_problem
from mlseg.functional.calibration import CaseCalibration, measure_calibration
from mlseg.types import CasePrediction


def check_labels(owner: str, labels: object) -> tuple[str, ...]:
    """The class names as a tuple. Raises ConfigError unless they are at least two different words, background first."""
    names = tuple(str(label) for label in labels) if hasattr(labels, "__iter__") and not isinstance(labels, str) else ()
    problem = find_label_problem(names)
    if problem:
        raise ConfigError(f"{owner}: labels {problem}. Give one name per class.")
    return names


def check_prediction(owner: str, prediction: CasePrediction, labels: tuple[str, ...]) -> None:
    """Check everything about a prediction but the values of its probabilities, which `measure_case` looks at.

    Args:
        owner: the protocol that asks, for the message.
        prediction: probabilities, a label map, or both, and the reference.
        labels: K class names.

    Raises:
        DataError: neither probabilities nor a label map, or shapes, types, classes or a spacing that do not fit; names
            the case.
    """
    place, probs, target = f"{owner}: case {prediction.case_id}", prediction.probs, prediction.target
    if probs is None and prediction.segmentation is None:
        raise DataError(f"{place}: needs probabilities or a label map, got neither. Pass one of them.")
    if target.ndim != 3 or not target.numel():
        raise DataError(f"{place}: target must be (D,H,W), got {_describe(target)}. Give a 2D image D = 1.")
    _check_classes(place, "target", target, len(labels))
    if probs is not None:
        if probs.ndim != 4 or probs.shape[1:] != target.shape or not probs.is_floating_point():
            raise DataError(
                f"{place}: probs must be floating-point (K,D,H,W) and target (D,H,W), got {_describe(probs)} and "
                f"{_describe(target)}. Bring both to the same grid."
            )
        if probs.shape[0] != len(labels):
            raise DataError(
                f"{place}: probs must have one channel per label ({', '.join(labels)}), got {probs.shape[0]}. "
                "Name every class, background included."
            )
    if prediction.segmentation is not None:
        if prediction.segmentation.shape != target.shape:
            raise DataError(
                f"{place}: the label map must have the shape of the target, {tuple(target.shape)}, got "
                f"{tuple(prediction.segmentation.shape)}. Bring both to the same grid."
            )
        _check_classes(place, "the label map", prediction.segmentation, len(labels))
    spacing = tuple(prediction.spacing_mm)
    if len(spacing) != 3 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise DataError(f"{place}: spacing_mm must be 3 positive numbers (d,h,w), got {spacing}. Give the voxel size.")


def measure_case(
    owner: str, prediction: CasePrediction, regions: Mapping[str, Tensor | None], *, edges: str = "exact"
) -> CaseCalibration | None:
    """`measure_calibration` of a case, or None if it has no probabilities. Raises DataError that names the case."""
    if prediction.probs is None:
        return None
    place = f"{owner}: case {prediction.case_id}"
    return measure_calibration(prediction.probs.detach(), prediction.target, regions, edges=edges, owner=place)


def choose_segmentation(prediction: CasePrediction, found: CaseCalibration | None) -> Tensor:
    """The label map (D,H,W) to judge: the prediction's own, or else the top label of its probabilities."""
    if prediction.segmentation is not None:
        return prediction.segmentation
    assert found is not None, "check_prediction lets no case pass that has neither"
    return found.label


def _check_classes(place: str, name: str, classes: Tensor, count: int) -> None:
    if classes.is_floating_point() or classes.is_complex():
        raise DataError(f"{place}: {name} must be integer classes, got {classes.dtype}. Convert it to integers.")
    low, high = (
        int(value) for value in torch.aminmax(classes.to(torch.uint8) if classes.dtype == torch.bool else classes)
    )
    if low < 0 or high >= count:
        raise DataError(
            f"{place}: {name} must be in 0..{count - 1}, got values from {low} to {high}. Map the labels to 0..K-1."
        )


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
