"""One test per quirk of the authors' code, beside what the definitions to trust say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from mlseg.checks import DataError
from mlseg.functional.calibration import count_bins
from mlseg.functional.surfaces import compute_hd95, compute_surface_distances
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.paper import PaperEvaluation
from mlseg.types import CasePrediction, CaseScores, EvaluationProtocol

LABELS = ("background", "RV", "LV", "Myo")
SHAPE = (3, 12, 12)


def build_prediction(target: torch.Tensor, probs: torch.Tensor) -> CasePrediction:
    return CasePrediction(case_id="a_01", subject_id="a", probs=probs, target=target, spacing_mm=(10.0, 1.5, 1.5))


def draw_prediction(seed: int = 0, *, classes: tuple[int, ...] = (0, 1, 2, 3)) -> CasePrediction:
    generator = torch.Generator().manual_seed(seed)
    picked = torch.randint(0, len(classes), SHAPE, generator=generator)
    target = torch.tensor(classes)[picked]
    logits = torch.randn(4, *SHAPE, generator=generator) + 2 * torch.nn.functional.one_hot(target, 4).movedim(-1, 0)
    return build_prediction(target, logits.softmax(0))


def to_onehot(segmented: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(segmented, 4).movedim(-1, 0).float()


def judge(prediction: CasePrediction) -> dict[tuple[str, str], float]:
    return {(row.metric, row.label): row.value for row in score(prediction).rows}


def score(prediction: CasePrediction) -> CaseScores:
    return PaperEvaluation(LABELS).score_case(prediction)


def compute_ece_by_hand(probs: torch.Tensor, right: torch.Tensor) -> float:
    total = 0.0
    for index in range(15):
        inside = (probs > index / 15) & (probs <= (index + 1) / 15)
        if inside.any():
            total += float((right[inside].double().mean() - probs[inside].double().mean()).abs()) * inside.sum().item()
    return total / probs.numel()


def test_rows_are_named() -> None:
    scores = score(draw_prediction())
    rows = {(row.metric, row.label): (row.region, row.unit, row.n) for row in scores.rows}
    voxels = int((draw_prediction().target > 0).sum())
    assert set(rows) == {(m, label) for m in ("dice", "hd", "hd95") for label in LABELS[1:]} | {
        ("ece", "all"),
        ("cece", "all"),
    }
    assert rows["hd95", "RV"][:2] == ("image", "voxel")
    assert rows["dice", "RV"][:2] == ("image", "1")
    assert rows["ece", "all"] == rows["cece", "all"] == ("foreground", "1", voxels)
    assert list(scores.bins) == [("foreground", "all")]
    assert scores.bins["foreground", "all"].voxels == voxels
    assert {row.evaluation for row in scores.rows} == {"paper"}
    protocol: EvaluationProtocol = PaperEvaluation(LABELS)
    assert (protocol.name, protocol.grid) == ("paper", "crop")


def test_quirk_ece_looks_at_the_foreground_only() -> None:
    prediction = draw_prediction()
    confidence, label = prediction.probs.max(0)
    inside = prediction.target > 0
    expected = compute_ece_by_hand(confidence[inside], (label == prediction.target)[inside])
    assert judge(prediction)["ece", "all"] == pytest.approx(expected, abs=6e-5)


def test_quirk_confident_foreground_everywhere_scores_zero() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[:, 4:8, 4:8] = 1
    prediction = build_prediction(target, to_onehot(torch.ones_like(target)))
    values = judge(prediction)
    assert values["ece", "all"] == values["cece", "all"] == 0
    (honest,) = [
        row.value
        for row in DefaultEvaluation(LABELS).score_case(prediction).rows
        if (row.metric, row.region) == ("ece", "image")
    ]
    assert honest > 0.8


def test_quirk_cece_is_the_mean_over_classes_up_to_the_largest_label() -> None:
    prediction = draw_prediction(classes=(0, 2))
    inside = prediction.target > 0
    gaps = [
        compute_ece_by_hand(prediction.probs[k][inside], (prediction.target == k)[inside]) for k in range(len(LABELS))
    ]
    assert judge(prediction)["cece", "all"] == pytest.approx(np.mean(gaps[:3]), abs=6e-5)
    assert abs(np.mean(gaps[:3]) - np.mean(gaps)) > 0.01


def test_quirk_a_probability_of_zero_falls_in_no_bin() -> None:
    target = torch.full(SHAPE, 2)
    probs = torch.zeros(4, *SHAPE)
    probs[1] = 1.0
    values = judge(build_prediction(target, probs))
    # Class 2 is always wrong with p = 0, which no bin sees; class 1 is wrong with p = 1; class 0 is right.
    assert values["cece", "all"] == pytest.approx(1 / 3, abs=6e-5)
    assert values["ece", "all"] == 1.0
    honest = DefaultEvaluation(LABELS).score_case(build_prediction(target, probs)).rows
    assert [row.value for row in honest if (row.metric, row.region) == ("cece", "foreground")] == [2 / 4]


def test_quirk_the_edges_are_float32() -> None:
    prediction = draw_prediction()
    expected = count_bins(prediction.probs, prediction.target, mask=prediction.target > 0, edges="paper")
    bins = score(prediction).bins["foreground", "all"]
    assert bins.edges == "paper"
    assert np.array_equal(bins.counts, expected.counts)


def test_quirk_distances_are_in_voxels() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[0, 3, 3] = 1
    segmented = torch.zeros_like(target)
    segmented[2, 3, 3] = 1
    prediction = build_prediction(target, to_onehot(segmented))
    assert judge(prediction)["hd", "RV"] == judge(prediction)["hd95", "RV"] == 2
    assert judge(replace(prediction, spacing_mm=(1.0, 9.0, 9.0)))["hd95", "RV"] == 2


def test_quirk_hd95_pools_both_directions() -> None:
    prediction = draw_prediction(3)
    segmented = prediction.probs.argmax(0).numpy()
    distances = compute_surface_distances(segmented == 1, prediction.target.numpy() == 1, (1, 1, 1))
    assert judge(prediction)["hd95", "RV"] == compute_hd95(distances, pooled=True)
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[:, :8, :8] = 1
    segmented_map = target.clone()
    segmented_map[0, 0, 11] = 1
    target[0, 11, 0] = target[0, 11, 1] = 1
    values = judge(build_prediction(target, to_onehot(segmented_map)))
    assert values["hd", "RV"] == 4
    assert values["hd95", "RV"] == 0


def test_quirk_a_class_absent_from_the_reference_scores_perfectly() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[:, :4] = 1
    invented = target.clone()
    invented[:, 6:10] = 2
    values = judge(build_prediction(target, to_onehot(invented)))
    assert (values["dice", "LV"], values["hd", "LV"], values["hd95", "LV"]) == (1, 0, 0)
    assert (values["dice", "Myo"], values["hd", "Myo"], values["hd95", "Myo"]) == (1, 0, 0)


def test_quirk_an_empty_prediction_has_distance_zero() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[:, :4] = 1
    values = judge(build_prediction(target, to_onehot(torch.zeros_like(target))))
    assert (values["dice", "RV"], values["hd", "RV"], values["hd95", "RV"]) == (0, 0, 0)


def test_quirk_dice_ece_and_cece_are_rounded_to_4_digits() -> None:
    values = judge(draw_prediction(1))
    for (metric, _), value in values.items():
        if metric in ("dice", "ece", "cece"):
            assert value == round(value, 4)
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[0, 0, :7] = 1
    segmented = target.clone()
    segmented[0, 0, 0] = 0
    assert judge(build_prediction(target, to_onehot(segmented)))["dice", "RV"] == 0.9231
    assert judge(build_prediction(target, 0.98765 * to_onehot(target) + 0.01235 / 4))["ece", "all"] == 0.0093


def test_distances_are_not_rounded() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    target[0, 3, 3] = 1
    segmented = torch.zeros_like(target)
    segmented[0, 4, 4] = 1
    assert judge(build_prediction(target, to_onehot(segmented)))["hd", "RV"] == math.sqrt(2)


def test_a_case_without_foreground_has_no_calibration() -> None:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    values = judge(build_prediction(target, to_onehot(target)))
    assert math.isnan(values["ece", "all"])
    assert math.isnan(values["cece", "all"])
    assert values["dice", "RV"] == 1


def test_nan_is_an_error() -> None:
    prediction = draw_prediction()
    prediction.probs[0, 0, 0, 0] = math.nan
    with pytest.raises(DataError, match="PaperEvaluation: case a_01"):
        score(prediction)
