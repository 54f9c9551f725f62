from __future__ import annotations

import math

import pytest
import torch

import mlseg.functional.proper_scores as proper_scores
from mlseg.checks import DataError
from mlseg.functional.proper_scores import compute_brier, compute_nll

PROBS = torch.tensor([[0.7, 0.2, 0.1], [0.2, 0.5, 0.1], [0.1, 0.3, 0.8]], dtype=torch.float64)
TARGET = torch.tensor([0, 2, 2])


def test_by_hand() -> None:
    assert compute_nll(PROBS, TARGET) == pytest.approx(-(math.log(0.7) + math.log(0.3) + math.log(0.8)) / 3, rel=1e-14)
    squares = (0.09 + 0.04 + 0.01) + (0.04 + 0.25 + 0.49) + (0.01 + 0.01 + 0.04)
    assert compute_brier(PROBS, TARGET) == pytest.approx(squares / 3, rel=1e-14)


def test_a_mask_counts_its_voxels_only() -> None:
    mask = torch.tensor([True, False, True])
    assert compute_nll(PROBS, TARGET, mask=mask) == pytest.approx(-(math.log(0.7) + math.log(0.8)) / 2)
    assert compute_brier(PROBS, TARGET, mask=mask) == pytest.approx((0.14 + 0.06) / 2)
    for compute in (compute_nll, compute_brier):
        assert math.isnan(compute(PROBS, TARGET, mask=torch.zeros(3, dtype=torch.bool)))


def test_a_probability_of_zero_costs_the_floor() -> None:
    probs = torch.tensor([[0.0], [1.0]])
    assert compute_nll(probs, torch.tensor([0])) == pytest.approx(-math.log(torch.finfo(torch.float32).tiny))
    assert compute_brier(probs, torch.tensor([0])) == 2
    assert compute_nll(probs, torch.tensor([1])) == compute_brier(probs, torch.tensor([1])) == 0


def test_small_probabilities_are_not_floored() -> None:
    probs = torch.tensor([[1e-30], [1.0]])
    assert compute_nll(probs, torch.tensor([0])) == pytest.approx(30 * math.log(10), rel=1e-6)


def test_sums_are_float64() -> None:
    count = 1_000_000
    probs = torch.tensor([[0.1], [0.9]]).expand(2, count)
    target = torch.zeros(count, dtype=torch.int64)
    assert compute_nll(probs, target) == pytest.approx(-math.log(probs[0, 0].item()), rel=1e-12)


def test_chunks_change_nothing_but_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    probs = torch.randn(3, 5, 7, 7, generator=torch.Generator().manual_seed(0)).softmax(0)
    target = torch.arange(5 * 7 * 7).reshape(5, 7, 7) % 3
    whole = compute_nll(probs, target, mask=target > 0), compute_brier(probs, target)
    monkeypatch.setattr(proper_scores, "CHUNK", 13)
    assert compute_nll(probs, target, mask=target > 0) == pytest.approx(whole[0], rel=1e-14)
    assert compute_brier(probs, target) == pytest.approx(whole[1], rel=1e-14)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="shapes"):
        compute_nll(PROBS, TARGET[:2])
