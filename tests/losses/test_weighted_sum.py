"""Sums of losses: values, names of terms, margins, and mistakes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from mlseg.checks import ConfigError
from mlseg.losses.ce import CELoss
from mlseg.losses.dice import DiceLoss
from mlseg.losses.mbls import MbLSLoss
from mlseg.losses.mbls_l2 import MbLSL2Loss
from mlseg.losses.weighted_sum import WeightedSumLoss


def test_value_and_gradient_are_the_weighted_sum(logits, target):
    target[0, :2] = -100
    parts = {"mbls": MbLSLoss(margin=3), "dice": DiceLoss()}
    value = WeightedSumLoss({"mbls": 0.5, "dice": 2}, **parts)(logits, target)
    expected = 0.5 * parts["mbls"](logits, target) + 2 * parts["dice"](logits, target)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, logits)[0] for v in (value, expected)))


def test_terms_are_weighted_and_named_by_part(logits, target):
    mbls = MbLSLoss(margin=3)
    loss = WeightedSumLoss({"mbls": 0.5, "dice": 2}, mbls=mbls, dice=DiceLoss())
    assert loss.terms() == {}
    value = loss(logits, target)
    assert list(loss.terms()) == ["mbls_ce", "mbls_margin", "dice"]
    torch.testing.assert_close(loss.terms()["mbls_margin"], 0.5 * mbls.terms()["margin"])
    torch.testing.assert_close(sum(loss.terms().values()), value.detach())


def test_other_peoples_losses_can_be_summed(logits, target):
    loss = WeightedSumLoss({"torch": 3.0}, torch=nn.CrossEntropyLoss())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(logits.bfloat16(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(loss.terms(), {"torch": value.detach()})
    torch.testing.assert_close(value, 3 * nn.CrossEntropyLoss()(logits.bfloat16().float(), target))


def test_sums_of_sums(logits, target):
    inner = WeightedSumLoss({"ce": 1, "dice": 1}, ce=CELoss(), dice=DiceLoss())
    loss = WeightedSumLoss({"inner": 0.1, "ce": 1}, inner=inner, ce=CELoss())
    value = loss(logits, target)
    assert list(loss.terms()) == ["inner_ce", "inner_dice", "ce"]
    torch.testing.assert_close(sum(loss.terms().values()), value.detach())


def test_the_smallest_margin_is_the_sums():
    weights = {"a": 1, "b": 1}
    assert WeightedSumLoss(weights, a=MbLSLoss(margin=5), b=MbLSL2Loss(margin=3)).margin == 3
    assert not hasattr(WeightedSumLoss(weights, a=CELoss(), b=DiceLoss()), "margin")


def test_parts_must_ignore_the_same_value():
    with pytest.raises(ConfigError, match=r"^WeightedSumLoss: ce.ignore_index must be the sum's own 255, got -100\."):
        WeightedSumLoss({"ce": 1}, ignore_index=255, ce=CELoss())
    assert WeightedSumLoss({"ce": 1}, ignore_index=255, ce=CELoss(ignore_index=255)).ignore_index == 255


@pytest.mark.parametrize("weights", [{"ce": 1}, {"ce": 1, "dice": 1, "dcie": 1}])
def test_each_loss_has_a_weight(weights):
    with pytest.raises(ConfigError, match=r"^WeightedSumLoss: weights must have the names of the losses \(ce, dice\)"):
        WeightedSumLoss(weights, ce=CELoss(), dice=DiceLoss())


def test_a_sum_of_nothing_is_an_error():
    with pytest.raises(ConfigError, match=r"^WeightedSumLoss: weights must be names with each value .*, got {}\."):
        WeightedSumLoss({})


@pytest.mark.parametrize("weight", [-1, float("nan"), "much", None])
def test_a_weight_out_of_range(weight):
    with pytest.raises(
        ConfigError, match=r"^WeightedSumLoss: weights must be names with each value a number of at least 0"
    ):
        WeightedSumLoss({"ce": weight}, ce=CELoss())
