"""The network of a finished run, on its device and with its weights."""

from __future__ import annotations

import pytest
import torch
from omegaconf import OmegaConf

from mlseg.checks import RunError
from mlseg.cli import build
from mlseg.cli.judged_network import choose_judging_compute, load_network
from mlseg.engine.checkpoint import save_checkpoint
from mlseg.engine.device import Compute

CPU = Compute(device=torch.device("cpu"), amp="off", channels_last=False)


@pytest.mark.parametrize("amp", ["auto", "off", "fp16"])
def test_the_precision_of_the_training_need_not_be_had_here(amp):
    trainer = {"device": "cpu", "amp": amp, "channels_last": "auto", "deterministic": False}
    compute = choose_judging_compute(OmegaConf.create({"trainer": trainer, "evaluation": {"precision": "float32"}}))
    assert (compute.device.type, compute.amp) == ("cpu", "off")


def test_an_older_run_that_says_no_precision_is_judged_in_float32():
    trainer = {"device": "cpu", "amp": "off", "channels_last": True, "deterministic": False}
    compute = choose_judging_compute(OmegaConf.create({"trainer": trainer, "evaluation": {}}))
    assert (compute.amp, compute.channels_last) == ("off", True)


def test_weights_that_the_training_began_with_are_not_read_again(monkeypatch, tmp_path):
    seen = {}
    network = torch.nn.Linear(1, 1)

    def build_network(node, **arguments):
        seen.update(arguments)
        return network

    monkeypatch.setattr(build, "build", build_network)
    save_checkpoint(tmp_path / "last.pt", {"network": network.state_dict(), "progress": {"epoch": 4}})
    model = OmegaConf.create({"encoder_weights": "imagenet", "weights_path": "gone.pth", "widths": [1]})
    assert load_network(model, tmp_path / "last.pt", compute=CPU) == (network, 4)
    assert seen == {"encoder_weights": None, "weights_path": None}
    with pytest.raises(RunError, match=r"last.pt: must be from epoch 3, got 4. Restore it, or give checkpoint="):
        load_network(model, tmp_path / "last.pt", compute=CPU, epoch=3)
