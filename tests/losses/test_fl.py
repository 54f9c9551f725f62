"""Focal loss against hand-worked values, its closed-form gradient and its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.losses.fl import FLLoss


@pytest.fixture
def logits() -> torch.Tensor:
    values = 4 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))


def test_hand_worked_value():
    # s_y = 3/4 at one voxel and 1/4 at the other, gamma 2.
    logits = torch.tensor([[[math.log(3.0), math.log(3.0)], [0.0, 0.0]]], dtype=torch.float64)
    value = FLLoss(2.0)(logits, torch.tensor([[0, 1]]))
    assert float(value) == pytest.approx((-(0.25**2) * math.log(0.75) - 0.75**2 * math.log(0.25)) / 2, rel=1e-12)


def test_gamma_zero_is_the_cross_entropy(logits, target):
    torch.testing.assert_close(FLLoss(0.0)(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 3.0])
def test_closed_form_gradient(logits, target, gamma):
    FLLoss(gamma)(logits, target).backward()
    probs, onehot = logits.detach().softmax(1), F.one_hot(target, 4).movedim(-1, 1)
    s = (probs * onehot).sum(1, keepdim=True)
    # d/ds of -(1-s)^g log s, times ds/dl_k = s (onehot_k - s_k).
    slope = gamma * (1 - s) ** (gamma - 1) * s.log() - (1 - s) ** gamma / s
    torch.testing.assert_close(logits.grad, slope * s * (onehot - probs) / target.numel())


@pytest.mark.parametrize("gamma", [0.0, 0.25, 1.0, 3.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_certain_voxel_has_no_loss_and_no_gradient(gamma, dtype):
    logits = torch.tensor([[[1000.0], [0.0]]], dtype=dtype, requires_grad=True)
    value = FLLoss(gamma)(logits, torch.tensor([[0]]))
    value.backward()
    assert value == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("gamma", [-1.0, float("inf"), True])
def test_gamma_out_of_range(gamma):
    with pytest.raises(ConfigError, match=r"^FLLoss: gamma must be a number of at least 0, got"):
        FLLoss(gamma)
