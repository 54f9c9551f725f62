"""Scores before and after."""

from __future__ import annotations

import math

import pytest
import torch

from mlseg.engine.calibration_scores import METRICS, REGIONS, CaseScoring, average_scores, nest_scores
from mlseg.metrics.default import DefaultEvaluation
from mlseg.types import CasePrediction

LABELS = ("background", "RV", "LV")


def predict(*, foreground: bool = True) -> CasePrediction:
    generator = torch.Generator().manual_seed(0)
    target = torch.zeros(3, 20, 24, dtype=torch.int64)
    if foreground:
        target[:, 5:12, 6:14] = 1
        target[1:, 10:16, 9:20] = 2
    logits = 2 * torch.randn(3, 3, 20, 24, generator=generator)
    logits.scatter_add_(0, target.unsqueeze(0), torch.full((1, 3, 20, 24), 2.0))
    case = {"case_id": "a", "subject_id": "a", "spacing_mm": (8.0, 1.5, 1.2)}
    return CasePrediction(probs=logits.softmax(dim=0), target=target, **case)


def test_they_are_those_of_the_default_evaluation():
    prediction = predict()
    settings = {"bins": 20, "boundary_mm": 2.0}
    found = CaseScoring(labels=LABELS, **settings).score(prediction)
    rows = DefaultEvaluation(LABELS, **settings).score_case(prediction).rows
    expected = {(row.metric, row.region): row.value for row in rows if row.label == "all"}
    for metric in METRICS:
        for region in REGIONS:
            assert found[metric, region] == expected[metric, region], (metric, region)
    dice = {row.label: row.value for row in rows if row.metric == "dice"}
    assert {label: found["dice", label] for label in LABELS[1:]} == dice
    assert len(found) == 12 + 2


def test_an_empty_region_is_undefined_and_left_out_of_means():
    empty, full = (CaseScoring(labels=LABELS).score(predict(foreground=there)) for there in (False, True))
    assert math.isnan(empty["nll", "foreground"])
    mean = average_scores([empty, full, full], ["a", "a", "b"])
    assert mean["nll", "foreground"] == full["nll", "foreground"]
    # What is found where nothing is has a Dice of 0.
    assert mean["dice", "image"] == pytest.approx(0.75 * sum(full["dice", label] for label in LABELS[1:]) / 2)
    assert math.isnan(average_scores([empty], ["a"])["ece", "boundary"])


def test_subjects_count_the_same_however_many_cases_they_have():
    key, other = ("nll", "image"), ("dice", "RV")
    scores = [{key: 1.0, other: 0.5}, {key: 2.0, other: 0.5}, {key: 6.0, other: 0.5}, {key: 8.0, other: 1.0}]
    found = average_scores(scores, ["a", "a", "a", "b"])
    assert found == {key: 5.5, ("dice", "image"): 0.75}
    assert nest_scores(found) == {"nll": {"image": 5.5}, "dice": {"image": 0.75}}
