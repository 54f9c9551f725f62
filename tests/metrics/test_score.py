from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import mlseg
from mlseg.checks import ConfigError, DataError
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.merged import MergedEvaluation
from mlseg.records import format_scores
from mlseg.types import CasePrediction

LABELS = ("background", "RV", "LV")
SPACING = (10, 1.5, 1.5)


def draw_arrays() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    logits = random.normal(size=(3, 2, 8, 8)).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(0)
    return probs, random.integers(0, 3, size=(2, 8, 8)).astype(np.uint8)


def test_rows_are_those_of_the_protocol() -> None:
    probs, target = draw_arrays()
    rows = mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, case_id="p_1", subject_id="p")
    prediction = CasePrediction(
        case_id="p_1",
        subject_id="p",
        probs=torch.from_numpy(probs),
        target=torch.from_numpy(target),
        spacing_mm=(10.0, 1.5, 1.5),
    )
    assert format_scores(rows) == format_scores(DefaultEvaluation(LABELS).score_case(prediction).rows)


@pytest.mark.parametrize("evaluation", ["default", "paper"])
def test_arrays_tensors_and_odd_layouts_give_the_same_rows(evaluation: str) -> None:
    probs, target = draw_arrays()
    kinds = [
        (probs, target),
        (torch.from_numpy(probs), torch.from_numpy(target)),
        (probs.astype(">f4"), target.astype(">i2")),
        (np.asfortranarray(probs), target[::-1].copy()[::-1]),
        (probs.astype(np.float64), target.astype(np.uint16).tolist()),
    ]
    first, *others = (mlseg.score(*kind, spacing_mm=SPACING, labels=LABELS, evaluation=evaluation) for kind in kinds)
    for rows in others:
        for row, same in zip(rows, first, strict=True):
            assert (row.metric, row.label, row.region) == (same.metric, same.label, same.region)
            assert row.value == pytest.approx(same.value, rel=1e-6, nan_ok=True)
    assert {row.evaluation for row in first} == {evaluation}
    assert {(row.case_id, row.subject_id) for row in first} == {("case", "case")}


def test_the_arrays_are_left_alone() -> None:
    probs, target = draw_arrays()
    probs[:, 0, 0, 0] = [1 + 2e-7, 0, -2e-7]
    kept = probs.copy(), target.copy()
    mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS)
    assert np.array_equal(probs, kept[0])
    assert np.array_equal(target, kept[1])


def test_what_cannot_be_scored_is_refused() -> None:
    probs, target = draw_arrays()
    with pytest.raises(ConfigError, match="default, paper, merged, got 'papr'"):
        mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, evaluation="papr")
    with pytest.raises(DataError, match="3 numbers"):
        mlseg.score(probs, target, spacing_mm=(1.5, 1.5), labels=LABELS)
    with pytest.raises(DataError, match="integer classes"):
        mlseg.score(probs, target.astype(float), spacing_mm=SPACING, labels=LABELS)
    with pytest.raises(DataError, match="numbers"):
        mlseg.score(probs.astype(str), target, spacing_mm=SPACING, labels=LABELS)
    with pytest.raises(DataError, match=r"case p_1.*logits"):
        mlseg.score(np.log(probs), target, spacing_mm=SPACING, labels=LABELS, case_id="p_1")
    with pytest.raises(DataError, match="NaN"):
        mlseg.score(np.full_like(probs, math.nan), target, spacing_mm=SPACING, labels=LABELS)


def test_overlap_is_that_of_the_label_map_and_calibration_that_of_the_probabilities() -> None:
    probs, target = draw_arrays()
    processed = np.where(probs.argmax(0) == 1, 0, probs.argmax(0)).astype(np.uint8)
    plain = mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS)
    rows = mlseg.score(probs, target, segmentation=processed, spacing_mm=SPACING, labels=LABELS)
    dice = {row.label: row.value for row in rows if row.metric == "dice"}
    assert dice["RV"] == 0
    overlap = 2 * ((processed == 2) & (target == 2)).sum() / ((processed == 2).sum() + (target == 2).sum())
    assert dice["LV"] == pytest.approx(overlap)
    of_all = [row for row in rows if row.label == "all"]
    assert of_all == [row for row in plain if row.label == "all"]
    assert of_all


@pytest.mark.parametrize("evaluation", ["default", "paper"])
def test_a_label_map_alone_has_overlap_and_surfaces_only(evaluation: str) -> None:
    probs, target = draw_arrays()
    segmentation = probs.argmax(0)
    rows = mlseg.score(
        None, target, segmentation=segmentation, spacing_mm=SPACING, labels=LABELS, evaluation=evaluation
    )
    both = mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, evaluation=evaluation)
    assert format_scores(rows) == format_scores(row for row in both if row.label != "all")
    with pytest.raises(DataError, match="needs probabilities or a label map"):
        mlseg.score(None, target, spacing_mm=SPACING, labels=LABELS, evaluation=evaluation)


def test_merged_labels_and_settings_are_those_of_the_protocols() -> None:
    probs, target = draw_arrays()
    prediction = CasePrediction(
        case_id="case",
        subject_id="case",
        probs=torch.from_numpy(probs),
        target=torch.from_numpy(target),
        spacing_mm=(10.0, 1.5, 1.5),
    )
    settings = {"bins": 5, "tolerance_mm": 0.5, "boundary_mm": 1.5, "roi_margin_mm": 0.0}
    merged = {"heart": ["RV", "LV"]}
    rows = mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, evaluation="merged", merged=merged, **settings)
    wanted = MergedEvaluation(LABELS, merged, **settings).score_case(prediction).rows
    assert format_scores(rows) == format_scores(wanted)
    for name, value in settings.items():
        rows = mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, **{name: value})
        wanted = DefaultEvaluation(LABELS, **{name: value}).score_case(prediction).rows
        assert format_scores(rows) == format_scores(wanted)


def test_arguments_that_a_protocol_does_not_take_are_refused() -> None:
    probs, target = draw_arrays()

    def score(**options: Any) -> None:
        mlseg.score(probs, target, spacing_mm=SPACING, labels=LABELS, **options)

    with pytest.raises(ConfigError, match=r"evaluation=paper has no settings.*got bins, boundary_mm"):
        score(evaluation="paper", bins=10, boundary_mm=1)
    with pytest.raises(ConfigError, match=r"merged must say which classes.*got None with merged"):
        score(evaluation="merged")
    with pytest.raises(ConfigError, match=r"stand beside no other.*with default"):
        score(merged={"heart": ["RV", "LV"]})
    with pytest.raises(ConfigError, match=r"must be .*different classes"):
        score(merged={"heart": ["RV", "Myo"]}, evaluation="merged")
    with pytest.raises(ConfigError, match="bins must be a divisor of 300, got 7"):
        score(bins=7)
    with pytest.raises(DataError, match="label map must have the shape of the target"):
        score(segmentation=target[:1])


def test_the_package_is_light_until_score_is_asked_for() -> None:
    code = (
        "import sys, mlseg; assert 'torch' not in sys.modules; "
        "from mlseg import score; assert 'torch' in sys.modules; "
        "assert 'scipy' not in sys.modules and 'monai' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="scores"):
        mlseg.scores  # noqa: B018
