import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mlseg.checks import RunError
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.engine.training_state import Progress, TrainingState, read_generators, restore_generators


def build(identity: str = "", width: int = 3) -> TrainingState:
    network = nn.Linear(width, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
    return TrainingState(network, optimizer, scheduler, torch.amp.GradScaler("cpu", enabled=False), identity=identity)


def draw() -> list[float]:
    return [random.random(), random.gauss(0, 1), *np.random.standard_normal(3), *torch.rand(2).tolist()]


def test_the_generators_go_on_where_they_were(tmp_path: Path) -> None:
    random.gauss(0, 1), np.random.standard_normal(1)  # both keep a second draw for later
    save_checkpoint(tmp_path / "state.pt", {"generators": read_generators()})
    expected = draw()
    assert draw() != expected
    restore_generators(load_checkpoint(tmp_path / "state.pt")["generators"])
    assert draw() == expected


def test_a_state_goes_through_a_file(tmp_path: Path) -> None:
    state = build("run a")
    state.network(torch.ones(1, 3)).sum().backward()
    state.optimizer.step()
    state.progress = Progress(epoch=2, step=9, best_score=0.5, best_epoch=1, history=[{"loss": 0.25}])
    save_checkpoint(tmp_path / "last.pt", state.pack(within={"batch": 4}))
    other = build("run a")
    assert other.unpack(load_checkpoint(tmp_path / "last.pt"), name="last.pt") == {"batch": 4}
    assert other.progress == state.progress
    assert torch.equal(other.network.weight, state.network.weight)
    assert other.optimizer.state_dict()["state"][0]["step"] == 1


def test_a_checkpoint_from_before_there_were_identities_is_taken() -> None:
    packed = build().pack()
    del packed["identity"], packed["within"]
    assert build("run a").unpack(packed, name="last.pt") is None


def test_another_run_and_another_network_are_refused() -> None:
    with pytest.raises(RunError, match=r"last.pt: belongs to a run with other settings or data. Move it away"):
        build("run a").unpack(build("run b").pack(), name="last.pt")
    with pytest.raises(RunError, match=r"last.pt: does not fit this run"):
        build(width=4).unpack(build().pack(), name="last.pt")
