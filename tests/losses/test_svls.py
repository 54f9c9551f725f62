"""Spatially varying label smoothing against a window worked out voxel by voxel."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mlseg.checks import ConfigError
from mlseg.losses.svls import SVLSLoss


def soft_labels(target: torch.Tensor, classes: int, sigma: float, ignore_index: int = -100) -> torch.Tensor:
    """The labels (N,K,*S) by loops: a window whose centre weighs as much as the rest, scaled up over ignored voxels."""
    size, shares = target.shape[1:], torch.zeros(len(target), classes, *target.shape[1:], dtype=torch.float64)
    steps = list(itertools.product((-1, 0, 1), repeat=len(size)))
    weights = {step: math.exp(-sum(s * s for s in step) / (2 * sigma**2)) for step in steps if any(step)}
    weights[(0,) * len(size)] = sum(weights.values())
    for n, *voxel in np.ndindex(*target.shape):
        for step, weight in weights.items():
            place = [min(max(v + s, 0), top - 1) for v, s, top in zip(voxel, step, size, strict=True)]
            label = int(target[n, *place])
            if label != ignore_index:
                shares[n, label, *voxel] += weight
    return shares / shares.sum(1, keepdim=True)


def case(*size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = 4 * torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(0, 3, (2, *size), generator=generator)


def test_the_published_window():
    target = torch.zeros(1, 5, 5, dtype=torch.long)
    target[0, 2, 2] = 1
    shares = soft_labels(target, 2, 1.0)[0, 1, 1:4, 1:4]
    expected = torch.tensor([[0.0472, 0.0778, 0.0472], [0.0778, 0.5, 0.0778], [0.0472, 0.0778, 0.0472]])
    torch.testing.assert_close(shares.float(), expected, rtol=0, atol=5e-5)


@pytest.mark.parametrize("size", [(7,), (5, 4), (3, 4, 2), (1, 6), (2, 1, 1)])
@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_value_and_gradient_against_loops(size, sigma):
    logits, target = case(*size)
    soft = soft_labels(target, 3, sigma)
    value = SVLSLoss(sigma)(logits, target)
    torch.testing.assert_close(value, -(soft * logits.log_softmax(1)).sum(1).mean())
    value.backward()
    torch.testing.assert_close(logits.grad, (logits.detach().softmax(1) - soft) / target.numel())


def test_inside_a_structure_it_is_the_cross_entropy():
    logits, target = case(6, 6)
    target.fill_(2)
    torch.testing.assert_close(SVLSLoss()(logits, target), F.cross_entropy(logits, target))


def test_an_ignored_voxel_has_no_say_in_its_neighbours_labels():
    logits, target = case(5, 4)
    target[0, 1:3, 1:3], target[1, :, 0] = -100, -100
    valid = (target != -100).unsqueeze(1)
    soft = soft_labels(target, 3, 1.0).where(valid, 0.0)
    value = SVLSLoss()(logits, target)
    torch.testing.assert_close(value, -(soft * logits.log_softmax(1)).sum() / valid.sum())
    value.backward()
    assert not logits.grad.masked_select(~valid).any()


def test_ignored_surroundings_leave_the_cross_entropy():
    logits, target = case(5, 5)
    target.fill_(-100)
    target[:, 2, 2] = 1
    torch.testing.assert_close(SVLSLoss()(logits, target), F.cross_entropy(logits, target))


def test_without_spatial_axes_labels_stay_hard():
    logits, target = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1, 0])
    torch.testing.assert_close(SVLSLoss()(logits, target), F.cross_entropy(logits, target))


@pytest.mark.parametrize("sigma", [0.1, -1, float("nan")])
def test_sigma_out_of_range(sigma):
    with pytest.raises(ConfigError, match=r"^SVLSLoss: sigma must be a number of at least 0.3, got"):
        SVLSLoss(sigma)
