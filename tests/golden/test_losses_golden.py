"""Every loss against numbers of the authors' code, computed in float64."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

FILES = ("losses_2d.npz", "losses_3d.npz", "losses_binary.npz")

# Golden key -> (loss, its arguments).
LOSSES: dict[str, tuple[str, dict[str, float]]] = {
    "ce": ("mlseg.losses.ce.CELoss", {}),
    "ls_alpha0.1": ("mlseg.losses.ls.LSLoss", {"alpha": 0.1}),
    "ls_alpha0.05": ("mlseg.losses.ls.LSLoss", {"alpha": 0.05}),
    "fl_gamma2": ("mlseg.losses.fl.FLLoss", {"gamma": 2}),
    "fl_gamma3": ("mlseg.losses.fl.FLLoss", {"gamma": 3}),
    "mbls_margin0_alpha0.1": ("mlseg.losses.mbls.MbLSLoss", {"margin": 0, "alpha": 0.1}),
    "mbls_margin3_alpha0.1": ("mlseg.losses.mbls.MbLSLoss", {"margin": 3, "alpha": 0.1}),
    "mbls_margin5_alpha0.2": ("mlseg.losses.mbls.MbLSLoss", {"margin": 5, "alpha": 0.2}),
    "mbls_margin10_alpha0.1": ("mlseg.losses.mbls.MbLSLoss", {"margin": 10, "alpha": 0.1}),
}
# Losses that mlseg does not have yet. A golden key that is in neither list fails the test below.
LATER = {"ecp_alpha0.1", "svls_sigma1", "ce_dice", "nacl_mean_l1_alpha0.1", "nacl_mean_l2_alpha0.1"}


@pytest.fixture(params=FILES)
def golden(request: pytest.FixtureRequest, golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / request.param) as archive:
        return dict(archive)


@pytest.mark.parametrize("key", LOSSES)
def test_value_and_gradient(golden, key):
    path, arguments = LOSSES[key]
    module, name = path.rsplit(".", 1)
    loss = getattr(importlib.import_module(module), name)(**arguments)
    logits = torch.from_numpy(golden["logits"]).requires_grad_()
    value = loss(logits, torch.from_numpy(golden["target"]))
    value.backward()
    assert value.item() == pytest.approx(golden[key].item(), rel=1e-6)
    gradient = golden[f"{key}__grad"]
    np.testing.assert_allclose(logits.grad.numpy(), gradient, rtol=0, atol=1e-5 * np.abs(gradient).max())


def test_no_golden_number_is_dropped(golden):
    keys = {re.sub("__grad$", "", key) for key in golden} - {"logits", "target"}
    assert set(LOSSES) <= keys <= set(LOSSES) | LATER
