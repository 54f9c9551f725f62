"""Neighbour-aware calibration against a window worked out voxel by voxel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.losses.nacl import NACLLoss


def label_shares(target: torch.Tensor, classes: int, ignore_index: int = -100) -> torch.Tensor:
    """tau (N,K,*S) by loops: shares of the labels in the window, class 0 outside the image, ignored voxels left out."""
    size, tau = target.shape[1:], torch.zeros(len(target), classes, *target.shape[1:], dtype=torch.float64)
    for n, *voxel in np.ndindex(*target.shape):
        labels = []
        for step in itertools.product((-1, 0, 1), repeat=len(size)):
            place = [v + s for v, s in zip(voxel, step, strict=True)]
            inside = all(0 <= p < top for p, top in zip(place, size, strict=True))
            labels.append(int(target[n, *place]) if inside else 0)
        counted = [label for label in labels if label != ignore_index]
        for label in counted:
            tau[n, label, *voxel] += 1 / len(counted)
    return tau


def case(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, 3, (2, *size), generator=generator)


def test_hand_worked_value():
    # A lone voxel of class 1 in 2D: tau = (8/9, 1/9), for the padding is class 0.
    loss = NACLLoss(alpha=0.3)
    loss(torch.tensor([[[[1.0]], [[3.0]]]], dtype=torch.float64), torch.tensor([[[1]]]))
    assert float(loss.terms()["neighbours"]) == pytest.approx(0.3 * (1 / 9 + 26 / 9) / 2, rel=1e-12)


@pytest.mark.parametrize("size", [(7,), (5, 4), (3, 4, 2), (1, 6), (2, 1, 1)])
@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_value_and_gradient_against_loops(size, kind):
    logits, target = case(*size)
    difference = logits - label_shares(target, 3)
    penalty = difference.abs() if kind == "l1" else difference.square()
    value = NACLLoss(0.2, kind)(logits, target)
    expected = F.cross_entropy(logits, target) + 0.2 * penalty.mean()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(*(torch.autograd.grad(v, logits)[0] for v in (value, expected)))


def test_an_ignored_voxel_has_no_say_in_its_neighbours_shares():
    logits, target = case(5, 4)
    target[0, 1:3, 1:3], target[1, :, 0] = -100, -100
    valid = (target != -100).unsqueeze(1)
    penalty = (logits - label_shares(target, 3)).abs().mean(1, keepdim=True)[valid].mean()
    value = NACLLoss(0.2)(logits, target)
    torch.testing.assert_close(value, F.cross_entropy(logits, target) + 0.2 * penalty)
    value.backward()
    assert not logits.grad.masked_select(~valid).any()


def test_looks_at_raw_logits(logits, target):
    loss = NACLLoss(0.1)
    assert abs(loss(logits + 5, target).item() - loss(logits, target).item()) > 0.1


@pytest.mark.parametrize(
    ("argument", "value", "rule"), [("alpha", -1, "a number of at least 0"), ("penalty", "l3", "one of l1, l2")]
)
def test_arguments_out_of_range(argument, value, rule):
    with pytest.raises(ConfigError, match=rf"^NACLLoss: {argument} must be {rule}, got"):
        NACLLoss(**{argument: value})
