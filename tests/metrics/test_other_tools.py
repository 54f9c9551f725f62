"""Mistakes measured in other tools: their answer, run here or stated with its version, and ours beside it.

torchmetrics is no dependency; where it is installed its answer is computed, else the one measured with 1.9 is stated.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from monai.metrics import CalibrationErrorMetric, HausdorffDistanceMetric
from torch import Tensor

import mlseg
from mlseg.checks import DataError
from mlseg.functional.bins import compute_cece, compute_ece
from mlseg.functional.calibration import count_bins, measure_calibration
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.paper import PaperEvaluation
from mlseg.records import Score
from mlseg.report.summary import summarise
from mlseg.types import CasePrediction

LABELS = ("background", "RV", "LV")
SPACING = (10.0, 1.5, 1.5)


# MONAI warns of its own deprecated arguments, and of inputs that it scores all the same.
of_monai = pytest.mark.filterwarnings("ignore")


def draw_heart(size: int = 48) -> Tensor:
    """A ring around a disc in the middle of 4 x size x size voxels."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    radius = torch.hypot(rows - (size - 1) / 2, columns - (size - 1) / 2)
    return ((radius < 14).int() + (radius < 8).int()).long().expand(4, -1, -1).contiguous()


def build_prediction(probs: Tensor, target: Tensor, case_id: str = "a") -> CasePrediction:
    return CasePrediction(case_id=case_id, subject_id=case_id, probs=probs, target=target, spacing_mm=SPACING)


def one_hot(classes: Tensor, count: int = 3) -> Tensor:
    return torch.nn.functional.one_hot(classes, count).movedim(-1, 0).float()


def pick(rows: list[Score], metric: str, region: str = "image", label: str = "all") -> float:
    (value,) = [row.value for row in rows if (row.metric, row.region, row.label) == (metric, region, label)]
    return value


def test_1_foreground_everywhere_is_perfect_on_the_foreground_only() -> None:
    target = (draw_heart() > 0).long()
    probs = one_hot(torch.ones_like(target), 2)
    theirs = list(PaperEvaluation(LABELS[:2]).score_case(build_prediction(probs, target)).rows)
    ours = list(DefaultEvaluation(LABELS[:2]).score_case(build_prediction(probs, target)).rows)
    assert pick(theirs, "ece", "foreground") == pick(theirs, "cece", "foreground") == 0
    # The same prediction where it can be seen: the share of background, which is called foreground with certainty.
    wrong = float((target == 0).double().mean())
    assert pick(ours, "ece", "image") == pytest.approx(wrong)
    assert pick(ours, "ece", "image") > 0.7
    assert pick(ours, "ece", "boundary") > 0.3
    assert pick(ours, "dice", label="RV") < 0.5


def test_2_sixty_million_voxels_in_float32() -> None:
    # torchmetrics 1.9 sums confidences in float32: of a true ECE of 0.0236 it made 0.033, 0.007 and 0.014 at 10, 30 and
    # 60 million voxels.
    voxels = 60_000_000
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(voxels, generator=generator).mul_(0.5).add_(0.5)
    target = (torch.rand(voxels, generator=generator) > confidence + 0.02).to(torch.uint8)
    found = compute_ece(count_bins(torch.stack([confidence, 1 - confidence]), target))
    index = (confidence.double() * 15).ceil_().clamp_(1, 15).long() - 1
    gap = (target == 0).double() - confidence.double()
    truth = torch.bincount(index, weights=gap, minlength=15).abs().sum().item() / voxels
    assert found == pytest.approx(truth, abs=1e-6)
    assert truth == pytest.approx(0.02, abs=1e-3)
    sums, hits = torch.zeros(15), torch.zeros(15)
    sums.scatter_add_(0, index, confidence)
    hits.scatter_add_(0, index, (target == 0).float())
    theirs = float((hits - sums).abs().sum() / voxels)
    assert abs(theirs - truth) > 1e-3


def test_2_a_probability_of_one_and_a_rounding_error() -> None:
    # torchmetrics 1.9 takes a probability of 1.0000001 for a logit and applies a softmax again: ECE 0 becomes 0.525.
    target = torch.tensor([0, 0, 1, 1])
    exact = one_hot(target, 2)
    rounded = exact.clone()
    rounded[0, 0], rounded[1, 0] = 1.0000001, -1e-7
    assert float(rounded.max()) > 1
    assert compute_ece(count_bins(exact, target)) == compute_ece(count_bins(rounded, target)) == 0
    again = rounded.softmax(0).amax(0)
    assert float((1 - again).mean()) > 0.25
    rows = mlseg.score(rounded[:, None, None], target[None, None], spacing_mm=SPACING, labels=LABELS[:2])
    assert pick(rows, "ece") == 0


def test_2_torchmetrics_itself() -> None:
    classification = pytest.importorskip(
        "torchmetrics.functional.classification", reason="torchmetrics is not installed: its answers are stated above"
    )
    target, rounded = torch.tensor([0, 0, 1, 1]), one_hot(torch.tensor([0, 0, 1, 1]), 2)
    rounded[0, 0], rounded[1, 0] = 1.0000001, -1e-7
    theirs = classification.multiclass_calibration_error(rounded.T, target, num_classes=2, n_bins=15)
    assert float(theirs) > 0.2


def test_3_counts_beyond_two_to_the_24() -> None:
    # MONAI counts in float32, where 2^24 + 1 = 2^24: of 20 million voxels in one bin it sees 16.8 million.
    voxels = 20_000_000
    probs = torch.tensor([0.9, 0.1]).view(2, 1).expand(2, voxels)
    counts = count_bins(probs, torch.zeros(voxels, dtype=torch.uint8))
    assert counts.counts[0].sum() == counts.hits[0].sum() == counts.voxels == voxels
    assert compute_ece(counts) == pytest.approx(0.1, abs=1e-7)
    ones = torch.zeros(1).scatter_add_(0, torch.zeros(voxels, dtype=torch.int64), torch.ones(1).expand(voxels))
    assert int(ones) == 2**24


@of_monai
def test_3_nan_is_an_error_and_not_perfect() -> None:
    target = draw_heart()
    metric = CalibrationErrorMetric(num_bins=15, include_background=True, calibration_reduction="expected")
    nothing = torch.full((3, *target.shape), math.nan)
    metric(nothing[None], one_hot(target)[None])
    assert float(metric.aggregate()) == 0.0
    with pytest.raises(DataError, match=r"case a: .*NaN"):
        DefaultEvaluation(LABELS).score_case(build_prediction(nothing, target))
    with pytest.raises(DataError, match="NaN"):
        mlseg.score(nothing.numpy(), target.numpy(), spacing_mm=SPACING, labels=LABELS)


@of_monai
def test_3_logits_are_refused() -> None:
    target = draw_heart()
    logits = 4 * one_hot(target) - 2
    metric = CalibrationErrorMetric(num_bins=15, include_background=True, calibration_reduction="expected")
    metric(logits[None], one_hot(target)[None])
    assert math.isfinite(float(metric.aggregate()))
    for wrong, reason in ((logits, "not logits"), (logits.sigmoid(), "sum to 1")):
        with pytest.raises(DataError, match=reason):
            DefaultEvaluation(LABELS).score_case(build_prediction(wrong, target))


def test_3_the_top_label_has_an_ece_of_its_own() -> None:
    # MONAI knows the class-wise error only, which many easy classes make small.
    target = torch.randint(0, 3, (1, 50, 50), generator=torch.Generator().manual_seed(0))
    probs = 0.9 * one_hot((target + 1) % 3) + 0.1 * one_hot(target)
    counts = count_bins(probs, target)
    assert compute_ece(counts) == pytest.approx(0.9, abs=1e-6)
    assert compute_cece(counts) == pytest.approx(0.6, abs=0.01)


@of_monai
def test_4_a_set_of_only_misses_never_looks_good() -> None:
    target = draw_heart()
    nothing = one_hot(torch.zeros_like(target))
    metric = HausdorffDistanceMetric(percentile=95, include_background=False)
    metric(nothing[None], one_hot(target)[None], spacing=SPACING)
    assert float(metric.aggregate()) == 0.0
    scores = DefaultEvaluation(LABELS).score_case(build_prediction(nothing, target)).rows
    summary = {(row.metric, row.label): row for row in summarise(scores)}
    diagonal = math.hypot(40, 72, 72)
    for distance in ("hd", "hd95", "assd"):
        assert summary[distance, "mean"].mean == pytest.approx(diagonal)
        assert summary[distance, "mean"].n_missed == 2
    assert summary["dice", "mean"].mean == summary["nsd", "mean"].mean == 0


def test_6_a_number_without_its_region_means_nothing() -> None:
    # The same predictions: small on the image, larger on the foreground, largest at the borders.
    target = draw_heart(96)
    soft = torch.nn.functional.avg_pool2d(one_hot(target.roll(2, -1)).movedim(1, 0), 5, stride=1, padding=2)
    probs = (12 * soft.movedim(0, 1)).softmax(0)
    scores = list(DefaultEvaluation(LABELS, boundary_mm=3.0).score_case(build_prediction(probs, target)).rows)
    image, foreground, boundary = (pick(scores, "ece", region) for region in ("image", "foreground", "boundary"))
    assert 2 * image < foreground < boundary
    assert {row.region for row in scores if row.metric == "ece"} == {"image", "foreground", "boundary", "roi"}
    assert all(row.n > 0 for row in scores if row.metric == "ece")


def test_8_a_missed_class_has_no_distance_of_zero() -> None:
    target = draw_heart()
    probs = one_hot(target.clamp(max=1))
    theirs = list(PaperEvaluation(LABELS).score_case(build_prediction(probs, target)).rows)
    ours = list(DefaultEvaluation(LABELS).score_case(build_prediction(probs, target)).rows)
    assert pick(theirs, "hd", label="LV") == pick(theirs, "hd95", label="LV") == 0
    assert pick(ours, "hd", label="LV") == pick(ours, "hd95", label="LV") == pytest.approx(math.hypot(40, 72, 72))
    assert pick(ours, "missed", label="LV") == 1


@pytest.mark.parametrize("value", [0.0, 1.0, 1.0 + 1e-7])
def test_extreme_probabilities_are_counted(value: float) -> None:
    first = torch.tensor([value, 0.5], dtype=torch.float64)
    probs = torch.stack([first, 1 - first])
    found = measure_calibration(probs, torch.tensor([0, 0]), {"image": None}).regions["image"]
    assert found.counts.counts.sum(1).tolist() == [2, 2, 2]
    assert math.isfinite(found.nll)
    column = 0 if value == 0 else 300
    assert found.counts.counts[1, column] == 1


def test_memory_does_not_grow_with_the_number_of_cases() -> None:
    # torchmetrics keeps every confidence: 71 MB for each BraTS volume. Counts of any number of cases have one size.
    probs, target = one_hot(draw_heart()), draw_heart()
    one = count_bins(probs, target)
    many = one
    for _ in range(99):
        many = many + one
    size = {name: array.nbytes for name, array in one.to_arrays().items()}
    assert {name: array.nbytes for name, array in many.to_arrays().items()} == size
    assert sum(size.values()) < 40_000
    assert many.voxels == 100 * one.voxels


def test_native_grid_and_not_a_resampled_one() -> None:
    """A distance is in the millimetres of the file: half the spacing, half the distance."""
    target = draw_heart()
    prediction = build_prediction(one_hot(target.roll(3, -1)), target)
    distances = []
    for spacing in (SPACING, tuple(step / 2 for step in SPACING)):
        rows = list(DefaultEvaluation(LABELS).score_case(replace(prediction, spacing_mm=spacing)).rows)
        distances.append([pick(rows, metric, label="LV") for metric in ("hd", "hd95", "assd")])
    assert np.allclose(distances[0], 2 * np.array(distances[1]), rtol=1e-12)
