"""Which checkpoint a run goes on from, and that it ends as if nothing had happened."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mlseg.checks import RunError
from mlseg.engine.checkpoint import load_checkpoint, save_checkpoint
from mlseg.engine.keeper import check_resumable
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


def spoil_weights(path: Path) -> None:
    state = load_checkpoint(path)
    save_checkpoint(path, {**state, "network": {k: v * float("nan") for k, v in state["network"].items()}})


@pytest.mark.usefixtures("pinned")
@pytest.mark.parametrize("damage", [cut_in_half, flip_a_bit, empty, make_foreign, remove, spoil_weights])
def test_a_finished_run_goes_on_only_from_a_checkpoint_that_can_be_used(
    make_trainer: MakeTrainer, damage: Callable[[Path], None]
) -> None:
    trainer = make_trainer()
    trainer.fit()
    check_resumable(trainer.run)
    damage(trainer.run.last)
    check_resumable(trainer.run)  # the one before will do
    damage(trainer.run.previous)
    with pytest.raises(RunError, match=r"last\.pt: "):
        check_resumable(trainer.run)


def test_a_waiting_best_that_is_damaged_costs_one_epoch_at_most(make_trainer: MakeTrainer) -> None:
    whole = make_trainer(run="whole", settings={"max_epochs": 4})
    whole.fit()
    first = make_trainer(run="cut", settings={"max_epochs": 3})
    first.fit()
    first.run.next_best.write_bytes(b"torn")  # the best is in its place: of no use
    second = make_trainer(run="cut", settings={"max_epochs": 4})
    second.fit()
    assert torch.equal(weights(whole), weights(second))
    assert load_checkpoint(second.run.best)["epoch"] == whole.progress.best_epoch


def test_only_the_first_of_several_processes_tidies_up(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.fit()
    save_checkpoint(trainer.run.next_best, {"epoch": trainer.progress.best_epoch})
    other = make_trainer()
    other.run.owner = False
    other.keeper.restore()
    assert other.progress.epoch == 3
    assert trainer.run.next_best.exists()
    make_trainer().keeper.restore()
    assert not trainer.run.next_best.exists()


def test_after_a_fall_back_a_later_best_stays_the_best(make_trainer: MakeTrainer) -> None:
    """An epoch that is trained again may not be as good this time, on a GPU whose sums come in another order."""
    first = make_trainer(settings={"max_epochs": 3})
    first.fit()
    best = load_checkpoint(first.run.best)
    save_checkpoint(first.run.best, {**best, "epoch": 3, "score": 0.99})
    first.run.last.unlink()
    progress = make_trainer(settings={"max_epochs": 3}).fit()
    assert (progress.best_epoch, progress.best_score) == (3, 0.99)
    assert load_checkpoint(first.run.best)["score"] == 0.99
