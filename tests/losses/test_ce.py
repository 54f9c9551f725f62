"""Cross-entropy against hand-worked values, its closed-form gradient and torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mlseg.losses.ce import CELoss


@pytest.fixture
def logits() -> torch.Tensor:
    values = 4 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))


def test_hand_worked_value():
    # Odds of 3 : 1 for the reference at one voxel, 1 : 3 at the other.
    logits = torch.tensor([[[math.log(3.0), math.log(3.0)], [0.0, 0.0]]], dtype=torch.float64)
    value = CELoss()(logits, torch.tensor([[0, 1]]))
    assert float(value) == pytest.approx((-math.log(0.75) - math.log(0.25)) / 2, rel=1e-12)


def test_closed_form_gradient(logits, target):
    CELoss()(logits, target).backward()
    onehot = F.one_hot(target, 4).movedim(-1, 1)
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - onehot) / target.numel())


def test_agrees_with_torch_with_ignored_voxels(logits, target):
    target[0, :3] = -100
    torch.testing.assert_close(CELoss()(logits, target), F.cross_entropy(logits, target))


def test_single_term(logits, target):
    loss = CELoss()
    loss(logits, target)
    assert list(loss.terms()) == ["ce"]


def test_target_outside_the_classes_is_an_error(logits, target):
    target[0, 0, 0] = 4
    with pytest.raises(RuntimeError, match="out of bounds"):
        CELoss()(logits, target)
