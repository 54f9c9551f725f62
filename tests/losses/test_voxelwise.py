"""The frame that averages a per-voxel formula."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from mlseg.losses.voxelwise import VoxelwiseLoss, negative_log_likelihood


class Squares(VoxelwiseLoss):
    """Sum of squared logits, and twice the target, to see the averaging by hand."""

    def voxel_terms(self, logits, target):
        self.seen = logits.dtype, (logits @ logits.mT).dtype
        return {"squares": logits.square().sum(dim=1), "target": 2.0 * target}


def test_mean_over_the_voxels_that_count():
    logits = torch.tensor([[[1.0, 2.0, 9.0], [0.0, 1.0, 9.0]]])
    loss = Squares()
    assert loss(logits, torch.tensor([[0, 1, -100]])) == pytest.approx((1 + 5) / 2 + (0 + 2) / 2)
    assert {name: float(term) for name, term in loss.terms().items()} == {"squares": 3.0, "target": 1.0}


def test_terms_are_detached_copies_of_the_last_call():
    loss = Squares()
    assert loss.terms() == {}
    loss(torch.ones(1, 2, 3, requires_grad=True), torch.zeros(1, 3, dtype=torch.long))
    terms = loss.terms()
    assert not any(term.requires_grad for term in terms.values())
    terms.clear()
    assert set(loss.terms()) == {"squares", "target"}


def test_computed_outside_autocast():
    loss = Squares()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(torch.ones(1, 2, 3, dtype=torch.bfloat16), torch.zeros(1, 3, dtype=torch.long))
    assert loss.seen == (torch.float32, torch.float32)
    assert value.dtype == torch.float32


def test_nothing_of_the_last_call_enters_the_checkpoint():
    loss = Squares()
    loss(torch.ones(1, 2, 3), torch.zeros(1, 3, dtype=torch.long))
    assert loss.state_dict() == {}


def test_negative_log_likelihood_agrees_with_torch():
    generator = torch.Generator().manual_seed(0)
    log_probs = torch.randn(2, 4, 5, 6, 3, generator=generator).log_softmax(1)
    target = torch.randint(0, 4, (2, 5, 6, 3), generator=generator)
    torch.testing.assert_close(
        negative_log_likelihood(log_probs, target), F.nll_loss(log_probs, target, reduction="none")
    )
