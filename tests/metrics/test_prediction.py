from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from mlseg.checks import ConfigError, DataError
from mlseg.metrics.prediction import check_labels, check_prediction
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


def check(prediction: CasePrediction) -> CasePrediction:
    return check_prediction("DefaultEvaluation", prediction, LABELS)


def test_good_probabilities_come_back_untouched() -> None:
    prediction = build_prediction()
    assert check(prediction).probs.data_ptr() == prediction.probs.data_ptr()


def test_rounding_errors_are_clamped() -> None:
    probs = build_prediction().probs.clone()
    probs[:, 0, 0, 0] = torch.tensor([1.0 + 1e-6, -1e-6, 0.0])
    checked = check(build_prediction(probs=probs)).probs
    assert checked[:, 0, 0, 0].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_other_precisions_are_taken(dtype: torch.dtype) -> None:
    checked = check(build_prediction(probs=build_prediction().probs.to(dtype)))
    assert checked.probs.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)


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
        ({"target": torch.zeros(1, 2, 5, 5, dtype=torch.int64)}, "same grid"),
        ({"probs": torch.ones(3, 5, 5) / 3, "target": torch.zeros(5, 5, dtype=torch.int64)}, "same grid"),
        ({"probs": torch.ones(3, 2, 5, 5, dtype=torch.int64)}, "floating-point"),
        ({"probs": torch.zeros(3, 0, 5, 5), "target": torch.zeros(0, 5, 5, dtype=torch.int64)}, "same grid"),
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
        check(build_prediction(**changes))
    assert "patient007_frame01" in str(caught.value)


@pytest.mark.parametrize("labels", [[], ["background"], ["background", "RV", "RV"], "RV", None])
def test_labels_must_be_names(labels: object) -> None:
    with pytest.raises(ConfigError, match="labels must be"):
        check_labels("PaperEvaluation", labels)
    assert check_labels("PaperEvaluation", ["background", "RV"]) == ("background", "RV")
