from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlseg.checks import DataError
from mlseg.functional.overlap import compute_dice, compute_iou, count_overlap


def test_counts_by_hand() -> None:
    prediction = torch.tensor([[0, 1, 1], [2, 2, 0]])
    target = torch.tensor([[0, 1, 2], [2, 0, 0]])
    counts = count_overlap(prediction, target, 4)
    assert counts.intersection.tolist() == [2, 1, 1, 0]
    assert counts.predicted.tolist() == [2, 2, 2, 0]
    assert counts.reference.tolist() == [3, 1, 2, 0]
    assert counts.predicted.dtype == torch.int64


def test_dice_and_iou_by_hand() -> None:
    counts = count_overlap(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]), 3)
    assert compute_dice(counts).tolist()[:2] == pytest.approx([2 / 3, 4 / 5], rel=1e-15)
    assert compute_iou(counts).tolist()[:2] == pytest.approx([1 / 2, 2 / 3], rel=1e-15)
    assert compute_dice(counts).dtype == torch.float64


def test_both_empty_is_nan_and_one_empty_is_zero() -> None:
    counts = count_overlap(torch.tensor([0, 0, 2]), torch.tensor([0, 1, 0]), 4)
    dice, iou = compute_dice(counts), compute_iou(counts)
    assert dice[1] == dice[2] == iou[1] == iou[2] == 0
    assert math.isnan(dice[3])
    assert math.isnan(iou[3])


@pytest.mark.parametrize("ignored", [-100, 3, 255])
def test_targets_outside_the_classes_are_left_out(ignored: int) -> None:
    counts = count_overlap(torch.tensor([0, 1, 2, 2]), torch.tensor([0, ignored, 2, ignored]), 3)
    assert counts.intersection.tolist() == [1, 0, 1]
    assert counts.predicted.tolist() == counts.reference.tolist() == [1, 0, 1]


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="one shape"):
        count_overlap(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(3, 2, dtype=torch.int64), 2)


@settings(max_examples=20, deadline=None)
@given(cells=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40), data=st.data())
def test_parts_add_up_to_the_whole(cells: list[tuple[int, int]], data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(cells)))
    prediction, target = torch.tensor(cells).unbind(1)
    whole = count_overlap(prediction.to(torch.uint8), target.to(torch.uint8), 3)
    parts = count_overlap(prediction[cut:], target[cut:], 3) + count_overlap(prediction[:cut], target[:cut], 3)
    for name in ("intersection", "predicted", "reference"):
        assert getattr(parts, name).tolist() == getattr(whole, name).tolist()
    assert whole.predicted.sum() == len(cells)
