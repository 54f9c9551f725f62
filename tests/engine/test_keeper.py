"""Which checkpoint a run goes on from, and that it ends as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlseg.checks import RunError
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.engine.trainer import Trainer

MakeTrainer = Callable[..., Trainer]


def weights(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.network.parameters()])


def cut_in_half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    """In the middle of the largest tensor, where torch itself would not notice."""
    data = bytearray(path.read_bytes())
    largest = max(load_checkpoint(path)["network"].values(), key=lambda tensor: tensor.nbytes)
    place = data.find(largest.numpy().tobytes())
    assert place > 0
    data[place + largest.nbytes // 2] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_foreign(path: Path) -> None:
    """As if it were of a run with another loss: the same network, other settings."""
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "identity": "another"})


def remove(path: Path) -> None:
    path.unlink()


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlseg.engine.run_directory.RunDirectory.identity", "this one")


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("damage", [cut_in_half, flip_a_bit, empty, make_foreign, remove])
def test_a_bad_last_checkpoint_costs_one_epoch_and_is_said(
    make_trainer: MakeTrainer, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make_trainer(run="whole", dropout=0.3, settings={"max_epochs": 4})
    whole.fit()
    first = make_trainer(run="cut", dropout=0.3, settings={"max_epochs": 3})
    first.fit()
    damage(first.run.last)
    capsys.readouterr()
    second = make_trainer(run="cut", dropout=0.3, settings={"max_epochs": 4})
    second.fit()
    said = capsys.readouterr().out
    assert f"warning: {first.run.last}: " in said
    assert "Going on from previous.pt, after epoch 2." in said
    assert torch.equal(weights(whole), weights(second))
    assert second.progress.best_epoch == whole.progress.best_epoch
    best, expected = load_checkpoint(second.run.best), load_checkpoint(whole.run.best)
    assert best["epoch"] == expected["epoch"]
    assert all(torch.equal(best["network"][name], weight) for name, weight in expected["network"].items())


@pytest.mark.parametrize("damage", [cut_in_half, empty])
def test_a_run_never_starts_again_by_itself(make_trainer: MakeTrainer, damage: Callable[[Path], None]) -> None:
    trainer = make_trainer()
    trainer.fit()
    damage(trainer.run.last)
    damage(trainer.run.previous)
    with pytest.raises(RunError, match=r"last.pt: not a readable checkpoint .* move it away to start anew"):
        make_trainer().fit()


def test_the_checkpoint_before_the_last_is_kept(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(settings={"max_epochs": 1})
    trainer.fit()
    assert not trainer.run.previous.exists()
    again = make_trainer(settings={"max_epochs": 3})
    again.fit()
    assert [load_checkpoint(path)["progress"]["epoch"] for path in (again.run.previous, again.run.last)] == [2, 3]
