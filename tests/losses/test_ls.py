"""Label smoothing against hand-worked values, its closed-form gradient, its bounds and torch."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.functional.margins import logit_distances
from mlseg.losses.ls import LSLoss


@pytest.fixture
def logits() -> torch.Tensor:
    values = 4 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))


def test_hand_worked_value():
    # s = (3/4, 1/4), reference 0, alpha 0.2: 0.8 * -log(3/4) + 0.1 * (-log(3/4) - log(1/4)).
    logits = torch.tensor([[[math.log(3.0)], [0.0]]], dtype=torch.float64)
    loss = LSLoss(0.2)
    assert float(loss(logits, torch.tensor([[0]]))) == pytest.approx(0.9 * -math.log(0.75) + 0.1 * math.log(4.0))
    assert float(loss.terms()["ce"]) == pytest.approx(0.8 * -math.log(0.75))


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 1.0])
def test_identical_to_torch(logits, target, alpha):
    target[0, :3] = -100
    value = LSLoss(alpha)(logits, target)
    expected = F.cross_entropy(logits, target, label_smoothing=alpha)
    torch.testing.assert_close(value, expected)
    gradient, expected_gradient = (torch.autograd.grad(v, logits)[0] for v in (value, expected))
    torch.testing.assert_close(gradient, expected_gradient)


def test_closed_form_gradient(logits, target):
    LSLoss(0.1)(logits, target).backward()
    smooth = 0.9 * F.one_hot(target, 4).movedim(-1, 1) + 0.1 / 4
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - smooth) / target.numel())


def test_smoothing_is_a_penalty_on_distances_up_to_a_constant(logits, target):
    loss = LSLoss(1.0)
    loss(logits, target)
    summed = 4 * loss.terms()["smoothing"]
    distances = logit_distances(logits.detach()).sum(1).mean()
    assert distances <= summed <= distances + 4 * math.log(4)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), "much"])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ConfigError, match=r"^LSLoss: alpha must be a number in \[0, 1\], got"):
        LSLoss(alpha)
