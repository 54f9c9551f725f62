"""Stopped in the middle of an epoch, a training goes on to the same bits."""

import os
import random
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlseg.checks import RunError, Stopped
from mlseg.engine.checkpoint import load_checkpoint
from mlseg.engine.distributed import Group
from mlseg.engine.open_epoch import OpenEpoch, open_epoch
from mlseg.engine.step_log import StepLog
from mlseg.engine.stopping import StopSignals
from mlseg.engine.trainer import Trainer
from mlseg.types import SegBatch

MakeTrainer = Callable[..., Trainer]
SETTINGS = {"max_epochs": 3, "accumulate_steps": 2, "log_every": 2}


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


class Signalling:
    """A loader that sends a signal to its own process before one batch of an epoch."""

    def __init__(self, loader: Any, epoch: int, batch: int, number: signal.Signals) -> None:
        self.loader, self.when, self.number = loader, (epoch, batch), number

    def __len__(self) -> int:
        return len(self.loader)

    def epoch(self, epoch: int, *, start: int = 0) -> Iterator[SegBatch]:
        for index, batch in enumerate(self.loader.epoch(epoch, start=start), start):
            if (epoch, index) == self.when:
                os.kill(os.getpid(), self.number)
            yield batch


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize(("epoch", "batch"), [(0, 0), (1, 1), (1, 2), (2, 2)])
def test_a_stop_in_an_epoch_changes_no_bit(
    make_trainer: MakeTrainer, number: signal.Signals, epoch: int, batch: int
) -> None:
    whole = make_trainer(run="whole", dropout=0.3, settings=SETTINGS)
    whole.fit()
    with StopSignals() as stop:
        cut = make_trainer(run="cut", dropout=0.3, settings=SETTINGS, stop=stop)
        cut.loader = Signalling(cut.loader, epoch, batch, number)
        with pytest.raises(Stopped, match=f"stopped by {number.name}, saved after batch") as caught:
            cut.fit()
    # Batches 1 and 2 are one step, and the third of an epoch is one of its own.
    reached = 2 if batch < 2 else 3
    assert f"batch {reached} of 3 in epoch {epoch + 1}" in str(caught.value)
    assert load_checkpoint(cut.run.last)["within"]["batch"] == reached
    torch.rand(100), np.random.random(), random.random()  # what happens in between must not matter
    again = make_trainer(run="cut", dropout=0.3, settings=SETTINGS)
    progress = again.fit()
    assert torch.equal(weights(whole), weights(again))
    for one, other in zip(whole.progress.history, progress.history, strict=True):
        assert {**one, "seconds": 0, "images_per_second": 0} == {**other, "seconds": 0, "images_per_second": 0}


def test_a_stop_in_the_validation_loses_no_batch(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_trainer(run="whole", dropout=0.3, settings=SETTINGS)
    whole.fit()
    import mlseg.engine.validation as validation

    judged, real = [], validation._judge

    def judge(*arguments: Any) -> Any:
        judged.append(1)
        if len(judged) == 3:  # the first of two cases in the second epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(validation, "_judge", judge)
    with StopSignals() as stop, pytest.raises(Stopped, match="batch 3 of 3 in epoch 2"):
        make_trainer(run="cut", dropout=0.3, settings=SETTINGS, stop=stop).fit()
    assert len(judged) == 3
    again = make_trainer(run="cut", dropout=0.3, settings=SETTINGS)
    again.fit()
    assert torch.equal(weights(whole), weights(again))


def test_another_number_of_processes_goes_on_with_draws_of_its_own() -> None:
    class Two(Group):
        def gather(self, value: Any) -> list[Any]:
            return [value, value]

    log = StepLog()
    log.add(1, {"loss": torch.tensor(0.5)}, ["a"])
    epoch = OpenEpoch(4, log, batch=7, images=28)
    within = epoch.pack(Two(world=2))
    torch.rand(3)
    expected = open_epoch(4, StepLog(), within=None, seed=1, group=Group())
    draws = torch.rand(4)
    found = open_epoch(4, StepLog(), within=within, seed=1, group=Group())
    assert torch.equal(torch.rand(4), draws)
    assert (found.batch, found.images, len(found.log)) == (7, 28, 1)
    assert expected.batch == 0


def test_a_stop_saves_no_network_that_has_met_a_bad_loss(make_trainer: MakeTrainer) -> None:
    """Even if the loss was not looked at yet."""
    settings = {**SETTINGS, "accumulate_steps": 1, "log_every": 50}
    make_trainer(run="cut", settings={**settings, "max_epochs": 1}).fit()
    with StopSignals() as stop:
        cut = make_trainer(run="cut", settings=settings, stop=stop)
        cut.loader.poison = 0
        cut.loader = Signalling(cut.loader, 1, 1, signal.SIGTERM)
        with pytest.raises(RunError, match="loss must be finite, got nan at step 4"):
            cut.fit()
    kept = load_checkpoint(cut.run.last)
    assert kept["within"] is None
    assert all(bool(value.isfinite().all()) for value in kept["network"].values())
