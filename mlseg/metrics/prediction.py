"""What is asked of a prediction before it is judged: shapes that fit, probabilities that are probabilities."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from mlseg.checks import ConfigError, DataError
from mlseg.functional.calibration import ROUNDING
from mlseg.types import CasePrediction

# Softmaxes stored in float16 miss a sum of 1 by up to 5e-4; logits and sigmoids miss it by far more.
SUM_TOLERANCE = 1e-3


def check_labels(owner: str, labels: object) -> tuple[str, ...]:
    """The class names as a tuple. Raises ConfigError unless they are at least two different words, background first."""
    names = tuple(str(label) for label in labels) if hasattr(labels, "__iter__") and not isinstance(labels, str) else ()
    if len(names) < 2 or len(set(names)) < len(names):
        raise ConfigError(
            f"{owner}: labels must be at least 2 different class names, background first, got {labels!r}. "
            "Give one name per class."
        )
    return names


def check_prediction(owner: str, prediction: CasePrediction, labels: tuple[str, ...]) -> CasePrediction:
    """The prediction with its rounding errors clamped, or an error that names the case.

    Args:
        owner: the protocol that asks, for the message.
        prediction: probabilities of at least float32 come back as they are, half precision as float32.
        labels: K class names.

    Returns:
        The prediction with probs in [0, 1] and a target of 0..K-1.

    Raises:
        DataError: shapes, spacing or classes that do not fit, NaN, values outside [0, 1] by more than 1e-3, or
            sums over the classes off 1 by more than 1e-3.
    """
    place = f"{owner}: case {prediction.case_id}"
    _check_shapes(place, prediction, labels)
    probs = prediction.probs.detach()
    if probs.dtype in (torch.float16, torch.bfloat16):
        probs = probs.float()
    low, high = (value.item() for value in torch.aminmax(probs))
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        found = f"values from {low:g} to {high:g}" if math.isfinite(low + high) else "NaN or infinity"
        raise DataError(
            f"{place}: probabilities must lie in [0, 1], got {found}. Pass softmax probabilities, not logits."
        )
    least, most = (value.item() for value in torch.aminmax(probs.sum(0)))
    if max(1 - least, most - 1) > SUM_TOLERANCE:
        raise DataError(
            f"{place}: probabilities must sum to 1 over the classes, got sums from {least:g} to {most:g}. "
            "Pass a softmax over all classes, background included."
        )
    return replace(prediction, probs=probs.clamp(0, 1) if low < 0 or high > 1 else probs)


def _check_shapes(place: str, prediction: CasePrediction, labels: tuple[str, ...]) -> None:
    probs, target, spacing = prediction.probs, prediction.target, tuple(prediction.spacing_mm)
    if probs.ndim != 4 or probs.shape[1:] != target.shape or not target.numel() or not probs.is_floating_point():
        raise DataError(
            f"{place}: probs must be floating-point (K,D,H,W) and target (D,H,W), got {_describe(probs)} and "
            f"{_describe(target)}. Bring both to the same grid."
        )
    if probs.shape[0] != len(labels):
        raise DataError(
            f"{place}: probs must have one channel per label ({', '.join(labels)}), got {probs.shape[0]}. "
            "Name every class, background included."
        )
    if target.is_floating_point() or target.is_complex():
        raise DataError(f"{place}: target must be integer classes, got {target.dtype}. Convert it to integers.")
    low, high = (int(value) for value in torch.aminmax(target.to(torch.int64)))
    if low < 0 or high >= len(labels):
        raise DataError(
            f"{place}: target must be in 0..{len(labels) - 1}, got values from {low} to {high}. "
            "Map the labels to 0..K-1."
        )
    if len(spacing) != 3 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise DataError(f"{place}: spacing_mm must be 3 positive numbers (d,h,w), got {spacing}. Give the voxel size.")


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
