"""The frame of losses that look at more than one voxel."""

from __future__ import annotations

import torch

from mlseg.losses.termwise import TermwiseLoss, mean_over_voxels


class LargestShare(TermwiseLoss):
    """The share of class 1 among the voxels that count, and the largest logit, to see what is handed over."""

    def compute_terms(self, logits, target, weight):
        self.seen = logits.dtype, target.dtype, weight.dtype
        return {"share": mean_over_voxels((target == 1).to(weight), weight), "largest": logits.max()}


def test_terms_add_up_and_are_detached():
    loss = LargestShare()
    assert loss.terms() == {}
    logits = torch.tensor([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]], requires_grad=True)
    value = loss(logits, torch.tensor([[1, 0, -100]]))
    assert value == 0.5 + 3.0
    assert value.requires_grad
    assert {name: float(term) for name, term in loss.terms().items()} == {"share": 0.5, "largest": 3.0}
    assert not any(term.requires_grad for term in loss.terms().values())


def test_half_precision_is_left():
    loss = LargestShare()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss(torch.zeros(1, 2, 3, dtype=torch.bfloat16), torch.zeros(1, 3, dtype=torch.uint8))
    assert loss.seen == (torch.float32, torch.int64, torch.float32)


def test_mean_of_no_voxel_is_zero():
    values = torch.ones(2, 3, requires_grad=True)
    mean = mean_over_voxels(values, torch.zeros(2, 3))
    mean.backward()
    assert mean == 0
    assert not values.grad.any()
