"""What a run looks at after each epoch: overlap and calibration of the validation cases, on the training crop.

Computed in the training's precision, for speed: the ECE here is a guide. The test evaluation has its own precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from mlseg.checks import Stopped
from mlseg.engine.distributed import Group
from mlseg.engine.inference import Inference
from mlseg.engine.stopping import StopSignals
from mlseg.functional.bins import compute_ece
from mlseg.functional.calibration import measure_calibration
from mlseg.functional.counting import find_top_label
from mlseg.functional.overlap import OverlapCounts, compute_dice, compute_iou, count_overlap
from mlseg.types import CaseSet, PreparedCase


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Scores of the validation cases; NaN where nothing is defined.

    Args:
        dice: mean over foreground labels of the mean over subjects of the mean over a subject's cases.
        iou: mean over foreground labels of the overlap of all cases' voxels pooled, as the paper's authors choose
            their checkpoint.
        ece: top-label, 15 bins, voxels with reference > 0; mean over subjects of the mean over cases.
        dice_per_label: the foreground labels in order.
    """

    dice: float
    iou: float
    ece: float
    dice_per_label: tuple[float, ...]

    def score(self, name: str) -> float:
        """The score that best.pt is chosen by: "dice" or "iou"."""
        return float(getattr(self, name))


def validate(
    network: nn.Module,
    cases: CaseSet,
    inference: Inference,
    *,
    group: Group | None = None,
    stop: StopSignals | None = None,
) -> Validation:
    """Predict every case on the training crop and score it.

    Args:
        group: the processes that share the cases; each of them gets the scores of all.
        stop: a waiting signal ends it between two cases; of several processes any one's ends it for all.

    Raises:
        RunError: a prediction is not finite.
        Stopped: a signal is waiting.
    """
    network.eval()
    group, stop = group or Group(), stop or StopSignals()
    group.align_buffers(network)
    found = [_judge(network, cases[n], inference) for n in stop.until(group.share(range(len(cases))))]
    waiting = next(filter(None, group.gather(stop.requested)), "")
    if waiting:
        raise Stopped(waiting)
    results = group.merge(found)
    subjects, ece = [case.subject_id for case in results], [[case.ece] for case in results]
    pooled: OverlapCounts | None = None
    for case in results:
        pooled = case.overlap if pooled is None else pooled + case.overlap
    per_label = _mean_over_subjects([case.dice for case in results], subjects)
    return Validation(
        dice=_mean(per_label),
        iou=float("nan") if pooled is None else _mean(compute_iou(pooled)[1:].cpu().numpy()),
        ece=_mean(_mean_over_subjects(ece, subjects)),
        dice_per_label=tuple(float(value) for value in per_label),
    )


@dataclass(frozen=True)
class _JudgedCase:
    subject_id: str
    dice: np.ndarray
    ece: float
    overlap: OverlapCounts


def _judge(network: nn.Module, case: PreparedCase, inference: Inference) -> _JudgedCase:
    """Dice per foreground label, ECE and overlap of one case, on the CPU."""
    prediction = inference.predict(network, case, grid="crop")
    target, probs = prediction.target, prediction.probs
    assert probs is not None
    found = measure_calibration(probs, target, {"foreground": target > 0})
    counts = count_overlap(found.label, target, len(probs))
    overlap = OverlapCounts(counts.intersection.cpu(), counts.predicted.cpu(), counts.reference.cpu())
    dice = compute_dice(overlap)[1:].numpy()
    return _JudgedCase(case.subject_id, dice, compute_ece(found.regions["foreground"].counts), overlap)


def _mean_over_subjects(values: Sequence[Sequence[float] | np.ndarray], subjects: Sequence[str]) -> np.ndarray:
    """(cases, L) -> (L,): over a subject's cases first, NaN left out at each step."""
    table, owner = np.asarray(values, dtype=np.float64), np.asarray(subjects)
    rows = [[_mean(column) for column in table[owner == subject].T] for subject in dict.fromkeys(subjects)]
    return np.array([_mean(column) for column in np.asarray(rows).T])


def _mean(values: np.ndarray) -> float:
    """Mean without NaN; NaN if nothing is left."""
    kept = np.asarray(values)[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


@torch.inference_mode()
def predict_slices(
    network: nn.Module, cases: CaseSet, inference: Inference, *, count: int
) -> list[tuple[np.ndarray, ...]]:
    """The middle slices of the first cases, for the image grid.

    Returns:
        Up to `count` tuples (image (h,w), reference (h,w), prediction (h,w), confidence (h,w)).
    """
    network.eval()
    rows: list[tuple[np.ndarray, ...]] = []
    for case in list(cases)[:count]:
        prediction = inference.predict(network, case, grid="crop")
        middle = len(case.image) // 2
        assert prediction.probs is not None
        confidence, label = find_top_label(prediction.probs[:, middle])
        image = inference.crop_image(case)[middle, 0]
        rows.append((image, prediction.target[middle].cpu().numpy(), label.cpu().numpy(), confidence.cpu().numpy()))
    return rows
