"""Soft Dice against hand-worked values, its closed-form gradient and MONAI."""

from __future__ import annotations

import pytest
import torch
from monai.losses import DiceLoss as MonaiDiceLoss
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.losses.dice import DiceLoss


def test_hand_worked_value():
    # Probabilities of class 1 are 3/4, 1/2, 1/4 and its voxels the first two: Dice_1 = 2.5/3.5, Dice_0 = 1.5/2.5.
    probs = torch.tensor([[[0.25, 0.5, 0.75], [0.75, 0.5, 0.25]]], dtype=torch.float64)
    value = DiceLoss(1e-12)(probs.log(), torch.tensor([[1, 1, 0]]))
    assert float(value) == pytest.approx(1 - (2.5 / 3.5 + 1.5 / 2.5) / 2, rel=1e-9)


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("size", [(6, 5), (3, 4, 5)])
def test_agrees_with_monai(size, batch):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(3, 4, *size, generator=generator, dtype=torch.float64)
    target = torch.randint(0, 3, (3, *size), generator=generator)  # class 3 is never there
    logits.requires_grad_()
    theirs = MonaiDiceLoss(to_onehot_y=True, softmax=True, batch=batch)
    values = DiceLoss(batch=batch)(logits, target), theirs(logits, target.unsqueeze(1))
    # They make the one-hot labels in float32.
    torch.testing.assert_close(*values, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(value, logits)[0] for value in values]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-6 * float(gradients[0].abs().max()))


def test_closed_form_gradient(logits, target):
    DiceLoss(0.5)(logits, target).backward()
    probs, onehot = logits.detach().softmax(1), F.one_hot(target, 4).movedim(-1, 1).double()
    total = (probs + onehot).sum((2, 3), keepdim=True) + 0.5
    dice = (2 * (probs * onehot).sum((2, 3), keepdim=True) + 0.5) / total
    slope = (dice - 2 * onehot) / total / (2 * 4)  # d loss / d s_k
    expected = probs * (slope - (slope * probs).sum(1, keepdim=True))
    torch.testing.assert_close(logits.grad, expected)


def test_ignored_voxels_leave_the_sums(logits, target):
    kept = logits[:1, :, :4].detach(), target[:1, :4].clone()
    target[0, 4:], target[1] = 255, 255
    torch.testing.assert_close(DiceLoss(ignore_index=255)(logits, target), DiceLoss()(*kept))
    torch.testing.assert_close(DiceLoss(ignore_index=255, batch=True)(logits, target), DiceLoss()(*kept))


def test_a_missed_and_a_hit_class():
    target = torch.tensor([[0, 0, 1, 1]])
    onehot = 100 * F.one_hot(target, 3).movedim(-1, 1).double()
    assert float(DiceLoss()(onehot, target)) == pytest.approx(0, abs=1e-9)
    assert float(DiceLoss()(onehot.roll(1, dims=1), target)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("smooth", [0, -1, float("inf")])
def test_smooth_out_of_range(smooth):
    with pytest.raises(ConfigError, match=r"^DiceLoss: smooth must be a number above 0, got"):
        DiceLoss(smooth)
