"""BraTS-like labels: WT, TC and ET overlap, and each is a problem of two classes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mlseg.checks import ConfigError, DataError
from mlseg.functional.bins import compute_class_ece, compute_ece
from mlseg.functional.calibration import count_bins
from mlseg.metrics.default import DefaultEvaluation
from mlseg.metrics.merged import MergedEvaluation
from mlseg.records import Score
from mlseg.types import CasePrediction, CaseScores, EvaluationProtocol

LABELS = ("background", "NCR", "ED", "ET")
BRATS = {"WT": ["NCR", "ED", "ET"], "TC": ["NCR", "ET"], "ET": ["ET"]}
MEMBERS = {"WT": [1, 2, 3], "TC": [1, 3], "ET": [3]}


def draw_case(seed: int = 0, **changes: Any) -> CasePrediction:
    generator = torch.Generator().manual_seed(seed)
    target = torch.zeros(4, 12, 12, dtype=torch.int64)
    target[1:3, 2:9, 2:9], target[1:3, 3:7, 3:7], target[1:3, 4:6, 4:6] = 2, 1, 3
    logits = 2 * torch.nn.functional.one_hot(target, 4).movedim(-1, 0) + torch.randn(4, 4, 12, 12, generator=generator)
    prediction = CasePrediction(
        case_id="b1", subject_id="b", probs=logits.softmax(0), target=target, spacing_mm=(1.0, 1.0, 1.0), group="HGG"
    )
    return replace(prediction, **changes)


def judge(prediction: CasePrediction, **settings: Any) -> CaseScores:
    return MergedEvaluation(LABELS, BRATS, **settings).score_case(prediction)


def pick(scores: CaseScores, metric: str, label: str, region: str = "image") -> Score:
    (row,) = [row for row in scores.rows if (row.metric, row.label, row.region) == (metric, label, region)]
    return row


def test_every_score_is_there_once() -> None:
    scores = judge(draw_case())
    names = [(row.label, row.region, row.metric) for row in scores.rows]
    regions = ("image", "foreground", "boundary", "roi")
    expected = {
        (name, "image", m) for name in BRATS for m in ("dice", "hd", "hd95", "assd", "nsd", "missed", "invented")
    }
    expected |= {(name, r, m) for name in BRATS for r in regions for m in ("ece", "ace", "mce", "nll", "brier")}
    expected |= {("all", region, metric) for region in regions for metric in ("cece", "cece_t")}
    assert set(names) == expected
    assert len(names) == len(expected)
    assert {(row.evaluation, row.group) for row in scores.rows} == {("merged", "HGG")}
    assert set(scores.bins) == {(region, name) for region in regions for name in BRATS}
    protocol: EvaluationProtocol = MergedEvaluation(LABELS, BRATS)
    assert (protocol.name, protocol.grid) == ("merged", "native")


def test_masks_are_unions_of_the_predicted_classes() -> None:
    prediction = draw_case()
    scores, segmented = judge(prediction), prediction.probs.argmax(0)
    for name, members in MEMBERS.items():
        predicted, reference = (np.isin(part.numpy(), members) for part in (segmented, prediction.target))
        dice = 2 * (predicted & reference).sum() / (predicted.sum() + reference.sum())
        assert pick(scores, "dice", name).value == pytest.approx(dice, rel=1e-12)
        assert pick(scores, "dice", name).n == (predicted | reference).sum()


def test_a_merged_label_of_one_class_is_that_class() -> None:
    prediction = draw_case()
    single = DefaultEvaluation(LABELS).score_case(prediction)
    for metric in ("dice", "hd", "hd95", "assd", "nsd"):
        assert pick(judge(prediction), metric, "ET").value == pick(single, metric, "ET").value


def test_calibration_is_that_of_two_classes() -> None:
    prediction = draw_case(spacing_mm=(1.0, 1.0, 1.0))
    scores, target = judge(prediction), prediction.target
    gaps = []
    for name, members in MEMBERS.items():
        p = prediction.probs[members].double().sum(0)
        inside = torch.isin(target, torch.tensor(members))
        confidence, hit = torch.maximum(p, 1 - p), (p > 0.5) == inside
        error, index = 0.0, (confidence * 15).ceil().clamp(min=1)
        for place in index.unique():
            chosen = index == place
            error += abs(float((hit[chosen].double() - confidence[chosen]).sum())) / p.numel()
        assert pick(scores, "ece", name).value == pytest.approx(error, abs=1e-6)
        chosen_p = torch.where(inside, p, 1 - p)
        assert pick(scores, "nll", name).value == pytest.approx(float(-chosen_p.log().mean()), rel=1e-5)
        assert pick(scores, "brier", name).value == pytest.approx(float(2 * ((1 - chosen_p) ** 2).mean()), rel=1e-5)
        gaps.append(compute_class_ece(count_bins(torch.stack([1 - p, p]), inside.long()), 1))
    assert pick(scores, "cece", "all").value == pytest.approx(float(np.mean(gaps)), abs=1e-6)


def test_regions_are_those_of_all_merged_labels_together() -> None:
    prediction = draw_case()
    scores = MergedEvaluation(LABELS, {"TC": ["NCR", "ET"]}).score_case(prediction)
    tumour_core = int(torch.isin(prediction.target, torch.tensor([1, 3])).sum())
    assert pick(scores, "ece", "TC", "foreground").n == tumour_core
    assert pick(judge(prediction), "ece", "ET", "foreground").n == int((prediction.target > 0).sum())
    assert pick(judge(prediction), "ece", "WT").n == prediction.target.numel()


def test_bins_give_the_rows_again() -> None:
    scores = judge(draw_case())
    for (region, name), counts in scores.bins.items():
        assert compute_ece(counts) == pick(scores, "ece", name, region).value


def test_a_missed_label_costs_the_diagonal() -> None:
    prediction = draw_case()
    certain = torch.zeros_like(prediction.probs)
    certain[0] = 1
    scores = judge(replace(prediction, probs=certain))
    for name in BRATS:
        assert pick(scores, "hd95", name).value == pytest.approx(math.hypot(4, 12, 12))
        assert pick(scores, "missed", name).value == 1


def test_a_label_map_alone_has_no_calibration() -> None:
    prediction = draw_case()
    scores = judge(replace(prediction, probs=None, segmentation=prediction.target))
    assert {row.value for row in scores.rows if row.metric == "dice"} == {1.0}
    assert not scores.bins
    assert not [row for row in scores.rows if row.metric in ("ece", "cece", "nll")]


@pytest.mark.parametrize("wrong", ["sigmoid", "nan"])
def test_probabilities_of_the_classes_are_checked_not_their_sums(wrong: str) -> None:
    probs = torch.full((4, 4, 12, 12), 0.1 if wrong == "sigmoid" else math.nan)
    with pytest.raises(DataError, match="MergedEvaluation: case b1"):
        judge(draw_case(probs=probs))


@pytest.mark.parametrize(
    "merged", [{}, None, {"WT": []}, {"WT": ["NCR", "edema"]}, {"WT": ["background", "ED"]}, {"WT": ["ED", "ED"]}]
)
def test_merged_labels_must_be_made_of_classes(merged: Any) -> None:
    with pytest.raises(ConfigError, match="NCR, ED, ET"):
        MergedEvaluation(LABELS, merged)


def test_borders_inside_a_merged_label_are_none() -> None:
    target = torch.zeros(1, 40, 40, dtype=torch.int64)
    target[:, 5:35, 5:20], target[:, 5:35, 20:35] = 1, 2
    probs = torch.nn.functional.one_hot(target.roll(1, -1), 4).movedim(-1, 0) * 0.8 + 0.05
    prediction = draw_case(target=target, probs=probs, spacing_mm=(10.0, 1.0, 1.0))
    whole = MergedEvaluation(LABELS, {"tumour": ["NCR", "ED"]}).score_case(prediction)
    p = probs[1] + probs[2]
    problem = replace(prediction, probs=torch.stack([1 - p, p]), target=(target > 0).long())
    alone = DefaultEvaluation(["background", "tumour"]).score_case(problem)
    for region in ("boundary", "foreground", "roi"):
        mine, theirs = pick(whole, "ece", "tumour", region), pick(alone, "ece", "all", region)
        assert (mine.value, mine.n) == (pytest.approx(theirs.value, abs=1e-6), theirs.n)
    # Where the parts are labels too, the border between them counts.
    apart = MergedEvaluation(LABELS, {"tumour": ["NCR", "ED"], "core": ["NCR"]}).score_case(prediction)
    assert pick(apart, "ece", "tumour", "boundary").n > pick(whole, "ece", "tumour", "boundary").n


def test_names_that_tables_need_are_refused() -> None:
    with pytest.raises(ConfigError, match="must not be named all"):
        MergedEvaluation(LABELS, {"all": ["ED"]})
    with pytest.raises(ConfigError, match="class named mean"):
        DefaultEvaluation(["background", "mean"])
