"""Marginal L1 average calibration error: what is averaged, and what is left out."""

from __future__ import annotations

import pytest
import torch

from mlseg.checks import ConfigError
from mlseg.functional.marginal_calibration import average_calibration_error
from mlseg.losses.ml1ace import ML1ACELoss


@pytest.mark.parametrize("binning", ["hard", "soft"])
def test_mean_over_images_and_the_classes_that_are_there(logits, target, binning):
    target[0][target[0] == 2] = 1
    errors = average_calibration_error(
        logits.softmax(1), target, torch.ones(2, 6, 5, dtype=torch.float64), soft=binning == "soft"
    )
    there = torch.tensor([[True, True, False, True], [True, True, True, True]])
    torch.testing.assert_close(ML1ACELoss(binning=binning)(logits, target), errors[there].mean())
    every = ML1ACELoss(binning=binning, absent_classes=True)(logits, target)
    torch.testing.assert_close(every, errors.mean())


def test_ignored_voxels_and_images_are_left_out(logits, target):
    kept = logits[:1, :, :4].detach(), target[:1, :4].clone()
    target[0, 4:], target[1] = 255, 255
    for settings in ({}, {"binning": "soft"}, {"absent_classes": True}):
        value = ML1ACELoss(**settings, ignore_index=255)(logits, target)
        torch.testing.assert_close(value, ML1ACELoss(**settings)(*kept))


def test_well_calibrated_is_zero():
    # Class 1 has probability 1/4 everywhere and a quarter of the voxels.
    probs = torch.tensor([0.75, 0.25], dtype=torch.float64).view(1, 2, 1).expand(1, 2, 8)
    target = torch.tensor([[0, 0, 0, 1, 0, 0, 0, 1]])
    for binning in ("hard", "soft"):
        assert float(ML1ACELoss(binning=binning)(probs.log(), target)) == pytest.approx(0, abs=1e-12)


def test_overconfidence_is_pulled_back():
    logits = torch.tensor([[[6.0] * 4, [0.0] * 4]], dtype=torch.float64, requires_grad=True)
    ML1ACELoss()(logits, torch.tensor([[0, 0, 1, 1]])).backward()
    assert (logits.grad[:, 0] > 0).all()


@pytest.mark.parametrize("binning", ["hard", "soft"])
def test_gradient_agrees_with_finite_differences(logits, target, binning):
    small, labels = (logits[:, :, :3, :3] / 4).detach().requires_grad_(), target[:, :3, :3]
    loss = ML1ACELoss(bins=5, binning=binning)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (small,), eps=1e-7, atol=1e-6)


@pytest.mark.parametrize(
    ("argument", "value", "rule"),
    [("bins", 0, "a whole number of at least 1"), ("binning", "fuzzy", "one of hard, soft")],
)
def test_arguments_out_of_range(argument, value, rule):
    with pytest.raises(ConfigError, match=rf"^ML1ACELoss: {argument} must be {rule}, got"):
        ML1ACELoss(**{argument: value})
