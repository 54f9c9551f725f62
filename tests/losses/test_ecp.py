"""Explicit confidence penalty against hand-worked values, its closed-form gradient and its limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.losses.ecp import ECPLoss


def test_hand_worked_value():
    # s = (3/4, 1/4): entropy 3/4 log(4/3) + 1/4 log 4, a mean over 2 classes of half of it.
    logits = torch.tensor([[[math.log(3.0)], [0.0]]], dtype=torch.float64)
    loss = ECPLoss(0.2)
    value = loss(logits, torch.tensor([[0]]))
    entropy = 0.75 * math.log(4 / 3) + 0.25 * math.log(4)
    assert float(loss.terms()["entropy"]) == pytest.approx(-0.2 * entropy / 2, rel=1e-12)
    assert float(value) == pytest.approx(math.log(4 / 3) - 0.2 * entropy / 2, rel=1e-12)


def test_closed_form_gradient(logits, target):
    ECPLoss(0.3)(logits, target).backward()
    log_probs, onehot = logits.detach().log_softmax(1), F.one_hot(target, 4).movedim(-1, 1)
    probs = log_probs.exp()
    entropy = -(probs * log_probs).sum(1, keepdim=True)
    expected = (probs - onehot + 0.3 / 4 * probs * (log_probs + entropy)) / target.numel()
    torch.testing.assert_close(logits.grad, expected)


def test_the_penalty_is_smallest_for_the_uniform_prediction(target):
    loss = ECPLoss(0.1)
    terms = []
    for spread in (0.0, 1.0, 10.0):
        loss(spread * torch.arange(4.0).view(1, 4, 1, 1).expand(2, 4, 6, 5), target)
        terms.append(float(loss.terms()["entropy"]))
    assert terms == sorted(terms)
    assert terms[0] == pytest.approx(-0.1 / 4 * math.log(4))


def test_alpha_zero_is_the_cross_entropy(logits, target):
    target[0, :3] = -100
    torch.testing.assert_close(ECPLoss(0.0)(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("alpha", [-0.1, float("nan"), "much"])
def test_alpha_out_of_range(alpha):
    with pytest.raises(ConfigError, match=r"^ECPLoss: alpha must be a number of at least 0, got"):
        ECPLoss(alpha)
