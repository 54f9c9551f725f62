"""Sample-dependent focal loss against hand-worked values and the focal loss on either side of the threshold."""

from __future__ import annotations

import math

import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.losses.fl import FLLoss
from mlseg.losses.flsd import FLSDLoss


def value_at(probability: float, loss: FLSDLoss) -> float:
    """The loss of one voxel whose reference class has this probability."""
    logits = torch.tensor([[[probability], [1 - probability]]], dtype=torch.float64).log()
    return float(loss(logits, torch.tensor([[0]])))


@pytest.mark.parametrize(("probability", "gamma"), [(0.05, 5), (0.199, 5), (0.201, 3), (0.9, 3)])
def test_hand_worked_value(probability, gamma):
    expected = -((1 - probability) ** gamma) * math.log(probability)
    assert value_at(probability, FLSDLoss()) == pytest.approx(expected, rel=1e-12)


def test_the_threshold_itself_belongs_to_the_upper_side():
    assert value_at(0.5, FLSDLoss(2.0, 1.0, threshold=0.5)) == pytest.approx(-0.5 * math.log(0.5), rel=1e-12)


@pytest.mark.parametrize(("threshold", "gamma"), [(0.0, 3.0), (1.0, 5.0)])
def test_one_sided_it_is_the_focal_loss(logits, target, threshold, gamma):
    target[0, :2] = -100
    values = FLSDLoss(5.0, 3.0, threshold=threshold)(logits, target), FLLoss(gamma)(logits, target)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(value, logits)[0] for value in values))


def test_gradient_takes_the_exponent_as_given(logits, target):
    found = torch.autograd.grad(FLSDLoss()(logits, target), logits)[0]
    low, high = (torch.autograd.grad(FLLoss(gamma)(logits, target), logits)[0] for gamma in (5.0, 3.0))
    unlikely = logits.softmax(1).gather(1, target.unsqueeze(1)) < 0.2
    assert 0 < unlikely.double().mean() < 1
    torch.testing.assert_close(found, torch.where(unlikely, low, high))


def test_a_certain_voxel_has_no_loss_and_no_gradient():
    logits = torch.tensor([[[1000.0], [0.0]]], requires_grad=True)
    value = FLSDLoss(0.5, 0.25)(logits, torch.tensor([[0]]))
    value.backward()
    assert value == 0
    assert not logits.grad.any()


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [
        ("gamma_low", -1, "a number of at least 0"),
        ("gamma_high", "x", "a number of at least 0"),
        ("threshold", 1.5, r"a number in \[0, 1\]"),
    ],
)
def test_arguments_out_of_range(argument, value, rule):
    with pytest.raises(ConfigError, match=rf"^FLSDLoss: {argument} must be {rule}, got"):
        FLSDLoss(**{argument: value})
