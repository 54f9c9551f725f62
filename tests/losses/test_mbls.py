"""Margin-based label smoothing: hand-worked values, where it pushes and where it does not, and its cost."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.functional.margins import logit_distances
from mlseg.losses.mbls import MbLSLoss


@pytest.fixture
def logits() -> torch.Tensor:
    values = 6 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))


def penalty_gradient(loss: MbLSLoss, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Gradient of the penalty alone: that of the loss minus that of the cross-entropy."""
    gradients = [torch.autograd.grad(f(logits, target), logits)[0] for f in (loss, F.cross_entropy)]
    return gradients[0] - gradients[1]


def test_hand_worked_value():
    # One voxel, distances (0, 7, 14): beyond m = 5 by 0, 2, 9; mean over 3 classes 11/3; alpha 0.1.
    logits = torch.tensor([[[14.0], [7.0], [0.0]]], dtype=torch.float64)
    loss = MbLSLoss(margin=5, alpha=0.1)
    value = loss(logits, torch.tensor([[2]]))
    assert float(loss.terms()["margin"]) == pytest.approx(0.1 * 11 / 3, rel=1e-12)
    assert float(value) == pytest.approx(14.0 + 0.1 * 11 / 3, rel=1e-4)


def test_the_winner_is_the_largest_logit_not_the_reference():
    logits = torch.tensor([[[0.0], [20.0]]])
    loss = MbLSLoss(margin=10, alpha=1.0)
    terms = []
    for reference in (0, 1):
        loss(logits, torch.tensor([[reference]]))
        terms.append(loss.terms()["margin"].item())
    assert terms == [5.0, 5.0]


def test_mean_over_voxels_and_classes(logits, target):
    loss = MbLSLoss(margin=3, alpha=0.2)
    value = loss(logits, target)
    penalty = (logit_distances(logits) - 3).clamp(min=0).mean()
    torch.testing.assert_close(value, F.cross_entropy(logits, target) + 0.2 * penalty)
    torch.testing.assert_close(loss.terms()["margin"], 0.2 * penalty.detach())


def test_no_gradient_inside_the_margin(logits, target):
    margin = logit_distances(logits.detach()).max().item() + 1e-6
    gradient = penalty_gradient(MbLSLoss(margin=margin), logits, target)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_closed_form_gradient_beyond_the_margin(logits, target):
    gradient = penalty_gradient(MbLSLoss(margin=5, alpha=0.2), logits, target)
    beyond = (logit_distances(logits.detach()) > 5).double()
    winner = torch.zeros_like(beyond).scatter_(1, logits.detach().argmax(1, keepdim=True), 1.0)
    expected = 0.2 * (winner * beyond.sum(1, keepdim=True) - beyond) / logits.numel()
    assert 0 < beyond.mean() < 1
    torch.testing.assert_close(gradient, expected)


def test_margin_zero_is_the_plain_linear_penalty(logits, target):
    loss = MbLSLoss(margin=0, alpha=0.1)
    loss(logits, target)
    torch.testing.assert_close(loss.terms()["margin"], 0.1 * logit_distances(logits.detach()).mean())
    # -1 on each non-winner, K - 1 on the winner.
    gradient = penalty_gradient(loss, logits, target) * logits.numel() / 0.1
    winner = torch.zeros_like(gradient).scatter_(1, logits.detach().argmax(1, keepdim=True), 1.0)
    torch.testing.assert_close(gradient, 4 * winner - 1)


def test_tied_winners_share_the_push():
    logits = torch.tensor([[[8.0], [8.0], [0.0]]], requires_grad=True, dtype=torch.float64)
    gradient = penalty_gradient(MbLSLoss(margin=5, alpha=3.0), logits, torch.tensor([[0]]))
    torch.testing.assert_close(gradient.flatten(), torch.tensor([0.5, 0.5, -1.0], dtype=torch.float64))


def test_alpha_zero_is_the_cross_entropy(logits, target):
    torch.testing.assert_close(MbLSLoss(margin=3, alpha=0)(logits, target), F.cross_entropy(logits, target))


def test_the_trainer_can_read_the_margin():
    assert MbLSLoss(margin=7).margin == 7


@pytest.mark.parametrize(("argument", "value"), [("margin", -1), ("margin", float("nan")), ("alpha", -0.1)])
def test_arguments_out_of_range(argument, value):
    with pytest.raises(ConfigError, match=rf"^MbLSLoss: {argument} must be a number of at least 0, got"):
        MbLSLoss(**{argument: value})
