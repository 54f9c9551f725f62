"""Logits and targets that every test of a loss can start from."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture
def logits() -> torch.Tensor:
    values = 4 * torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return values.requires_grad_()


@pytest.fixture
def target() -> torch.Tensor:
    return torch.randint(0, 4, (2, 6, 5), generator=torch.Generator().manual_seed(1))
