import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mlseg.engine.device import choose_compute
from mlseg.engine.inference import Inference
from mlseg.engine.settings import TrainerSettings
from mlseg.engine.validation import _mean_over_subjects, predict_slices, validate
from mlseg.types import PreparedCase

INFERENCE = Inference(compute=choose_compute(TrainerSettings(device="cpu", amp="off")), crop=(8, 8))


class Oracle(nn.Module):
    """Reads the label off the image (0, 1, 2), with a given confidence."""

    stride = (1, 1)

    def __init__(self, confidence: float) -> None:
        super().__init__()
        self.gap = float(np.log(confidence / ((1 - confidence) / 2)))

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([(image == k).float() * self.gap for k in range(3)], dim=1)


def make_case(subject: str, target: np.ndarray, image: np.ndarray) -> PreparedCase:
    return PreparedCase(
        case_id=subject + "x",
        subject_id=subject,
        image=image[:, None].astype(np.float32),
        target=target.astype(np.uint8),
        spacing_mm=(1.0, 1.0, 1.0),
        native_target=target.astype(np.uint8),
        native_spacing_mm=(1.0, 1.0, 1.0),
        affine=np.eye(4),
    )


@pytest.fixture
def target() -> np.ndarray:
    labels = np.zeros((2, 8, 8), dtype=np.uint8)
    labels[:, 2:6, 2:6], labels[:, 3:5, 3:5] = 1, 2
    return labels


def test_an_oracle_is_perfect_but_underconfident(target: np.ndarray) -> None:
    result = validate(Oracle(0.8), [make_case("a", target, target)], INFERENCE)
    assert (result.dice, result.iou) == (1.0, 1.0)
    assert result.ece == pytest.approx(0.2, abs=1e-6)
    assert result.score("dice") == 1.0


def test_subjects_weigh_the_same_however_many_cases_they_have(target: np.ndarray) -> None:
    good, missed = make_case("a", target, target), make_case("b", target, 0 * target)
    result = validate(Oracle(0.9), [good, good, good, missed], INFERENCE)
    assert result.dice == pytest.approx(0.5)
    assert result.dice_per_label == pytest.approx((0.5, 0.5))


def test_iou_pools_the_voxels_of_all_cases(target: np.ndarray) -> None:
    small = np.zeros_like(target)
    small[0, 0, 0] = 2
    result = validate(Oracle(0.9), [make_case("a", target, target), make_case("b", small, 0 * small)], INFERENCE)
    # Label 1 is right in all of its 24 voxels; of label 2 one of 9 is missed.
    assert result.iou == pytest.approx((1 + 8 / 9) / 2)


def test_a_case_without_foreground_is_left_out(target: np.ndarray) -> None:
    empty = make_case("b", 0 * target, 0 * target)
    result = validate(Oracle(0.9), [make_case("a", target, target), empty], INFERENCE)
    assert result.dice == 1.0
    assert result.ece == pytest.approx(0.1, abs=1e-6)
    nothing = validate(Oracle(0.9), [empty], INFERENCE)
    assert np.isnan(nothing.dice)
    assert np.isnan(nothing.ece)


def test_means_leave_nan_out_at_each_step() -> None:
    nan = float("nan")
    means = _mean_over_subjects([[1.0, nan], [0.0, nan], [0.0, 0.6], [nan, nan]], ["a", "a", "b", "c"])
    assert means == pytest.approx([0.25, 0.6])


def test_slices_for_the_image_grid(target: np.ndarray) -> None:
    case = make_case("a", target, target)
    rows = predict_slices(Oracle(0.8), [case, dataclasses.replace(case, case_id="z")], INFERENCE, count=1)
    assert len(rows) == 1
    image, reference, prediction, confidence = rows[0]
    assert np.array_equal(image, target[1])
    assert np.array_equal(reference, target[1])
    assert np.array_equal(prediction, target[1])
    assert confidence == pytest.approx(np.full((8, 8), 0.8))
