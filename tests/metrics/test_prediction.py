from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mlseg.checks import ConfigError, DataError
from mlseg.functional.calibration import CaseCalibration
from mlseg.metrics.prediction import check_labels, check_prediction, choose_segmentation, measure_case
from mlseg.types import CasePrediction

LABELS = ("background", "RV", "LV")


def build_prediction(**changes: Any) -> CasePrediction:
    generator = torch.Generator().manual_seed(0)
    prediction = CasePrediction(
        case_id="patient007_frame01",
        subject_id="patient007",
        probs=torch.randn(3, 2, 5, 5, generator=generator).softmax(0),
        target=torch.randint(0, 3, (2, 5, 5), generator=generator),
        spacing_mm=(10.0, 1.5, 1.5),
    )
    return replace(prediction, **changes)


def check(prediction: CasePrediction) -> CaseCalibration:
    check_prediction("DefaultEvaluation", prediction, LABELS)
    found = measure_case("DefaultEvaluation", prediction, {"image": None})
    assert found is not None
    return found


def test_rounding_errors_are_clamped() -> None:
    exact = build_prediction().probs.clone()
    exact[:, 0, 0, 0] = torch.tensor([1.0, 0.0, 0.0])
    rounded = exact.clone()
    rounded[:, 0, 0, 0] = torch.tensor([1.0 + 1e-6, -1e-6, 0.0])
    found = [check(build_prediction(probs=probs)).regions["image"] for probs in (exact, rounded)]
    assert found[0].counts.sums.tolist() == found[1].counts.sums.tolist()
    assert found[0].nll == found[1].nll


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_are_taken(dtype: torch.dtype) -> None:
    probs = build_prediction().probs.to(dtype)
    counts = check(build_prediction(probs=probs)).regions["image"].counts
    assert counts.sums[1].sum() == (probs[0].double() * 2**28).round().sum()


def test_a_label_map_is_judged_as_it_is_and_else_the_top_label() -> None:
    prediction = build_prediction()
    found = measure_case("DefaultEvaluation", prediction, {"image": None})
    assert torch.equal(choose_segmentation(prediction, found), prediction.probs.argmax(0))
    own = torch.zeros_like(prediction.target)
    processed = build_prediction(segmentation=own)
    check_prediction("DefaultEvaluation", processed, LABELS)
    assert choose_segmentation(processed, found) is own
    bare = build_prediction(probs=None, segmentation=own)
    check_prediction("DefaultEvaluation", bare, LABELS)
    assert measure_case("DefaultEvaluation", bare, {"image": None}) is None
    assert choose_segmentation(bare, None) is own


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_errors_that_name_the_case(value: float) -> None:
    probs = build_prediction().probs.clone()
    probs[1, 1, 2, 3] = value
    with pytest.raises(DataError, match=r"DefaultEvaluation: case patient007_frame01.*got NaN or infinity"):
        check(build_prediction(probs=probs))


def test_all_nan_is_an_error_and_not_perfect() -> None:
    with pytest.raises(DataError, match="NaN"):
        check(build_prediction(probs=torch.full((3, 2, 5, 5), math.nan)))


def test_logits_are_refused() -> None:
    logits = torch.randn(3, 2, 5, 5, generator=torch.Generator().manual_seed(1))
    with pytest.raises(DataError, match=r"patient007_frame01.*not logits"):
        check(build_prediction(probs=logits))


def test_independent_sigmoids_are_refused() -> None:
    with pytest.raises(DataError, match=r"sum to 1.*sums from 1\.5 to 1\.5"):
        check(build_prediction(probs=torch.full((3, 2, 5, 5), 0.5)))
    with pytest.raises(DataError, match=r"sums from 0\.75 to 0\.75"):
        check(build_prediction(probs=torch.full((3, 2, 5, 5), 0.25)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": torch.zeros(2, 5, 4, dtype=torch.int64)}, "same grid"),
        ({"target": torch.zeros(1, 2, 5, 5, dtype=torch.int64)}, r"must be \(D,H,W\)"),
        ({"probs": torch.ones(3, 5, 5) / 3, "target": torch.zeros(5, 5, dtype=torch.int64)}, "D = 1"),
        ({"probs": torch.ones(3, 5, 5) / 3}, "same grid"),
        ({"probs": None}, "got neither"),
        ({"segmentation": torch.zeros(2, 5, 4, dtype=torch.int64)}, "label map must have the shape"),
        ({"segmentation": torch.full((2, 5, 5), 3)}, r"label map must be in 0\.\.2"),
        ({"segmentation": torch.zeros(2, 5, 5)}, "label map must be integer"),
        ({"probs": torch.ones(3, 2, 5, 5, dtype=torch.int64)}, "floating-point"),
        ({"probs": torch.zeros(3, 0, 5, 5), "target": torch.zeros(0, 5, 5, dtype=torch.int64)}, r"\(0, 5, 5\)"),
        ({"probs": torch.ones(4, 2, 5, 5) / 4}, "one channel per label"),
        ({"target": torch.zeros(2, 5, 5)}, "must be integer classes"),
        ({"target": torch.full((2, 5, 5), 3)}, r"0\.\.2, got values from 3 to 3"),
        ({"target": torch.full((2, 5, 5), -1)}, r"0\.\.2"),
        ({"spacing_mm": (10.0, 1.5)}, "spacing_mm"),
        ({"spacing_mm": (10.0, 0.0, 1.5)}, "spacing_mm"),
        ({"spacing_mm": (10.0, math.nan, 1.5)}, "spacing_mm"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_prediction("DefaultEvaluation", build_prediction(**changes), LABELS)
    assert "patient007_frame01" in str(caught.value)


@pytest.mark.parametrize("labels", [[], ["background"], ["background", "RV", "RV"], "RV", None])
def test_labels_must_be_names(labels: object) -> None:
    with pytest.raises(ConfigError, match="labels must be"):
        check_labels("PaperEvaluation", labels)
    assert check_labels("PaperEvaluation", ["background", "RV"]) == ("background", "RV")
