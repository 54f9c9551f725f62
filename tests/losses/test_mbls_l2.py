"""The quadratic margin penalty: hand-worked values, the true inequality, its closed-form gradient."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.functional.margins import logit_distances
from mlseg.losses.mbls_l2 import MbLSL2Loss


def penalty_gradient(loss: MbLSL2Loss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Gradient of the penalty alone: that of the loss minus that of the cross-entropy."""
    gradients = [torch.autograd.grad(f(logits, target), logits)[0] for f in (loss, F.cross_entropy)]
    return gradients[0] - gradients[1]


def test_hand_worked_value():
    # One voxel, distances (0, 7, 14): beyond m = 5 by 0, 2, 9; mean of the squares over 3 classes 85/3; alpha 0.1.
    logits = torch.tensor([[[14.0], [7.0], [0.0]]], dtype=torch.float64)
    loss = MbLSL2Loss(margin=5, alpha=0.1)
    loss(logits, torch.tensor([[2]]))
    assert float(loss.terms()["margin"]) == pytest.approx(0.1 * 85 / 3, rel=1e-12)


def test_small_distances_are_free():
    # The authors' code has relu((d - m)^2): 25 for the winner's own d = 0 and m = 5.
    logits = torch.tensor([[[3.0], [1.0], [0.0]]], requires_grad=True)
    loss = MbLSL2Loss(margin=5, alpha=1.0)
    loss(logits, torch.tensor([[0]]))
    assert loss.terms()["margin"] == 0
    assert not penalty_gradient(loss, logits, torch.tensor([[0]])).any()


def test_mean_over_voxels_and_classes(logits, target):
    loss = MbLSL2Loss(margin=3, alpha=0.2)
    value = loss(logits, target)
    penalty = (logit_distances(logits) - 3).clamp(min=0).square().mean()
    torch.testing.assert_close(value, F.cross_entropy(logits, target) + 0.2 * penalty)


def test_closed_form_gradient(logits, target):
    gradient = penalty_gradient(MbLSL2Loss(margin=3, alpha=0.2), logits, target)
    slope = 2 * (logit_distances(logits.detach()) - 3).clamp(min=0)
    winner = torch.zeros_like(slope).scatter_(1, logits.detach().argmax(1, keepdim=True), 1.0)
    expected = 0.2 * (winner * slope.sum(1, keepdim=True) - slope) / logits.numel()
    assert 0 < (slope > 0).double().mean() < 1
    torch.testing.assert_close(gradient, expected)


def test_second_derivatives_exist(logits, target):
    loss = MbLSL2Loss(margin=3, alpha=0.2)
    small = logits[:1, :, :2, :2].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: loss(x, target[:1, :2, :2]), (small,))


def test_the_trainer_can_read_the_margin():
    assert MbLSL2Loss(margin=7).margin == 7


@pytest.mark.parametrize(("argument", "value"), [("margin", -1), ("margin", float("nan")), ("alpha", -0.1)])
def test_arguments_out_of_range(argument, value):
    with pytest.raises(ConfigError, match=rf"^MbLSL2Loss: {argument} must be a number of at least 0, got"):
        MbLSL2Loss(**{argument: value})
