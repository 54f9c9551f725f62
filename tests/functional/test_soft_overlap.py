"""Soft overlap sums and the Dice that is made of them."""

from __future__ import annotations

import pytest
import torch

from mlseg.functional.overlap import compute_dice, count_overlap
from mlseg.functional.soft_overlap import SoftOverlap, compute_soft_dice, sum_overlap


@pytest.mark.parametrize("size", [(7,), (4, 5), (3, 4, 2)])
def test_sums_against_loops(size):
    generator = torch.Generator().manual_seed(0)
    probs = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64).softmax(1)
    target = torch.randint(0, 3, (2, *size), generator=generator)
    weight = torch.randint(0, 2, (2, *size), generator=generator).double()
    overlap = sum_overlap(probs, target, weight)
    for n in range(2):
        for k in range(3):
            own = (target[n] == k).double() * weight[n]
            torch.testing.assert_close(overlap.intersection[n, k], (probs[n, k] * own).sum())
            torch.testing.assert_close(overlap.predicted[n, k], (probs[n, k] * weight[n]).sum())
            assert overlap.reference[n, k] == own.sum()


def test_hard_probabilities_give_the_dice_of_the_label_maps():
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.randint(0, 3, (2, 4, 50), generator=generator)
    probs = torch.nn.functional.one_hot(prediction, 3).movedim(-1, 1).double()
    pooled = sum_overlap(probs, target, torch.ones(4, 50, dtype=torch.float64)).pool()
    expected = compute_dice(count_overlap(prediction, target, 3))
    torch.testing.assert_close(compute_soft_dice(pooled, 1e-12)[0], expected)


def test_millions_of_voxels_lose_no_digits():
    probs = torch.full((1, 2, 3_000_000), 0.1)
    overlap = sum_overlap(probs, torch.zeros(1, 3_000_000, dtype=torch.long), torch.ones(1, 3_000_000))
    assert overlap.predicted[0, 1].item() == pytest.approx(300_000, rel=1e-6)


def test_smoothing_pulls_towards_one():
    overlap = SoftOverlap(torch.tensor([[1.0]]), torch.tensor([[3.0]]), torch.tensor([[1.0]]))
    assert compute_soft_dice(overlap, 4.0).item() == pytest.approx(6 / 8)
