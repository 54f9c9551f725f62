from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mlseg.checks import ConfigError, DataError
from mlseg.functional.bins import compute_ace, compute_cece, compute_ece, compute_mce
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.regions import find_boundary
from mlseg.records import Score
from mlseg.types import CasePrediction, CaseScores, EvaluationProtocol

LABELS = ("background", "RV", "LV")
SHAPE = (2, 16, 16)
SPACING = (10.0, 1.5, 1.5)
DIAGONAL = math.hypot(20.0, 24.0, 24.0)


def draw_boxes(*, rv: bool = True, lv: bool = True, shift: int = 0) -> torch.Tensor:
    target = torch.zeros(SHAPE, dtype=torch.int64)
    if rv:
        target[:, 2 + shift : 6 + shift, 2:6] = 1
    if lv:
        target[:, 8 + shift : 12 + shift, 9:13] = 2
    return target


def build_prediction(target: torch.Tensor, segmented: torch.Tensor, confidence: float = 1.0) -> CasePrediction:
    rest = (1 - confidence) / 2
    onehot = torch.nn.functional.one_hot(segmented, 3).movedim(-1, 0).float()
    return CasePrediction(
        case_id="patient001_frame12",
        subject_id="patient001",
        probs=onehot * (confidence - rest) + rest,
        target=target,
        spacing_mm=SPACING,
        group="DCM",
        frame="ES",
    )


def judge(target: torch.Tensor, segmented: torch.Tensor, confidence: float = 1.0, **settings: Any) -> CaseScores:
    return DefaultEvaluation(LABELS, **settings).score_case(build_prediction(target, segmented, confidence))


def pick(scores: CaseScores, metric: str, *, label: str = "all", region: str = "image") -> Score:
    (row,) = [row for row in scores.rows if (row.metric, row.label, row.region) == (metric, label, region)]
    return row


def test_every_score_is_there_once_with_its_identity() -> None:
    scores = judge(draw_boxes(), draw_boxes(shift=1))
    names = {(row.label, row.region, row.metric) for row in scores.rows}
    per_label = ("dice", "hd", "hd95", "assd", "nsd", "missed", "invented")
    per_region = ("ece", "cece", "cece_t", "ace", "mce", "nll", "brier")
    assert names == {(label, "image", metric) for label in ("RV", "LV") for metric in per_label} | {
        ("all", region, metric) for region in ("image", "foreground", "boundary", "roi") for metric in per_region
    }
    assert len(scores.rows) == len(names)
    row = scores.rows[0]
    assert (row.evaluation, row.subject_id, row.case_id) == ("default", "patient001", "patient001_frame12")
    assert (row.frame, row.group) == ("ES", "DCM")
    assert {row.unit for row in scores.rows} == {"1", "mm", "nat", "case"}
    protocol: EvaluationProtocol = DefaultEvaluation(LABELS)
    assert (protocol.name, protocol.grid) == ("default", "native")


def test_a_shifted_box_by_hand() -> None:
    scores = judge(draw_boxes(), draw_boxes(shift=1))
    assert pick(scores, "dice", label="RV").value == pytest.approx(0.75)
    assert pick(scores, "hd", label="RV").value == pick(scores, "hd95", label="RV").value == 1.5
    # Both slices touch the image's edge, so all 32 voxels of each box are surface; 8 of each lie one row apart.
    assert pick(scores, "assd", label="RV").value == pytest.approx(1.5 * 16 / 64)
    assert pick(scores, "nsd", label="RV").value == 1
    assert pick(judge(draw_boxes(), draw_boxes(shift=1), tolerance_mm=1.0), "nsd", label="RV").value == 48 / 64
    assert pick(scores, "missed", label="RV").value == pick(scores, "invented", label="RV").value == 0
    assert pick(scores, "dice", label="RV").n == 40


def test_a_perfect_segmentation() -> None:
    scores = judge(draw_boxes(), draw_boxes())
    for label in ("RV", "LV"):
        assert pick(scores, "dice", label=label).value == pick(scores, "nsd", label=label).value == 1
        assert pick(scores, "hd", label=label).value == pick(scores, "assd", label=label).value == 0
    for region in ("image", "foreground", "boundary", "roi"):
        for metric in ("ece", "cece", "cece_t", "ace", "mce", "nll", "brier"):
            assert pick(scores, metric, region=region).value == 0


@pytest.mark.parametrize(("in_target", "missed", "invented"), [(True, 1, 0), (False, 0, 1)])
def test_a_missed_or_invented_structure_costs_the_diagonal(in_target: bool, missed: int, invented: int) -> None:
    scores = judge(draw_boxes(lv=in_target), draw_boxes(lv=not in_target))
    assert pick(scores, "dice", label="LV").value == pick(scores, "nsd", label="LV").value == 0
    for metric in ("hd", "hd95", "assd"):
        assert pick(scores, metric, label="LV").value == pytest.approx(DIAGONAL)
        assert pick(scores, metric, label="LV").n == 32
    assert pick(scores, "missed", label="LV").value == missed
    assert pick(scores, "invented", label="LV").value == invented
    assert pick(scores, "dice", label="RV").value == 1


def test_a_structure_that_is_in_neither_has_no_score() -> None:
    scores = judge(draw_boxes(lv=False), draw_boxes(lv=False))
    for metric in ("dice", "hd", "hd95", "assd", "nsd"):
        assert math.isnan(pick(scores, metric, label="LV").value)
        assert pick(scores, metric, label="LV").n == 0
    assert pick(scores, "missed", label="LV").value == pick(scores, "invented", label="LV").value == 0


def test_a_set_of_only_misses_never_looks_good() -> None:
    # Another tool drops missed structures as NaN, so a set of only misses aggregates to a distance of 0.
    scores = judge(draw_boxes(), torch.zeros(SHAPE, dtype=torch.int64))
    for label in ("RV", "LV"):
        values = {metric: pick(scores, metric, label=label).value for metric in ("dice", "nsd", "hd", "hd95", "assd")}
        assert values["dice"] == values["nsd"] == 0
        assert min(values["hd"], values["hd95"], values["assd"]) == pytest.approx(DIAGONAL)
        assert pick(scores, "missed", label=label).value == 1


def test_confident_foreground_everywhere_shows_in_the_image() -> None:
    # The foreground alone calls this perfect, because every voxel it looks at is right.
    target = draw_boxes(lv=False)
    scores = judge(target, torch.ones_like(target))
    background = (target == 0).double().mean().item()
    assert pick(scores, "ece", region="foreground").value == 0
    assert pick(scores, "ece", region="image").value == pytest.approx(background)
    assert pick(scores, "cece", region="image").value == pytest.approx(2 * background / 3)
    assert pick(scores, "ece", region="boundary").value > 0.3
    assert pick(scores, "ece", region="roi").value > 0.5


def test_calibration_by_hand() -> None:
    # Every voxel is right, with confidence 0.8: a class's own voxels are 0.2 off, the others 0.1.
    target = draw_boxes()
    scores = judge(target, target, confidence=0.8)
    share = [(target == k).double().mean().item() for k in range(3)]
    per_class = [share[k] * 0.2 + (1 - share[k]) * 0.1 for k in range(3)]
    assert pick(scores, "ece").value == pytest.approx(0.2, abs=1e-7)
    assert pick(scores, "ace").value == pick(scores, "mce").value == pytest.approx(0.2, abs=1e-7)
    assert pick(scores, "cece").value == pytest.approx(sum(per_class) / 3, abs=1e-7)
    assert pick(scores, "cece_t").value == pytest.approx(sum(per_class) / 3, abs=1e-7)
    assert pick(scores, "nll").value == pytest.approx(-math.log(0.8), rel=1e-6)
    assert pick(scores, "brier").value == pytest.approx(0.04 + 0.01 + 0.01, rel=1e-6)


def test_thresholded_cece_forgets_confident_absences() -> None:
    target = draw_boxes()
    scores = judge(target, draw_boxes(shift=1))
    shares = [2 * ((target == k) & (draw_boxes(shift=1) != k)).sum().item() for k in range(3)]
    assert pick(scores, "cece").value == pytest.approx(sum(share / target.numel() for share in shares) / 3)
    wrong = [(draw_boxes(shift=1)[target != k] == k).sum() / (draw_boxes(shift=1) == k).sum() for k in range(3)]
    assert pick(scores, "cece_t").value == pytest.approx(float(sum(wrong)) / 3, rel=1e-6)


def test_regions_differ_and_say_how_many_voxels_they_hold() -> None:
    target = draw_boxes()
    scores = judge(target, draw_boxes(shift=1), confidence=0.9, roi_margin_mm=1.5)
    values = [pick(scores, "ece", region=region).value for region in ("image", "roi", "boundary", "foreground")]
    assert len(set(values)) == 4
    assert pick(scores, "ece", region="image").n == target.numel()
    assert pick(scores, "ece", region="foreground").n == 64
    assert pick(scores, "ece", region="roi").n == 2 * 12 * 13
    boundary = find_boundary(target, SPACING, boundary_mm=3.0)
    assert pick(scores, "ece", region="boundary").n == scores.bins["boundary", "all"].voxels == boundary.sum()


def test_bins_give_the_rows_again() -> None:
    scores = judge(draw_boxes(), draw_boxes(shift=2), confidence=0.7)
    for (region, _), counts in scores.bins.items():
        assert compute_ece(counts) == pick(scores, "ece", region=region).value
    assert list(scores.bins) == [(region, "all") for region in ("image", "foreground", "boundary", "roi")]


def test_hd95_is_the_larger_of_the_two_directions() -> None:
    target, segmented = draw_boxes(), draw_boxes()
    # Two of 34 predicted voxels lie far away, so one direction sees them at its 95th percentile, and the pool does not.
    segmented[:, 15, 2] = 1
    scores = judge(target, segmented)
    assert pick(scores, "hd", label="RV").value == 15
    assert pick(scores, "hd95", label="RV").value > 5


@pytest.mark.parametrize("bins", [15, 100])
def test_the_number_of_bins_is_a_setting(bins: int) -> None:
    probs = torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)).softmax(0)
    prediction = replace(build_prediction(draw_boxes(), draw_boxes()), probs=probs)
    scores = DefaultEvaluation(LABELS, bins=bins).score_case(prediction)
    for (region, _), counts in scores.bins.items():
        expected = {
            "ece": compute_ece(counts, bins),
            "cece": compute_cece(counts, bins),
            "cece_t": compute_cece(counts, bins, threshold=True),
            "ace": compute_ace(counts, bins),
            "mce": compute_mce(counts, bins),
        }
        assert {metric: pick(scores, metric, region=region).value for metric in expected} == expected
        assert len(set(expected.values())) >= 4


def test_a_case_without_foreground() -> None:
    empty = torch.zeros(SHAPE, dtype=torch.int64)
    scores = judge(empty, empty, confidence=0.9)
    assert pick(scores, "ece").value == pytest.approx(0.1, abs=1e-7)
    for region in ("foreground", "boundary", "roi"):
        assert math.isnan(pick(scores, "ece", region=region).value)
        assert math.isnan(pick(scores, "nll", region=region).value)
        assert pick(scores, "ece", region=region).n == 0


def test_logits_are_refused_with_the_case_named() -> None:
    prediction = build_prediction(draw_boxes(), draw_boxes(), confidence=9.0)
    with pytest.raises(DataError, match="DefaultEvaluation: case patient001_frame12"):
        DefaultEvaluation(LABELS).score_case(prediction)


@pytest.mark.parametrize(
    "settings", [{"bins": 7}, {"bins": 0}, {"tolerance_mm": -1.0}, {"boundary_mm": -0.1}, {"roi_margin_mm": math.nan}]
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(settings))):
        DefaultEvaluation(LABELS, **settings)
