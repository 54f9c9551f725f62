"""One slice of a case to look at: image, reference, prediction and confidence on the native grid."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mlseg.checks import DataError
from mlseg.functional.views_file import CONFIDENCE_STEPS, CaseView
from mlseg.types import CasePrediction

# The grey window of a slice: a few bright voxels would darken all others.
WINDOW_PERCENTILES = (0.5, 99.5)


def build_view(prediction: CasePrediction, image: np.ndarray | None) -> CaseView:
    """The axial slice with the largest reference foreground: the first of them, or the middle slice if there is none.

    Args:
        prediction: one case; judged is its `segmentation` where it has one, else the most probable class.
        image: one channel of the case in any intensities, or None. Another in-plane size than the target's must cover
            the same field of view; it is resampled bilinearly.

    Shape:
        `image` (D,h,w).

    Returns:
        Grey levels between the 0.5th and the 99.5th percentile of the slice in 0..255, confidence in steps of 1/255.

    Raises:
        DataError: if image and target differ in their number of slices, or the prediction holds neither `probs` nor
            `segmentation`.

    Example:
        >>> target = torch.zeros(3, 4, 4, dtype=torch.int64)
        >>> target[1, 1:3, 1:3] = 1
        >>> probs = torch.stack([1 - target, target]).float()
        >>> case = {"case_id": "a", "subject_id": "a", "target": target, "spacing_mm": (10.0, 1.5, 1.2)}
        >>> view = build_view(CasePrediction(probs=probs, **case), None)
        >>> view.slice_index, view.spacing_mm, int(view.prediction.sum())
        (1, (1.5, 1.2), 4)
    """
    target = prediction.target
    index = _choose_slice(target)
    classes, confidence = _take_prediction(prediction, index)
    height_mm, width_mm = (float(step) for step in prediction.spacing_mm[-2:])
    return CaseView(
        case_id=prediction.case_id,
        slice_index=index,
        image=None if image is None else _take_image(prediction, image, index),
        target=_to_bytes(target[index]),
        prediction=_to_bytes(classes),
        confidence=None if confidence is None else _to_bytes((confidence.float() * CONFIDENCE_STEPS).round()),
        spacing_mm=(height_mm, width_mm),
    )


def _choose_slice(target: Tensor) -> int:
    sizes = (target > 0).flatten(1).sum(dim=1)
    # numpy's argmax takes the first of ties on every device.
    return int(sizes.cpu().numpy().argmax()) if int(sizes.max()) else len(sizes) // 2


def _take_prediction(prediction: CasePrediction, index: int) -> tuple[Tensor, Tensor | None]:
    """The slice's predicted classes and the probability of its top label."""
    probs, segmentation = prediction.probs, prediction.segmentation
    if probs is None:
        if segmentation is None:
            raise DataError(
                f"build_view: case {prediction.case_id} must have probs or a segmentation, got neither. "
                "Give one of them."
            )
        return segmentation[index], None
    confidence, classes = probs[:, index].max(dim=0)
    return classes if segmentation is None else segmentation[index], confidence


def _take_image(prediction: CasePrediction, image: np.ndarray, index: int) -> np.ndarray:
    """The slice as grey levels on the target's grid."""
    depth, *size = prediction.target.shape
    if image.ndim != 3 or len(image) != depth:
        raise DataError(
            f"build_view: image of case {prediction.case_id} must be (D,h,w) with {depth} slices, got {image.shape}. "
            "Pass one channel of the same case."
        )
    plane = torch.from_numpy(np.asarray(image[index], dtype=np.float32).copy())
    if list(plane.shape) != size:
        resampled = interpolate(plane[None, None], size=size, mode="bilinear", align_corners=False, antialias=True)
        plane = resampled[0, 0]
    low, high = np.percentile(plane.numpy(), WINDOW_PERCENTILES)
    if not high > low:
        return np.zeros(size, dtype=np.uint8)
    return np.asarray(np.rint(np.clip((plane.numpy() - low) / (high - low), 0, 1) * 255), dtype=np.uint8)


def _to_bytes(plane: Tensor) -> np.ndarray:
    return plane.detach().to(torch.uint8).cpu().numpy()
